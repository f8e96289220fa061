//! V10: who listens, and who said that somebody should.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::{Case, Compared, Demand, Role, lines};
use crate::attribute::LISTENER;
use crate::{PairVerdict, Severity, subject};

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

fn declared(case: &Case<'_>) -> Demand {
    let by_intent = case.world.intent.is_some_and(|intent| intent.listeners.contains(case.name));
    let demand = case.demand(|raw| Some(Demand::when(!raw.is_empty(), lines(raw))));
    Demand { configured: demand.configured || by_intent, by_intent: true, ..demand }
}

fn accounted_for(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    let owners = || raw.lines().filter_map(|line| line.split('\t').next());
    let by_intent = case.world.intent.is_some_and(|intent| intent.listeners.contains(case.name));
    if by_intent {
        return Compared::new(norm, PairVerdict::Match);
    }
    if !owners().any(|owner| owner != "-") {
        return Compared::new(norm, PairVerdict::Unmanaged)
            .severity(Severity::Critical)
            .note("no process has the socket open");
    }
    if demand.configured {
        return by_socket_unit(case, &norm, owners());
    }
    if let Some(narrow) = narrower(case) {
        let note = format!("{narrow} is declared, and the kernel accepts from everywhere");
        return Compared::new(norm, PairVerdict::KernelWeaker).note(note);
    }
    undeclared(case, norm, owners())
}

/// A socket that a unit's `Listen` names is held by the manager, or by the service that got it from the manager.
fn by_socket_unit<'a>(case: &Case<'_>, norm: &str, mut owners: impl Iterator<Item = &'a str>) -> Compared {
    let units = case.fact.orchestrator.value().unwrap_or("");
    let mut stems = units.lines().filter_map(|line| line.split('\t').next()?.rsplit_once('.').map(|(stem, _)| stem));
    let served = owners.any(|owner| {
        let stem = owner.split('.').next().unwrap_or(owner).split('@').next();
        let manager = matches!(owner, "init.scope" | "/init.scope" | "/");
        manager || is_unit(owner) || stems.any(|unit| Some(unit.trim_end_matches('@')) == stem)
    });
    if served {
        return Compared::new(norm, PairVerdict::Match);
    }
    Compared::new(norm, PairVerdict::Unmanaged).note("another process than the manager or the unit's service holds it")
}

fn undeclared<'a>(case: &Case<'_>, norm: String, mut owners: impl Iterator<Item = &'a str>) -> Compared {
    let stranger = owners.find(|owner| !is_unit(owner)).map(ToOwned::to_owned);
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
