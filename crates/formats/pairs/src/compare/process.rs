//! V5: rules of [`crate::attribute`]'s `process`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::quantity::mode;
use super::{Case, Compared, Demand, Role, every, lines};
use crate::attribute::*;
use crate::{Attribute, PairVerdict};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        NO_NEW_PRIVS => Role::process(no_new_privileges, no_new_privs),
        SECCOMP => Role::process(by_others, filters),
        MEMORY_DENY_WRITE_EXECUTE => Role::process(deny_write_execute, writable_code),
        UMASK => Role::process(file_mode_mask, masks),
        PERSONALITY => Role::process(architecture, personality),
        SECURE_BITS => Role::process(secure_bits, unforeseen),
        RESTRICT_FILE_SYSTEMS => Role::process(file_systems, unforeseen),
        SYSTEM_CALL_FILTER
        | SYSTEM_CALL_ARCHITECTURES
        | RESTRICT_ADDRESS_FAMILIES
        | RESTRICT_NAMESPACES
        | LOCK_PERSONALITY
        | RESTRICT_REALTIME
        | RESTRICT_SUID_SGID
        | PROTECT_CLOCK => Role::derived(SECCOMP, option, filtered),
        KEYRING_MODE | CORE_DUMPING | SPECULATION_STORE_BYPASS | LANDLOCK => Role::Shown,
        _ => return None,
    })
}

fn no_new_privileges(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw {
        "yes" => Some(Demand::of("yes")),
        "no" => Some(Demand::unset("no")),
        _ => None,
    })
}

fn no_new_privs(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    every::worst(case, raw, |value| match (value.trim(), demand.configured) {
        ("1", true) => every::plain("yes", PairVerdict::Match),
        ("0", true) => every::plain("no", PairVerdict::KernelWeaker),
        ("1", false) => {
            let note = "implied by DynamicUser=, or by a system call filter of a unit that has a user".to_owned();
            Some(("yes".to_owned(), PairVerdict::KernelStricter, Some(note)))
        }
        ("0", false) => every::plain("no", PairVerdict::NotConfigured),
        _ => None,
    })
}

/// What systemd implements with seccomp, so that the kernel's evidence is a filter.
fn option(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let stated = raw.trim();
        let unset = match case.attribute {
            RESTRICT_NAMESPACES => stated == UNRESTRICTED,
            _ => matches!(stated, "no" | "" | "deny"),
        };
        Some(Demand::when(!unset, lines(raw)))
    })
}

/// RestrictNamespaces= of a unit that does not set it.
const UNRESTRICTED: &str = "18446744073709551615";

fn filtered(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    every::worst(case, raw, |value| {
        let (norm, loaded) = loaded(value)?;
        Some(match (demand.configured, loaded) {
            (true, true) => (norm, PairVerdict::Match, Some(CONTENT.to_owned())),
            (true, false) => (norm, PairVerdict::KernelMissing, None),
            (false, _) => (norm, PairVerdict::NotConfigured, None),
        })
    })
}

/// How many filters the kernel has of a process, and whether there are any.
fn loaded(value: &str) -> Option<(String, bool)> {
    let mut words = value.split_whitespace();
    let (mode, count) = (words.next()?, words.next().unwrap_or("-"));
    let norm = match (mode, count) {
        ("0", _) => "no filter".to_owned(),
        ("1", _) => "strict".to_owned(),
        ("2", "-") => "filters".to_owned(),
        ("2", "1") => "1 filter".to_owned(),
        ("2", count) => format!("{} filters", count.parse::<u32>().ok()?),
        _ => return None,
    };
    Some((norm, mode == "2" && count != "0"))
}

/// The pairs of the options say whether there should be filters.
fn by_others(_: &Case<'_>) -> Demand {
    Demand::default()
}

fn filters(case: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    every::worst(case, raw, |value| {
        let (norm, _) = loaded(value)?;
        Some((norm, PairVerdict::NotConfigured, None))
    })
}

const CONTENT: &str = "filters are loaded; the kernel does not show what they refuse";

fn deny_write_execute(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw {
        "yes" => Some(Demand::of("yes")),
        "no" => Some(Demand::unset("no")),
        _ => None,
    })
    .unless_unread(case)
}

fn writable_code(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    match (raw.trim() == "none", demand.configured) {
        (true, true) => Compared::new("no writable code", PairVerdict::Match),
        (true, false) => Compared::new("no writable code", PairVerdict::NotConfigured),
        (false, true) => Compared::new(lines(raw), PairVerdict::KernelWeaker)
            .note("memory that is writable and executable was there before the filter, or the filter is not loaded"),
        (false, false) => Compared::new(lines(raw), PairVerdict::NotConfigured),
    }
}

/// systemd's own default; programs often choose another one themselves.
const DEFAULT_UMASK: u32 = 0o022;

fn file_mode_mask(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let mask = mode(raw)?;
        Some(Demand::when(mask != DEFAULT_UMASK || case.intent.is_some(), format!("{mask:04o}")))
    })
}

fn masks(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let stated = demand.norm.as_deref().and_then(mode);
    every::worst(case, raw, |value| {
        let shown = mode(value)?;
        let verdict = match stated {
            Some(_) if !demand.configured => PairVerdict::NotConfigured,
            Some(stated) if shown == stated => PairVerdict::Match,
            Some(stated) if shown & stated == stated => PairVerdict::KernelStricter,
            Some(_) => PairVerdict::KernelWeaker,
            None => PairVerdict::NotConfigured,
        };
        Some((format!("{shown:04o}"), verdict, None))
    })
}

fn architecture(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::when(!raw.is_empty(), raw)))
}

/// Execution domains of 32-bit architectures under a 64-bit kernel (`PER_LINUX32`).
const LINUX32: u32 = 8;

fn personality(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let narrow = matches!(
        demand.norm.as_deref(),
        Some(
            "x86" | "arm" | "arm-be" | "ppc" | "ppc-le" | "s390" | "mips" | "mips-le" | "sparc" | "parisc" | "riscv32"
        )
    );
    every::worst(case, raw, |value| {
        let domain = u32::from_str_radix(value.trim(), 16).ok()?;
        let wanted = if narrow { LINUX32 } else { 0 };
        let verdict = match demand.configured {
            false => PairVerdict::NotConfigured,
            true if domain & 0xFF == wanted => PairVerdict::Match,
            true => PairVerdict::KernelWeaker,
        };
        Some((format!("{domain:08x}"), verdict, None))
    })
}

fn secure_bits(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let bits: u32 = raw.trim().parse().ok()?;
        Some(Demand::when(bits != 0, raw.trim()))
    })
}

fn file_systems(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::when(!matches!(raw.trim(), "" | "deny"), lines(raw))))
}

/// Of a fact that no kernel shows so far: a value is shown and proves nothing.
fn unforeseen(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let norm: String = lines(raw);
    let verdict = if demand.configured { PairVerdict::NotSupported } else { PairVerdict::NotConfigured };
    Compared::new(norm, verdict)
}

impl Demand {
    /// Memory maps are read where filters exist; where there is none, the pair of `seccomp` says so.
    fn unless_unread(self, case: &Case<'_>) -> Self {
        let configured = self.configured && case.fact.kernel != crate::Reading::NotRead;
        Self { configured, ..self }
    }
}
