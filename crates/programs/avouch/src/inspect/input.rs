//! Files and standard input, bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes that are read of one file. An IMA list of this size holds some four million entries, and reading it
/// takes about twice its size in memory for the ASCII form.
pub(super) const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// The bytes of a file, or of standard input for `-`; or why there are none.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    if path.as_os_str() == "-" {
        return bounded(io::stdin().lock()).map_err(|error| format!("standard input cannot be read: {error}"));
    }
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if metadata.is_dir() {
        return Err("is a directory; name the files in it".into());
    }
    if metadata.len() > MAX_BYTES {
        return Err(too_large(metadata.len()));
    }
    bounded(file).map_err(|error| format!("cannot be read: {error}"))
}

/// Files of securityfs and pipes tell no size, so the bound holds while reading.
fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    let got = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if got > MAX_BYTES { Err(io::Error::other(too_large(got))) } else { Ok(bytes) }
}

fn too_large(got: u64) -> String {
    format!("has at least {got} bytes, and at most {MAX_BYTES} are read; cut it at an entry and inspect the parts")
}
