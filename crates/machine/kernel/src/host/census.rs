//! V7 and V13: processes and namespaces of no unit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use avouch_pairs::attribute as a;

use crate::Pass;
use crate::pass::{NAMESPACES, Seen};
use crate::reading::{Facts, listed, path, put, reading};
use crate::source::Refusal;

/// Most lines of one fact.
const MOST: usize = 4096;

/// Which unit a cgroup belongs to.
pub(super) struct Owners<'a> {
    by_group: HashMap<&'a str, &'a str>,
}

// === impl Owners ===

impl<'a> Owners<'a> {
    /// From (cgroup, unit). Slices own no processes.
    pub(super) fn of(groups: &'a [(String, String)]) -> Self {
        let owning = groups.iter().filter(|(group, unit)| group.len() > 1 && !unit.ends_with(".slice"));
        Self { by_group: owning.map(|(group, unit)| (group.trim_end_matches('/'), unit.as_str())).collect() }
    }

    /// The unit of a cgroup: that of itself or of the nearest one above.
    pub(super) fn unit(&self, cgroup: &str) -> Option<&'a str> {
        let above = |group: &str| group.rsplit_once('/').map(|(parent, _)| parent.len());
        let mut group = cgroup;
        loop {
            if let Some(unit) = self.by_group.get(group) {
                return Some(unit);
            }
            group = group.get(..above(group)?)?;
        }
    }

    /// The list of units, where there is one.
    fn known(&self) -> Result<(), Refusal> {
        match self.by_group.is_empty() {
            false => Ok(()),
            true => Err(Refusal::Failed("nobody said which cgroups belong to units".to_owned())),
        }
    }
}

/// Processes of the machine that are no threads of the kernel.
fn of_users<'p>(pass: &'p Pass<'_>) -> Result<impl Iterator<Item = (u32, &'p Seen)>, Refusal> {
    Ok(pass.census()?.iter().filter(|(_, seen)| !seen.kernel_thread).map(|(pid, seen)| (*pid, seen)))
}

pub(super) fn read(pass: &Pass<'_>, owners: &Owners<'_>, facts: &mut Facts) {
    put(facts, a::STRAY_PROCESSES, reading(strays(pass, owners)));
    put(facts, a::NS_UNMANAGED, reading(unmanaged(pass, owners)));
}

fn strays(pass: &Pass<'_>, owners: &Owners<'_>) -> Result<String, Refusal> {
    owners.known()?;
    let mut groups: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (pid, seen) in of_users(pass)?.filter(|(_, seen)| owners.unit(&seen.cgroup).is_none()) {
        groups.entry(&seen.cgroup).or_insert((0, pid)).0 += 1;
    }
    let mut lines = Vec::new();
    for (group, (count, pid)) in groups {
        let exe = match pass.process(pid).and_then(|process| pass.noted(process.link("exe"))) {
            Ok(exe) => path(&exe),
            Err(Refusal::Absent | Refusal::Gone) => continue,
            // A stray is one, whatever it runs.
            Err(Refusal::Denied(_)) => "-".to_owned(),
            Err(refusal) => return Err(refusal),
        };
        if lines.len() >= MOST {
            return Err(Refusal::TooLong(MOST));
        }
        lines.push(format!("{}\t{count}\t{exe}", path(group.as_bytes())));
    }
    Ok(listed(lines))
}

fn unmanaged(pass: &Pass<'_>, owners: &Owners<'_>) -> Result<String, Refusal> {
    owners.known()?;
    let mut managed = BTreeSet::new();
    let mut strange: BTreeMap<(&str, u64), String> = BTreeMap::new();
    for kind in NAMESPACES {
        match pass.first_namespace(kind) {
            Ok(first) => managed.insert((kind, first)),
            Err(Refusal::Absent) => continue,
            Err(refusal) => return Err(refusal),
        };
    }
    for (pid, seen) in of_users(pass)? {
        let Ok(process) = pass.process(pid) else { continue };
        let unit = owners.unit(&seen.cgroup);
        for kind in NAMESPACES {
            let inode = match pass.namespace(process.as_ref(), kind) {
                Ok(inode) => inode,
                Err(Refusal::Absent | Refusal::Gone) => continue,
                Err(refusal) => return Err(refusal),
            };
            match unit {
                Some(_) => drop(managed.insert((kind, inode))),
                None => drop(strange.entry((kind, inode)).or_insert_with(|| path(seen.cgroup.as_bytes()))),
            }
        }
    }
    strange.retain(|namespace, _| !managed.contains(namespace));
    if strange.len() > MOST {
        return Err(Refusal::TooLong(MOST));
    }
    Ok(listed(strange.into_iter().map(|((kind, inode), cgroup)| format!("{kind} {inode}\t{cgroup}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_own_what_is_below_them_and_slices_nothing() {
        let groups = [
            ("/system.slice".to_owned(), "system.slice".to_owned()),
            ("/system.slice/a.service".to_owned(), "a.service".to_owned()),
            ("/".to_owned(), "-.slice".to_owned()),
        ];
        let owners = Owners::of(&groups);
        assert_eq!(owners.unit("/system.slice/a.service"), Some("a.service"));
        assert_eq!(owners.unit("/system.slice/a.service/below/it"), Some("a.service"));
        assert_eq!(owners.unit("/system.slice/a.service2"), None);
        assert_eq!(owners.unit("/system.slice/stray"), None);
        assert_eq!(owners.unit("/"), None);
        assert!(Owners::of(&[]).known().is_err());
    }
}
