//! V4: rules of [`crate::attribute`]'s `limits` that read the unit's cgroup.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};

use super::quantity::{INFINITY, mask_members, members, quantity, ranges, spelled};
use super::{Case, Compared, Demand, Role, lines, placement, rlimits};
use crate::attribute::*;
use crate::{Attribute, CauseHint, PairVerdict};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        MEMORY_MAX | MEMORY_HIGH | MEMORY_SWAP_MAX | MEMORY_ZSWAP_MAX => Role::cgroup(ceiling, memory_ceiling),
        MEMORY_LOW | MEMORY_MIN => Role::cgroup(protection, protected),
        PIDS_MAX => Role::cgroup(ceiling, count_ceiling),
        CPU_MAX => Role::cgroup(quota, bandwidth),
        CPU_WEIGHT => Role::cgroup(weight, cpu_weight),
        IO_WEIGHT => Role::cgroup(weight, io_weight),
        CPUSET_CPUS | CPUSET_MEMS => Role::cgroup(mask, cpuset),
        IO_MAX => Role::cgroup(io_limits, io_max),
        MEMORY_OOM_GROUP => Role::cgroup(oom_policy, oom_group),
        CGROUP_CONTROLLERS | DELEGATE => Role::Input,
        MEMORY_EFFECTIVE | PIDS_EFFECTIVE | CPU_EFFECTIVE | LIMITS_MET => Role::Shown,
        CGROUP_MAIN | CGROUP_ID | CGROUP_FREEZE => return placement::role(attribute),
        _ => return rlimits::role(attribute),
    })
}

/// Why a file of the cgroup is not there, and what brought that about.
pub(super) fn why_absent(case: &Case<'_>) -> (Option<String>, Option<CauseHint>) {
    let file = case.attribute.spec().map_or("", |spec| spec.name);
    let controller = file.split('.').next().unwrap_or("");
    match case.seen(CGROUP_CONTROLLERS) {
        Some(enabled) if enabled.split_whitespace().any(|word| word == controller) => (
            Some(format!("the {controller} controller is on, and this kernel has no {file}: systemd's write was lost")),
            Some(CauseHint::SwallowedError),
        ),
        Some(_) => (
            Some(format!("the {controller} controller is off in the parent's cgroup.subtree_control")),
            Some(CauseHint::Unknown),
        ),
        None => (None, Some(CauseHint::Unknown)),
    }
}

/// A limit, where infinity limits nothing.
fn ceiling(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let limit = quantity(raw)?;
        Some(Demand::when(limit != INFINITY, spelled(limit)))
    })
}

/// Memory: the kernel rounds down to whole pages of 4,096 bytes or more, so a smaller value is what was asked for.
fn memory_ceiling(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    below(demand, raw, |bytes| if bytes == INFINITY { bytes } else { bytes / PAGE })
}

/// The smallest page that Linux has.
const PAGE: u64 = 4_096;

fn count_ceiling(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    below(demand, raw, |count| count)
}

fn below(demand: &Demand, raw: &str, unit: impl Fn(u64) -> u64) -> Compared {
    let Some(shown) = quantity(raw) else { return Compared::odd(raw) };
    let stated = demand.norm.as_deref().and_then(quantity);
    let verdict = match stated {
        None => PairVerdict::NotConfigured,
        Some(INFINITY) if shown == INFINITY => PairVerdict::NotConfigured,
        Some(stated) if unit(shown) == unit(stated) => PairVerdict::Match,
        Some(stated) if unit(shown) < unit(stated) => PairVerdict::KernelStricter,
        Some(_) => PairVerdict::KernelWeaker,
    };
    let rounded = verdict == PairVerdict::Match && stated != Some(shown);
    let compared = Compared::new(spelled(shown), verdict);
    if rounded { compared.note("the kernel rounds down to whole pages") } else { compared }
}

/// Memory that is protected from reclaim: 0 protects nothing.
fn protection(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let floor = quantity(raw)?;
        Some(Demand::when(floor != 0, spelled(floor)))
    })
}

