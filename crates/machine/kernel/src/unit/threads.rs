//! V5 and V8: what the status of every thread says, and capget(2) beside it.

use avouch_pairs::{Attribute, attribute as a};

use super::members::Members;
use crate::Pass;
use crate::parse::status::Status;
use crate::pass::SMALL;
use crate::reading::{Facts, TRIES, Values, put, put_both};
use crate::source::{Directory, Refusal};

type Take = fn(&Status) -> Result<String, Refusal>;

/// What is stated of every thread.
const OF_THREADS: [(Attribute, Take); 8] = [
    (a::NO_NEW_PRIVS, |status| Ok(status.no_new_privs.clone())),
    (a::SECCOMP, seccomp),
    (a::SPECULATION_STORE_BYPASS, |status| shown(status.speculation_store_bypass.as_ref(), "4.17")),
    (a::CAP_BOUNDING, |status| Ok(status.bounding.clone())),
    (a::CAP_AMBIENT, |status| Ok(status.ambient.clone())),
    (a::UID, |status| Ok(status.uid.clone())),
    (a::GID, |status| Ok(status.gid.clone())),
    (a::GROUPS, |status| Ok(status.groups.clone())),
];
/// What is stated of every process: its threads share it.
const OF_PROCESSES: [(Attribute, Take); 2] = [
    (a::UMASK, |status| shown(status.umask.as_ref(), "4.7")),
    (a::CORE_DUMPING, |status| shown(status.core_dumping.as_ref(), "4.15")),
];
/// In the order of [`Status::capability_sets`] and capget(2).
const SETS: [Attribute; 3] = [a::CAP_EFFECTIVE, a::CAP_PERMITTED, a::CAP_INHERITABLE];

fn shown(value: Option<&String>, since: &str) -> Result<String, Refusal> {
    value.cloned().ok_or_else(|| Refusal::NotSupported(format!("the kernel shows it since Linux {since}")))
}

fn seccomp(status: &Status) -> Result<String, Refusal> {
    let mode = status.seccomp.as_ref().ok_or_else(|| Refusal::NotSupported("this kernel has no seccomp".to_owned()))?;
    Ok(format!("{mode} {}", status.seccomp_filters.as_deref().unwrap_or("-")))
}

pub(super) fn read(pass: &Pass<'_>, members: &Members, facts: &mut Facts) {
    let mut threads = OF_THREADS.map(|_| Values::default());
    let mut processes = OF_PROCESSES.map(|_| Values::default());
    let (mut sets, mut second) = (SETS.map(|_| Values::default()), SETS.map(|_| Values::default()));
    for member in &members.processes {
        for (tid, thread) in &member.threads {
            let main = *tid == members.main;
            let (status, capabilities) = both_views(pass, *tid, thread.as_ref());
            let of = |take: Take| status.as_ref().map_err(Clone::clone).and_then(take);
            for ((_, take), values) in OF_THREADS.iter().zip(&mut threads) {
                values.add(*tid, main, of(*take));
            }
            if *tid == member.pid {
                for ((_, take), values) in OF_PROCESSES.iter().zip(&mut processes) {
                    values.add(*tid, main, of(*take));
                }
            }
            for (set, (values, seconds)) in sets.iter_mut().zip(&mut second).enumerate() {
                let spelled = status.as_ref().map_err(Clone::clone).map(|status| named(status, set));
                values.add(*tid, main, spelled);
                let taken = capabilities.as_ref().map_err(Clone::clone);
                seconds.add(*tid, main, taken.map(|sets| spelled_set(sets, set)));
            }
        }
    }
    for ((attribute, _), values) in OF_THREADS.into_iter().zip(threads).chain(OF_PROCESSES.into_iter().zip(processes)) {
        put(facts, attribute, values.reading());
    }
    for (attribute, (values, seconds)) in SETS.into_iter().zip(sets.into_iter().zip(second)) {
        put_both(facts, attribute, values.reading(), seconds.reading());
    }
}

fn named(status: &Status, set: usize) -> String {
    status.capability_sets().get(set).map_or_else(String::new, |set| (*set).to_owned())
}

fn spelled_set(sets: &[u64; 3], set: usize) -> String {
    sets.get(set).map_or_else(String::new, |set| format!("{set:016x}"))
}

type Views = (Result<Status, Refusal>, Result<[u64; 3], Refusal>);

/// Status and capget(2) of a thread, taken until they agree.
fn both_views(pass: &Pass<'_>, tid: u32, thread: &dyn Directory) -> Views {
    let mut views = one_look(pass, tid, thread);
    for _ in 1..TRIES {
        match &views {
            (Ok(status), Ok(sets)) if (0..3).any(|set| named(status, set) != spelled_set(sets, set)) => {
                views = one_look(pass, tid, thread);
            }
            _ => break,
        }
    }
    // One that ended between the two views is left out of both.
    if matches!(views, (Ok(_), Err(Refusal::Gone))) && pass.read(thread, "stat", SMALL).is_err() {
        return (Err(Refusal::Gone), Err(Refusal::Gone));
    }
    views
}

fn one_look(pass: &Pass<'_>, tid: u32, thread: &dyn Directory) -> Views {
    let status = pass.read(thread, "status", SMALL).and_then(|bytes| Ok(Status::parse(&bytes)?));
    // A number that another thread got meanwhile is no second view of this one: it ended.
    let capabilities = match &status {
        Ok(_) => pass.kernel.source.capabilities(tid),
        Err(refusal) => Err(refusal.clone()),
    };
    (status, capabilities)
}
