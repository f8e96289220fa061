//! V4: where a unit's processes are, and whether they run: the last rows of the table of limits.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::{Case, Compared, Demand, Role, every};
use crate::attribute::{CGROUP_FREEZE, CGROUP_ID, CGROUP_MAIN};
use crate::{Attribute, PairVerdict};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        CGROUP_MAIN => Role::process(control_group, in_control_group),
        CGROUP_ID => Role::cgroup(control_group_id, same_id),
        CGROUP_FREEZE => Role::cgroup(freezer, frozen),
        _ => return None,
    })
}

fn control_group(case: &Case<'_>) -> Demand {
    // Slices and scopes have no main process.
    case.demand(|raw| Some(Demand::when(!raw.is_empty() && case.main_pid() != 0, raw)))
}

/// Limits of the unit bind a process only inside its cgroup or below it.
fn in_control_group(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let Some(unit) = demand.norm.as_deref().filter(|_| demand.configured) else {
        return Compared::new(raw, PairVerdict::NotConfigured);
    };
    every::worst(case, &paths(raw), |path| {
        let inside = path.strip_prefix(unit.trim_end_matches('/'));
        let inside = inside.is_some_and(|below| below.is_empty() || below.starts_with('/'));
        let verdict = if inside { PairVerdict::Match } else { PairVerdict::KernelWeaker };
        let note = (!inside).then(|| format!("it is in {path}, where the unit's limits do not hold"));
        Some((path.to_owned(), verdict, note))
    })
}

/// Of `/proc/PID/cgroup` the path in the unified hierarchy; paths alone are taken as they are.
fn paths(raw: &str) -> String {
    let mut paths = String::new();
    for line in raw.lines() {
        let path = match line.split_once(':') {
            Some(("0", rest)) => rest.strip_prefix(':').unwrap_or(rest),
            Some((number, _)) if number.parse::<u32>().is_ok() => continue,
            _ => line,
        };
        if !paths.is_empty() {
            paths.push('\n');
        }
        paths.push_str(path);
    }
    paths
}

fn control_group_id(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let id: u64 = raw.trim().parse().ok()?;
        Some(Demand::when(id != 0, raw.trim()))
    })
}

fn same_id(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let verdict = match demand.norm.as_deref() {
        Some(id) if demand.configured && id == raw.trim() => PairVerdict::Match,
        Some(_) if demand.configured => PairVerdict::KernelWeaker,
        _ => PairVerdict::NotConfigured,
    };
    Compared::new(raw.trim(), verdict)
}

fn freezer(case: &Case<'_>) -> Demand {
    // The root cgroup has no freezer: there `running` asks for nothing.
    let root = case.name == "unit:-.slice";
    case.demand(|raw| Some(Demand::when(!root || raw != "running", raw)))
}

fn frozen(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let (freeze, frozen) = raw.split_once('\t').unwrap_or((raw, raw));
    let (asked, done) = (freeze.trim() == "1", frozen.trim() == "1");
    let norm = if asked || done { "frozen" } else { "running" };
    let verdict = match demand.norm.as_deref() {
        None => PairVerdict::NotConfigured,
        Some("running") if !asked && !done => PairVerdict::Match,
        Some("running") => PairVerdict::Unmanaged,
        // On the way from one state to the other both are true.
        Some("freezing" | "thawing") => PairVerdict::Match,
        Some(_) if done || asked => PairVerdict::Match,
        Some(_) => PairVerdict::KernelWeaker,
    };
    Compared::new(norm, verdict)
}
