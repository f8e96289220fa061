//! V11 and V14: directories and files of a unit.

use avouch_pairs::{Reading, attribute as a};

use crate::reading::{Facts, hex, path, put, reading};
use crate::source::{Refusal, Root, Stat};
use crate::{Pass, UnitAsk};

/// Where drop-in directories of a unit may be made after it was loaded (systemd.unit(5)).
const DROP_IN_PLACES: [&str; 5] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
];
/// Most drop-ins that are looked for in one folder.
const MOST_DROP_INS: usize = 1_024;

pub(super) fn read(pass: &Pass<'_>, ask: &UnitAsk, facts: &mut Facts) {
    if !ask.directories.is_empty() {
        put(facts, a::DIRECTORY_MODES, modes(pass, &ask.directories));
    }
    if !ask.socket_paths.is_empty() {
        put(facts, a::SOCKET_MODE, modes(pass, &ask.socket_paths));
    }
    if !ask.unit_files.is_empty() {
        put(facts, a::UNIT_FILES, reading(unit_files(pass, &ask.unit_files)));
    }
    put(facts, a::UNIT_FRESHNESS, reading(freshness(pass, ask)));
}

/// `MODE UID GID`, mode octal with four digits.
pub(crate) fn mode(stat: &Stat) -> String {
    format!("{:04o} {} {}", stat.mode & 0o7777, stat.uid, stat.gid)
}

/// A path of the host, links followed.
fn stat(pass: &Pass<'_>, path: &str) -> Result<Stat, Refusal> {
    pass.noted(pass.root(Root::Host)?.stat(path, true))
}

/// Lines of those that exist; absent where none does.
fn modes(pass: &Pass<'_>, paths: &[String]) -> Reading {
    let mut lines = Vec::new();
    for wanted in paths {
        match stat(pass, wanted) {
            Ok(stat) => lines.push(format!("{}\t{}", path(wanted.as_bytes()), mode(&stat))),
            Err(Refusal::Absent) => {}
            Err(refusal) => return refusal.reading(),
        }
    }
    if lines.is_empty() { Reading::Absent } else { Reading::Value(lines.join("\n")) }
}

fn unit_files(pass: &Pass<'_>, files: &[String]) -> Result<String, Refusal> {
    let host = pass.root(Root::Host)?;
    let mut lines = Vec::new();
    for file in files {
        let stat = match stat(pass, file) {
            Err(Refusal::Absent) => continue,
            stat => stat?,
        };
        let digest = match pass.digest(host, file, || pass.noted(host.stat(file, true))) {
            Ok(digest) => hex(&digest),
            // A masked unit's file is /dev/null.
            Err(Refusal::NotSupported(_)) => "-".to_owned(),
            Err(refusal) => return Err(refusal),
        };
        lines.push(format!("{}\t{} {digest}", path(file.as_bytes()), mode(&stat)));
    }
    if lines.is_empty() { Err(Refusal::Absent) } else { Ok(lines.join("\n")) }
}

/// The newest of the unit's files and of the drop-ins beside it, read by systemd or not.
fn freshness(pass: &Pass<'_>, ask: &UnitAsk) -> Result<String, Refusal> {
    let mut newest: Option<(i128, String)> = None;
    for file in ask.unit_files.iter().cloned().chain(drop_ins(pass, &ask.name)?) {
        match stat(pass, &file) {
            Ok(stat) => newest = newest.max(Some((stat.modified / 1000, file))),
            Err(Refusal::Absent) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    newest.map(|(time, file)| format!("{time}\t{}", path(file.as_bytes()))).ok_or(Refusal::Absent)
}

/// Drop-ins of the unit where they may be made at run time.
fn drop_ins(pass: &Pass<'_>, unit: &str) -> Result<Vec<String>, Refusal> {
    let host = pass.root(Root::Host)?;
    let mut files = Vec::new();
    for place in DROP_IN_PLACES {
        let folder = format!("{place}/{unit}.d");
        match pass.noted(host.list(&folder, MOST_DROP_INS)) {
            Ok(entries) => {
                let names = entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(".conf"));
                files.extend(names.map(|name| format!("{folder}/{name}")));
            }
            Err(Refusal::Absent) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(files)
}
