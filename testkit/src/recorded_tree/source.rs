//! A snapshot as a source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use avouch_kernel::source::{
    DiagFamily, Directory, Entry, Hierarchy, MappedDevice, Program, Refusal, Root, Source, Stat,
};

use super::Snapshot;
use super::answers::not_recorded;

/// Files and links below `/proc/PID` that recordings hold; directories end with a slash.
const OF_PROCESSES: [&str; 14] = [
    "attr/",
    "cgroup",
    "exe",
    "gid_map",
    "limits",
    "mountinfo",
    "net/dev",
    "net/tcp",
    "ns/",
    "oom_score_adj",
    "root",
    "stat",
    "status",
    "uid_map",
];
/// The same of PID 1, which recordings hold for its namespaces and mounts.
const OF_FIRST: [&str; 3] = ["cgroup", "mountinfo", "ns/"];
/// Files of cgroups that recordings do not hold.
const NOT_OF_GROUPS: [&str; 2] = ["memory.zswap.max", "cpuset.mems.effective"];

/// A recorded machine.
#[derive(Debug)]
pub struct RecordedTree {
    snapshot: Arc<Snapshot>,
    roots: BTreeMap<Root, Recorded>,
}

/// A directory of it.
#[derive(Clone, Debug)]
struct Recorded {
    snapshot: Arc<Snapshot>,
    prefix: String,
}

// === impl RecordedTree ===

impl RecordedTree {
    /// The source of a snapshot.
    pub fn new(snapshot: &Snapshot) -> Self {
        let snapshot = Arc::new(snapshot.clone());
        let places = [
            (Root::Proc, "proc"),
            (Root::Cgroup, "sys/fs/cgroup"),
            (Root::Selinux, "sys/fs/selinux"),
            (Root::Sys, "sys"),
            (Root::Security, "sys/kernel/security"),
            (Root::Host, ""),
        ];
        let roots = places.map(|(root, prefix)| {
            let directory = Recorded { snapshot: Arc::clone(&snapshot), prefix: prefix.to_owned() };
            (root, directory)
        });
        Self { snapshot, roots: roots.into() }
    }
}

// === impl Recorded ===

impl Recorded {
    /// The recorded path. Recordings hold no threads: the first thread of a process is the process.
    fn path(&self, path: &str) -> Result<String, Refusal> {
        let joined = [self.prefix.as_str(), path].join("/");
        let mut words: Vec<&str> = joined.split('/').filter(|word| !word.is_empty() && *word != ".").collect();
        if let ["proc", pid, "task", tid, ..] = words.as_slice()
            && pid == tid
        {
            words.drain(2..4);
        }
        let path = words.join("/");
        match self.snapshot.refusals.get(&path) {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(path),
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        let Snapshot { files, links, stats, refusals, .. } = &*self.snapshot;
        files.keys().chain(links.keys()).chain(stats.keys()).chain(refusals.keys())
    }

    fn has_below(&self, path: &str) -> bool {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.names().any(|name| name.starts_with(&below))
    }

    /// What is said of a path that the snapshot does not have: whether it would, if the machine had it.
    fn missing<T>(&self, path: &str) -> Result<T, Refusal> {
        let words: Vec<&str> = path.splitn(3, '/').collect();
        let recorded = match words.as_slice() {
            ["proc", pid] => pid.parse::<u32>().is_ok(),
            ["proc", pid, file] if pid.parse::<u32>().is_ok() => {
                let held = |known: &&str| *known == *file || known.ends_with('/') && file.starts_with(known);
                let recorded: &[&str] = if *pid == "1" { &OF_FIRST } else { &OF_PROCESSES };
                !self.has_below(&format!("proc/{pid}")) || recorded.iter().any(held)
            }
            ["sys", "fs", place] if place.starts_with("selinux") => self.has_below("sys/fs/selinux"),
            ["sys", "fs", place] => {
                place.starts_with("cgroup") && !NOT_OF_GROUPS.iter().any(|file| place.ends_with(file))
            }
            ["sys" | "proc", ..] => false,
            _ => self.snapshot.looked.iter().any(|folder| path.starts_with(folder.as_str())),
        };
        if recorded { Err(Refusal::Absent) } else { not_recorded() }
    }
}

impl Directory for Recorded {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
        let path = self.path(path)?;
        match self.snapshot.files.get(&path) {
            None => self.missing(&path),
            Some(content) if content.len() > limit => Err(Refusal::TooLong(limit)),
            Some(content) => Ok(content.clone()),
        }
    }

