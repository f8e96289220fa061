//! Units of a recorded machine, before and after somebody tampered with them: what `systemctl show` said, and the
//! files of the kernel, as a [`Source`].
//!
//! One text file holds many snapshots. Below `snapshot PHASE UNIT` stand `property NAME VALUE`, `file PATH` and
//! `raw PATH` (without a newline at the end) with their lines indented by one space, `link PATH TARGET`,
//! `bpf CGROUP TYPE ID` (one of `- - 0` says that programs were looked for), `base PHASE`, which takes over the
//! unit's snapshot of that phase, and `gone NAME`, which is not in it. `snapshot host -` is part of each.

use std::collections::{BTreeMap, BTreeSet};

use avouch_kernel::source::{
    DiagFamily, Directory, Entry, Hierarchy, MappedDevice, Program, Refusal, Root, Source, Stat,
};
use avouch_kernel::{Kernel, UnitAsk};

/// A guest with Secure Boot, kernel 6.1 and systemd 252: 11 units before, and after 13 ways of tampering.
pub const DUAL_SOURCE: &str = include_str!("../../crates/machine/kernel/tests/fixtures/dual-source.tree");

/// The recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// By phase and unit.
    pub snapshots: BTreeMap<(String, String), Snapshot>,
}

/// One unit at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Properties as `systemctl show` spells them.
    pub properties: BTreeMap<String, String>,
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
    /// By cgroup and `BPF_CGROUP_*` number; `None` where nobody looked.
    programs: Option<BTreeMap<(String, u32), Vec<u32>>>,
}

/// `BPF_CGROUP_*` by bpftool's words.
const ATTACH: [(&str, u32); 3] = [("ingress", 0), ("egress", 1), ("device", 6)];

// === impl Recording ===

impl Recording {
    /// Reads a recording.
    ///
    /// # Panics
    /// On a line that it does not know: the recording is part of the tests.
    pub fn parse(text: &str) -> Self {
        let mut recording = Self::default();
        let mut at = (String::new(), String::new());
        let mut open: Option<(String, bool)> = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(content) = line.strip_prefix(' ') {
                let (path, newline) = open.as_ref().expect("content belongs to a file");
                let file = recording.snapshots.get_mut(&at).and_then(|s| s.files.get_mut(path)).expect("an open file");
                if !newline && !file.is_empty() {
                    file.push(b'\n');
                }
                file.extend(content.as_bytes());
                if *newline {
                    file.push(b'\n');
                }
                continue;
            }
            open = None;
            let mut words = line.splitn(3, ' ');
            let (word, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""));
            if word == "snapshot" {
                at = (name.to_owned(), rest.to_owned());
                let host = recording.snapshots.get(&("host".to_owned(), "-".to_owned())).cloned();
                recording.snapshots.insert(at.clone(), host.unwrap_or_default());
                continue;
            }
            if word == "base" {
                let base = recording.snapshots[&(name.to_owned(), at.1.clone())].clone();
                recording.snapshots.insert(at.clone(), Snapshot { programs: None, ..base });
                continue;
            }
            let snapshot = recording.snapshots.get_mut(&at).expect("a snapshot begins with its name");
            match word {
                "property" => drop(snapshot.properties.insert(name.to_owned(), rest.to_owned())),
                "link" => drop(snapshot.links.insert(name.to_owned(), rest.to_owned())),
                "file" | "raw" => {
                    snapshot.files.insert(name.to_owned(), Vec::new());
                    open = Some((name.to_owned(), word == "file"));
                }
                "gone" => {
                    snapshot.properties.remove(name);
                    snapshot.files.remove(name);
                    snapshot.links.remove(name);
                }
                "bpf" => snapshot.attach(name, rest),
                other => panic!("{other} is no word of a recording"),
            }
        }
        recording
    }

    /// One unit at one time.
    ///
    /// # Panics
    /// Where the recording has no such snapshot.
    pub fn snapshot(&self, phase: &str, unit: &str) -> &Snapshot {
        &self.snapshots[&(phase.to_owned(), unit.to_owned())]
    }
}

// === impl Snapshot ===

impl Snapshot {
    fn attach(&mut self, cgroup: &str, rest: &str) {
        let (kind, id) = rest.split_once(' ').expect("bpf CGROUP TYPE ID");
        let programs = self.programs.get_or_insert_default();
        if let Some((_, number)) = ATTACH.iter().find(|(word, _)| *word == kind) {
            let id = id.parse().expect("a program's number");
            programs.entry((cgroup.to_owned(), *number)).or_default().push(id);
        }
    }

    /// The kernel of the snapshot.
    pub fn kernel(&self) -> Kernel {
        Kernel::of(Box::new(RecordedTree::new(self)))
    }

    /// What the kernel is asked about the unit.
    pub fn ask(&self, unit: &str) -> UnitAsk {
        let property = |name: &str| self.properties.get(name).cloned().unwrap_or_default();
        UnitAsk {
            name: unit.to_owned(),
            control_group: property("ControlGroup"),
            main_pid: property("MainPID").parse().unwrap_or(0),
            control_pid: property("ControlPID").parse().unwrap_or(0),
            ..UnitAsk::default()
        }
    }

    /// Writes over a file of the snapshot, or adds one.
    pub fn write(&mut self, path: &str, content: &[u8]) {
        self.files.insert(path.to_owned(), content.to_vec());
    }

    /// Takes a file or link away, or everything below a directory.
    pub fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.files.retain(|name, _| name != path && !name.starts_with(&below));
        self.links.retain(|name, _| name != path && !name.starts_with(&below));
    }
}

/// What a tree of files can answer. It is shared by the directories that are opened in it.
#[derive(Clone, Debug)]
struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
}

