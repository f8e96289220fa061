//! A live node: its measurement logs, what systemd and the kernel say of its units ([`observe`], [`watch`]), and what
//! an appliance's own attestation reads ([`appliance`]).
//!
//! Nothing of the logs is judged here, and what goes to a verifier is not even parsed: [`Securityfs`] gives the bytes
//! as they are. Pseudo files report size 0, so every file is read until its end; every read stops at a limit that the
//! caller gives, so a damaged or hostile file costs at most that much memory.
#![forbid(unsafe_code)]

pub mod appliance;
pub mod observe;
pub mod watch;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where the kernel mounts securityfs.
pub const SECURITYFS: &str = "/sys/kernel/security";

/// What is read at once of a list that is not kept.
const PIECE: usize = 64 * 1024;

/// Where systemd writes down what it measures in userspace (systemd-pcrextend, systemd-cryptsetup and others).
pub const USERSPACE_LOG: &str = "/run/log/systemd/tpm2-measure.log";

/// The kernel's securityfs, or a directory laid out like it.
#[derive(Clone, Debug)]
pub struct Securityfs {
    root: PathBuf,
    userspace_log: Option<PathBuf>,
}

/// Which of the kernel's two spellings of the IMA list was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImaSpelling {
    /// `ima/binary_runtime_measurements`.
    Binary,
    /// `ima/ascii_runtime_measurements`; read only where the binary list does not exist.
    Ascii,
}

/// A piece of the IMA list, to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImaList {
    /// How the entries are spelled.
    pub spelling: ImaSpelling,
    /// Byte of the list at which `bytes` starts: the offset that was asked for, or 0 when the list is shorter than
    /// that (another kernel's list) or is not spelled in binary (offsets count binary bytes).
    pub from_byte: u64,
    /// The entries.
    pub bytes: Vec<u8>,
}

