//! V10: every socket that waits for peers, in every network namespace in use, and who holds it.

use std::collections::{BTreeMap, BTreeSet};

use avouch_pairs::{Fact, Observation, Reading, attribute as a, subject};

use super::alone;
use super::census::Owners;
use crate::Pass;
use crate::pass::{Holders, Seen};
use crate::reading::path;
use crate::sockets::{Kind, Network, Rows, Views};
use crate::source::Refusal;

/// Most network namespaces that are looked into.
const MOST_NETWORKS: usize = 1024;

type Census = BTreeMap<u32, Seen>;

/// By kind: its views in each namespace.
type Taken = BTreeMap<Kind, Vec<Views>>;

pub(super) fn read(pass: &Pass<'_>, owners: &Owners<'_>, declared: &[String], observation: &mut Observation) {
    let (mut taken, mut held) = look(pass, false);
    // A socket that nobody holds may have been opened between the two looks, or closed.
    if held.as_ref().is_ok_and(|(_, holders)| !orphans(&taken, holders).is_empty()) {
        (taken, held) = look(pass, true);
    }
    for (kind, views) in &taken {
        state(*kind, views, &held, owners, observation);
    }
    if let Err(refusal) = networks(pass) {
        alone(observation, format!("{}*", subject::LISTENER), a::LISTENER, Fact::kernel(refusal.reading()));
    }
    for name in declared.iter().filter(|name| name.starts_with(subject::LISTENER)) {
        if !observation.subjects.contains_key(name) {
            let reading = missing(name, &taken);
            let fact = Fact { orchestrator: Reading::NotRead, kernel: reading.clone(), second: reading };
            alone(observation, name.clone(), a::LISTENER, fact);
        }
    }
}

/// What is said of a declared listener that no view shows.
fn missing(name: &str, taken: &Taken) -> Reading {
    let word = name.strip_prefix(subject::LISTENER).and_then(|rest| rest.split(':').next());
    let kind = Kind::ALL.into_iter().find(|kind| Some(kind.word()) == word);
    match kind.and_then(|kind| taken.get(&kind)?.first()) {
        None => Reading::NotSupported("sockets of this kind are not listed".to_owned()),
        Some(views) => views.has(name).map_or_else(|refusal| refusal.reading(), |_| Reading::Absent),
    }
}

type Held = Result<(Census, Holders), Refusal>;

/// Sockets first, then whoever holds them: a holder that is seen later than its socket is one all the same.
fn look(pass: &Pass<'_>, fresh: bool) -> (Taken, Held) {
    let others = networks(pass).unwrap_or_default();
    let mut taken = Taken::new();
    for kind in Kind::ALL {
        let mut views = vec![(*pass.views(kind, fresh)).clone()];
        if kind != Kind::Vsock {
            views.extend(others.iter().map(|network| Views::take(pass, kind, *network)));
        }
        taken.insert(kind, views);
    }
    let held = pass.counted().map(|census| {
        let holders = pass.holders(&census);
        (census, holders)
    });
    (taken, held)
}

/// Network namespaces in use beside the first, each with a process inside of it.
fn networks(pass: &Pass<'_>) -> Result<Vec<Network>, Refusal> {
    let first = pass.first_network()?;
    let own = |pid: u32| pass.process(pid).and_then(|process| pass.namespace(process.as_ref(), "net"));
    let mut found = BTreeMap::new();
    let known = own(first.pid)?;
    for (pid, _) in pass.census()?.iter().filter(|(_, seen)| !seen.kernel_thread) {
        match own(*pid) {
            Ok(inode) if inode != known => drop(found.entry(inode).or_insert(*pid)),
            Ok(_) | Err(Refusal::Absent | Refusal::Gone) => {}
            // PID 1 of a container may be out of reach; where it is the first, it is known to be.
            Err(Refusal::Denied(_)) if *pid == 1 => {}
            Err(refusal) => return Err(refusal),
        }
    }
    if found.len() > MOST_NETWORKS {
        return Err(Refusal::TooLong(MOST_NETWORKS));
    }
    Ok(found.into_iter().map(|(inode, pid)| Network { pid, inode: Some(inode) }).collect())
}

