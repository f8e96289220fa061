//! V7: rules of [`crate::attribute`]'s `namespaces`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::filesystem::needs_mounts;
use super::{Case, Compared, Demand, Role, every, lines};
use crate::attribute::*;
use crate::{Attribute, PairVerdict};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        NS_NET | NS_MNT | NS_IPC | NS_UTS | NS_PID | NS_USER => Role::process(isolation, isolated),
        NET_DEVICES => Role::process(devices, only_loopback),
        NS_UNMANAGED => Role::anything(nobody, accounted_for),
        NETWORK_NAMESPACE_PATH | JOINS_NAMESPACE_OF => Role::Input,
        ID_MAPS | NS_CGROUP | NS_TIME => Role::Shown,
        _ => return None,
    })
}

fn isolation(case: &Case<'_>) -> Demand {
    let by_others = match case.attribute {
        NS_MNT => needs_mounts(case),
        NS_NET => case.stated(NETWORK_NAMESPACE_PATH).is_some_and(|path| !path.is_empty()),
        _ => false,
    };
    let demand = case.demand(|raw| match raw {
        "no" | "" => Some(Demand::unset("no")),
        word => Some(Demand::of(word)),
    });
    if by_others && !demand.configured && demand.norm.is_some() { Demand::of("yes, by other options") } else { demand }
}

fn isolated(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    every::worst(case, raw, |value| {
        let private = match value.split_whitespace().next()? {
            "private" => true,
            "host" => false,
            _ => return None,
        };
        let verdict = match (demand.configured, private) {
            (true, true) => PairVerdict::Match,
            (true, false) => PairVerdict::KernelMissing,
            (false, true) => PairVerdict::KernelStricter,
            (false, false) => PairVerdict::NotConfigured,
        };
        Some((value.to_owned(), verdict, None))
    })
}

/// A namespace of the unit's own has the loopback device and nothing else.
fn devices(case: &Case<'_>) -> Demand {
    let own = case.yes(NS_NET) && case.stated(NETWORK_NAMESPACE_PATH).is_none_or(str::is_empty);
    if own { Demand::of("lo") } else { Demand::default() }
}

/// Devices that kernels with tunnel modules make in every new network namespace; they are down.
const FALLBACK: [&str; 10] =
    ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6gretap0"];

fn only_loopback(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let others: Vec<&str> =
        raw.lines().map(str::trim).filter(|name| !matches!(*name, "lo" | "") && !FALLBACK.contains(name)).collect();
    match (demand.configured, others.is_empty()) {
        (false, _) => Compared::new(lines(raw), PairVerdict::NotConfigured),
        (true, true) => Compared::new("lo", PairVerdict::Match),
        (true, false) => {
            let note = format!("{} leads out of the unit's private network", others.join(", "));
            Compared::new(lines(raw), PairVerdict::Unmanaged).note(note)
        }
    }
}

/// What should not be there at all.
fn nobody(_: &Case<'_>) -> Demand {
    Demand { configured: true, ..Demand::default() }
}

fn accounted_for(_: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let norm: String = lines(raw);
    let verdict = if raw.trim() == "none" { PairVerdict::Match } else { PairVerdict::Unmanaged };
    Compared::new(norm, verdict)
}