/// A recorded machine.
#[derive(Debug)]
pub struct RecordedTree {
    roots: BTreeMap<Root, Recorded>,
    programs: Option<BTreeMap<(String, u32), Vec<u32>>>,
}

/// A directory of it.
#[derive(Clone, Debug)]
struct Recorded {
    tree: std::sync::Arc<Tree>,
    prefix: String,
}

// === impl RecordedTree ===

impl RecordedTree {
    /// The source of a snapshot.
    pub fn new(snapshot: &Snapshot) -> Self {
        let tree = std::sync::Arc::new(Tree { files: snapshot.files.clone(), links: snapshot.links.clone() });
        let places = [
            (Root::Proc, "proc"),
            (Root::Cgroup, "sys/fs/cgroup"),
            (Root::Sys, "sys"),
            (Root::Security, "sys/kernel/security"),
            (Root::Host, ""),
        ];
        let roots = places.map(|(root, prefix)| (root, Recorded { tree: tree.clone(), prefix: prefix.to_owned() }));
        Self { roots: roots.into(), programs: snapshot.programs.clone() }
    }
}

fn not_recorded<T>() -> Result<T, Refusal> {
    Err(Refusal::NotSupported("the recording does not hold it".to_owned()))
}

// === impl Recorded ===

impl Recorded {
    /// The recorded path. Recordings hold no threads: the first thread of a process is the process.
    fn path(&self, path: &str) -> String {
        let joined = [self.prefix.as_str(), path].join("/");
        let mut words: Vec<&str> = joined.split('/').filter(|word| !word.is_empty() && *word != ".").collect();
        if let ["proc", pid, "task", tid, ..] = words.as_slice()
            && pid == tid
        {
            words.drain(2..4);
        }
        words.join("/")
    }

    fn has_below(&self, path: &str) -> bool {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let begins = |name: &String| name.starts_with(&below);
        self.tree.files.keys().any(begins) || self.tree.links.keys().any(begins)
    }
}

impl Directory for Recorded {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
        match self.tree.files.get(&self.path(path)) {
            None => Err(Refusal::Absent),
            Some(content) if content.len() > limit => Err(Refusal::TooLong(limit)),
            Some(content) => Ok(content.clone()),
        }
    }

    fn link(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        self.tree.links.get(&self.path(path)).map(|target| target.clone().into_bytes()).ok_or(Refusal::Absent)
    }

    fn list(&self, path: &str, limit: usize) -> Result<Vec<Entry>, Refusal> {
        let path = self.path(path);
        if let ["proc", pid, "task"] = path.split('/').collect::<Vec<_>>().as_slice() {
            return Ok(vec![Entry { name: (*pid).to_owned(), directory: true }]);
        }
        if !self.has_below(&path) {
            return Err(Refusal::Absent);
        }
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let names = self.tree.files.keys().chain(self.tree.links.keys());
        let entries: BTreeSet<Entry> = names
            .filter_map(|name| name.strip_prefix(&below))
            .map(|rest| match rest.split_once('/') {
                Some((name, _)) => Entry { name: name.to_owned(), directory: true },
                None => Entry { name: rest.to_owned(), directory: false },
            })
            .collect();
        if entries.len() > limit { Err(Refusal::TooLong(limit)) } else { Ok(entries.into_iter().collect()) }
    }

    fn stat(&self, path: &str, _follow: bool) -> Result<Stat, Refusal> {
        let path = self.path(path);
        let there = self.tree.files.contains_key(&path) || self.has_below(&path);
        if there { not_recorded() } else { Err(Refusal::Absent) }
    }

    fn digest(&self, _path: &str, _limit: u64) -> Result<[u8; 32], Refusal> {
        not_recorded()
    }

    fn target(&self, _path: &str) -> Result<Stat, Refusal> {
        not_recorded()
    }

    fn open(&self, path: &str) -> Result<Box<dyn Directory>, Refusal> {
        let path = self.path(path);
        match self.has_below(&path) {
            true => Ok(Box::new(Self { tree: self.tree.clone(), prefix: path })),
            false => Err(Refusal::Absent),
        }
    }
}

impl Source for RecordedTree {
    fn root(&self, root: Root) -> Result<&dyn Directory, Refusal> {
        self.roots.get(&root).map(|directory| -> &dyn Directory { directory }).ok_or(Refusal::Absent)
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

    fn rlimit(&self, _pid: u32, _resource: u32) -> Result<(u64, u64), Refusal> {
        not_recorded()
    }

    fn capabilities(&self, _tid: u32) -> Result<[u64; 3], Refusal> {
        not_recorded()
    }

    fn answers(&self, _pid: u32) -> Result<bool, Refusal> {
        not_recorded()
    }

    fn sockets(&self, _pid: u32, _family: DiagFamily) -> Result<Vec<Vec<u8>>, Refusal> {
        not_recorded()
    }

    fn nftables(&self) -> Result<Vec<(u16, Vec<u8>)>, Refusal> {
        not_recorded()
    }

    fn cgroup_programs(&self, cgroup: &str, attach: u32) -> Result<Vec<u32>, Refusal> {
        match &self.programs {
            None => not_recorded(),
            Some(programs) => Ok(programs.get(&(cgroup.to_owned(), attach)).cloned().unwrap_or_default()),
        }
    }

    fn program(&self, _id: u32) -> Result<Program, Refusal> {
        not_recorded()
    }

    fn programs(&self) -> Result<Vec<u32>, Refusal> {
        not_recorded()
    }

    fn mapped_devices(&self) -> Result<Vec<MappedDevice>, Refusal> {
        not_recorded()
    }
}
