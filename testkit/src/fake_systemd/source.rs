//! The kernel's side: a source whose files are made when they are read.

use avouch_kernel::source::{DiagFamily, Hierarchy, MappedDevice, Program, Refusal, Root};
use avouch_kernel::{Directory, Source};

use super::FakeSystemd;
use super::files::FakeDirectory;

/// The kernel of a [`FakeSystemd`].
pub struct FakeKernel {
    systemd: FakeSystemd,
    proc: FakeDirectory,
    cgroup: FakeDirectory,
    host: FakeDirectory,
    security: FakeDirectory,
}

// === impl FakeKernel ===

impl FakeKernel {
    pub(super) fn of(systemd: FakeSystemd) -> Self {
        let directory = |root| FakeDirectory::root(systemd.clone(), root);
        Self {
            proc: directory(Root::Proc),
            cgroup: directory(Root::Cgroup),
            host: directory(Root::Host),
            security: directory(Root::Security),
            systemd,
        }
    }
}

fn nowhere<T>() -> Result<T, Refusal> {
    Err(Refusal::NotSupported("this machine is in memory".into()))
}

// === impl Source ===

impl Source for FakeKernel {
    fn root(&self, root: Root) -> Result<&dyn Directory, Refusal> {
        match root {
            Root::Proc => Ok(&self.proc),
            Root::Cgroup => Ok(&self.cgroup),
            Root::Host => Ok(&self.host),
            Root::Security => Ok(&self.security),
            _ => nowhere(),
        }
    }

    fn hierarchy(&self) -> Hierarchy {
        Hierarchy::Unified
    }

    fn view(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn own_pid(&self) -> Option<u32> {
        None
    }

    fn rlimit(&self, pid: u32, resource: u32) -> Result<(u64, u64), Refusal> {
        let model = self.systemd.lock();
        let process = model.processes.get(&pid).ok_or(Refusal::Gone)?;
        process.rlimit(resource).ok_or(Refusal::Absent)
    }

    fn capabilities(&self, tid: u32) -> Result<[u64; 3], Refusal> {
        let model = self.systemd.lock();
        let process = model.processes.get(&tid).ok_or(Refusal::Gone)?;
        let effective = process.capget.unwrap_or(process.bounding);
        Ok([effective, process.bounding, 0])
    }

    fn answers(&self, pid: u32) -> Result<bool, Refusal> {
        Ok(self.systemd.lock().processes.contains_key(&pid))
    }

    fn sockets(&self, _: u32, _: &[DiagFamily]) -> Result<Vec<Vec<u8>>, Refusal> {
        nowhere()
    }

    fn nftables(&self) -> Result<Vec<(u16, Vec<u8>)>, Refusal> {
        nowhere()
    }

    fn cgroup_programs(&self, _: &str, _: u32) -> Result<Vec<u32>, Refusal> {
        Ok(Vec::new())
    }

    fn program(&self, _: u32) -> Result<Program, Refusal> {
        Err(Refusal::Absent)
    }

    fn programs(&self) -> Result<Vec<u32>, Refusal> {
        Ok(Vec::new())
    }

    fn mapped_devices(&self) -> Result<Vec<MappedDevice>, Refusal> {
        Ok(Vec::new())
    }
}
