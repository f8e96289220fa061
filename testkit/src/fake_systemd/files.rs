//! Directories of the machine in memory.

use std::collections::BTreeSet;

use avouch_kernel::Directory;
use avouch_kernel::source::{Entry, Refusal, Root, Stat};

use super::process::net_tcp;
use super::{FakeProcess, FakeSystemd, FakeUnit, Model};

/// An opened directory. One of a process stays with that process.
pub(super) struct FakeDirectory {
    systemd: FakeSystemd,
    root: Root,
    /// Below the root, without slashes at its ends.
    path: String,
    /// Of a directory of a process: when it started.
    start: Option<u64>,
    /// Of a cgroup: its inode.
    inode: Option<u64>,
}

// === impl FakeDirectory ===

impl FakeDirectory {
    pub(super) fn root(systemd: FakeSystemd, root: Root) -> Self {
        Self { systemd, root, path: String::new(), start: None, inode: None }
    }

    fn below(&self, path: &str) -> String {
        let path = path.trim_matches('/');
        match (self.path.as_str(), path) {
            ("", path) => path.into(),
            (here, "") => here.into(),
            (here, path) => format!("{here}/{path}"),
        }
    }

    /// The process of a path below /proc, which must be the one that was opened, and what follows it.
    fn process<'m, 'p>(&self, model: &'m Model, path: &'p str) -> Result<(&'m FakeProcess, &'p str), Refusal> {
        let (pid, rest) = path.split_once('/').unwrap_or((path, ""));
        let process = pid.parse().ok().and_then(|pid: u32| model.processes.get(&pid));
        let process = process.ok_or(if self.start.is_some() { Refusal::Gone } else { Refusal::Absent })?;
        if self.start.is_some_and(|start| start != process.start) {
            return Err(Refusal::Gone);
        }
        let of_thread = format!("task/{pid}");
        let rest = rest.strip_prefix(&of_thread).map_or(rest, |rest| rest.trim_start_matches('/'));
        Ok((process, rest))
    }

    fn text(&self, path: &str) -> Result<String, Refusal> {
        let path = self.below(path);
        let model = self.systemd.lock();
        let found = match self.root {
            Root::Proc => {
                let (process, rest) = self.process(&model, &path)?;
                if rest == "net/tcp" { Some(net_tcp(neighbours(&model, process))) } else { process.file(rest) }
            }
            Root::Cgroup => {
                let (group, file) = path.rsplit_once('/').unwrap_or(("", &path));
                self.group(&model, group)?;
                group_file(&model, &format!("/{group}"), file)
            }
            Root::Security => (path == "lsm").then(|| "capability,yama,apparmor".into()),
            _ => None,
        };
        found.ok_or(Refusal::Absent)
    }

    /// The inode of a cgroup, which must be the one that was opened.
    fn group(&self, model: &Model, group: &str) -> Result<u64, Refusal> {
        let inode = of_group(model, &format!("/{group}")).map(|unit| unit.group_id).ok_or(Refusal::Absent)?;
        if self.inode.is_some_and(|opened| opened != inode) {
            return Err(Refusal::Absent);
        }
        Ok(inode)
    }
}

/// Processes in the network namespace of `process`.
fn neighbours<'m>(model: &'m Model, process: &'m FakeProcess) -> impl Iterator<Item = &'m FakeProcess> {
    let own = process.config.private_network.then_some(process.pid);
    let shares = move |other: &&FakeProcess| other.config.private_network.then_some(other.pid) == own;
    model.processes.values().filter(shares)
}

fn group_file(model: &Model, group: &str, file: &str) -> Option<String> {
    if file == "cgroup.procs" {
        let own = model.processes.values().filter(|process| process.cgroup == group);
        return Some(own.map(|process| format!("{}\n", process.pid)).collect());
    }
    of_group(model, group)?.files.get(file).cloned()
}

