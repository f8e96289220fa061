//! The data directory: one tenant's store, keys and operator credentials, used by one server at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

/// Largest key or certificate file; the largest real one is a chain of a few KiB.
const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;
/// Permission bits that nobody but the owner may have.
const OTHERS: u32 = 0o077;

/// A data directory that exists and has no more permissions than it should.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

/// Held as long as a server uses the directory.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// The system refuses.
    #[error("cannot {doing} {}: {source}; check that the path exists and belongs to this user", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may read or write what only the owner may.
    #[error("{} has mode {mode:04o}, so others may use it; run: chmod {wanted} '{}'", path.display(), path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What it should have.
        wanted: &'static str,
    },
    /// Another server uses it.
    #[error("another server uses {}; stop it first, or give this one another `data_dir`", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A key file is longer than any key.
    #[error("{} has more than {MAX_KEY_FILE_BYTES} bytes; it is not a key or certificate of Avouch", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A key file does not hold what its name says.
    #[error("{} is damaged: {why}; restore it from a backup of the data directory", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl DataDir {
    /// Makes the directory with mode 0700 when it does not exist.
    ///
    /// # Errors
    /// [`DataDirError::Io`]; [`DataDirError::Permissions`] when others may enter it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let dir = Self(path.to_owned());
        for path in [dir.0.clone(), dir.keys(), dir.operator()] {
            private_dir(&path)?;
        }
        Ok(dir)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("avouch.db")
    }

    /// Directory of the server's keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// Directory of the operator's certificate and key.
    pub fn operator(&self) -> PathBuf {
        self.0.join("operator")
    }

    /// Takes the directory for one server; the kernel gives it back when the process ends, however it ends.
    pub(crate) fn lock(&self) -> Result<Lock, DataDirError> {
        let path = self.0.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(io_error("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DataDirError::InUse { path: self.0.clone() }),
            Err(error) => Err(io_error("lock", &path)(error.into())),
        }
    }
}

/// Reads a file that only its owner may read; `None` when there is none.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, DataDirError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mode = file.metadata().map_err(io_error("look at", path))?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(DataDirError::Permissions { path: path.to_owned(), mode, wanted: "0600" });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_KEY_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_KEY_FILE_BYTES {
        return Err(DataDirError::TooLarge { path: path.to_owned() });
    }
    Ok(Some(bytes))
}

/// Writes a file of mode 0600 so that after a crash it is there whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&temporary).map_err(io_error("write", &temporary))?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(io_error("write", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error("write", &temporary))?;
    fs::rename(&temporary, path).map_err(io_error("write", path))?;
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io_error("sync", parent))
}

fn private_dir(path: &Path) -> Result<(), DataDirError> {
    if !path.exists() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(io_error("make the directory", path))?;
    }
    let mode = fs::metadata(path).map_err(io_error("look at", path))?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(DataDirError::Permissions { path: path.to_owned(), mode, wanted: "0700" });
    }
    Ok(())
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |source| DataDirError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> (tempfile::TempDir, DataDir) {
        let outer = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&outer.path().join("data")).unwrap();
        (outer, dir)
    }

    #[test]
    fn a_new_directory_is_for_its_owner_only() {
        let (_outer, dir) = fresh();
        for path in [dir.path(), &dir.keys(), &dir.operator()] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused_with_the_remedy() {
        let (_outer, dir) = fresh();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(matches!(error, DataDirError::Permissions { mode: 0o750, .. }));
        assert!(error.to_string().contains("chmod 0700"), "{error}");
    }

    #[test]
    fn a_second_server_on_the_same_directory_is_refused() {
        let (_outer, dir) = fresh();
        let first = dir.lock().unwrap();
        assert!(matches!(dir.lock(), Err(DataDirError::InUse { .. })));
        drop(first);
        dir.lock().unwrap();
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused_with_the_remedy() {
        let (_outer, dir) = fresh();
        let path = dir.keys().join("x.key");
        assert!(read_private(&path).unwrap().is_none());
        write_private(&path, b"secret").unwrap();
        assert_eq!(read_private(&path).unwrap().unwrap().as_slice(), b"secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_private(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 0600"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_key_is_not_read_into_memory() {
        let (_outer, dir) = fresh();
        let path = dir.keys().join("x.key");
        write_private(&path, &vec![0; 65 * 1024]).unwrap();
        assert!(matches!(read_private(&path), Err(DataDirError::TooLarge { .. })));
    }
}
