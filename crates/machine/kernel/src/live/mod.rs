//! This machine: its pseudo file systems opened once, and its system calls.

mod directory;
mod mapper;
mod netlink;
mod roots;

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use self::directory::{Live, Rule, errno};
use self::roots::Opened;
use crate::KernelError;
use crate::source::{DiagFamily, Directory, Hierarchy, MappedDevice, Program, Refusal, Root, Source};
use crate::sys;

/// Most BPF programs that are listed.
const MOST_PROGRAMS: usize = 16_384;

/// This machine.
pub(crate) struct Machine {
    roots: Opened,
}

// === impl Machine ===

impl Machine {
    pub(crate) fn open() -> Result<Self, KernelError> {
        Ok(Self { roots: Opened::open().map_err(KernelError::NoProc)? })
    }

    fn proc(&self) -> Result<&Live, Refusal> {
        self.roots.live(Root::Proc)
    }
}

/// What a refused system call comes to.
///
/// CAP_SYS_ADMIN and CAP_SYS_RESOURCE are more than an observer should hold: what takes them is not supported without
/// them, which says so and leaves the level to the other facts.
fn refused(error: &std::io::Error, capability: &'static str) -> Refusal {
    match errno(error) {
        Errno::PERM | Errno::ACCESS if capability.starts_with("CAP_SYS_ADMIN") || capability == "CAP_SYS_RESOURCE" => {
            Refusal::NotSupported(format!("it takes {capability}, which this program runs without"))
        }
        Errno::SRCH => Refusal::Gone,
        Errno::NOENT => Refusal::Absent,
        Errno::PERM | Errno::ACCESS => Refusal::Denied(capability),
        Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP => {
            Refusal::NotSupported("this kernel does not know the call, or was built without it".to_owned())
        }
        error => Refusal::Failed(error.to_string()),
    }
}

fn pid_of(pid: u32) -> Result<Pid, Refusal> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Refusal::Gone)
}

impl Source for Machine {
    fn root(&self, root: Root) -> Result<&dyn Directory, Refusal> {
        self.roots.live(root).map(|live| -> &dyn Directory { live })
    }

    fn hierarchy(&self) -> Hierarchy {
        self.roots.hierarchy
    }

    fn view(&self) -> Vec<(String, String)> {
        self.roots.problems.clone()
    }

    fn own_pid(&self) -> Option<u32> {
        let link = self.proc().ok()?.link("self").ok()?;
        String::from_utf8(link).ok()?.parse().ok()
    }

    fn rlimit(&self, pid: u32, resource: u32) -> Result<(u64, u64), Refusal> {
        let pid = i32::try_from(pid).map_err(|_| Refusal::Gone)?;
        sys::prlimit(pid, resource).map_err(|error| refused(&error, "CAP_SYS_RESOURCE"))
    }

    fn capabilities(&self, tid: u32) -> Result<[u64; 3], Refusal> {
        match rustix::thread::capabilities(Some(pid_of(tid)?)) {
            Ok(sets) => Ok([sets.effective.bits(), sets.permitted.bits(), sets.inheritable.bits()]),
            Err(error) => Err(refused(&error.into(), "CAP_SYS_PTRACE")),
        }
    }

    fn answers(&self, pid: u32) -> Result<bool, Refusal> {
        match rustix::process::test_kill_process(pid_of(pid)?) {
            // A process that may not be sent a signal is there all the same.
            Ok(()) | Err(Errno::PERM) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(refused(&error.into(), "CAP_KILL")),
        }
    }

    fn sockets(&self, pid: u32, families: &[DiagFamily]) -> Result<Vec<Vec<u8>>, Refusal> {
        netlink::sockets(self.proc()?, pid, families)
    }

    fn nftables(&self) -> Result<Vec<(u16, Vec<u8>)>, Refusal> {
        netlink::nftables(self.proc()?)
    }

    fn cgroup_programs(&self, cgroup: &str, attach: u32) -> Result<Vec<u32>, Refusal> {
        let root = self.roots.live(Root::Cgroup)?;
        let directory = root.opened(cgroup, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let borrowed = std::os::fd::AsFd::as_fd(&directory);
        sys::attached(borrowed, attach).map_err(|error| refused(&error, "CAP_NET_ADMIN or CAP_BPF"))
    }

    fn program(&self, id: u32) -> Result<Program, Refusal> {
        let denied = |error: std::io::Error| refused(&error, "CAP_SYS_ADMIN");
        let (kind, tag, name) = sys::program(id).and_then(|program| sys::program_info(&program)).map_err(denied)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let name = String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned();
        Ok(Program { id, kind: Some(kind), name: Some(name), tag: Some(tag) })
    }

    fn programs(&self) -> Result<Vec<u32>, Refusal> {
        let mut programs = Vec::new();
        let mut last = 0;
        while let Some(next) = sys::next_program(last).map_err(|error| refused(&error, "CAP_SYS_ADMIN"))? {
            if programs.len() >= MOST_PROGRAMS || next <= last {
                return Err(Refusal::TooLong(MOST_PROGRAMS));
            }
            programs.push(next);
            last = next;
        }
        Ok(programs)
    }

    fn mapped_devices(&self) -> Result<Vec<MappedDevice>, Refusal> {
        mapper::devices()
    }
}

/// Opens an absolute path of our own mount namespace.
fn opened_here(path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
}
