//! The processes and threads of a unit: all of its cgroup and of the cgroups below.

use crate::parse::cgroup;
use crate::pass::SMALL;
use crate::source::{Directory, Hierarchy, Refusal, Root};
use crate::{Pass, UnitAsk};

/// Most cgroups below one unit.
const MOST_GROUPS: usize = 4096;
/// Deepest nesting below one unit.
const DEEPEST: usize = 64;
/// Most processes of one unit.
const MOST_PROCESSES: usize = 32_768;
/// Most threads of one process.
const MOST_THREADS: usize = 65_536;
/// Most threads of one unit.
const MOST_THREADS_OF_UNIT: usize = 131_072;
/// Most bytes of one cgroup.procs: MOST_PROCESSES numbers.
const MOST_BYTES: usize = 11 * MOST_PROCESSES;

/// The processes of a unit, ascending.
pub(super) struct Members {
    pub(super) processes: Vec<Member>,
    /// PID of the main process, or of the one with the smallest PID where there is none.
    pub(super) main: u32,
}

/// One process.
pub(super) struct Member {
    pub(super) pid: u32,
    /// `/proc/PID`, held open.
    pub(super) directory: Box<dyn Directory>,
    /// Its threads, ascending, each `/proc/PID/task/TID` held open.
    pub(super) threads: Vec<(u32, Box<dyn Directory>)>,
}

// === impl Members ===

impl Members {
    /// Finds them, the main process also where somebody moved it out of the unit's cgroup. One that ends meanwhile is
    /// left out.
    pub(super) fn of(pass: &Pass<'_>, ask: &UnitAsk) -> Result<Self, Refusal> {
        let mut processes = Vec::new();
        let mut threads = 0;
        for pid in pids(pass, ask)? {
            match Member::open(pass, pid) {
                Ok(member) => {
                    threads += member.threads.len();
                    processes.push(member);
                }
                Err(Refusal::Absent | Refusal::Gone) => {}
                Err(refusal) => return Err(refusal),
            }
            if threads > MOST_THREADS_OF_UNIT {
                return Err(Refusal::TooLong(MOST_THREADS_OF_UNIT));
            }
        }
        let there = |pid: u32| processes.iter().any(|member| member.pid == pid);
        let first = processes.first().map_or(0, |member| member.pid);
        let main = if there(ask.main_pid) { ask.main_pid } else { first };
        Ok(Self { processes, main })
    }

    /// The main process.
    pub(super) fn main(&self) -> Option<&Member> {
        self.processes.iter().find(|member| member.pid == self.main)
    }
}

// === impl Member ===

impl Member {
    fn open(pass: &Pass<'_>, pid: u32) -> Result<Self, Refusal> {
        let directory = pass.process(pid)?;
        let mut threads = Vec::new();
        for entry in pass.noted(directory.list("task", MOST_THREADS))? {
            let Ok(tid) = entry.name.parse() else { continue };
            match pass.noted(directory.open(&format!("task/{tid}"))) {
                Ok(thread) => threads.push((tid, thread)),
                Err(Refusal::Absent | Refusal::Gone) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        threads.sort_by_key(|(tid, _)| *tid);
        Ok(Self { pid, directory, threads })
    }
}

/// PIDs of the unit's cgroup and those below, and of its main process, ascending.
fn pids(pass: &Pass<'_>, ask: &UnitAsk) -> Result<Vec<u32>, Refusal> {
    if ask.control_group.is_empty() {
        return Ok(Vec::new());
    }
    if pass.kernel.source.hierarchy() == Hierarchy::Legacy {
        return by_census(pass, &ask.control_group);
    }
    let mut pids = Vec::new();
    let mut groups = 0;
    let root = match pass.noted(pass.root(Root::Cgroup)?.open(&ask.control_group)) {
        Err(Refusal::Absent) => return Ok(Vec::new()),
        opened => opened?,
    };
    collect(pass, root.as_ref(), DEEPEST, &mut groups, &mut pids)?;
    if ask.main_pid != 0 {
        pids.push(ask.main_pid);
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

fn collect(
    pass: &Pass<'_>,
    group: &dyn Directory,
    depth: usize,
    groups: &mut usize,
    pids: &mut Vec<u32>,
) -> Result<(), Refusal> {
    *groups += 1;
    if *groups > MOST_GROUPS || depth == 0 {
        return Err(Refusal::TooLong(MOST_GROUPS));
    }
    match pass.read(group, "cgroup.procs", MOST_BYTES) {
        Ok(bytes) => pids.extend(cgroup::processes(&bytes)?),
        // A threaded cgroup: its processes stand in the one above. Or the cgroup is gone (ENODEV).
        Err(Refusal::NotSupported(_) | Refusal::Absent) => {}
        Err(refusal) => return Err(refusal),
    }
    if pids.len() > MOST_PROCESSES {
        return Err(Refusal::TooLong(MOST_PROCESSES));
    }
    for entry in pass.noted(group.list("", SMALL))? {
        if !entry.directory {
            continue;
        }
        match pass.noted(group.open(&entry.name)) {
            Ok(below) => collect(pass, below.as_ref(), depth - 1, groups, pids)?,
            Err(Refusal::Absent) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(())
}

/// Without the unified hierarchy: whoever says of itself that it is there.
fn by_census(pass: &Pass<'_>, group: &str) -> Result<Vec<u32>, Refusal> {
    let inside = |cgroup: &str| cgroup.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let census = pass.census()?.iter();
    Ok(census.filter(|(_, seen)| inside(&seen.cgroup)).map(|(pid, _)| *pid).collect())
}