    fn link(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        let path = self.path(path)?;
        match self.snapshot.links.get(&path) {
            Some(target) => Ok(target.clone()),
            None => self.missing(&path),
        }
    }

    fn list(&self, path: &str, limit: usize) -> Result<Vec<Entry>, Refusal> {
        let path = self.path(path)?;
        if let ["proc", pid, "task"] = path.split('/').collect::<Vec<_>>().as_slice() {
            return Ok(vec![Entry { name: (*pid).to_owned(), directory: true }]);
        }
        if !self.has_below(&path) {
            return self.missing(&path);
        }
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let entries: BTreeSet<Entry> = self
            .names()
            .filter_map(|name| name.strip_prefix(&below))
            .map(|rest| match rest.split_once('/') {
                Some((name, _)) => Entry { name: name.to_owned(), directory: true },
                None => Entry { name: rest.to_owned(), directory: self.has_below(&format!("{below}{rest}")) },
            })
            .collect();
        if entries.len() > limit { Err(Refusal::TooLong(limit)) } else { Ok(entries.into_iter().collect()) }
    }

    fn stat(&self, path: &str, _follow: bool) -> Result<Stat, Refusal> {
        let path = self.path(path)?;
        match self.snapshot.stats.get(&path) {
            Some(stat) => Ok(*stat),
            None if self.snapshot.files.contains_key(&path) || self.has_below(&path) => not_recorded(),
            None => self.missing(&path),
        }
    }

    fn capability(&self, path: &str) -> Result<Option<Vec<u8>>, Refusal> {
        self.path(path)?;
        not_recorded()
    }

    fn digest(&self, path: &str, _limit: u64) -> Result<[u8; 32], Refusal> {
        self.path(path)?;
        not_recorded()
    }

    fn target(&self, path: &str) -> Result<Stat, Refusal> {
        self.path(path)?;
        not_recorded()
    }

    fn open(&self, path: &str) -> Result<Box<dyn Directory>, Refusal> {
        let path = self.path(path)?;
        match self.has_below(&path) {
            true => Ok(Box::new(Self { snapshot: Arc::clone(&self.snapshot), prefix: path })),
            false => self.missing(&path),
        }
    }
}

impl Source for RecordedTree {
    fn root(&self, root: Root) -> Result<&dyn Directory, Refusal> {
        let directory = self.roots.get(&root).ok_or(Refusal::Absent)?;
        match root {
            Root::Selinux if !directory.has_below(&directory.prefix) => Err(Refusal::Absent),
            Root::Cgroup if self.hierarchy() == Hierarchy::Legacy => {
                Err(Refusal::NotSupported("this machine has only cgroup version 1".to_owned()))
            }
            _ => Ok(directory),
        }
    }

    fn hierarchy(&self) -> Hierarchy {
        self.snapshot.answers.hierarchy.unwrap_or(Hierarchy::Unified)
    }

    fn view(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn own_pid(&self) -> Option<u32> {
        None
    }

    fn rlimit(&self, pid: u32, resource: u32) -> Result<(u64, u64), Refusal> {
        self.snapshot.answers.rlimit(pid, resource)
    }

    fn capabilities(&self, tid: u32) -> Result<[u64; 3], Refusal> {
        self.snapshot.answers.capabilities(tid)
    }

    fn answers(&self, pid: u32) -> Result<bool, Refusal> {
        self.snapshot.answers.answers(pid)
    }

    fn sockets(&self, _pid: u32, families: &[DiagFamily]) -> Result<Vec<Vec<u8>>, Refusal> {
        self.snapshot.answers.sockets(families)
    }

    fn nftables(&self) -> Result<Vec<(u16, Vec<u8>)>, Refusal> {
        self.snapshot.answers.nftables.clone().map_or_else(not_recorded, Ok)
    }

    fn cgroup_programs(&self, cgroup: &str, attach: u32) -> Result<Vec<u32>, Refusal> {
        self.snapshot.answers.attached(cgroup, attach)
    }

    fn program(&self, id: u32) -> Result<Program, Refusal> {
        self.snapshot.answers.program(id)
    }

    fn programs(&self) -> Result<Vec<u32>, Refusal> {
        let programs = self.snapshot.answers.programs.as_ref();
        programs.map_or_else(not_recorded, |programs| Ok(programs.iter().map(|program| program.id).collect()))
    }

    fn mapped_devices(&self) -> Result<Vec<MappedDevice>, Refusal> {
        self.snapshot.answers.devices.clone().map_or_else(not_recorded, Ok)
    }
}
