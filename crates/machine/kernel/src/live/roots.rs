//! The roots that everything is read below, checked for being what they look like.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Live, Rule, opened_here};
use crate::source::{Hierarchy, Refusal, Root};

/// Magic numbers of linux/magic.h.
const PROC: u64 = 0x9fa0;
const SYSFS: u64 = 0x6265_6572;
const CGROUP2: u64 = 0x6367_7270;
const SECURITYFS: u64 = 0x7363_6673;
const APPARMORFS: u64 = 0x5a3c_69f0;
const SELINUXFS: u64 = 0xf97c_ff8c;
const DEBUGFS: u64 = 0x6462_6720;
const TRACEFS: u64 = 0x7472_6163;
const TMPFS: u64 = 0x0102_1994;

/// What opens files of other users, and links of other users' processes.
const OF_FILES: &str = "CAP_DAC_READ_SEARCH";
const OF_PROCESSES: &str = "CAP_SYS_PTRACE (and CAP_DAC_READ_SEARCH)";

/// The roots.
pub(super) struct Opened {
    roots: BTreeMap<Root, Result<Live, Refusal>>,
    pub(super) hierarchy: Hierarchy,
    /// What was wrong: (path, problem).
    pub(super) problems: Vec<(String, String)>,
}

// === impl Opened ===

impl Opened {
    pub(super) fn live(&self, root: Root) -> Result<&Live, Refusal> {
        match self.roots.get(&root) {
            Some(opened) => opened.as_ref().map_err(Clone::clone),
            None => Err(Refusal::Absent),
        }
    }

    /// Opens the roots as PID 1 sees them: through `/proc/1/root` where our mount namespace is another than its.
    pub(super) fn open() -> Result<Self, String> {
        let own = opened_here("/proc", OFlags::RDONLY | OFlags::DIRECTORY).map_err(|error| error.to_string())?;
        let kind = magic(&own).map_err(|error| error.to_string())?;
        if kind != PROC {
            return Err(format!("a file system with magic number {kind:#x} is mounted there"));
        }
        let mut problems = Vec::new();
        let base = base(&own, &mut problems).map_err(|error| error.to_string())?;
        let mut found = Self { roots: BTreeMap::new(), hierarchy: Hierarchy::Legacy, problems };
        found.hierarchy = hierarchy(&base);
        let groups = match found.hierarchy {
            Hierarchy::Hybrid => "/sys/fs/cgroup/unified",
            Hierarchy::Unified | Hierarchy::Legacy => "/sys/fs/cgroup",
        };
        found.add(&base, Root::Proc, "/proc", PROC, OF_PROCESSES);
        if !matches!(found.roots.get(&Root::Proc), Some(Ok(_))) {
            return Err("PID 1 has no procfs there".to_owned());
        }
        found.add(&base, Root::Sys, "/sys", SYSFS, OF_FILES);
        if found.hierarchy == Hierarchy::Legacy {
            let why = "this machine has only cgroup version 1".to_owned();
            found.roots.insert(Root::Cgroup, Err(Refusal::NotSupported(why)));
        } else {
            found.add(&base, Root::Cgroup, groups, CGROUP2, OF_FILES);
        }
        found.add(&base, Root::Security, "/sys/kernel/security", SECURITYFS, OF_FILES);
        found.add_apparmor();
        found.add(&base, Root::Selinux, "/sys/fs/selinux", SELINUXFS, OF_FILES);
        found.add(&base, Root::Debug, "/sys/kernel/debug", DEBUGFS, OF_FILES);
        found.add(&base, Root::Tracing, "/sys/kernel/tracing", TRACEFS, OF_FILES);
        found.roots.insert(Root::Host, Ok(Live::new(base, Rule::InRoot, "", OF_FILES)));
        Ok(found)
    }

