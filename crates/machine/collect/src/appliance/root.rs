//! Where an appliance's files are, and opening them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};

use super::Found;
use crate::{SECURITYFS, Securityfs};

/// `STATX_ATTR_MOUNT_ROOT`.
const MOUNT_ROOT: u64 = 0x2000;
/// Magic numbers of the kernel's file systems (linux/magic.h).
const PROC: u64 = 0x9fa0;
const SECURITY: u64 = 0x7363_6673;
const EFIVARS: u64 = 0xde5e_81e4;
/// Below each, only files of this file system are believed on a running machine.
const KERNELS: [(&str, u64); 3] = [("/proc", PROC), (SECURITYFS, SECURITY), ("/sys/firmware/efi/efivars", EFIVARS)];

/// The running machine, or a directory laid out like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appliance {
    /// Where files are.
    root: PathBuf,
    /// Where procfs, sysfs and what is mounted below them are.
    kernel: PathBuf,
    running: bool,
}

// === impl Appliance ===

impl Appliance {
    /// The running machine, as this process sees it.
    pub fn running() -> Self {
        Self { root: "/".into(), kernel: "/".into(), running: true }
    }

    /// The running machine, with the files that PID 1 sees: for a process with a mount namespace of its own that may
    /// go through `/proc/1/root`.
    pub fn of_pid_1() -> Self {
        Self { root: "/proc/1/root".into(), ..Self::running() }
    }

    /// A directory laid out like a machine: a recording, a mounted image.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { kernel: root.clone(), root, running: false }
    }

    pub(super) fn securityfs(&self) -> Securityfs {
        Securityfs::at(self.of_kernel(SECURITYFS))
    }

    /// Whether it is the machine that this process runs on.
    pub fn is_running(&self) -> bool {
        self.running
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of procfs or sysfs is.
    pub(super) fn of_kernel(&self, path: &str) -> PathBuf {
        self.kernel.join(relative(path))
    }

    /// Opens a file of the root's file system. Links are followed, also at the end: a service's path may be one
    /// (`/bin`, alternatives), and what is started is what it leads to. From here on everything is about what was
    /// opened, whatever becomes of the path. Where the root is not our own, links stay below it.
    pub(super) fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        // openat2(2) refuses flags that have no meaning; a path that is only named cannot block.
        let unblocked = if flags.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NONBLOCK | OFlags::NOCTTY };
        let flags = flags | OFlags::CLOEXEC | unblocked;
        if self.root == Path::new("/") {
            return Ok(rustix::fs::open(path, flags, Mode::empty())?);
        }
        let root = rustix::fs::open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(&root, relative(path), flags, Mode::empty(), resolve)?)
    }

    /// Opens a file that the kernel makes. Nothing may be mounted over it, and on a running machine it must be of the
    /// file system that belongs there: otherwise anybody could have written it.
    pub(super) fn open_kernels<T>(&self, path: &str) -> Result<File, Found<T>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file =
            rustix::fs::open(self.of_kernel(path), flags, Mode::empty()).map_err(|error| Found::errno(path, error))?;
        let stat = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            .map_err(|error| Found::errno(path, error))?;
        let over = Found::Failed(format!(
            "something is mounted over {path}, so what it says is not the kernel's word; unmount it"
        ));
        if stat.stx_attributes.bits() & MOUNT_ROOT != 0 {
            return Err(over);
        }
        let magic = KERNELS.iter().find(|(below, _)| path.starts_with(below)).map(|(_, magic)| *magic);
        if let Some(magic) = magic.filter(|_| self.running) {
            let found = rustix::fs::fstatfs(&file).map_err(|error| Found::errno(path, error))?;
            // The magic numbers have 32 bits; the field has 64 and a sign.
            if u64::from_ne_bytes(found.f_type.to_ne_bytes()) & 0xffff_ffff != magic {
                return Err(over);
            }
        }
        Ok(File::from(file))
    }
}

fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    }
}
