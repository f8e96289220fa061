//! Files and their digests.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use avouch_crypto::Sha256Stream;
use avouch_protocol::Hash;
use minicbor::{Decode, Encode};
use rustix::fs::OFlags;

use super::{Found, Look, MAX_ITEMS};

/// Longest file that is hashed.
pub const MAX_FILE_BYTES: u64 = 512 << 20;
/// Most bytes that one look hashes.
pub const MAX_LOOK_BYTES: u64 = 4 << 30;
/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;
/// What is read at once.
const PIECE: usize = 64 * 1024;

/// A file that was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FileSeen {
    /// SHA-256 of its content.
    #[n(0)]
    pub sha256: Hash,
    /// Its length in bytes.
    #[n(1)]
    pub size: u64,
    /// Where the path led, links followed: the name that the IMA list has for it.
    #[n(2)]
    pub path: String,
}

/// The policy files.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PolicySeen {
    /// Each with its path, in the order that was asked for.
    #[n(0)]
    pub files: Vec<(String, Found<FileSeen>)>,
    /// SHA-256 over path, a zero byte, content and a zero byte of each file that was read, in order.
    #[n(1)]
    pub digest: Hash,
}

/// A state of a file. Two readings of the same state within one look have the same content; nothing is remembered from
/// one look to the next, since whoever sets the clock can give a changed file its old times again.
pub(super) type State = (u64, u64, u64, (i64, i64), (i64, i64));

/// Digest and length.
pub(super) type Content = (Hash, u64);

/// A file that is open, and its state.
struct Opened {
    file: File,
    state: State,
}

// === impl Look ===

impl Look<'_> {
    /// Hashes the file at `path`.
    pub(super) fn file(&self, path: &str) -> Found<FileSeen> {
        if !path.starts_with('/') {
            return Found::Failed(format!("{path:?} is no absolute path"));
        }
        self.hashed(path, || self.appliance.open(path, OFlags::RDONLY), &mut |_| {}).into()
    }

    /// Hashes files one by one and, in order, into one digest.
    pub(super) fn policy(&self, paths: &[String]) -> PolicySeen {
        let mut whole = Sha256Stream::default();
        let mut files = Vec::new();
        for (at, path) in paths.iter().enumerate() {
            if at >= MAX_ITEMS {
                files.push((path.clone(), super::too_many("policy files", MAX_ITEMS)));
                continue;
            }
            // The digest takes a file as a whole or not at all, and a file may have to be read again.
            let mut with = whole.clone();
            let seen = self.hashed(path, || self.appliance.open(path, OFlags::RDONLY), &mut |piece| match piece {
                Some(piece) => with.update(piece),
                None => {
                    with = whole.clone();
                    with.update(path.as_bytes());
                    with.update(&[0]);
                }
            });
            if seen.is_ok() {
                with.update(&[0]);
                whole = with;
            }
            files.push((path.clone(), seen.into()));
        }
        PolicySeen { files, digest: Hash(whole.finish()) }
    }

    /// Hashes what `open` opens. `each` is told `None` where the file begins, also when it is read again, and then every
    /// piece of it.
    fn hashed(
        &self,
        path: &str,
        open: impl Fn() -> io::Result<OwnedFd>,
        each: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<FileSeen, Found<FileSeen>> {
        for _ in 0..TRIES {
            let opened = Opened::new(path, &open)?;
            let content = self.read_all(path, &opened, each)?;
            let after = state(&opened.file).map_err(|error| Found::refusal(path, &error))?;
            if after == opened.state && content.1 == opened.state.2 {
                self.known.borrow_mut().insert(opened.state, content);
                let (sha256, size) = content;
                return Ok(FileSeen { sha256, size, path: self.led_to(path, &opened.file) });
            }
        }
        Err(Found::Failed(format!("{path} changed each of the {TRIES} times that it was read; ask again")))
    }

    fn read_all(
        &self,
        path: &str,
        opened: &Opened,
        each: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<Content, Found<FileSeen>> {
        let size = opened.state.2;
        self.spend(path, size)?;
        each(None);
        let mut hash = Sha256Stream::default();
        let mut buffer = vec![0; PIECE];
        let mut total = 0_u64;
        // One byte more than it had: a file that grows shows.
        let mut rest = (&opened.file).take(size.saturating_add(1));
        loop {
            match rest.read(&mut buffer) {
                Ok(0) => return Ok((Hash(hash.finish()), total)),
                Ok(count) => {
                    let piece = buffer.get(..count).unwrap_or_default();
                    hash.update(piece);
                    each(Some(piece));
                    total += u64::try_from(count).unwrap_or(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Found::refusal(path, &error)),
            }
        }
    }

    /// Counts bytes that are about to be read against the bounds.
    fn spend(&self, path: &str, size: u64) -> Result<(), Found<FileSeen>> {
        if size > MAX_FILE_BYTES {
            let limit = MAX_FILE_BYTES >> 20;
            return Err(Found::Failed(format!("{path} has {size} bytes; files of up to {limit} MiB are hashed")));
        }
        let Some(rest) = self.left.get().checked_sub(size) else {
            let limit = MAX_LOOK_BYTES >> 20;
            return Err(Found::Failed(format!("{path} was not read: one look hashes {limit} MiB; name fewer files")));
        };
        self.left.set(rest);
        Ok(())
    }

    /// Where the path led, as the kernel names what was opened.
    fn led_to(&self, path: &str, file: &File) -> String {
        let Ok(target) = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) else { return path.to_owned() };
        let target = match target.strip_prefix(self.appliance.root()) {
            Ok(below) => std::path::Path::new("/").join(below),
            Err(_) => target,
        };
        target.to_string_lossy().into_owned()
    }

    /// Digest and length of a program that is open; a state that this look has hashed is not read again.
    pub(super) fn program(
        &self,
        what: &str,
        path: &str,
        open: impl Fn() -> io::Result<OwnedFd>,
    ) -> Result<FileSeen, Found<FileSeen>> {
        let opened = Opened::new(what, &open)?;
        if let Some(&(sha256, size)) = self.known.borrow().get(&opened.state) {
            return Ok(FileSeen { sha256, size, path: path.to_owned() });
        }
        let seen = self.hashed(what, open, &mut |_| {})?;
        Ok(FileSeen { path: path.to_owned(), ..seen })
    }
}

// === impl Opened ===

impl Opened {
    fn new(path: &str, open: impl Fn() -> io::Result<OwnedFd>) -> Result<Self, Found<FileSeen>> {
        let refused = |error: io::Error| Found::refusal(path, &error);
        // NONBLOCK keeps the open of a pipe from waiting; what is no regular file is not read.
        let file = File::from(open().map_err(refused)?);
        if !file.metadata().map_err(refused)?.is_file() {
            return Err(Found::Failed(format!("{path} is no regular file")));
        }
        let state = state(&file).map_err(refused)?;
        Ok(Self { file, state })
    }
}

fn state(file: &File) -> io::Result<State> {
    let of = file.metadata()?;
    Ok((of.dev(), of.ino(), of.size(), (of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec())))
}

// === impl PolicySeen ===

impl PolicySeen {
    /// Whether every file was read.
    pub fn all_read(&self) -> bool {
        self.files.iter().all(|(_, file)| file.is_value())
    }
}
