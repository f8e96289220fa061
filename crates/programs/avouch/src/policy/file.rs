//! Policy files: read whole, written durably.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::failure::Failure;

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        let what = format!("cannot read the policy {}: {error}", path.display());
        Failure::new("FILE", what, "Name a file that `avouch policy build` wrote.")
    })
}

/// Bytes that are no policy.
pub(super) fn malformed(path: &Path, error: impl Display) -> Failure {
    let what = format!("{} is not a policy: {error}", path.display());
    Failure::new("POLICY_MALFORMED", what, "Correct it, if it was edited by hand, or build it anew.")
}

/// Replaces the file as a whole: whatever happens meanwhile, afterwards it is the old one or the new one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace(path, bytes).map_err(|error| {
        let what = format!("cannot write the policy {}: {error}", path.display());
        Failure::new("FILE", what, "Check that the directory exists, has room, and belongs to this user.")
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let beside = path.with_file_name([OsStr::new("."), name, OsStr::new(".new")].join(OsStr::new("")));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_file_is_replaced_whole_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_told_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let failure = write(&folder.path().join("absent/p.json"), b"").unwrap_err();
        assert!(failure.to_string().contains("absent/p.json"), "{failure}");
        assert!(write(folder.path(), b"").is_err());
    }
}
