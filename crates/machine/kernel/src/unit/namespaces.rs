//! V7: namespaces of every thread, and what is inside of the main process's own.

use avouch_pairs::{Attribute, Reading, attribute as a};

use super::members::{Member, Members};
use crate::Pass;
use crate::parse::net::interfaces;
use crate::pass::{LARGE, SMALL};
use crate::reading::{Facts, Values, agreed, clean, content, listed, put, put_both, reading};
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
        let (first, second) = every(pass, members, kind);
        put_both(facts, attribute, first, second);
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

/// By the name of the link, and by the inode that it leads to.
fn every(pass: &Pass<'_>, members: &Members, kind: &'static str) -> (Reading, Reading) {
    let first = match pass.first_namespace(kind) {
        Err(Refusal::Absent) => {
            let why = Reading::NotSupported(format!("this kernel has no {kind} namespaces"));
            return (why, Reading::NotRead);
        }
        first => first,
    };
    let shown = |own: u64| {
        let word = if own == first.clone()? { "host" } else { "private" };
        Ok(format!("{word} {own}"))
    };
    let (mut values, mut seconds) = (Values::default(), Values::default());
    for (tid, thread) in members.processes.iter().flat_map(|member| &member.threads) {
        let (own, again) = both(pass, thread.as_ref(), kind);
        values.add(*tid, *tid == members.main, own.and_then(&shown));
        seconds.add(*tid, *tid == members.main, again.and_then(&shown));
    }
    (values.reading(), seconds.reading())
}

type Inode = Result<u64, Refusal>;

/// Both views of a thread's namespace, taken until they agree.
fn both(pass: &Pass<'_>, thread: &dyn Directory, kind: &'static str) -> (Inode, Inode) {
    let look =
        || (pass.namespace(thread, kind), pass.noted(thread.target(&format!("ns/{kind}"))).map(|stat| stat.inode));
    let views = agreed(look);
    // One that ended between the two views is left out of both.
    let ended = |view: &Inode| matches!(view, Err(Refusal::Gone | Refusal::Absent));
    if ended(&views.0) || ended(&views.1) { (Err(Refusal::Gone), Err(Refusal::Gone)) } else { views }
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
    match pass.read(process, "setgroups", SMALL) {
        Ok(bytes) => lines.push(format!("setgroups\t{}", content(&bytes))),
        // A kernel before 3.19.
        Err(Refusal::Absent) => {}
        Err(refusal) => return Err(refusal),
    }
    Ok(listed(lines))
}
