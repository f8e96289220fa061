//! V7 and V13: processes and namespaces of no unit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use avouch_pairs::{Reading, attribute as a};

use crate::Pass;
use crate::pass::{NAMESPACES, Seen};
use crate::reading::{Facts, listed, path, put, reading};
use crate::source::{Refusal, Root};

/// Most lines of one fact.
const MOST: usize = 4096;
/// How long a program that the kernel started may run before it is a stray, in clock ticks (10 s).
const HELPER_TICKS: u64 = 1_000;

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
    let (census, now) = (pass.census()?, uptime(pass));
    for (pid, seen) in of_users(pass)?.filter(|(_, seen)| owners.unit(&seen.cgroup).is_none()) {
        if is_young_helper(seen, census, now) {
            continue;
        }
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

/// A program that the kernel itself started: modprobe for a module that it wants, a handler of core dumps. It runs in
/// the root cgroup, belongs to no unit and ends by itself; one that stays is a stray, whoever started it.
fn is_young_helper(seen: &Seen, census: &BTreeMap<u32, Seen>, now: Option<u64>) -> bool {
    let of_kernel = census.get(&seen.parent).is_some_and(|parent| parent.kernel_thread);
    of_kernel && seen.cgroup == "/" && now.is_some_and(|now| now.saturating_sub(seen.start) < HELPER_TICKS)
}

/// Clock ticks since boot: `/proc/uptime` counts hundredths of a second, as long as the ticks of `/proc/PID/stat`
/// (USER_HZ is 100).
fn uptime(pass: &Pass<'_>) -> Option<u64> {
    let Reading::Value(text) = pass.file(Root::Proc, "uptime") else { return None };
    let (seconds, hundredths) = text.split_ascii_whitespace().next()?.split_once('.')?;
    let (seconds, hundredths) = (seconds.parse::<u64>().ok()?, hundredths.parse::<u64>().ok()?);
    seconds.checked_mul(100)?.checked_add(hundredths)
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
    fn what_the_kernel_started_is_a_stray_only_when_it_stays() {
        let seen =
            |parent, cgroup: &str, kernel_thread| Seen { cgroup: cgroup.into(), kernel_thread, parent, start: 5_000 };
        let census = BTreeMap::from([(1, seen(0, "/init.scope", false)), (2, seen(0, "/", true))]);
        let helper = seen(2, "/", false);
        assert!(is_young_helper(&helper, &census, Some(5_999)));
        assert!(!is_young_helper(&helper, &census, Some(6_000)), "it stays");
        assert!(!is_young_helper(&helper, &census, None), "nobody knows how long it has been there");
        assert!(!is_young_helper(&seen(1, "/", false), &census, Some(5_001)), "systemd started it");
        assert!(!is_young_helper(&seen(9, "/", false), &census, Some(5_001)), "its parent is not known");
        assert!(!is_young_helper(&seen(2, "/elsewhere", false), &census, Some(5_001)), "somebody moved it");
    }

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
