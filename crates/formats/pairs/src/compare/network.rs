//! V10: rules of [`crate::attribute`]'s `network` that speak of units.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Case, Compared, Demand, Of, Role, lines, listener};
use crate::attribute::*;
use crate::{Attribute, CauseHint, PairVerdict};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        LISTENER => listener::role(),
        LISTEN => Role::anything(listens, listening),
        IP_ADDRESS_FILTER => Role::cgroup(rules, traffic_programs),
        RESTRICT_NETWORK_INTERFACES => Role::cgroup(interfaces, traffic_programs),
        IP_FILTER_PATH => Role::derived_of(Of::Cgroup, IP_ADDRESS_FILTER, rules, pinned),
        SOCKET_BIND_FILTER => Role::cgroup(rules, bind_programs),
        BIND_IPV6_ONLY | BIND_TO_DEVICE => Role::Input,
        NFTABLES => Role::Shown,
        _ => return None,
    })
}

/// What an active socket unit listens on. An inactive one still names it.
fn listens(case: &Case<'_>) -> Demand {
    let active = case.subject.identity.as_ref().is_none_or(|identity| identity.active_state == "active");
    case.demand(|raw| {
        let norm: Vec<String> = sockets(raw).map(lines).collect();
        Some(Demand::when(active && !norm.is_empty(), norm.join("; ")))
    })
}

/// Lines of sockets that the kernel lists: no FIFO, special file or message queue.
fn sockets(raw: &str) -> impl Iterator<Item = &str> {
    raw.lines().filter(|line| {
        let (kind, address) = line.split_once('\t').unwrap_or((line, ""));
        matches!(kind, "Stream" | "Datagram" | "SequentialPacket") && !address.starts_with("vsock:")
    })
}

fn listening(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let have: Vec<&str> = raw.lines().collect();
    if !demand.configured {
        return Compared::new(lines(raw), PairVerdict::NotConfigured);
    }
    let wanted = case.fact.orchestrator.value().unwrap_or("");
    let missing: Vec<String> = sockets(wanted).filter(|line| !have.contains(line)).map(lines).collect();
    if missing.is_empty() {
        return Compared::new(lines(raw), PairVerdict::Match);
    }
    let note = format!("the kernel has no socket for {}", missing.join(", "));
    Compared::new(lines(raw), PairVerdict::KernelMissing).note(note)
}

fn rules(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::when(!raw.trim().is_empty(), lines(raw))))
}

fn interfaces(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw.lines().next() {
        Some("allow") => Some(Demand::of(lines(raw))),
        Some("deny") | None => Some(Demand::when(raw.lines().nth(1).is_some(), lines(raw))),
        Some(_) => None,
    })
}

fn traffic_programs(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    programs(demand, raw, &["ingress", "egress"])
}

/// A program for each direction that the unit names one for.
fn pinned(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let wanted = case.fact.orchestrator.value().unwrap_or("");
    let of = |kind: &&str| wanted.lines().any(|line| line.split('\t').next() == Some(*kind));
    let kinds: Vec<&str> = ["ingress", "egress"].into_iter().filter(of).collect();
    programs(demand, raw, &kinds)
}

fn bind_programs(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    // systemd can be built without this filter; then it takes the setting and attaches nothing.
    Compared { cause: Some(CauseHint::Unknown), ..programs(demand, raw, &["bind4", "bind6"]) }
}

/// systemd attaches a program for both directions, or both address families, or for neither.
fn programs(demand: &Demand, raw: &str, kinds: &[&str]) -> Compared {
    let attached = |kind: &&str| raw.lines().any(|line| line.split('\t').next() == Some(*kind));
    let missing: Vec<&str> = kinds.iter().copied().filter(|kind| !attached(kind)).collect();
    match (demand.configured, missing.is_empty()) {
        (false, _) => Compared::new(lines(raw), PairVerdict::NotConfigured),
        (true, true) => Compared::new(lines(raw), PairVerdict::Match)
            .note("programs are attached; the kernel does not show what they refuse"),
        (true, false) => Compared::new(lines(raw), PairVerdict::KernelMissing)
            .note(format!("no {} program is attached", missing.join(" and no "))),
    }
}
