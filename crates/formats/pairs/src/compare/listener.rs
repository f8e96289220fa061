//! V10: who listens, and who said that somebody should.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::{Case, Compared, Demand, Outcome, Role, lines};
use crate::attribute::LISTENER;
use crate::{PairVerdict, Reading, Severity, Subject, subject};

pub(super) fn role() -> Role {
    Role::anything(declared, accounted_for)
}

/// What a listener's name says: `PROTO:ADDRESS:PORT[@NETNS]` or `unix:PATH`.
struct Endpoint<'a> {
    protocol: &'a str,
    address: &'a str,
    port: &'a str,
}

impl<'a> Endpoint<'a> {
    fn of(name: &'a str) -> Option<Self> {
        let name = name.strip_prefix(subject::LISTENER)?;
        let (protocol, rest) = name.split_once(':')?;
        if protocol == "unix" {
            return Some(Self { protocol, address: rest, port: "" });
        }
        let rest = rest.split('@').next().unwrap_or(rest);
        let (address, port) = rest.rsplit_once(':')?;
        Some(Self { protocol, address: address.trim_start_matches('[').trim_end_matches(']'), port })
    }

    fn is_wildcard(&self) -> bool {
        matches!(self.address, "0.0.0.0" | "::" | "*")
    }

    /// A port that the kernel gives to whoever asks for any: clients of datagram protocols have them.
    fn is_ephemeral(&self) -> bool {
        self.protocol.starts_with("udp") && self.port.parse::<u16>().is_ok_and(|port| port >= 32_768)
    }
}

/// Whether a listener is a client's socket and gone tomorrow.
pub(crate) fn is_passing(name: &str) -> bool {
    Endpoint::of(name).is_none_or(|endpoint| endpoint.protocol == "unix" || endpoint.is_ephemeral())
}

/// A listener that one interface of the kernel shows and another does not; any other that the kernel does not show is
/// left to the pair of the socket unit, or of the intent.
pub(crate) fn unseen(case: &Case<'_>) -> Option<Outcome> {
    let second = case.fact.second.value().filter(|_| case.fact.kernel == Reading::Absent)?;
    let hidden = Outcome::stated("", PairVerdict::KernelWeaker);
    let note = format!("sock_diag does not list it, /proc/net does: {}", lines(second));
    Some(Outcome { orchestrator: case.fact.orchestrator.value().map(lines), note: Some(note), ..hidden })
}

/// Whether a unit that holds the listener changed while it was read.
pub(crate) fn is_racing(case: &Case<'_>) -> bool {
    let owners = case.fact.kernel.value().unwrap_or("").lines().filter_map(|line| line.split('\t').next());
    owners.into_iter().any(|owner| {
        let identity = unit(case, owner).and_then(|unit| unit.identity.as_ref());
        identity.is_some_and(|identity| !identity.steady)
    })
}

fn unit<'a>(case: &Case<'a>, name: &str) -> Option<&'a Subject> {
    case.world.observation.subjects.get(&format!("{}{name}", subject::UNIT))
}

fn declared(case: &Case<'_>) -> Demand {
    let stated = case.demand(|raw| Some(Demand::when(!raw.is_empty(), lines(raw))));
    Demand { configured: stated.configured || by_intent(case), by_intent: true, ..stated }
}

fn by_intent(case: &Case<'_>) -> bool {
    case.world.intent.is_some_and(|intent| intent.listeners.contains(case.name))
}

fn accounted_for(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    let owners = || raw.lines().filter_map(|line| line.split('\t').next());
    if by_intent(case) {
        return Compared::new(norm, PairVerdict::Match);
    }
    if !owners().any(|owner| owner != "-") {
        return Compared::new(norm, PairVerdict::Unmanaged)
            .severity(Severity::Critical)
            .note("no process has the socket open");
    }
    if demand.configured {
        return by_socket_unit(case, norm, owners());
    }
    if let Some(narrow) = narrower(case) {
        let note = format!("{narrow} is declared, and the kernel accepts from everywhere");
        return Compared::new(norm, PairVerdict::KernelWeaker).note(note);
    }
    undeclared(case, norm, owners())
}

/// A socket that a unit's `Listen` names is held by the manager, or by the service that got it from the manager.
fn by_socket_unit<'a>(case: &Case<'_>, norm: String, mut owners: impl Iterator<Item = &'a str>) -> Compared {
    let units = case.fact.orchestrator.value().unwrap_or("");
    let units = || units.lines().filter_map(|line| line.split('\t').next());
    let stopped = units().all(|name| {
        let identity = unit(case, name).and_then(|unit| unit.identity.as_ref());
        identity.is_some_and(|identity| matches!(&*identity.active_state, "inactive" | "failed"))
    });
    if stopped {
        let note = "the socket unit that names it is stopped, and somebody still holds it";
        return Compared::new(norm, PairVerdict::Unmanaged).note(note);
    }
    if owners.any(|owner| matches!(owner, "init.scope" | "/init.scope" | "/") || is_unit(owner)) {
        return Compared::new(norm, PairVerdict::Match);
    }
    Compared::new(norm, PairVerdict::Unmanaged).note("another process than the manager or a unit's holds it")
}

fn undeclared<'a>(case: &Case<'_>, norm: String, mut owners: impl Iterator<Item = &'a str>) -> Compared {
    let stranger = owners.find(|owner| !is_unit(owner));
    if let Some(stranger) = stranger {
        let note = format!("no unit declares it; {stranger} holds it");
        return Compared::new(norm, PairVerdict::Unmanaged).note(note);
    }
    let endpoint = Endpoint::of(case.name);
    let local = endpoint.as_ref().is_none_or(|endpoint| endpoint.protocol == "unix" || endpoint.is_ephemeral());
    let governed = case.world.intent.is_some_and(|intent| !intent.listeners.is_empty());
    if governed && !local {
        return Compared::new(norm, PairVerdict::Unmanaged).note("the intent does not name it");
    }
    Compared::new(norm, PairVerdict::NotConfigured).note("nobody declared it; a unit's process holds it")
}

/// Whether an owner is a unit that somebody wrote. A login session is none: whatever listens there was started by hand.
fn is_unit(owner: &str) -> bool {
    let kind = owner.rsplit_once('.').map_or("", |(_, kind)| kind);
    let session = owner.starts_with("session-") && kind == "scope";
    !owner.starts_with('/') && matches!(kind, "service" | "socket" | "scope" | "mount" | "swap") && !session
}

/// A declared listener of the same port with a narrower address.
fn narrower<'a>(case: &Case<'a>) -> Option<&'a str> {
    let here = Endpoint::of(case.name).filter(Endpoint::is_wildcard)?;
    let same = |name: &&str| {
        Endpoint::of(name).is_some_and(|other| {
            other.port == here.port
                && other.protocol.trim_end_matches('6') == here.protocol.trim_end_matches('6')
                && !other.is_wildcard()
        })
    };
    let by_intent = case.world.intent.into_iter().flat_map(|intent| &intent.listeners).map(String::as_str);
    let by_unit = case.world.observation.subjects.range(subject::LISTENER.to_owned()..);
    let by_unit = by_unit
        .take_while(|(name, _)| name.starts_with(subject::LISTENER))
        .filter(|(_, listener)| listener.facts.get(&LISTENER).is_some_and(|fact| fact.orchestrator.value().is_some()));
    by_intent.chain(by_unit.map(|(name, _)| name.as_str())).find(same)
}
