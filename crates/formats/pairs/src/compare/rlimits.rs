//! V4: limits and scheduling of the processes themselves.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;

use super::quantity::{INFINITY, quantity, spelled};
use super::{Case, Compared, Demand, Role, every};
use crate::attribute::{NICE, OOM_SCORE_ADJ, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_RTTIME};
use crate::{Attribute, PairVerdict};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        OOM_SCORE_ADJ | NICE => Role::process(chosen, at_least),
        Attribute(number) if (RLIMIT_CPU.0..=RLIMIT_RTTIME.0).contains(&number) => {
            Role::process(hard_limit, below_hard)
        }
        _ => return None,
    })
}

/// A daemon that sets a limit of its own.
const UDEVD: &str = "unit:systemd-udevd.service";

/// The hard limit: a process may move its soft limit as it likes.
fn hard_limit(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let hard = quantity(raw.split_whitespace().nth(1)?)?;
        Some(Demand::when(hard != INFINITY, spelled(hard)))
    })
}

fn below_hard(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let stated = demand.norm.as_deref().and_then(quantity);
    every::worst(case, raw, |value| {
        let hard = quantity(value.split_whitespace().nth(1)?)?;
        let verdict = match stated {
            None => PairVerdict::NotConfigured,
            Some(INFINITY) if hard == INFINITY => PairVerdict::NotConfigured,
            Some(stated) if hard == stated => PairVerdict::Match,
            Some(stated) if hard < stated => PairVerdict::KernelStricter,
            // udevd raises its own limit to the most that the kernel allows (systemd, `rlimit_nofile_bump(-1)`).
            Some(_) if case.attribute == RLIMIT_NOFILE && case.name == UDEVD => PairVerdict::NotConfigured,
            Some(_) => PairVerdict::KernelWeaker,
        };
        let capped = case.attribute == RLIMIT_NOFILE && stated == Some(INFINITY) && hard != INFINITY;
        Some((spelled(hard), verdict, capped.then(|| "the kernel caps it at fs.nr_open".to_owned())))
    })
}

/// 0 is what a unit has that does not choose: then programs choose for themselves, unless an intent says 0.
fn chosen(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let value: i32 = raw.trim().parse().ok()?;
        Some(Demand::when(value != 0 || case.intent.is_some(), value.to_string()))
    })
}

/// A smaller value favours the process: later killed, sooner scheduled.
fn at_least(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let stated: Option<i32> = demand.norm.as_deref().and_then(|norm| norm.parse().ok());
    every::worst(case, raw, |value| {
        let shown: i32 = value.trim().parse().ok()?;
        let (verdict, note) = match stated {
            Some(stated) if !demand.configured && shown != stated => (
                PairVerdict::NotConfigured,
                Some(format!("the program chose {shown} itself: the unit does not choose")),
            ),
            Some(_) if !demand.configured => (PairVerdict::NotConfigured, None),
            Some(stated) if shown == stated => (PairVerdict::Match, None),
            Some(stated) if shown > stated => (PairVerdict::KernelStricter, None),
            Some(_) => (PairVerdict::KernelWeaker, None),
            None => (PairVerdict::NotConfigured, None),
        };
        Some((shown.to_string(), verdict, note))
    })
}