fn protected(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let Some(shown) = quantity(raw) else { return Compared::odd(raw) };
    let pages = |bytes: u64| if bytes == INFINITY { bytes } else { bytes / PAGE };
    let verdict = match demand.norm.as_deref().and_then(quantity) {
        None => PairVerdict::NotConfigured,
        Some(0) if shown == 0 => PairVerdict::NotConfigured,
        Some(stated) if pages(shown) == pages(stated) => PairVerdict::Match,
        Some(stated) if pages(shown) > pages(stated) => PairVerdict::KernelStricter,
        Some(_) => PairVerdict::KernelWeaker,
    };
    Compared::new(spelled(shown), verdict)
}

/// Microseconds of processor time a second.
fn quota(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let quota = quantity(raw.split('\t').next()?)?;
        Some(Demand::when(quota != INFINITY, spelled(quota)))
    })
}

/// The ratio counts: systemd chooses another period where the quota would be below a millisecond.
fn bandwidth(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let mut words = raw.split_whitespace();
    let (quota, period) = (words.next().and_then(quantity), words.next().and_then(quantity));
    let (Some(quota), Some(period)) = (quota, period.filter(|period| *period > 0)) else { return Compared::odd(raw) };
    if quota == INFINITY {
        let verdict = if demand.configured { PairVerdict::KernelWeaker } else { PairVerdict::NotConfigured };
        return Compared::new("infinity", verdict);
    }
    let shown = u128::from(quota).saturating_mul(1_000_000) / u128::from(period);
    let shown = u64::try_from(shown).unwrap_or(INFINITY);
    let verdict = match demand.norm.as_deref().and_then(quantity) {
        None => PairVerdict::NotConfigured,
        Some(INFINITY) => PairVerdict::KernelStricter,
        // Within one part in a hundred: quotas are written in whole microseconds of a period.
        Some(stated) if u128::from(shown.abs_diff(stated)).saturating_mul(100) <= u128::from(stated) => {
            PairVerdict::Match
        }
        Some(stated) if shown < stated => PairVerdict::KernelStricter,
        Some(_) => PairVerdict::KernelWeaker,
    };
    Compared::new(spelled(shown), verdict)
}

/// The weight that a unit has without being given one.
const DEFAULT_WEIGHT: u64 = 100;

fn weight(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        Some(match quantity(raw)? {
            INFINITY => Demand::unset(DEFAULT_WEIGHT.to_string()),
            0 => Demand::of("idle"),
            weight => Demand::of(weight.to_string()),
        })
    })
}

fn cpu_weight(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let (weight, idle) = raw.split_once('\t').unwrap_or((raw, ""));
    let norm = if idle.trim() == "1" { "idle" } else { weight.trim() };
    same_weight(case, demand, norm)
}

fn io_weight(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let default = raw.lines().find_map(|line| line.trim().strip_prefix("default "));
    let bare = raw.lines().next().map(str::trim).filter(|line| line.parse::<u64>().is_ok());
    match default.or(bare) {
        Some(weight) => same_weight(case, demand, weight.trim()),
        None => Compared::odd(raw),
    }
}

/// A weight is a share: a greater one takes from others, a smaller one is taken from the unit.
fn same_weight(_: &Case<'_>, demand: &Demand, norm: &str) -> Compared {
    let verdict = match demand.norm.as_deref() {
        Some(stated) if stated == norm && demand.configured => PairVerdict::Match,
        Some(stated) if stated == norm => PairVerdict::NotConfigured,
        Some(_) => PairVerdict::KernelWeaker,
        None => PairVerdict::NotConfigured,
    };
    Compared::new(norm, verdict)
}

fn mask(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let allowed = mask_members(raw.trim())?;
        Some(Demand::when(!allowed.is_empty(), ranges(&allowed)))
    })
}

