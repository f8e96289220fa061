//! What a live machine and a recorded tree both give.

use std::fmt;

use avouch_pairs::Reading;

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// procfs, `/proc`.
    Proc,
    /// The unified cgroup hierarchy: `/sys/fs/cgroup`, of a hybrid host `/sys/fs/cgroup/unified`.
    Cgroup,
    /// sysfs, `/sys`.
    Sys,
    /// securityfs, `/sys/kernel/security`.
    Security,
    /// apparmorfs, where `/sys/kernel/security/apparmor/policy` leads: a link of the kernel into a file system that is
    /// mounted nowhere else.
    AppArmor,
    /// selinuxfs, `/sys/fs/selinux`.
    Selinux,
    /// debugfs, `/sys/kernel/debug`.
    Debug,
    /// tracefs, `/sys/kernel/tracing`.
    Tracing,
    /// The file system of PID 1.
    Host,
}

/// Kind of cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// Only cgroup2.
    Unified,
    /// cgroup2 for membership, version 1 for controllers.
    Hybrid,
    /// Only version 1.
    Legacy,
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such object (ENOENT, ENOTDIR, ENODEV).
    Absent,
    /// The process is gone (ESRCH): what was asked of it is left out.
    Gone,
    /// Permission was refused; which capability is missing.
    Denied(&'static str),
    /// Another file system stands over the path (EXDEV), or a link leads out of it.
    Shadowed(String),
    /// More than the limit that was given.
    TooLong(usize),
    /// This kernel or this source cannot show it; why.
    NotSupported(String),
    /// Any other answer of the kernel, or content that is not what the kernel writes.
    Failed(String),
}

/// Of a file: what statx says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Device, major and minor.
    pub device: (u32, u32),
    /// Inode number.
    pub inode: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since the epoch.
    pub modified: i128,
    /// Last change of the inode, nanoseconds since the epoch.
    pub changed: i128,
    /// `STATX_ATTR_*` that are set.
    pub attributes: u64,
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a directory.
    pub directory: bool,
}

/// An opened directory. Paths are relative to it and lead to nothing outside of its file system (of [`Root::Host`]: of
/// its root).
pub trait Directory {
    /// The file's content, at most `limit` bytes.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::TooLong`] beyond the limit.
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, Refusal>;
    /// Where a link leads, as the kernel spells it.
    ///
    /// # Errors
    /// [`Refusal`].
    fn link(&self, path: &str) -> Result<Vec<u8>, Refusal>;
    /// The names in a directory, at most `limit`.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::TooLong`] beyond the limit.
    fn list(&self, path: &str, limit: usize) -> Result<Vec<Entry>, Refusal>;
    /// What a path is; a link at its end is followed where `follow` says so.
    ///
    /// # Errors
    /// [`Refusal`].
    fn stat(&self, path: &str, follow: bool) -> Result<Stat, Refusal>;
    /// The attribute `security.capability` of a file, a link not followed, as it stands in the inode; `None` without one.
    ///
    /// # Errors
    /// [`Refusal`].
    fn capability(&self, path: &str) -> Result<Option<Vec<u8>>, Refusal>;
    /// SHA-256 and state of a regular file, hashed piece by piece. A magic link (`exe`) is followed.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::TooLong`] where the file is longer than `limit` bytes.
    fn digest(&self, path: &str, limit: u64) -> Result<[u8; 32], Refusal>;
    /// State of the file that a magic link leads to.
    ///
    /// # Errors
    /// [`Refusal`].
    fn target(&self, path: &str) -> Result<Stat, Refusal>;
    /// The directory `path`, held open: of a process, the same process whatever becomes of its number.
    ///
    /// # Errors
    /// [`Refusal`].
    fn open(&self, path: &str) -> Result<Box<dyn Directory>, Refusal>;
}

/// A program that is attached to a cgroup, or loaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Its number in this kernel.
    pub id: u32,
    /// `BPF_PROG_TYPE_*`, where it may be read.
    pub kind: Option<u32>,
    /// Its name, where it may be read.
    pub name: Option<String>,
    /// Its tag, where it may be read (CAP_SYS_ADMIN).
    pub tag: Option<[u8; 8]>,
}