/// Inodes of sockets that nobody holds.
fn orphans(taken: &Taken, holders: &Holders) -> BTreeSet<u64> {
    let rows = taken.values().flatten().flat_map(|views| [&views.first, &views.second]).flatten();
    let inodes = rows.flat_map(|rows| rows.values().flatten().map(|(inode, _)| *inode));
    inodes.filter(|inode| !holders.by_inode.contains_key(inode)).collect()
}

/// States every listener of one kind, those of all namespaces together: a path may be bound in several.
fn state(kind: Kind, views: &[Views], held: &Held, owners: &Owners<'_>, observation: &mut Observation) {
    if let Some(Views { first: Err(first), second: Err(second) }) = views.first() {
        let fact = Fact { orchestrator: Reading::NotRead, kernel: first.reading(), second: second.reading() };
        alone(observation, format!("{}{}:*", subject::LISTENER, kind.word()), a::LISTENER, fact);
    }
    let mut stated: BTreeMap<&String, (Vec<Reading>, Vec<Reading>)> = BTreeMap::new();
    for view in views {
        let rows = [&view.first, &view.second].into_iter().flatten();
        let names: BTreeSet<&String> = rows.flat_map(Rows::keys).collect();
        for name in names {
            let column = |side: &Result<Rows, Refusal>| match side {
                Err(refusal) => refusal.reading(),
                Ok(rows) => rows.get(name).map_or(Reading::Absent, |sockets| owned(sockets, held, owners)),
            };
            let (mut kernel, mut second) = (column(&view.first), column(&view.second));
            // Where sock_diag cannot be asked, /proc/net is the kernel's word and there is no second.
            if view.first.is_err() {
                std::mem::swap(&mut kernel, &mut second);
            }
            let both = stated.entry(name).or_default();
            both.0.push(kernel);
            both.1.push(second);
        }
    }
    for (name, (kernel, second)) in stated {
        let fact = Fact { orchestrator: Reading::NotRead, kernel: joined(kernel), second: joined(second) };
        alone(observation, name.clone(), a::LISTENER, fact);
    }
}

/// The same listener in several namespaces: all lines; else the first reading that is no value.
fn joined(readings: Vec<Reading>) -> Reading {
    if let Some(other) = readings.iter().find(|reading| !matches!(reading, Reading::Value(_) | Reading::Absent)) {
        return other.clone();
    }
    let lines: BTreeSet<&str> = readings.iter().filter_map(Reading::value).flat_map(str::lines).collect();
    if lines.is_empty() {
        return Reading::Absent;
    }
    Reading::Value(lines.into_iter().collect::<Vec<_>>().join("\n"))
}

/// `UNIT OR CGROUP<tab>UID`, a line for each owner.
fn owned(sockets: &BTreeSet<(u64, Option<u32>)>, held: &Held, owners: &Owners<'_>) -> Reading {
    let (census, holders) = match held {
        Ok((census, holders)) => (census, holders),
        Err(refusal) => return refusal.reading(),
    };
    let mut lines = BTreeSet::new();
    for (inode, uid) in sockets {
        let uid = uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
        let pids = holders.by_inode.get(inode).map(Vec::as_slice).unwrap_or_default();
        let groups: Vec<&str> =
            pids.iter().filter_map(|pid| census.get(pid)).map(|seen| seen.cgroup.as_str()).collect();
        match (groups.is_empty(), &holders.refusal) {
            (true, Some(refusal)) => return refusal.reading(),
            (true, None) => drop(lines.insert(format!("-\t{uid}"))),
            (false, _) => lines.extend(groups.into_iter().map(|group| match owners.unit(group) {
                Some(unit) => format!("{unit}\t{uid}"),
                None => format!("{}\t{uid}", path(group.as_bytes())),
            })),
        }
    }
    Reading::Value(lines.into_iter().collect::<Vec<_>>().join("\n"))
}
