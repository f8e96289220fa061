//! V12: sysctls, and which of two values is the stricter.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Case, Compared, Demand};
use crate::{PairVerdict, Severity};

/// Which values of a key are stricter.
#[derive(Clone, Copy)]
enum Stricter {
    /// Greater numbers.
    Greater,
    /// Smaller numbers.
    Smaller,
    /// Values in this order, the strictest last.
    Later(&'static [i64]),
    /// A mask: fewer bits; 1 stands for all of them.
    Fewer,
}

/// Keys whose value guards something; `*` stands for one part of a key.
const GUARDS: [(&str, Stricter); 44] = [
    ("dev.tty.ldisc_autoload", Stricter::Smaller),
    ("dev.tty.legacy_tiocsti", Stricter::Smaller),
    ("fs.protected_fifos", Stricter::Greater),
    ("fs.protected_hardlinks", Stricter::Greater),
    ("fs.protected_regular", Stricter::Greater),
    ("fs.protected_symlinks", Stricter::Greater),
    // 1 lets anybody read the memory of set-uid programs, 2 root alone.
    ("fs.suid_dumpable", Stricter::Later(&[1, 2, 0])),
    ("kernel.dmesg_restrict", Stricter::Greater),
    ("kernel.io_uring_disabled", Stricter::Greater),
    ("kernel.kexec_load_disabled", Stricter::Greater),
    ("kernel.kptr_restrict", Stricter::Greater),
    ("kernel.modules_disabled", Stricter::Greater),
    ("kernel.panic_on_oops", Stricter::Greater),
    ("kernel.perf_event_paranoid", Stricter::Greater),
    ("kernel.randomize_va_space", Stricter::Greater),
    ("kernel.sysrq", Stricter::Fewer),
    // 2 can be taken back, 1 cannot.
    ("kernel.unprivileged_bpf_disabled", Stricter::Later(&[0, 2, 1])),
    ("kernel.unprivileged_userns_clone", Stricter::Smaller),
    ("kernel.yama.ptrace_scope", Stricter::Greater),
    ("net.core.bpf_jit_harden", Stricter::Greater),
    ("net.ipv4.conf.*.accept_redirects", Stricter::Smaller),
    ("net.ipv4.conf.*.accept_source_route", Stricter::Smaller),
    ("net.ipv4.conf.*.forwarding", Stricter::Smaller),
    ("net.ipv4.conf.*.log_martians", Stricter::Greater),
    ("net.ipv4.conf.*.promote_secondaries", Stricter::Greater),
    // 2 is the loose check.
    ("net.ipv4.conf.*.rp_filter", Stricter::Later(&[0, 2, 1])),
    ("net.ipv4.conf.*.secure_redirects", Stricter::Smaller),
    ("net.ipv4.conf.*.send_redirects", Stricter::Smaller),
    ("net.ipv4.icmp_echo_ignore_broadcasts", Stricter::Greater),
    ("net.ipv4.icmp_ignore_bogus_error_responses", Stricter::Greater),
    ("net.ipv4.ip_forward", Stricter::Smaller),
    ("net.ipv4.tcp_rfc1337", Stricter::Greater),
    ("net.ipv4.tcp_syncookies", Stricter::Greater),
    ("net.ipv6.conf.*.accept_ra", Stricter::Smaller),
    ("net.ipv6.conf.*.accept_redirects", Stricter::Smaller),
    ("net.ipv6.conf.*.accept_source_route", Stricter::Smaller),
    ("net.ipv6.conf.*.forwarding", Stricter::Smaller),
    ("user.max_user_namespaces", Stricter::Smaller),
    ("vm.mmap_min_addr", Stricter::Greater),
    ("vm.mmap_rnd_bits", Stricter::Greater),
    ("vm.mmap_rnd_compat_bits", Stricter::Greater),
    ("vm.overcommit_memory", Stricter::Later(&[1, 0, 2])),
    ("vm.swappiness", Stricter::Smaller),
    ("vm.unprivileged_userfaultfd", Stricter::Smaller),
];

/// `VALUE<tab>FILE`; else what the intent says.
pub(super) fn configured(case: &Case<'_>) -> Demand {
    let stated = case.demand(|raw| Some(Demand::of(plain(raw.split('\t').next()?))));
    // A key that the intent alone names is held against it as the configured ones are against their file.
    match (stated.norm.is_some() || stated.unreadable.is_some(), case.intent) {
        (false, Some(intent)) => Demand { by_intent: true, ..Demand::of(plain(intent)) },
        _ => stated,
    }
}

pub(super) fn held(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let shown = plain(raw);
    let Some(stated) = demand.norm.as_deref() else { return Compared::new(shown, PairVerdict::NotConfigured) };
    if shown == stated {
        return Compared::new(shown, PairVerdict::Match);
    }
    let guard = guard(case.bare_name());
    let stricter = guard.and_then(|guard| is_stricter(guard, stated, &shown));
    let from =
        case.fact.orchestrator.value().and_then(|raw| raw.split_once('\t')).map_or("the intent", |(_, file)| file);
    let compared = Compared::new(shown, PairVerdict::KernelWeaker).note(format!("{from} says {stated}"));
    match stricter {
        Some(true) => Compared { verdict: PairVerdict::KernelStricter, ..compared },
        Some(false) => compared,
        None => compared.severity(if guard.is_some() { Severity::Medium } else { Severity::Low }),
    }
}

/// Words parted by one space.
fn plain(raw: &str) -> String {
    raw.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn guard(key: &str) -> Option<Stricter> {
    let is = |pattern: &str| match pattern.split_once('*') {
        None => pattern == key,
        Some((before, after)) => key.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some(),
    };
    GUARDS.iter().find(|(pattern, _)| is(pattern)).map(|(_, guard)| *guard)
}

/// Whether what is shown is at least as strict as what is stated; `None` where that cannot be said.
fn is_stricter(guard: Stricter, stated: &str, shown: &str) -> Option<bool> {
    let (stated, shown): (i64, i64) = (stated.parse().ok()?, shown.parse().ok()?);
    Some(match guard {
        Stricter::Greater => shown >= stated,
        Stricter::Smaller => shown <= stated,
        Stricter::Later(order) => {
            let rank = |value| order.iter().position(|known| *known == value);
            rank(shown)? >= rank(stated)?
        }
        Stricter::Fewer => stated == 1 || (shown != 1 && shown & !stated == 0),
    })
}