/// Of a device-mapper device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedDevice {
    /// Its name.
    pub name: String,
    /// Minor number: `/sys/block/dm-MINOR`.
    pub minor: u32,
    /// Answer to DM_TABLE_STATUS with the targets' states.
    pub status: Vec<u8>,
    /// Answer to DM_TABLE_STATUS with the targets' tables; `None` where a table may hold a key, which is never asked
    /// for.
    pub table: Option<Vec<u8>>,
}

/// What is asked of `NETLINK_SOCK_DIAG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiagFamily {
    /// AF_INET with IPPROTO_TCP or IPPROTO_UDP or IPPROTO_RAW.
    Inet(u8),
    /// AF_INET6, as [`DiagFamily::Inet`].
    Inet6(u8),
    /// AF_UNIX.
    Unix,
    /// AF_VSOCK.
    Vsock,
}

/// The machine, or a recording of one. What has no file is answered by its own method; a recording that holds no such
/// answer says [`Refusal::NotSupported`].
pub trait Source: Send {
    /// A root, opened once.
    ///
    /// # Errors
    /// [`Refusal`]: not mounted, or not of the kind that belongs there.
    fn root(&self, root: Root) -> Result<&dyn Directory, Refusal>;
    /// Kind of cgroup hierarchy.
    fn hierarchy(&self) -> Hierarchy;
    /// What was wrong with the roots when they were opened: (path, problem).
    fn view(&self) -> Vec<(String, String)>;
    /// PID of this program in the PID namespace of [`Root::Proc`].
    fn own_pid(&self) -> Option<u32>;
    /// prlimit(2) of a process: soft and hard value of `RLIMIT_*` number `resource`, `u64::MAX` = infinity.
    ///
    /// # Errors
    /// [`Refusal`].
    fn rlimit(&self, pid: u32, resource: u32) -> Result<(u64, u64), Refusal>;
    /// capget(2) of a thread: effective, permitted, inheritable.
    ///
    /// # Errors
    /// [`Refusal`].
    fn capabilities(&self, tid: u32) -> Result<[u64; 3], Refusal>;
    /// Whether a signal would reach this number (kill(2) with signal 0).
    ///
    /// # Errors
    /// [`Refusal`].
    fn answers(&self, pid: u32) -> Result<bool, Refusal>;
    /// Dumps of `NETLINK_SOCK_DIAG`, payloads of the answers one dump after the other, in the network namespace of
    /// process `pid`, which is entered once for all of them.
    ///
    /// # Errors
    /// [`Refusal`] of any of them.
    fn sockets(&self, pid: u32, families: &[DiagFamily]) -> Result<Vec<Vec<u8>>, Refusal>;
    /// The nftables ruleset of PID 1's network namespace: kinds and payloads of the answers to dumps of tables, chains,
    /// rules, sets and stateful objects.
    ///
    /// # Errors
    /// [`Refusal`].
    fn nftables(&self) -> Result<Vec<(u16, Vec<u8>)>, Refusal>;
    /// Programs attached to a cgroup itself under `BPF_CGROUP_*` number `attach`.
    ///
    /// # Errors
    /// [`Refusal`].
    fn cgroup_programs(&self, cgroup: &str, attach: u32) -> Result<Vec<u32>, Refusal>;
    /// What program `id` is.
    ///
    /// # Errors
    /// [`Refusal`].
    fn program(&self, id: u32) -> Result<Program, Refusal>;
    /// Numbers of all loaded programs.
    ///
    /// # Errors
    /// [`Refusal`].
    fn programs(&self) -> Result<Vec<u32>, Refusal>;
    /// Device-mapper devices.
    ///
    /// # Errors
    /// [`Refusal`].
    fn mapped_devices(&self) -> Result<Vec<MappedDevice>, Refusal>;
}

// === impl Refusal ===

impl Refusal {
    /// What stands in the observation.
    pub fn reading(&self) -> Reading {
        match self {
            Self::Absent | Self::Gone => Reading::Absent,
            Self::NotSupported(why) => Reading::NotSupported(why.clone()),
            other => Reading::Unreadable(other.to_string()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("it does not exist"),
            Self::Gone => f.write_str("the process is gone"),
            Self::Denied(capability) => write!(f, "permission denied; it takes {capability}"),
            Self::Shadowed(path) => write!(f, "{path}: another file system stands over it"),
            Self::TooLong(limit) => write!(f, "it is longer than {limit} bytes or items, the most that is read"),
            Self::NotSupported(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}
