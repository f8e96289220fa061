//! Units of a recorded machine, before and after somebody tampered with them: what `systemctl show` said, and the
//! files of the kernel, as a [`Source`](avouch_kernel::Source).
//!
//! One text file holds many snapshots. Below `snapshot PHASE UNIT` stand `property NAME VALUE` (of an array of
//! structures a line each, one behind the other), `file PATH` and `raw PATH` (without a newline at the end) with their
//! lines indented by one space, `link PATH TARGET`, `stat PATH MODE UID GID SIZE NANOSECONDS`, `looked FOLDER` (of what is
//! below, what has no stat was not there), `bpf CGROUP TYPE ID` (one of `- - 0` says that programs were looked for),
//! `base PHASE`, which takes over the unit's snapshot of that phase, and `gone NAME`, which is not in it. `snapshot host -` is part of each.
//!
//! What was not recorded is not taken for absent: of a file that recordings hold of no process, of a kernel's file
//! outside of the cgroup hierarchy and of every answer that has no file, the tree says
//! [`Refusal::NotSupported`](avouch_kernel::source::Refusal). A test may add such answers ([`Answers`]) and refusals.

mod answers;
mod source;

use std::collections::BTreeMap;

use avouch_kernel::source::{Refusal, Stat};
use avouch_kernel::{Kernel, UnitAsk};

pub use answers::Answers;
pub use source::RecordedTree;

/// A guest with Secure Boot, kernel 6.1 and systemd 252: 23 units before, and after 13 ways of tampering.
pub const DUAL_SOURCE: &str = include_str!("../../../crates/machine/kernel/tests/fixtures/dual-source.tree");

/// The recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// By phase and unit.
    pub snapshots: BTreeMap<(String, String), Snapshot>,
}

/// One unit at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Properties as `systemctl show` spells them; several lines of one stand behind each other.
    pub properties: BTreeMap<String, String>,
    /// What no file holds. A recording holds nothing of it but BPF programs.
    pub answers: Answers,
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, Vec<u8>>,
    stats: BTreeMap<String, Stat>,
    looked: Vec<String>,
    refusals: BTreeMap<String, Refusal>,
}

/// `BPF_CGROUP_*` by bpftool's words.
const ATTACH: [(&str, u32); 3] = [("ingress", 0), ("egress", 1), ("device", 6)];

/// Where the reader of a recording stands.
#[derive(Default)]
struct Place {
    snapshot: (String, String),
    /// The file whose lines follow, and whether it ends with a newline.
    open: Option<(String, bool)>,
    /// The property of the line before.
    property: Option<String>,
}

// === impl Recording ===

