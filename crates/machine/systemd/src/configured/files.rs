//! Configuration files and which of them hold: those of `/etc` hide those of the same name of `/run`, of `/usr/local/lib`
//! and of `/usr/lib`; what is left is read in the order of the names (sysctl.d(5), "Configuration Directories and
//! Precedence").

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// From the strongest to the weakest.
const PLACES: [&str; 5] = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];
/// The most bytes of one file that are read; those of distributions have a few kilobytes.
const LONGEST: u64 = 1 << 20;
/// The most files of one kind.
const MOST: usize = 4096;

/// A file's text.
pub(super) enum Text {
    Of(String),
    Absent,
    /// Why not; for people.
    Unreadable(String),
}

/// A file that holds, by its path below the root, with its text; or why one cannot be read.
pub(super) type Held = Result<(String, String), String>;

/// Reads `path` below `root`.
pub(super) fn text(root: &Path, path: &str) -> Text {
    let mut bytes = Vec::new();
    let below: PathBuf = root.join(path.trim_start_matches('/'));
    let opened = File::open(below).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    match opened {
        Ok(_) if bytes.len() as u64 > LONGEST => Text::Unreadable(format!("{path} is longer than 1 MiB")),
        Ok(_) => Text::Of(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Text::Absent,
        Err(error) => Text::Unreadable(format!("{path} cannot be read: {error}")),
    }
}

/// The files `*.conf` of `kind` (e.g. `sysctl.d`) that hold, in the order in which they are read. A file that is a link
/// to `/dev/null` reads as empty, which is how one is switched off.
pub(super) fn merged(root: &Path, kind: &str) -> Vec<Held> {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    let mut held = Vec::new();
    for place in PLACES {
        let directory = format!("{place}/{kind}");
        let entries = match std::fs::read_dir(root.join(directory.trim_start_matches('/'))) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => {
                held.push(Err(format!("{directory} cannot be read: {error}")));
                continue;
            }
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.ends_with(".conf") && by_name.len() < MOST {
                by_name.entry(name.clone()).or_insert_with(|| format!("{directory}/{name}"));
            }
        }
    }
    held.extend(by_name.into_values().filter_map(|path| match text(root, &path) {
        Text::Of(text) => Some(Ok((path, text))),
        // A link to nowhere: systemd's helpers skip it too.
        Text::Absent => None,
        Text::Unreadable(reason) => Some(Err(reason)),
    }));
    held
}
