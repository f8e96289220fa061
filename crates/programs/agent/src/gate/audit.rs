//! The log of all attestations: one line each, chained by hash, on disk before anything of it is published.
//!
//! The file is appended to by one process, which holds its lock. A line that a killed process or a full disk left
//! without its end is cut off; lines that have theirs are never touched.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use avouch_attestor::Hash;
use avouch_attestor::audit::{Chain, MAX_LINE_BYTES, Tail};
use rustix::fs::{FlockOperation, OFlags, flock};
use serde::Deserialize;
use thiserror::Error;

/// Mode of the file: its owner writes, its group reads.
const FILE_MODE: u32 = 0o640;
/// Mode of its directory, where that does not exist.
const DIR_MODE: u32 = 0o750;
/// Read at once, from the end.
const PIECE: usize = 64 * 1024;

/// The log, opened when it is needed and again after a failure.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    open: Option<Open>,
    /// How far lines are good, where one could neither be written nor taken back.
    keep: Option<Extent>,
    /// What the next line goes on from. It is kept over a file that was taken away (logrotate) or cut, so that the next
    /// line shows it.
    tail: Option<Tail>,
}

/// A file and its whole lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    device: u64,
    inode: u64,
    length: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    extent: Extent,
}

/// Why a line is not in the log.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The system refuses.
    #[error("the audit log {} cannot be {what}: {error}", path.display())]
    Io {
        /// The log.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// Another gate has it.
    #[error("another process writes the audit log {}", path.display())]
    Locked {
        /// The log.
        path: PathBuf,
    },
    /// No line of it was written by a gate, or one was changed.
    #[error("the last line of the audit log {} is none of a gate's: {why}", path.display())]
    Foreign {
        /// The log.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

// === impl AuditLog ===

impl AuditLog {
    /// The log at `path`; nothing is opened yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None, keep: None, tail: None }
    }

    /// What the next line has to go on from.
    ///
    /// # Errors
    /// [`AuditError`]; the next call tries again.
    pub fn tail(&mut self) -> Result<Tail, AuditError> {
        if self.open.is_some() && !self.is_as_left() {
            tracing::warn!("the audit log {} was taken away or changed; its chain goes on", self.path.display());
            self.open = None;
        }
        if self.open.is_none() {
            let (open, found) = self.open()?;
            self.tail = self.tail.or(found);
            self.keep = None;
            self.open = Some(open);
        }
        Ok(self.tail.unwrap_or(Tail::EMPTY))
    }

    /// Puts a line, with its line feed, on disk. `tail` is what the next one goes on from.
    ///
    /// # Errors
    /// [`AuditError`]; then the log holds nothing of the line.
    pub fn append(&mut self, line: &[u8], tail: Tail) -> Result<(), AuditError> {
        self.tail()?;
        let path = self.path.clone();
        let failed = |what, error| AuditError::Io { path, what, error };
        let Some(open) = &mut self.open else {
            return Err(failed("opened", ErrorKind::NotFound.into()));
        };
        if let Err(error) = open.file.write_all(line).and_then(|()| open.file.sync_data()) {
            // What stands there of the line goes; where even that fails, the next opening does it.
            if open.file.set_len(open.extent.length).and_then(|()| open.file.sync_data()).is_err() {
                self.keep = Some(open.extent);
                self.open = None;
            }
            return Err(failed("written", error));
        }
        open.extent.length = open.extent.length.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        self.tail = Some(tail);
        Ok(())
    }

    fn is_as_left(&self) -> bool {
        let found = fs::symlink_metadata(&self.path).ok();
        found.map(|found| Extent::of(&found)) == self.open.as_ref().map(|open| open.extent)
    }

    fn open(&self) -> Result<(Open, Option<Tail>), AuditError> {
        let failed = |what| move |error| AuditError::Io { path: self.path.clone(), what, error };
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(DIR_MODE).create(directory).map_err(failed("opened"))?;
        // A link would have the gate write elsewhere.
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(FILE_MODE).custom_flags(flags);
        let file = options.open(&self.path).map_err(failed("opened"))?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|_| AuditError::Locked { path: self.path.clone() })?;
        let found = Extent::of(&file.metadata().map_err(failed("read"))?);
        // A line that failed to reach the disk may stand there whole.
        let ours = self.keep.filter(|last| last.is_start_of(&found)).map(|last| last.length);
        let length = whole(&file, ours.unwrap_or(found.length)).map_err(failed("read"))?;
        if length < found.length {
            let (path, torn) = (self.path.display(), found.length - length);
            tracing::warn!("the audit log {path} ends in a torn line, never published; its {torn} bytes are cut off");
            file.set_len(length).map_err(failed("mended"))?;
        }
        file.sync_all().and_then(|()| File::open(directory)?.sync_all()).map_err(failed("written"))?;
        let tail = last_line(&file, length).map_err(failed("read"))?.map(|line| self.tail_of(&line)).transpose()?;
        Ok((Open { file, extent: Extent { length, ..found } }, tail))
    }

    fn tail_of(&self, line: &[u8]) -> Result<Tail, AuditError> {
        let foreign = |why: String| AuditError::Foreign { path: self.path.clone(), why };
        let link: Link = serde_json::from_slice(line).map_err(|error| foreign(error.to_string()))?;
        let hash = Hash::from_hex(&link.prev).ok_or_else(|| foreign("its `prev` is no SHA-256".to_owned()))?;
        let mut chain = Chain::after(Tail { seq: link.seq.saturating_sub(1), hash, state: None });
        chain.push(line).map_err(|broken| foreign(broken.to_string()))?;
        Ok(chain.tail())
    }
}