impl Recording {
    /// Reads a recording.
    ///
    /// # Panics
    /// On a line that it does not know: the recording is part of the tests.
    pub fn parse(text: &str) -> Self {
        let mut recording = Self::default();
        let mut place = Place::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix(' ') {
                Some(content) => recording.content(&place, content),
                None => recording.word(&mut place, line),
            }
        }
        recording
    }

    fn content(&mut self, place: &Place, content: &str) {
        let (path, newline) = place.open.as_ref().expect("content belongs to a file");
        let file = self.snapshots.get_mut(&place.snapshot).and_then(|s| s.files.get_mut(path)).expect("an open file");
        if !newline && !file.is_empty() {
            file.push(b'\n');
        }
        file.extend(content.as_bytes());
        if *newline {
            file.push(b'\n');
        }
    }

    fn word(&mut self, place: &mut Place, line: &str) {
        place.open = None;
        let mut words = line.splitn(3, ' ');
        let (word, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""));
        let before = place.property.take();
        if word == "snapshot" {
            place.snapshot = (name.to_owned(), rest.to_owned());
            let host = self.snapshots.get(&("host".to_owned(), "-".to_owned())).cloned();
            self.snapshots.insert(place.snapshot.clone(), host.unwrap_or_default());
            return;
        }
        if word == "base" {
            let base = self.snapshots[&(name.to_owned(), place.snapshot.1.clone())].clone();
            let answers = Answers { attached: None, ..base.answers.clone() };
            self.snapshots.insert(place.snapshot.clone(), Snapshot { answers, ..base });
            return;
        }
        let snapshot = self.snapshots.get_mut(&place.snapshot).expect("a snapshot begins with its name");
        match word {
            "property" => {
                snapshot.property(name, rest, before.as_deref() == Some(name));
                place.property = Some(name.to_owned());
            }
            "link" => drop(snapshot.links.insert(name.to_owned(), rest.into())),
            "stat" => drop(snapshot.stats.insert(name.to_owned(), stat(rest))),
            "looked" => snapshot.looked.push(name.to_owned()),
            "file" | "raw" => {
                snapshot.files.insert(name.to_owned(), Vec::new());
                place.open = Some((name.to_owned(), word == "file"));
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

    /// One unit at one time.
    ///
    /// # Panics
    /// Where the recording has no such snapshot.
    pub fn snapshot(&self, phase: &str, unit: &str) -> &Snapshot {
        let found = self.snapshots.get(&(phase.to_owned(), unit.to_owned()));
        found.unwrap_or_else(|| panic!("no snapshot {phase} of {unit}"))
    }
}

/// `MODE UID GID SIZE NANOSECONDS`, the mode octal with its type.
fn stat(line: &str) -> Stat {
    let words: Vec<&str> = line.split(' ').collect();
    let [mode, uid, gid, size, modified] = words.as_slice() else { panic!("{line} is no stat of a recording") };
    Stat {
        mode: u32::from_str_radix(mode, 8).expect("an octal mode"),
        uid: uid.parse().expect("a number"),
        gid: gid.parse().expect("a number"),
        size: size.parse().expect("a number"),
        modified: modified.parse().expect("a number"),
        ..Stat::default()
    }
}

// === impl Snapshot ===

impl Snapshot {
    fn property(&mut self, name: &str, value: &str, again: bool) {
        let slot = self.properties.entry(name.to_owned()).or_default();
        match again {
            true => *slot = format!("{slot}\n{value}"),
            false => value.clone_into(slot),
        }
    }

    fn attach(&mut self, cgroup: &str, rest: &str) {
        let (kind, id) = rest.split_once(' ').expect("bpf CGROUP TYPE ID");
        let programs = self.answers.attached.get_or_insert_default();
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

    /// A file as it was recorded.
    ///
    /// # Panics
    /// Where it was not.
    pub fn content(&self, path: &str) -> &[u8] {
        self.files.get(path).unwrap_or_else(|| panic!("{path} was not recorded"))
    }

    /// Where a recorded link leads.
    pub fn target(&self, path: &str) -> Option<&[u8]> {
        self.links.get(path).map(Vec::as_slice)
    }

    /// Files and links, sorted.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.files.keys().chain(self.links.keys()).cloned().collect();
        paths.sort();
        paths
    }

    /// Writes over a file of the snapshot, or adds one.
    pub fn write(&mut self, path: &str, content: &[u8]) {
        self.files.insert(path.to_owned(), content.to_vec());
    }

    /// Adds a link, or leads one elsewhere.
    pub fn link(&mut self, path: &str, target: &[u8]) {
        self.links.insert(path.to_owned(), target.to_vec());
    }

    /// Says how a file of the host is.
    pub fn stat(&mut self, path: &str, stat: Stat) {
        self.stats.insert(path.to_owned(), stat);
    }

    /// Says of a folder of the host that only those files are in it of which it is said how they are.
    pub fn looked(&mut self, folder: &str) {
        self.looked.push(folder.to_owned());
    }

    /// Takes away how files of the host were: nobody looked.
    pub fn forget_stats(&mut self) {
        self.stats.clear();
        self.looked.clear();
    }

    /// Gives a cgroup another name, in the tree, in what its processes say and in what systemd says.
    pub fn rename_group(&mut self, from: &str, to: &str) {
        let (old, new) = (format!("sys/fs/cgroup{from}/"), format!("sys/fs/cgroup{to}/"));
        let moved = |(path, content): (String, Vec<u8>)| {
            let path = path.strip_prefix(&old).map_or_else(|| path.clone(), |rest| format!("{new}{rest}"));
            let own = format!("0::{from}\n");
            let content = if content == own.as_bytes() { format!("0::{to}\n").into_bytes() } else { content };
            (path, content)
        };
        self.files = std::mem::take(&mut self.files).into_iter().map(moved).collect();
        let programs = self.answers.attached.take();
        let moved = |((group, kind), ids): ((String, u32), Vec<u32>)| {
            let group = if group == from { to.to_owned() } else { group };
            ((group, kind), ids)
        };
        self.answers.attached = programs.map(|programs| programs.into_iter().map(moved).collect());
        self.properties.insert("ControlGroup".to_owned(), to.to_owned());
    }

    /// Takes a file or link away, or everything below a directory.
    pub fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.files.retain(|name, _| name != path && !name.starts_with(&below));
        self.links.retain(|name, _| name != path && !name.starts_with(&below));
    }

    /// Takes over what another snapshot holds below a directory.
    pub fn restore(&mut self, other: &Self, path: &str) {
        let below = |name: &String| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        self.files.extend(other.files.clone().into_iter().filter(|(name, _)| below(name)));
        self.links.extend(other.links.clone().into_iter().filter(|(name, _)| below(name)));
    }

    /// Whoever asks for this path, whatever for, is refused. It is listed all the same.
    pub fn refuse(&mut self, path: &str, refusal: Refusal) {
        self.refusals.insert(path.to_owned(), refusal);
    }
}