/// The unit that has this cgroup, which is named like it.
fn of_group<'m>(model: &'m Model, group: &str) -> Option<&'m FakeUnit> {
    let name = if group == "/" { "-.slice" } else { group.rsplit('/').next()? };
    model.units.get(name).filter(|unit| unit.group_id != 0 && unit.control_group == group)
}

// === impl Directory ===

impl Directory for FakeDirectory {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
        let text = self.text(path)?;
        if text.len() > limit { Err(Refusal::TooLong(limit)) } else { Ok(text.into_bytes()) }
    }

    fn link(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        let path = self.below(path);
        let model = self.systemd.lock();
        let (process, rest) = self.process(&model, &path)?;
        process.link(rest).map(String::into_bytes).ok_or(Refusal::Absent)
    }

    fn list(&self, path: &str, _: usize) -> Result<Vec<Entry>, Refusal> {
        let path = self.below(path);
        let model = self.systemd.lock();
        let names: BTreeSet<String> = match self.root {
            Root::Proc if path.is_empty() => model.processes.keys().map(u32::to_string).collect(),
            Root::Proc => {
                let (process, rest) = self.process(&model, &path)?;
                match rest {
                    "task" => [process.pid.to_string()].into(),
                    "fd" => process.descriptors().collect(),
                    _ => BTreeSet::new(),
                }
            }
            Root::Cgroup => {
                self.group(&model, &path)?;
                let prefix = if path.is_empty() { "/".to_owned() } else { format!("/{path}/") };
                let groups = model.units.values().filter(|unit| unit.group_id != 0).map(|unit| &unit.control_group);
                let child = |group: &String| {
                    let rest = group.strip_prefix(&prefix)?;
                    (!rest.is_empty() && !rest.contains('/')).then(|| rest.to_owned())
                };
                groups.filter_map(child).collect()
            }
            _ => BTreeSet::new(),
        };
        Ok(names.into_iter().map(|name| Entry { name, directory: true }).collect())
    }

    fn stat(&self, path: &str, _: bool) -> Result<Stat, Refusal> {
        let path = self.below(path);
        let model = self.systemd.lock();
        match self.root {
            Root::Cgroup => Ok(Stat { inode: self.group(&model, &path)?, mode: 0o40755, ..Stat::default() }),
            Root::Host if path.starts_with("etc/systemd/system/") && !path.ends_with(".d") => {
                Ok(Stat { inode: 7, mode: 0o100644, size: 100, modified: 1000, ..Stat::default() })
            }
            _ => Err(Refusal::Absent),
        }
    }

    fn capability(&self, _: &str) -> Result<Option<Vec<u8>>, Refusal> {
        Err(Refusal::Absent)
    }

    fn digest(&self, path: &str, _: u64) -> Result<[u8; 32], Refusal> {
        if self.root == Root::Proc {
            self.link(path)?;
        }
        Ok([7; 32])
    }

    fn target(&self, path: &str) -> Result<Stat, Refusal> {
        let link = self.link(path)?;
        let namespace =
            str::from_utf8(&link).ok().and_then(|link| link.split_once(":[")?.1.strip_suffix(']')?.parse().ok());
        let inode = namespace.filter(|_| path.contains("ns/")).unwrap_or(8);
        Ok(Stat { inode, mode: 0o100755, size: 100, modified: 1000, ..Stat::default() })
    }

    fn open(&self, path: &str) -> Result<Box<dyn Directory>, Refusal> {
        let path = self.below(path);
        let model = self.systemd.lock();
        let (mut start, mut inode) = (self.start, self.inode);
        match self.root {
            Root::Proc => start = Some(self.process(&model, &path)?.0.start),
            Root::Cgroup => {
                // Of an opened cgroup those below are others.
                let fresh = Self { inode: None, ..Self::root(self.systemd.clone(), self.root) };
                inode = Some(fresh.group(&model, &path)?);
            }
            _ => {}
        }
        drop(model);
        Ok(Box::new(Self { systemd: self.systemd.clone(), root: self.root, path, start, inode }))
    }
}
