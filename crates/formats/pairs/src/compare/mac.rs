//! V9: rules of [`crate::attribute`]'s `mac`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Case, Compared, Demand, Role, every, lines};
use crate::attribute::*;
use crate::{Attribute, PairVerdict, Reading, Severity, subject};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        APPARMOR_PROFILE => Role::process(profile, confined),
        SELINUX_CONTEXT | SMACK_LABEL => Role::process(profile, labelled),
        LSM => Role::anything(modules, active),
        SELINUX_ENFORCE => Role::anything(selinux, enforcing),
        APPARMOR_MODE => Role::anything(apparmor, apparmor_mode),
        SELINUX_POLICY => Role::anything(kind_of_policy, policy),
        SELINUX_SETTINGS => Role::anything(Demand::intent, policy),
        APPARMOR_PROFILES | APPARMOR_POLICY | MAC_HISTORY => Role::Shown,
        _ => return None,
    })
}

/// `required|optional<tab>NAME`: an optional one may be missing on this host.
fn profile(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw.split_once('\t') {
        None if raw.is_empty() => Some(Demand::unset("none")),
        Some((_, "")) => Some(Demand::unset("none")),
        Some(("required", name)) => Some(Demand::of(name)),
        Some(("optional", name)) => Some(match is_loaded(case, name) {
            Some(true) => Demand::of(name),
            Some(false) => Demand::unset(format!("{name}, if there is one")),
            None => Demand::unknown("the profile is optional, and the list of loaded profiles could not be read"),
        }),
        _ => None,
    })
}

/// Whether the kernel has a profile of this name; `None` where it did not show which it has.
fn is_loaded(case: &Case<'_>, name: &str) -> Option<bool> {
    if case.attribute != APPARMOR_PROFILE {
        return Some(true);
    }
    let host = case.world.observation.subjects.get(subject::HOST);
    match &host.and_then(|host| host.facts.get(&APPARMOR_PROFILES))?.kernel {
        Reading::Value(loaded) => {
            Some(loaded.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(" ("))))
        }
        // Without the module there is no profile.
        Reading::Absent | Reading::NotSupported(_) => Some(false),
        Reading::Unreadable(_) | Reading::NotRead => None,
    }
}

fn confined(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    every::worst(case, raw, |value| {
        let (name, mode) = match value.trim().rsplit_once(" (") {
            Some((name, mode)) => (name, mode.trim_end_matches(')')),
            None => (value.trim(), ""),
        };
        let enforced = matches!(mode, "enforce" | "kill");
        let wanted = demand.norm.as_deref().filter(|_| demand.configured);
        let verdict = match wanted {
            None if enforced => PairVerdict::KernelStricter,
            None => PairVerdict::NotConfigured,
            Some(_) if matches!(name, "unconfined" | "") => PairVerdict::KernelMissing,
            Some(wanted) if is_within(name, wanted) && enforced => PairVerdict::Match,
            Some(_) => PairVerdict::KernelWeaker,
        };
        Some((value.trim().to_owned(), verdict, None))
    })
}

/// The profile itself or a child of it (`PROFILE//CHILD`).
fn is_within(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with("//"))
}

fn labelled(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    every::worst(case, raw, |value| {
        let same = demand.norm.as_deref() == Some(value.trim());
        let verdict = match (demand.configured, same) {
            (false, _) => PairVerdict::NotConfigured,
            (true, true) => PairVerdict::Match,
            (true, false) => PairVerdict::KernelWeaker,
        };
        Some((value.trim().to_owned(), verdict, None))
    })
}

fn modules(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::when(!raw.trim().is_empty(), raw.trim())))
}

fn active(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let active: Vec<&str> = raw.trim().split(',').collect();
    if !demand.configured {
        return Compared::new(raw.trim(), PairVerdict::NotConfigured);
    }
    let wanted = demand.norm.as_deref().unwrap_or("").split(',').filter(|name| !name.is_empty());
    let missing: Vec<&str> = wanted.filter(|name| !active.contains(name)).collect();
    if missing.is_empty() {
        return Compared::new(raw.trim(), PairVerdict::Match);
    }
    Compared::new(raw.trim(), PairVerdict::KernelMissing).note(format!("{} is not active", missing.join(", ")))
}

/// The file names a policy and not its content.
fn kind_of_policy(case: &Case<'_>) -> Demand {
    let stated = case.demand(|raw| Some(Demand::unset(raw.trim())));
    Demand { by_intent: true, ..stated }
}

/// An intent may name the policy as the file does, or `VERSION SHA256` of its content.
fn policy(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    match case.intent {
        None => Compared::new(norm, PairVerdict::NotConfigured),
        Some(intent) if intent == norm || demand.norm.as_deref() == Some(intent) => {
            Compared::new(norm, PairVerdict::Match)
        }
        Some(intent) => Compared::new(norm, PairVerdict::IntentDrift).note(format!("the intent demands {intent}")),
    }
}

fn selinux(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw.trim() {
        "enforcing" => Some(Demand::of("enforcing")),
        word @ ("permissive" | "disabled") => Some(Demand::unset(word)),
        _ => None,
    })
}

fn enforcing(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    match (raw.trim(), demand.configured) {
        ("1", true) => Compared::new("enforcing", PairVerdict::Match),
        ("0", true) => Compared::new("permissive", PairVerdict::KernelWeaker).severity(Severity::Critical),
        ("1", false) => Compared::new("enforcing", PairVerdict::KernelStricter),
        ("0", false) => Compared::new("permissive", PairVerdict::NotConfigured),
        _ => Compared::odd(raw),
    }
}

fn apparmor(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw.trim() {
        "1" => Some(Demand::of("on")),
        "0" => Some(Demand::unset("off")),
        _ => None,
    })
}

/// Where the command line says nothing, the module that is on enforces: `complain` for all profiles is a choice.
fn apparmor_mode(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let (on, mode) = raw.trim().split_once('\t').unwrap_or((raw.trim(), ""));
    let norm: String = lines(raw);
    match (on, mode) {
        ("Y", "complain") => Compared::new(norm, PairVerdict::KernelWeaker).note("every profile only complains"),
        ("Y", _) if demand.configured => Compared::new(norm, PairVerdict::Match),
        ("N", _) if demand.configured => Compared::new(norm, PairVerdict::KernelMissing),
        ("Y" | "N", _) => Compared::new(norm, PairVerdict::NotConfigured),
        _ => Compared::odd(raw),
    }
}
