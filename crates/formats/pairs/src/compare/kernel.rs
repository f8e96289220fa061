//! V2 and V12: rules of [`crate::attribute`]'s `kernel`. Where systemd states nothing, the intent does.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Case, Compared, Demand, Role, lines, sysctl};
use crate::attribute::*;
use crate::{Attribute, PairVerdict, Severity};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        DM_TABLE => Role::anything(root_hash, verity),
        OVERMOUNTS => Role::anything(always, nothing_over),
        SYSCTL => Role::anything(sysctl::configured, sysctl::held),
        LOCKDOWN => Role::anything(Demand::intent, locked_down),
        MODULES => Role::anything(modules, loaded),
        TAINTED => Role::anything(Demand::intent, taint),
        KEXEC => Role::anything(Demand::intent, no_more),
        MODULE_SIG_ENFORCE => Role::anything(Demand::intent, signatures),
        COMMAND_LINE | BPF_PROGRAMS | KPROBES | FTRACE | CPU_VULNERABILITIES | KERNEL_CONFIG | MANAGER_TAINTED => {
            Role::Shown
        }
        _ => return None,
    })
}

fn root_hash(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::when(!raw.trim().is_empty(), raw.trim())))
}

fn verity(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    let mut fields = raw.splitn(3, '\t');
    let (status, read_only, table) =
        (fields.next().unwrap_or("").trim(), fields.next().unwrap_or("").trim(), fields.next().unwrap_or(""));
    if !table.split_whitespace().any(|word| word == "verity") {
        let verdict = if demand.configured { PairVerdict::KernelMissing } else { PairVerdict::NotConfigured };
        return Compared::new(norm, verdict);
    }
    let hash = demand.norm.as_deref().filter(|_| demand.configured);
    let note = match hash {
        _ if status != "V" => "the kernel found blocks that do not match their hashes",
        _ if read_only != "1" => "the device is writable",
        Some(hash) if !table.split_whitespace().any(|word| word == hash) => "the table has another root hash",
        Some(_) => return Compared::new(norm, PairVerdict::Match),
        None => {
            return Compared::new(norm, PairVerdict::Match).note("no root hash on the command line to compare with");
        }
    };
    Compared::new(norm, PairVerdict::KernelWeaker).note(note).severity(Severity::Critical)
}

fn always(_: &Case<'_>) -> Demand {
    Demand { configured: true, ..Demand::default() }
}

fn nothing_over(_: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let verdict = if raw.trim() == "none" { PairVerdict::Match } else { PairVerdict::Unmanaged };
    Compared::new(lines(raw), verdict)
}

/// How far lockdown goes.
fn reach(word: &str) -> Option<u8> {
    match word.trim() {
        "none" => Some(0),
        "integrity" => Some(1),
        "confidentiality" => Some(2),
        _ => None,
    }
}

fn locked_down(case: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let Some(shown) = reach(raw) else { return Compared::odd(raw) };
    let compared = Compared::new(raw.trim(), PairVerdict::NotConfigured);
    let Some(intent) = case.intent else { return compared };
    let note = format!("the intent demands {intent}");
    match reach(intent) {
        Some(wanted) if shown == wanted => Compared { verdict: PairVerdict::Match, ..compared },
        Some(wanted) if shown > wanted => Compared { verdict: PairVerdict::KernelStricter, ..compared },
        Some(_) => Compared { verdict: PairVerdict::KernelWeaker, ..compared }.note(note).severity(Severity::Critical),
        None => Compared { verdict: PairVerdict::IntentDrift, ..compared }.note(note),
    }
}

/// Names of modules; the kernel spells `-` as `_`.
fn names(raw: &str) -> BTreeSet<String> {
    raw.split([',', ' ', '\n', ';']).map(|name| name.trim().replace('-', "_")).filter(|name| !name.is_empty()).collect()
}

fn modules(case: &Case<'_>) -> Demand {
    let stated = case.demand(|raw| Some(Demand::unset(lines(raw))));
    Demand { by_intent: true, configured: case.intent.is_some(), ..stated }
}

/// What systemd loads may as well be built in. What the intent lists is all that may be loaded.
fn loaded(case: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let shown = names(raw);
    let norm = shown.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let Some(intent) = case.intent else {
        return Compared::new(norm, PairVerdict::NotConfigured);
    };
    let allowed = names(intent);
    let extra: Vec<&str> = shown.difference(&allowed).map(String::as_str).collect();
    if extra.is_empty() {
        return Compared::new(norm, PairVerdict::Match);
    }
    Compared::new(norm, PairVerdict::Unmanaged).note(format!("the intent does not name {}", extra.join(", ")))
}

/// Bits of /proc/sys/kernel/tainted (Documentation/admin-guide/tainted-kernels.rst).
const TAINTS: [&str; 19] = [
    "proprietary module",
    "module loaded by force",
    "kernel out of its specification",
    "module unloaded by force",
    "machine check",
    "bad page",
    "taint asked for from user space",
    "kernel oops",
    "ACPI table replaced",
    "kernel warning",
    "staging driver",
    "firmware workaround",
    "module from outside the tree",
    "unsigned module",
    "soft lockup",
    "live patch",
    "distribution's own",
    "struct randomization",
    "in-kernel test",
];

fn taint(case: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let Ok(shown) = raw.trim().parse::<u64>() else { return Compared::odd(raw) };
    let flags = TAINTS.iter().enumerate().filter(|(bit, _)| shown >> bit & 1 == 1).map(|(_, name)| *name);
    let flags = flags.collect::<Vec<_>>().join(", ");
    let compared = Compared::new(raw.trim(), PairVerdict::NotConfigured);
    let compared = if flags.is_empty() { compared } else { compared.note(flags) };
    match case.intent.map(|intent| intent.trim().parse::<u64>()) {
        None => compared,
        Some(Ok(allowed)) if shown & !allowed == 0 => Compared { verdict: PairVerdict::Match, ..compared },
        Some(_) => Compared { verdict: PairVerdict::KernelWeaker, ..compared },
    }
}

/// Numbers that are no greater than the intent's.
fn no_more(case: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    fn numbers(raw: &str) -> Option<Vec<u64>> {
        raw.split_whitespace().map(|word| word.parse().ok()).collect()
    }
    let Some(shown) = numbers(raw) else { return Compared::odd(raw) };
    let compared = Compared::new(raw.trim(), PairVerdict::NotConfigured);
    let kernel_waits = shown.first().is_some_and(|loaded| *loaded != 0);
    let compared = if kernel_waits { compared.note("another kernel is loaded and can be started") } else { compared };
    match case.intent.map(numbers) {
        None => compared,
        Some(Some(most)) if most.len() == shown.len() && shown.iter().zip(&most).all(|(have, most)| have <= most) => {
            Compared { verdict: PairVerdict::Match, ..compared }
        }
        Some(_) => Compared { verdict: PairVerdict::KernelWeaker, ..compared },
    }
}

fn signatures(case: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let verdict = match (raw.trim(), case.intent) {
        (_, None) => PairVerdict::NotConfigured,
        (shown, Some(intent)) if shown == intent => PairVerdict::Match,
        ("Y", Some(_)) => PairVerdict::KernelStricter,
        _ => PairVerdict::KernelWeaker,
    };
    Compared::new(raw.trim(), verdict)
}
