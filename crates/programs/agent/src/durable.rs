//! Files that survive a power cut whole: the old content or the new one, never a mixture and never nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Mode of the state directory: its owner alone.
const DIR_MODE: u32 = 0o700;
/// Mode of every file in it.
const FILE_MODE: u32 = 0o600;

/// Makes `dir` for its owner alone. `Ok(false)` when it exists and others may enter it.
pub(crate) fn private_dir(dir: &Path) -> io::Result<bool> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)?;
    Ok(fs::metadata(dir)?.mode() & 0o077 == 0)
}

/// Replaces `dir/name` in one step: write beside it, fsync, rename, fsync the directory.
///
/// One writer at a time: the caller holds the state lock, so the name beside is free or left over from a crash.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = dir.join(begun(name));
    let written = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, dir.join(name)));
    if let Err(error) = written {
        // Room matters most when the disk is full; a leftover that cannot be removed does no harm.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    sync_dir(dir)
}

/// Makes the file `path`, which must not exist: who has it open already would see what is written.
pub(crate) fn create(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    // create_new never follows a link and never inherits another mode.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Replaces the file `path` in one step: whoever reads meets the old content or the new one.
pub(crate) fn exchange(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create(&beside, mode, bytes)?;
    fs::rename(&beside, path)
}

/// Renames within `dir`; what was under the new name is gone.
pub(crate) fn rename(dir: &Path, from: &str, to: &str) -> io::Result<()> {
    fs::rename(dir.join(from), dir.join(to))?;
    sync_dir(dir)
}

/// Removes `dir/name`; no such file is fine.
pub(crate) fn remove(dir: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(dir.join(name)) {
        Ok(()) => sync_dir(dir),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The whole file, `None` when there is none, an error when it is longer than `limit`.
pub(crate) fn read(dir: &Path, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(dir.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("longer than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// The name of a file while its new content is being written.
fn begun(name: &str) -> String {
    format!(".{name}.new")
}

/// Whether a file of this name is one that [`replace`] began; under the lock of the directory, one that a process did
/// not live to finish.
pub(crate) fn is_begun(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".new")
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create(path, FILE_MODE, bytes)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn directory_and_files_are_for_their_owner_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/b");
        assert!(private_dir(&dir).unwrap());
        replace(&dir, "x", b"1").unwrap();
        assert_eq!((mode(&dir), mode(&dir.join("x"))), (0o700, 0o600));
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(!private_dir(&dir).unwrap());
    }

    #[test]
    fn a_leftover_of_a_crash_is_replaced_and_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let victim = temp.path().join("victim");
        fs::write(&victim, b"untouched").unwrap();
        std::os::unix::fs::symlink(&victim, temp.path().join(".x.new")).unwrap();
        replace(temp.path(), "x", b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
        assert_eq!(fs::read(temp.path().join("x")).unwrap(), b"new");
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_content() {
        let temp = tempfile::tempdir().unwrap();
        replace(temp.path(), "x", b"old").unwrap();
        // A directory under the name beside can be neither removed as a file nor replaced by one.
        fs::create_dir(temp.path().join(".x.new")).unwrap();
        assert!(replace(temp.path(), "x", b"new").is_err());
        assert_eq!(read(temp.path(), "x", 10).unwrap().unwrap(), b"old");
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        replace(temp.path(), "x", b"123").unwrap();
        assert_eq!(read(temp.path(), "x", 3).unwrap().unwrap(), b"123");
        assert!(read(temp.path(), "x", 2).is_err());
        assert!(read(temp.path(), "y", 2).unwrap().is_none());
    }
}
