//! V8: rules of [`crate::attribute`]'s `credentials`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Case, Compared, Demand, Role, every};
use crate::attribute::*;
use crate::{Attribute, PairVerdict, Severity};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        CAP_BOUNDING => Role::process(bounding, bounded),
        CAP_AMBIENT => Role::process(ambient, bounded),
        CAP_EFFECTIVE => Role::process(effective, bounded),
        UID | GID => Role::process(identity, same_identity),
        DYNAMIC_USER | USER_SET | CAP_LAST_CAP => Role::Input,
        CAP_PERMITTED | CAP_INHERITABLE | GROUPS => Role::Shown,
        _ => return None,
    })
}

/// Capabilities by number (include/uapi/linux/capability.h).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What Linux knew when this list was made, for a host that does not say which it knows.
pub(super) const KNOWN: u64 = (1 << 41) - 1;

/// With any of these a process can take over the kernel.
const KERNEL: u64 = 1 << 16 | 1 << 17 | 1 << 21;

fn set(raw: &str) -> Option<u64> {
    u64::from_str_radix(raw.trim(), 16).ok()
}

fn names(set: u64) -> String {
    let named = |bit: u32| {
        let known = usize::try_from(bit).ok().and_then(|bit| NAMES.get(bit));
        known.map_or_else(|| format!("capability {bit}"), ToString::to_string)
    };
    let names: Vec<String> = (0..64).filter(|bit| set >> bit & 1 == 1).map(named).collect();
    names.join(", ")
}

/// A set of systemd's, without bits that the kernel does not know.
fn stated(case: &Case<'_>, attribute: Attribute) -> Option<u64> {
    set(case.stated(attribute)?).map(|set| set & case.world.capabilities)
}

fn bounding(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let set = set(raw)? & case.world.capabilities;
        Some(Demand::when(set != case.world.capabilities, format!("{set:016x}")))
    })
}

fn ambient(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::of(format!("{:016x}", set(raw)? & case.world.capabilities))))
}

/// A process of a named user has what is ambient. Of another user's the pair of the bounding set says enough: no
/// process has more than that.
fn effective(case: &Case<'_>) -> Demand {
    match stated(case, CAP_AMBIENT).filter(|_| names_user(case)) {
        Some(set) => Demand::of(format!("{set:016x}")),
        None => Demand::default(),
    }
}

fn names_user(case: &Case<'_>) -> bool {
    let root = case.stated(UID).is_some_and(|uid| uid == "0");
    (case.yes(USER_SET) || case.yes(DYNAMIC_USER)) && !root
}

fn bounded(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let allowed = demand.norm.as_deref().and_then(set);
    let extra = |shown: u64, pid: Option<&str>| match in_own_users(case, pid) {
        true => 0,
        false => shown & case.world.capabilities & !allowed.unwrap_or(u64::MAX),
    };
    let compared = every::worst_by(case, raw, |value, pid| {
        let shown = set(value)? & case.world.capabilities;
        let extra = extra(shown, pid);
        let (verdict, note) = match allowed {
            None => (PairVerdict::NotConfigured, None),
            Some(allowed) if shown == allowed && !demand.configured => (PairVerdict::NotConfigured, None),
            Some(allowed) if shown == allowed => (PairVerdict::Match, None),
            Some(_) if extra == 0 => (PairVerdict::KernelStricter, None),
            Some(_) => (PairVerdict::KernelWeaker, Some(format!("holds {}", names(extra)))),
        };
        Some((format!("{shown:016x}"), verdict, note))
    });
    let kernel = every::values(raw).into_iter().any(|(value, pid)| extra(set(value).unwrap_or(0), pid) & KERNEL != 0);
    let severe = kernel && compared.verdict == PairVerdict::KernelWeaker;
    if severe { compared.severity(Severity::Critical) } else { compared }
}

/// Whether a process is in a user namespace that the unit did not ask for: its capabilities end there.
fn in_own_users(case: &Case<'_>, pid: Option<&str>) -> bool {
    let Some(pid) = pid else { return false };
    let users = case.seen(NS_USER).map(every::values).unwrap_or_default();
    users.into_iter().any(|(value, shows)| shows == Some(pid) && value.starts_with("private"))
}

/// `UID` and `GID` of a unit that names none.
const UNSET: &str = "4294967295";

fn identity(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let named = case.yes(USER_SET) || case.yes(DYNAMIC_USER);
        let id: u32 = raw.trim().parse().ok()?;
        let norm = if raw.trim() == UNSET { "not set".to_string() } else { id.to_string() };
        Some(Demand::when(named && raw.trim() != UNSET, norm))
    })
}

/// Real, effective, saved and file system identity are the unit's.
fn same_identity(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    every::worst(case, raw, |value| {
        let ids: Vec<&str> = value.split_whitespace().collect();
        let first = *ids.first()?;
        let norm = if ids.iter().all(|id| *id == first) { first.to_string() } else { ids.join(" ") };
        let same = demand.norm.as_deref() == Some(&*norm);
        let verdict = match (demand.configured, same) {
            (false, _) => PairVerdict::NotConfigured,
            (true, true) => PairVerdict::Match,
            (true, false) => PairVerdict::KernelWeaker,
        };
        Some((norm, verdict, None))
    })
}
