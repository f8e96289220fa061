//! What the kernel answers without a file.

use std::collections::BTreeMap;

use avouch_kernel::source::{DiagFamily, Hierarchy, MappedDevice, Program, Refusal};

/// `None` is what nobody asked when the machine was recorded.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Kind of cgroup hierarchy; the recorded machine's is unified.
    pub hierarchy: Option<Hierarchy>,
    /// prlimit(2), by process and `RLIMIT_*` number.
    pub rlimits: Option<BTreeMap<(u32, u32), (u64, u64)>>,
    /// capget(2), by thread.
    pub capabilities: Option<BTreeMap<u32, [u64; 3]>>,
    /// Numbers that take a signal.
    pub alive: Option<Vec<u32>>,
    /// Answers to dumps of sock_diag in PID 1's network namespace; of a family that is not in it there is no socket.
    pub sockets: Option<BTreeMap<DiagFamily, Vec<Vec<u8>>>>,
    /// Kinds and payloads of the answers to dumps of nf_tables.
    pub nftables: Option<Vec<(u16, Vec<u8>)>>,
    /// BPF programs by cgroup and `BPF_CGROUP_*` number.
    pub attached: Option<BTreeMap<(String, u32), Vec<u32>>>,
    /// All loaded BPF programs.
    pub programs: Option<Vec<Program>>,
    /// Device-mapper devices.
    pub devices: Option<Vec<MappedDevice>>,
}

/// What is said of everything that a recording does not hold.
pub(super) fn not_recorded<T>() -> Result<T, Refusal> {
    Err(Refusal::NotSupported("the recording does not hold it".to_owned()))
}

// === impl Answers ===

impl Answers {
    pub(super) fn rlimit(&self, pid: u32, resource: u32) -> Result<(u64, u64), Refusal> {
        let Some(limits) = &self.rlimits else { return not_recorded() };
        limits.get(&(pid, resource)).copied().ok_or(Refusal::Gone)
    }

    pub(super) fn capabilities(&self, tid: u32) -> Result<[u64; 3], Refusal> {
        let Some(sets) = &self.capabilities else { return not_recorded() };
        sets.get(&tid).copied().ok_or(Refusal::Gone)
    }

    pub(super) fn answers(&self, pid: u32) -> Result<bool, Refusal> {
        self.alive.as_ref().map_or_else(not_recorded, |alive| Ok(alive.contains(&pid)))
    }

    pub(super) fn sockets(&self, families: &[DiagFamily]) -> Result<Vec<Vec<u8>>, Refusal> {
        let Some(sockets) = &self.sockets else { return not_recorded() };
        Ok(families.iter().filter_map(|family| sockets.get(family)).flatten().cloned().collect())
    }

    pub(super) fn attached(&self, cgroup: &str, attach: u32) -> Result<Vec<u32>, Refusal> {
        let Some(programs) = &self.attached else { return not_recorded() };
        Ok(programs.get(&(cgroup.to_owned(), attach)).cloned().unwrap_or_default())
    }

    pub(super) fn program(&self, id: u32) -> Result<Program, Refusal> {
        let Some(programs) = &self.programs else { return not_recorded() };
        programs.iter().find(|program| program.id == id).cloned().ok_or(Refusal::Absent)
    }
}
