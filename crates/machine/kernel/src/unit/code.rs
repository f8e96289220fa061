//! V5 and V13: the programs of a unit's processes, and memory that holds code of no file that can be checked.

use std::collections::BTreeMap;

use avouch_pairs::{Reading, attribute as a};

use super::members::{Member, Members};
use crate::Pass;
use crate::parse::maps::{Mapping, mappings};
use crate::parse::status::Status;
use crate::pass::{LARGE, SMALL};
use crate::reading::{Facts, Values, hex, listed, path, put, reading};
use crate::source::Refusal;

/// Directories that anybody may write to: no package puts programs there.
const WRITABLE: [&str; 4] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/"];
/// Most distinct mappings that are stated.
const MOST: usize = 4096;

pub(super) fn read(pass: &Pass<'_>, members: &Members, facts: &mut Facts) {
    let pids: Vec<String> = members.processes.iter().map(|member| member.pid.to_string()).collect();
    put(facts, a::PROCESSES, Reading::Value(pids.join("\n")));
    put(facts, a::EXE, programs(pass, members).reading());
    put(facts, a::EXE_DIGESTS, digests(pass, members));
    read_mappings(pass, members, facts);
}

/// The program of every process.
pub(super) fn programs(pass: &Pass<'_>, members: &Members) -> Values {
    let mut values = Values::default();
    for member in &members.processes {
        values.add(member.pid, member.pid == members.main, exe(pass, member));
    }
    values
}

fn exe(pass: &Pass<'_>, member: &Member) -> Result<String, Refusal> {
    Ok(path(&pass.noted(member.directory.link("exe"))?))
}

fn digests(pass: &Pass<'_>, members: &Members) -> Reading {
    let mut lines = BTreeMap::new();
    for member in &members.processes {
        let process = member.directory.as_ref();
        let line = exe(pass, member).and_then(|exe| Ok((exe, pass.digest(process, "exe", || process.target("exe"))?)));
        match line {
            Ok(line) => {
                lines.insert(line, ());
            }
            Err(Refusal::Absent | Refusal::Gone) => {}
            Err(refusal) => return refusal.reading(),
        }
    }
    if lines.is_empty() {
        return Reading::Absent;
    }
    let lines = lines.into_keys().map(|(exe, digest)| format!("{exe}\t{}", hex(&digest)));
    Reading::Value(lines.collect::<Vec<_>>().join("\n"))
}

/// Mappings by name, with the smallest PID that has them.
type Found = BTreeMap<String, u32>;

fn read_mappings(pass: &Pass<'_>, members: &Members, facts: &mut Facts) {
    let (mut writable, mut foreign) = (Found::new(), Found::new());
    let mut filtered = false;
    let mut refusal = None;
    for member in &members.processes {
        filtered = filtered || has_filters(pass, member);
        match look(pass, member, &mut writable, &mut foreign) {
            Ok(()) | Err(Refusal::Absent | Refusal::Gone) => {}
            Err(refused) => refusal = refusal.or(Some(refused)),
        }
    }
    let stated = |found: Found| match &refusal {
        Some(refusal) => Err(refusal.clone()),
        None => Ok(listed(found.into_iter().map(|(name, pid)| format!("{name}\t{pid}")).collect())),
    };
    put(facts, a::EXEC_MAPPINGS, reading(stated(foreign)));
    if filtered {
        put(facts, a::MEMORY_DENY_WRITE_EXECUTE, reading(stated(writable)));
    }
}

/// Whether a filter could forbid mappings that are written and executed: without one there is nothing to show.
fn has_filters(pass: &Pass<'_>, member: &Member) -> bool {
    let status = pass.read(member.directory.as_ref(), "status", SMALL).ok();
    let status = status.and_then(|bytes| Status::parse(&bytes).ok());
    status.is_some_and(|status| status.seccomp.as_deref() == Some("2"))
}

fn look(pass: &Pass<'_>, member: &Member, writable: &mut Found, foreign: &mut Found) -> Result<(), Refusal> {
    let bytes = pass.read(member.directory.as_ref(), "maps", LARGE)?;
    let text = String::from_utf8_lossy(&bytes);
    for mapping in mappings(&text)?.into_iter().filter(|mapping| mapping.executable) {
        if mapping.writable {
            insert(writable, name(&mapping), member.pid)?;
        }
        if is_foreign(mapping.name) {
            insert(foreign, name(&mapping), member.pid)?;
        }
    }
    Ok(())
}

fn insert(found: &mut Found, name: String, pid: u32) -> Result<(), Refusal> {
    if found.len() >= MOST {
        return Err(Refusal::TooLong(MOST));
    }
    found.entry(name).or_insert(pid);
    Ok(())
}

fn name(mapping: &Mapping<'_>) -> String {
    if mapping.name.is_empty() { "[anonymous]".to_owned() } else { path(mapping.name.as_bytes()) }
}

fn is_foreign(name: &str) -> bool {
    name.ends_with(" (deleted)") || name.starts_with("/memfd:") || WRITABLE.iter().any(|place| name.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_no_lasting_file_is_foreign() {
        for name in ["/usr/bin/x (deleted)", "/memfd:x (deleted)", "/tmp/x.so", "/dev/shm/x", "/run/x"] {
            assert!(is_foreign(name), "{name}");
        }
        for name in ["/usr/bin/x", "[vdso]", "", "/usr/lib/runner/x"] {
            assert!(!is_foreign(name), "{name}");
        }
    }
}
