//! V9: rules of [`crate::attribute`]'s `mac`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Case, Compared, Demand, Role, every, lines};
use crate::attribute::*;
use crate::{Attribute, PairVerdict, Severity};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        APPARMOR_PROFILE => Role::process(profile, confined),
        SELINUX_CONTEXT | SMACK_LABEL => Role::process(profile, labelled),
        LSM => Role::anything(modules, active),
        SELINUX_ENFORCE => Role::anything(selinux, enforcing),
        APPARMOR_MODE => Role::anything(apparmor, apparmor_mode),
        SELINUX_POLICY | APPARMOR_PROFILES => Role::Shown,
        _ => return None,
    })
}

/// `required|optional<tab>NAME`: an optional one may be missing on this host.
fn profile(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw.split_once('\t') {
        None if raw.is_empty() => Some(Demand::unset("none")),
        Some((_, "")) => Some(Demand::unset("none")),
        Some(("required", name)) => Some(Demand::of(name)),
        Some(("optional", name)) if is_loaded(case, name) => Some(Demand::of(name)),
        Some(("optional", name)) => Some(Demand::unset(format!("{name}, if there is one"))),
        _ => None,
    })
}

/// Whether the kernel has a profile of this name.
fn is_loaded(case: &Case<'_>, name: &str) -> bool {
    let loaded = case.world.host(APPARMOR_PROFILES).unwrap_or("");
    case.attribute != APPARMOR_PROFILE
        || loaded.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(" (")))
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