    fn add(&mut self, base: &OwnedFd, root: Root, path: &str, wanted: u64, capability: &'static str) {
        let opened = below(base, path).and_then(|found| Ok((magic(&found)?, found)));
        let opened = match opened {
            Ok((kind, found)) if kind == wanted => Ok(Live::new(found, Rule::Beneath, path, capability)),
            // An empty directory of sysfs is where the file system would be mounted.
            Ok((SYSFS, _)) => Err(Refusal::Absent),
            Ok((kind, _)) => {
                self.problems.push((path.to_owned(), format!("another file system, magic number {kind:#x}")));
                Err(Refusal::Shadowed(path.to_owned()))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Err(Refusal::Absent),
            Err(Errno::ACCESS | Errno::PERM) => Err(Refusal::Denied(capability)),
            Err(error) => Err(Refusal::Failed(error.to_string())),
        };
        self.roots.insert(root, opened);
    }

    /// The kernel's own link out of securityfs is the only way into apparmorfs; its magic number says whether it led
    /// there.
    fn add_apparmor(&mut self) {
        const PATH: &str = "/sys/kernel/security/apparmor/policy";
        let Ok(security) = self.live(Root::Security) else { return };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(security.descriptor(), "apparmor/policy", flags, Mode::empty());
        let opened = match opened.and_then(|found| Ok((magic(&found)?, found))) {
            Ok((APPARMORFS, found)) => Ok(Live::new(found, Rule::Beneath, PATH, OF_FILES)),
            Ok((kind, _)) => {
                self.problems.push((PATH.to_owned(), format!("another file system, magic number {kind:#x}")));
                Err(Refusal::Shadowed(PATH.to_owned()))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => return,
            Err(Errno::ACCESS | Errno::PERM) => Err(Refusal::Denied(OF_FILES)),
            Err(error) => Err(Refusal::Failed(error.to_string())),
        };
        self.roots.insert(Root::AppArmor, opened);
    }
}

/// The root directory of PID 1's mount namespace.
fn base(proc: &OwnedFd, problems: &mut Vec<(String, String)>) -> Result<OwnedFd, Errno> {
    let namespace = |path: &str| rustix::fs::readlinkat(proc, path, Vec::new());
    let (own, first) = (namespace("self/ns/mnt"), namespace("1/ns/mnt"));
    let here = || opened_here("/", OFlags::RDONLY | OFlags::DIRECTORY);
    if own.is_ok() && own == first {
        return here();
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(proc, "1/root", flags, Mode::empty()) {
        Ok(root) => Ok(root),
        Err(error) => {
            let problem = match first {
                Ok(_) => "seen from another mount namespace than PID 1's",
                Err(_) => "it cannot be told whether this is PID 1's mount namespace",
            };
            problems.push(("/".to_owned(), format!("{problem}; /proc/1/root: {error} (takes {OF_PROCESSES})")));
            here()
        }
    }
}

fn below(base: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(base, path, flags, Mode::empty(), resolve)
}

fn magic(directory: &OwnedFd) -> Result<u64, Errno> {
    // The magic numbers have 32 bits; the field has 64 and a sign.
    Ok(u64::from_ne_bytes(rustix::fs::fstatfs(directory)?.f_type.to_ne_bytes()) & 0xffff_ffff)
}

fn hierarchy(base: &OwnedFd) -> Hierarchy {
    let kind = |path: &str| below(base, path).and_then(|found| magic(&found));
    match (kind("/sys/fs/cgroup"), kind("/sys/fs/cgroup/unified")) {
        (Ok(CGROUP2), _) => Hierarchy::Unified,
        (Ok(TMPFS), Ok(CGROUP2)) => Hierarchy::Hybrid,
        (Ok(TMPFS), _) => Hierarchy::Legacy,
        // Something else is mounted there: taken for unified, so that the wrong magic number shows.
        (Ok(kind), _) if kind != SYSFS => Hierarchy::Unified,
        _ => Hierarchy::Legacy,
    }
}
