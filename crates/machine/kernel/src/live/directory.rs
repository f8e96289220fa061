//! Directories that are held open, and what is opened below them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

use crate::source::{Directory, Entry, Refusal, Stat};

/// `struct vfs_ns_cap_data` has 24 bytes (linux/capability.h).
const LONGEST_CAPABILITY: usize = 64;

/// How paths below a directory are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Pseudo file systems: no other mount, no magic link, nothing above.
    Beneath,
    /// The file system of PID 1: other mounts belong to it, and links lead nowhere above its root.
    InRoot,
}

/// An open directory of this machine.
pub(super) struct Live {
    descriptor: OwnedFd,
    rule: Rule,
    /// For messages.
    path: String,
    /// Which capability opens what this directory refuses.
    capability: &'static str,
}

// === impl Live ===

impl Live {
    pub(super) fn new(descriptor: OwnedFd, rule: Rule, path: &str, capability: &'static str) -> Self {
        Self { descriptor, rule, path: path.to_owned(), capability }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The refusal that an error number comes to.
    pub(super) fn refusal(&self, path: &str, error: Errno) -> Refusal {
        match error {
            Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO => Refusal::Absent,
            Errno::SRCH => Refusal::Gone,
            Errno::ACCESS | Errno::PERM => Refusal::Denied(self.capability),
            Errno::XDEV | Errno::LOOP => Refusal::Shadowed(self.whole(path)),
            Errno::OPNOTSUPP => Refusal::NotSupported("this kernel does not show it here".to_owned()),
            error => Refusal::Failed(error.to_string()),
        }
    }

    fn whole(&self, path: &str) -> String {
        format!("{}/{path}", self.path.trim_end_matches('/'))
    }

    /// Opens `path` by this directory's rule.
    pub(super) fn opened(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Refusal> {
        let path = relative(path);
        let resolve = match self.rule {
            Rule::Beneath => ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS,
            Rule::InRoot => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        };
        let flags = flags | OFlags::CLOEXEC;
        // The kernel answers EAGAIN where a rename raced with the walk (openat2(2)).
        for _ in 0..8 {
            match rustix::fs::openat2(&self.descriptor, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                Ok(descriptor) => return Ok(descriptor),
                Err(error) => return Err(self.refusal(path, error)),
            }
        }
        Err(Refusal::Failed("paths were renamed while they were walked".to_owned()))
    }

    /// Opens what a magic link of procfs leads to.
    fn followed(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Refusal> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let flags = flags | OFlags::CLOEXEC;
        let opened = match parent {
            "" => rustix::fs::openat(&self.descriptor, name, flags, Mode::empty()),
            parent => {
                let holder = self.opened(parent, OFlags::PATH | OFlags::DIRECTORY)?;
                rustix::fs::openat(&holder, name, flags, Mode::empty())
            }
        };
        opened.map_err(|error| self.refusal(path, error))
    }

    fn regular(&self, path: &str) -> Result<OwnedFd, Refusal> {
        // Looked at before it is opened: opening a device or a FIFO may do something.
        let look = match self.rule {
            Rule::Beneath => self.followed(path, OFlags::PATH)?,
            Rule::InRoot => self.opened(path, OFlags::PATH)?,
        };
        let kind = FileType::from_raw_mode(self.stat_of(path, &look)?.mode);
        if kind != FileType::RegularFile {
            return Err(Refusal::NotSupported("it is no regular file".to_owned()));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        match self.rule {
            Rule::Beneath => self.followed(path, flags),
            Rule::InRoot => self.opened(path, flags),
        }
    }

    fn stat_of(&self, path: &str, descriptor: &OwnedFd) -> Result<Stat, Refusal> {
        let wanted = StatxFlags::BASIC_STATS;
        let stat = rustix::fs::statx(descriptor, c"", AtFlags::EMPTY_PATH, wanted)
            .map_err(|error| self.refusal(path, error))?;
        let time =
            |time: rustix::fs::StatxTimestamp| i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
        Ok(Stat {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            mode: u32::from(stat.stx_mode),
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            size: stat.stx_size,
            modified: time(stat.stx_mtime),
            changed: time(stat.stx_ctime),
            attributes: stat.stx_attributes.bits(),
        })
    }
}

impl Directory for Live {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
        let descriptor = self.opened(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let mut bytes = Vec::new();
        let mut buffer = [0_u8; 8192];
        loop {
            match rustix::io::read(&descriptor, &mut buffer) {
                Ok(0) => return Ok(bytes),
                Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.refusal(path, error)),
            }
            if bytes.len() > limit {
                return Err(Refusal::TooLong(limit));
            }
        }
    }

    fn link(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        let descriptor = self.opened(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let target = rustix::fs::readlinkat(&descriptor, c"", Vec::new()).map_err(|error| self.refusal(path, error))?;
        Ok(target.into_bytes())
    }

    fn list(&self, path: &str, limit: usize) -> Result<Vec<Entry>, Refusal> {
        let descriptor = self.opened(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut entries = Vec::new();
        for entry in Dir::new(descriptor).map_err(|error| self.refusal(path, error))? {
            let entry = entry.map_err(|error| self.refusal(path, error))?;
            // A name that cannot be spelled could not be opened, and what is inside of it would be hidden.
            let Ok(name) = entry.file_name().to_str() else {
                return Err(Refusal::Failed(format!("a name in {} is no UTF-8", self.whole(path))));
            };
            if name == "." || name == ".." {
                continue;
            }
            if entries.len() >= limit {
                return Err(Refusal::TooLong(limit));
            }
            entries.push(Entry { name: name.to_owned(), directory: entry.file_type() == FileType::Directory });
        }
        entries.sort();
        Ok(entries)
    }

    fn stat(&self, path: &str, follow: bool) -> Result<Stat, Refusal> {
        let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
        self.stat_of(path, &self.opened(path, flags)?)
    }

    fn capability(&self, path: &str) -> Result<Option<Vec<u8>>, Refusal> {
        // There is no call that takes a directory and a name before Linux 6.13; by the number of an open file that is
        // no more than a path, attributes are read without opening what it leads to.
        let file = self.opened(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let by_number = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut value = [0; LONGEST_CAPABILITY];
        match rustix::fs::getxattr(&*by_number, c"security.capability", &mut value) {
            Ok(length) => Ok(value.get(..length).map(<[u8]>::to_vec)),
            // ENOTSUP: a file system without attributes; no file has any there.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(self.refusal(path, error)),
        }
    }

    fn digest(&self, path: &str, limit: u64) -> Result<[u8; 32], Refusal> {
        let descriptor = self.regular(path)?;
        let mut hash = avouch_crypto::Sha256Stream::default();
        let mut buffer = vec![0_u8; 64 * 1024];
        let mut total = 0_u64;
        loop {
            let count = match rustix::io::read(&descriptor, &mut buffer[..]) {
                Ok(0) => return Ok(hash.finish()),
                Ok(count) => count,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(self.refusal(path, error)),
            };
            total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            if total > limit {
                return Err(Refusal::TooLong(usize::try_from(limit).unwrap_or(usize::MAX)));
            }
            hash.update(buffer.get(..count).unwrap_or_default());
        }
    }

    fn target(&self, path: &str) -> Result<Stat, Refusal> {
        self.stat_of(path, &self.followed(path, OFlags::PATH)?)
    }

    fn open(&self, path: &str) -> Result<Box<dyn Directory>, Refusal> {
        let descriptor = self.opened(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Box::new(Self::new(descriptor, self.rule, &self.whole(path), self.capability)))
    }
}

/// openat2(2) takes no empty path, and an absolute one is below the root it is asked of.
fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    }
}

/// The error number of a call of the standard library or libc.
pub(super) fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
