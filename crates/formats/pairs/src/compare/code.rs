//! V13: rules of [`crate::attribute`]'s `code`.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::writable::resolved;
use super::{Case, Compared, Demand, Role, every, lines};
use crate::attribute::*;
use crate::{Attribute, PairVerdict, Severity};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        PROCESSES => Role::process(listed, census),
        EXE => Role::process(started, running),
        EXEC_MAPPINGS => Role::process(always, mapped),
        HIDDEN_PROCESSES => Role::anything(always, |_, _, raw| none(raw, Severity::Critical)),
        STRAY_PROCESSES => Role::anything(always, |_, _, raw| none(raw, Severity::High)),
        EXE_DIGESTS => Role::Shown,
        _ => return None,
    })
}

fn always(_: &Case<'_>) -> Demand {
    Demand { configured: true, ..Demand::default() }
}

fn pids(raw: &str) -> BTreeSet<&str> {
    raw.lines().map(str::trim).filter(|pid| !pid.is_empty()).collect()
}

fn listed(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::unset(lines(raw))))
}

/// Processes come and go between two looks, so their numbers need not be the same. Whether there are any does. Where
/// the main process is, the pair of `cgroup.main` says.
fn census(case: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let shown = pids(raw);
    let compared = Compared::new(lines(raw), PairVerdict::Match);
    let Some(stated) = case.fact.orchestrator.value() else {
        return Compared { verdict: PairVerdict::NotConfigured, ..compared };
    };
    let main = case.main_pid().to_string();
    let mut stated = pids(stated);
    stated.remove(&*main);
    let others = shown.iter().filter(|pid| **pid != main).count();
    match (stated.is_empty(), others) {
        _ if stated.iter().any(|pid| shown.contains(pid)) => compared,
        (true, 0) => compared,
        (false, 0) => Compared { verdict: PairVerdict::KernelMissing, ..compared }
            .note("systemd lists processes that are not in the unit's cgroup"),
        (true, _) => {
            Compared { verdict: PairVerdict::Unmanaged, ..compared }.note("systemd lists none of these processes")
        }
        (false, _) => compared.note("other processes than a moment before"),
    }
}

fn started(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::when(!raw.trim().is_empty(), lines(raw))))
}

/// A program may run another one, and a script its interpreter: only code that is not on disk is a discrepancy.
fn running(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let paths: Vec<String> = case.fact.orchestrator.value().unwrap_or("").lines().map(resolved).collect();
    let compared = every::worst(case, raw, |exe| {
        let shown = exe.to_owned();
        if let Some((verdict, note)) = off_disk(exe) {
            return Some((shown, verdict, Some(note)));
        }
        let as_started = paths.iter().any(|path| *path == resolved(exe));
        Some(match (demand.configured, as_started) {
            (true, true) => (shown, PairVerdict::Match, None),
            (true, false) => {
                (shown, PairVerdict::NotConfigured, Some(format!("{exe} was started by the unit's program")))
            }
            (false, _) => (shown, PairVerdict::NotConfigured, None),
        })
    });
    if raw.contains("memfd:") && compared.verdict == PairVerdict::KernelWeaker {
        return compared.severity(Severity::Critical);
    }
    compared
}

/// Code whose file is gone: replaced by an upgrade, or never there.
fn off_disk(path: &str) -> Option<(PairVerdict, String)> {
    const TEMPORARY: [&str; 4] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/"];
    let gone = path.strip_suffix(" (deleted)");
    let file = gone.unwrap_or(path);
    if file.starts_with("/memfd:") || file.starts_with("memfd:") {
        return Some((PairVerdict::KernelWeaker, format!("{file} exists in memory only")));
    }
    if TEMPORARY.into_iter().any(|folder| file.starts_with(folder)) {
        return Some((PairVerdict::KernelWeaker, format!("{file} is where any program may write")));
    }
    gone.map(|file| (PairVerdict::PendingRestart, format!("{file} was replaced or removed after the start")))
}

/// Deleted names that the kernel gives to shared memory.
const SHARED: [&str; 3] = ["/dev/zero (deleted)", "/SYSV", "/[aio]"];

fn mapped(_: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    if raw.trim() == "none" {
        return Compared::new("none", PairVerdict::Match);
    }
    let mut worst = Compared::new(norm.clone(), PairVerdict::Match);
    for line in raw.lines() {
        let path = line.rsplit_once('\t').map_or(line, |(path, _)| path);
        if SHARED.into_iter().any(|shared| path.starts_with(shared)) {
            continue;
        }
        match off_disk(path) {
            Some((PairVerdict::PendingRestart, note)) => {
                worst = Compared::new(norm.clone(), PairVerdict::PendingRestart).note(note);
            }
            Some((verdict, note)) => return Compared::new(norm, verdict).note(note),
            None => return Compared::new(norm, PairVerdict::KernelWeaker).note(format!("{path} is writable code")),
        }
    }
    worst
}

fn none(raw: &str, severity: Severity) -> Compared {
    if raw.trim() == "none" {
        return Compared::new("none", PairVerdict::Match);
    }
    Compared::new(lines(raw), PairVerdict::Unmanaged).severity(severity)
}
