//! V7: namespaces of every thread, and what is inside of the main process's own.

use avouch_pairs::{Attribute, Reading, attribute as a};

use super::members::{Member, Members};
use crate::Pass;
use crate::parse::net::interfaces;
use crate::pass::{LARGE, SMALL};
use crate::reading::{Facts, Values, clean, listed, put, reading};
use crate::source::{Directory, Refusal};

/// By the names of `/proc/PID/ns`.
const KINDS: [(Attribute, &str); 8] = [
    (a::NS_NET, "net"),
    (a::NS_MNT, "mnt"),
    (a::NS_IPC, "ipc"),
    (a::NS_UTS, "uts"),
    (a::NS_PID, "pid"),
    (a::NS_USER, "user"),
    (a::NS_CGROUP, "cgroup"),
    (a::NS_TIME, "time"),
];

pub(super) fn read(pass: &Pass<'_>, members: &Members, facts: &mut Facts) {
    for (attribute, kind) in KINDS {
        put(facts, attribute, every(pass, members, kind));
    }
    let Some(main) = members.main() else { return };
    if private(pass, main, "net") {
        let names = pass.read(main.directory.as_ref(), "net/dev", LARGE).and_then(|bytes| Ok(interfaces(&bytes)?));
        let names = names.map(|names| names.iter().map(|name| clean(name.as_bytes())).collect::<Vec<_>>());
        put(facts, a::NET_DEVICES, reading(names.map(listed)));
    }
    if private(pass, main, "user") {
        put(facts, a::ID_MAPS, reading(maps(pass, main.directory.as_ref())));
    }
}

fn every(pass: &Pass<'_>, members: &Members, kind: &'static str) -> Reading {
    let first = match pass.first_namespace(kind) {
        Err(Refusal::Absent) => return Reading::NotSupported(format!("this kernel has no {kind} namespaces")),
        first => first,
    };
    let mut values = Values::default();
    for (tid, thread) in members.processes.iter().flat_map(|member| &member.threads) {
        let own = pass.namespace(thread.as_ref(), kind);
        let shown = own.and_then(|own| {
            let word = if own == first.clone()? { "host" } else { "private" };
            Ok(format!("{word} {own}"))
        });
        values.add(*tid, *tid == members.main, shown);
    }
    values.reading()
}

/// Whether the process is in another namespace than PID 1; an unreadable one shows in the fact of its kind.
pub(super) fn private(pass: &Pass<'_>, member: &Member, kind: &'static str) -> bool {
    match (pass.first_namespace(kind), pass.namespace(member.directory.as_ref(), kind)) {
        (Ok(first), Ok(own)) => first != own,
        _ => false,
    }
}

fn maps(pass: &Pass<'_>, process: &dyn Directory) -> Result<String, Refusal> {
    let mut lines = Vec::new();
    for kind in ["uid", "gid"] {
        let bytes = pass.read(process, &format!("{kind}_map"), SMALL)?;
        for line in String::from_utf8_lossy(&bytes).lines() {
            let numbers: Vec<&str> = line.split_ascii_whitespace().collect();
            lines.push(format!("{kind}\t{}", numbers.join(" ")));
        }
    }
    Ok(listed(lines))
}