/// Why a log could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The kernel shows no such log: no TPM, no firmware log, IMA not built in, or securityfs not mounted.
    #[error("{log} does not exist at {}; the kernel has no such log, or securityfs is not mounted there", path.display())]
    Absent {
        /// What was looked for, in words.
        log: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// Only root may read measurement logs.
    #[error("{log} at {} may not be read by this user; run as root", path.display())]
    Forbidden {
        /// What was looked for, in words.
        log: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The log is longer than the caller takes.
    #[error("{log} at {} has more than {limit} bytes, the most that is taken", path.display())]
    TooLong {
        /// What was read, in words.
        log: &'static str,
        /// Where.
        path: PathBuf,
        /// The caller's limit in bytes.
        limit: usize,
    },
    /// Reading failed.
    #[error("{log} at {} cannot be read: {error}", path.display())]
    Io {
        /// What was read, in words.
        log: &'static str,
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        error: io::Error,
    },
}

// === impl Securityfs ===

impl Securityfs {
    /// securityfs at `root`, usually [`SECURITYFS`].
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), userspace_log: None }
    }

    /// The same, and beside it systemd's log of userspace measurements at `path`, usually [`USERSPACE_LOG`].
    pub fn with_userspace_log(self, path: impl Into<PathBuf>) -> Self {
        Self { userspace_log: Some(path.into()), ..self }
    }

    /// systemd's log of its userspace measurements: a JSON text sequence, whole, of at most `limit` bytes. `None` where
    /// there is none, which is no error: systemd before version 254 writes none, nor does one that measured nothing.
    ///
    /// systemd extends the PCR first and appends the record afterwards, so between the two a quote may cover what the
    /// log does not tell yet. The verifier sees a mismatch then, and a second look heals it.
    ///
    /// # Errors
    /// [`CollectError::TooLong`], [`CollectError::Forbidden`], [`CollectError::Io`].
    pub fn userspace_log(&self, limit: usize) -> Result<Option<Vec<u8>>, CollectError> {
        let Some(path) = self.userspace_log.clone() else { return Ok(None) };
        match (Log { name: "systemd's log of userspace measurements", path }).read(0, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(CollectError::Absent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The firmware's boot log of the first TPM, whole, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`CollectError::Absent`] where firmware or kernel keep no log; the other variants as they say.
    pub fn boot_log(&self, limit: usize) -> Result<Vec<u8>, CollectError> {
        self.log("the boot log", "tpm0/binary_bios_measurements").read(0, limit)
    }

    /// The IMA list from byte `from_byte` of its binary spelling to the end, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`CollectError::Absent`] where the kernel has no IMA; the other variants as they say.
    pub fn ima_binary(&self, from_byte: u64, limit: usize) -> Result<ImaList, CollectError> {
        match self.ima_in_binary(from_byte, limit) {
            Err(CollectError::Absent { .. }) => {
                let bytes = self.log("the IMA list", "ima/ascii_runtime_measurements").read(0, limit)?;
                Ok(ImaList { spelling: ImaSpelling::Ascii, from_byte: 0, bytes })
            }
            read => read,
        }
    }

    /// The binary IMA list from its start, piece by piece, for what is searched rather than kept; until its end, or
    /// until `take` says false.
    ///
    /// # Errors
    /// [`CollectError::Absent`] where the kernel has no IMA; [`CollectError::TooLong`] after `limit` bytes.
    pub fn ima_pieces(&self, limit: u64, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), CollectError> {
        let log = self.log("the IMA list", "ima/binary_runtime_measurements");
        let mut file = File::open(&log.path).map_err(|error| log.refusal(error))?;
        let mut piece = vec![0; PIECE];
        let mut total = 0_u64;
        loop {
            let count = match file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(log.refusal(error)),
            };
            total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            if total > limit {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                return Err(CollectError::TooLong { log: log.name, path: log.path, limit });
            }
            if !take(piece.get(..count).unwrap_or_default()) {
                return Ok(());
            }
        }
    }

    fn ima_in_binary(&self, from_byte: u64, limit: usize) -> Result<ImaList, CollectError> {
        let log = self.log("the IMA list", "ima/binary_runtime_measurements");
        let list = |from_byte, bytes| ImaList { spelling: ImaSpelling::Binary, from_byte, bytes };
        let Some(before) = from_byte.checked_sub(1) else {
            return Ok(list(0, log.read(0, limit)?));
        };
        // The byte before the offset tells "nothing new" from "a list that never was that long".
        let mut bytes = log.read(before, limit.saturating_add(1))?;
        if bytes.is_empty() {
            return Ok(list(0, log.read(0, limit)?));
        }
        bytes.remove(0);
        Ok(list(from_byte, bytes))
    }

    fn log(&self, name: &'static str, relative: &str) -> Log {
        Log { name, path: self.root.join(relative) }
    }
}

/// One log file.
struct Log {
    name: &'static str,
    path: PathBuf,
}

// === impl Log ===

impl Log {
    fn read(&self, from: u64, limit: usize) -> Result<Vec<u8>, CollectError> {
        let bytes = read_from(&self.path, from, limit).map_err(|error| self.refusal(error))?;
        if bytes.len() > limit {
            return Err(CollectError::TooLong { log: self.name, path: self.path.clone(), limit });
        }
        Ok(bytes)
    }

    fn refusal(&self, error: io::Error) -> CollectError {
        let (log, path) = (self.name, self.path.clone());
        match error.kind() {
            // A kernel without a TPM has a securityfs without the directory; a path through a file is no log either.
            ErrorKind::NotFound | ErrorKind::NotADirectory => CollectError::Absent { log, path },
            ErrorKind::PermissionDenied => CollectError::Forbidden { log, path },
            _ => CollectError::Io { log, path, error },
        }
    }
}

/// Reads to the end, but never more than one byte past `limit`.
fn read_from(path: &Path, from: u64, limit: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    if from > 0 {
        file.seek(SeekFrom::Start(from))?;
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Securityfs) {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let securityfs = Securityfs::at(dir.path());
        (dir, securityfs)
    }

    #[test]
    fn an_absent_log_is_told_from_an_empty_one() {
        let (_dir, empty) = tree(&[("tpm0/binary_bios_measurements", b"")]);
        assert_eq!(empty.boot_log(10).unwrap(), b"");
        let (_dir, none) = tree(&[]);
        assert!(matches!(none.boot_log(10), Err(CollectError::Absent { .. })));
        assert!(matches!(none.ima_binary(0, 10), Err(CollectError::Absent { .. })));
    }

    #[test]
    fn a_userspace_log_is_read_whole_and_its_absence_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tpm2-measure.log");
        let logs = Securityfs::at(dir.path());
        assert_eq!(logs.userspace_log(10).unwrap(), None);
        let logs = logs.with_userspace_log(&path);
        assert_eq!(logs.userspace_log(10).unwrap(), None);
        fs::write(&path, "\x1e{}\n").unwrap();
        assert_eq!(logs.userspace_log(10).unwrap().unwrap(), b"\x1e{}\n");
        assert!(matches!(logs.userspace_log(3), Err(CollectError::TooLong { limit: 3, .. })));
        assert!(matches!(logs.with_userspace_log(dir.path()).userspace_log(3), Err(CollectError::Io { .. })));
    }

    #[test]
    fn a_log_beyond_the_limit_is_refused_and_one_at_the_limit_is_taken() {
        let (_dir, fs) = tree(&[("tpm0/binary_bios_measurements", b"0123456789")]);
        assert_eq!(fs.boot_log(10).unwrap().len(), 10);
        assert!(matches!(fs.boot_log(9), Err(CollectError::TooLong { limit: 9, .. })));
    }

    #[test]
    fn a_list_is_read_from_the_offset_to_its_end() {
        let (_dir, fs) = tree(&[("ima/binary_runtime_measurements", b"0123456789")]);
        let list = |from| fs.ima_binary(from, 100).unwrap();
        assert_eq!((list(0).from_byte, list(0).bytes), (0, b"0123456789".to_vec()));
        assert_eq!((list(4).from_byte, list(4).bytes), (4, b"456789".to_vec()));
        assert_eq!((list(10).from_byte, list(10).bytes), (10, Vec::new()));
    }

    #[test]
    fn a_list_shorter_than_the_offset_is_read_whole() {
        let (_dir, fs) = tree(&[("ima/binary_runtime_measurements", b"0123456789")]);
        let list = fs.ima_binary(11, 100).unwrap();
        assert_eq!((list.from_byte, list.bytes.len()), (0, 10));
    }

    #[test]
    fn the_limit_counts_from_the_offset() {
        let (_dir, fs) = tree(&[("ima/binary_runtime_measurements", b"0123456789")]);
        assert_eq!(fs.ima_binary(4, 6).unwrap().bytes.len(), 6);
        assert!(matches!(fs.ima_binary(4, 5), Err(CollectError::TooLong { .. })));
    }

    #[test]
    fn the_ascii_list_stands_in_for_a_missing_binary_one() {
        let (_dir, fs) = tree(&[("ima/ascii_runtime_measurements", b"10 abc\n")]);
        let list = fs.ima_binary(4, 100).unwrap();
        assert_eq!((list.spelling, list.from_byte), (ImaSpelling::Ascii, 0));
        assert_eq!(list.bytes, b"10 abc\n");
    }

    #[test]
    fn a_pseudo_file_that_reports_size_zero_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("tpm0")).unwrap();
        std::os::unix::fs::symlink("/proc/self/maps", dir.path().join("tpm0/binary_bios_measurements")).unwrap();
        assert_eq!(fs::metadata("/proc/self/maps").unwrap().len(), 0);
        assert!(!Securityfs::at(dir.path()).boot_log(1 << 20).unwrap().is_empty());
    }
}
