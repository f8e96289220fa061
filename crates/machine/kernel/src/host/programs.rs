//! V10 and V12: loaded BPF programs and the nftables ruleset.

use avouch_pairs::attribute as a;

use crate::Pass;
use crate::parse::nftables::canonical;
use crate::reading::{Facts, clean, hex, listed, put, reading};
use crate::sockets::loaded;
use crate::source::Refusal;

/// `BPF_PROG_TYPE_*` by number (linux/bpf.h); a later one is spelled as its number.
const TYPES: [&str; 33] = [
    "unspec",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "sock_ops",
    "sk_skb",
    "cgroup_device",
    "sk_msg",
    "raw_tracepoint",
    "cgroup_sock_addr",
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
    "tracing",
    "struct_ops",
    "ext",
    "lsm",
    "sk_lookup",
    "syscall",
    "netfilter",
];

pub(super) fn read(pass: &Pass<'_>, facts: &mut Facts) {
    put(facts, a::BPF_PROGRAMS, reading(programs(pass)));
    put(facts, a::NFTABLES, reading(nftables(pass)));
}

/// Each line once: how many units share a program is not part of the inventory.
fn programs(pass: &Pass<'_>) -> Result<String, Refusal> {
    let mut lines = Vec::new();
    for id in pass.noted(pass.kernel.source.programs())? {
        let program = match pass.program(id) {
            Err(Refusal::Absent) => continue,
            program => program?,
        };
        let kind = program.kind.unwrap_or_default();
        let word = usize::try_from(kind).ok().and_then(|kind| TYPES.get(kind));
        let word = word.map_or_else(|| kind.to_string(), |word| (*word).to_owned());
        let name = clean(program.name.unwrap_or_default().as_bytes());
        lines.push(format!("{word}\t{name}\t{}", program.tag.map_or_else(|| "-".to_owned(), |tag| hex(&tag))));
    }
    lines.sort();
    lines.dedup();
    Ok(listed(lines))
}

fn nftables(pass: &Pass<'_>) -> Result<String, Refusal> {
    // Asking would load the module.
    if !loaded(pass, "nf_tables") {
        return Err(Refusal::Absent);
    }
    let messages = pass.noted(pass.kernel.source.nftables())?;
    Ok(hex(&avouch_crypto::sha256(&[&canonical(&messages)?])))
}