fn cpuset(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let Some(shown) = members(raw) else { return Compared::odd(raw) };
    let norm = ranges(&shown);
    let stated = demand.norm.as_deref().and_then(members).unwrap_or_default();
    if !demand.configured {
        let verdict = if shown.is_empty() { PairVerdict::NotConfigured } else { PairVerdict::KernelStricter };
        return Compared::new(norm, verdict);
    }
    let effective = case.fact.second.value().and_then(members);
    let weaker = Compared::new(norm.clone(), PairVerdict::KernelWeaker);
    // The kernel refuses processors that the machine has not.
    if shown.is_empty() && effective.as_ref().is_some_and(|effective| !stated.is_subset(effective)) {
        let note = "the unit names what this machine has not: systemd's write was lost";
        return Compared { cause: Some(CauseHint::SwallowedError), ..weaker }.note(note);
    }
    if shown.is_empty() || !shown.is_subset(&stated) {
        return weaker;
    }
    let outside: BTreeSet<u32> = effective.unwrap_or_default().difference(&stated).copied().collect();
    if !outside.is_empty() {
        let note = format!("{} is in effect although the unit may not use it", ranges(&outside));
        return Compared::new(norm, PairVerdict::KernelWeaker).note(note);
    }
    let verdict = if shown == stated { PairVerdict::Match } else { PairVerdict::KernelStricter };
    Compared::new(norm, verdict)
}

fn io_limits(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let limits = raw.lines().filter(|line| {
            let value = line.split('\t').nth(2).and_then(quantity);
            !line.is_empty() && value != Some(INFINITY)
        });
        let norm = limits.map(lines).collect::<alloc::vec::Vec<_>>().join("; ");
        Some(Demand::when(!norm.is_empty(), norm))
    })
}

fn io_max(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    if !demand.configured {
        let verdict = if raw.trim().is_empty() { PairVerdict::NotConfigured } else { PairVerdict::KernelStricter };
        return Compared::new(norm, verdict);
    }
    let (mut verdict, mut note) = (PairVerdict::Match, None);
    for limit in case.fact.orchestrator.value().unwrap_or("").lines().filter(|line| !line.is_empty()) {
        let mut fields = limit.split('\t');
        let (kind, path) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let (value, device) = (fields.next().and_then(quantity), fields.next().unwrap_or(""));
        let Some(value) = value else { return Compared::odd(raw) };
        if value == INFINITY {
            continue;
        }
        match io_limit(raw, device, kind) {
            Some(shown) if shown == value => {}
            Some(shown) if shown < value => verdict = PairVerdict::KernelStricter,
            Some(_) => {
                let note = format!("{kind} of {path} is not limited to {value}");
                return Compared::new(norm, PairVerdict::KernelWeaker).note(note);
            }
            None => {
                note = Some(format!("nothing limits {kind} of {path}"));
                verdict = PairVerdict::KernelMissing;
                break;
            }
        }
    }
    Compared { note, ..Compared::new(norm, verdict) }
}

/// What io.max says of one kind of limit on one device.
fn io_limit(raw: &str, device: &str, kind: &str) -> Option<u64> {
    let line = raw.lines().find(|line| line.split_whitespace().next() == Some(device))?;
    let words = line.split_whitespace().filter_map(|word| word.split_once('='));
    words.into_iter().find(|(word, _)| *word == kind).and_then(|(_, value)| quantity(value))
}

fn oom_policy(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw {
        "kill" => Some(Demand::of(raw)),
        "stop" | "continue" | "" => Some(Demand::unset(raw.to_owned())),
        _ => None,
    })
}

fn oom_group(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    match (raw.trim(), demand.configured) {
        ("1", true) => Compared::new("whole unit", PairVerdict::Match),
        ("1", false) => Compared::new("whole unit", PairVerdict::KernelStricter),
        ("0", true) => Compared::new("one process", PairVerdict::KernelWeaker),
        ("0", false) => Compared::new("one process", PairVerdict::NotConfigured),
        _ => Compared::odd(raw),
    }
}