/// What a line says of its place.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: String,
}

// === impl Extent ===

impl Extent {
    fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino(), length: found.len() }
    }

    fn is_start_of(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode) && self.length <= other.length
    }
}

// === impl AuditError ===

impl AuditError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Io { path, error, .. } if error.kind() == ErrorKind::StorageFull => {
                format!("make room on the file system of {}", path.display())
            }
            Self::Io { path, .. } => {
                format!("check that {} is on a writable file system and belongs to the gate's user", path.display())
            }
            Self::Locked { .. } => "stop the other gate, or give this one an `audit_log_path` of its own".to_owned(),
            Self::Foreign { path, .. } => format!(
                "see `avouch-agent gate audit verify {0}`, then move the file away; the next line begins a new chain",
                path.display()
            ),
        }
    }
}

/// Bytes up to and with the last line feed of the first `end`.
fn whole(file: &File, end: u64) -> io::Result<u64> {
    Ok(feed_before(file, end)?.map_or(0, |at| at + 1))
}

/// The last of the whole lines in the first `length` bytes, without its line feed.
fn last_line(file: &File, length: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(end) = length.checked_sub(1) else { return Ok(None) };
    let start = feed_before(file, end)?.map_or(0, |at| at + 1);
    let mut line = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut line, start)?;
    Ok(Some(line))
}

/// Where the last line feed before `end` stands; looks back no further than a line can be long.
fn feed_before(file: &File, end: u64) -> io::Result<Option<u64>> {
    let mut piece = vec![0; PIECE];
    let mut to = end;
    while to > 0 {
        let from = to.saturating_sub(u64::try_from(PIECE).unwrap_or(u64::MAX));
        let part = piece.get_mut(..usize::try_from(to - from).unwrap_or(PIECE)).unwrap_or_default();
        file.read_exact_at(part, from)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(from + u64::try_from(at).unwrap_or(0)));
        }
        if usize::try_from(end - from).is_ok_and(|looked| looked > MAX_LINE_BYTES) {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("no line ends within {MAX_LINE_BYTES} bytes")));
        }
        to = from;
    }
    Ok(None)
}
