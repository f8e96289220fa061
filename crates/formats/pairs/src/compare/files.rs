//! V11: rules of [`crate::attribute`]'s `files`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::quantity::mode;
use super::{Case, Compared, Demand, Of, Role, lines};
use crate::attribute::*;
use crate::{Attribute, PairVerdict};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        DIRECTORY_MODES | SOCKET_MODE => Role::anything(modes, modes_held),
        SOCKET_OWNER => Role::derived_of(Of::Anything, SOCKET_MODE, owner, owned),
        PRIVILEGED_FILES => Role::anything(Demand::intent, privileges),
        UNIT_FILES => Role::anything(unit_files, guarded),
        PATH => Role::anything(path, path_held),
        LABELLED_MOUNTS => Role::anything(always, mount_options),
        _ => return None,
    })
}

/// Read, write and execute of others than the owner: what a mode can open too far.
const OTHERS: u32 = 0o077;
/// Write of everybody.
const EVERYBODY: u32 = 0o002;
/// setuid and setgid.
const SET_ID: u32 = 0o6000;

fn modes(case: &Case<'_>) -> Demand {
    let active = case.subject.identity.as_ref().is_none_or(|identity| identity.active_state == "active");
    case.demand(|raw| Some(Demand::when(active && !raw.trim().is_empty(), lines(raw))))
}

/// Each path has the mode that the unit states, or a stricter one.
fn modes_held(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    if !demand.configured {
        return Compared::new(norm, PairVerdict::NotConfigured);
    }
    let mut verdict = PairVerdict::Match;
    for line in case.fact.orchestrator.value().unwrap_or("").lines() {
        let Some((path, stated)) = line.rsplit_once('\t') else { continue };
        let found = raw.lines().find_map(|line| line.strip_prefix(path)?.strip_prefix('\t'));
        let shown = found.and_then(|rest| mode(rest.split_whitespace().next()?));
        match (mode(stated), shown) {
            (Some(stated), Some(shown)) if shown & OTHERS & !stated != 0 => {
                let note = format!("{path} has mode {shown:04o} and should have {stated:04o}");
                return Compared::new(norm, PairVerdict::KernelWeaker).note(note);
            }
            (Some(stated), Some(shown)) if shown & OTHERS != stated & OTHERS => verdict = PairVerdict::KernelStricter,
            (Some(_), Some(_)) => {}
            (Some(_), None) => {
                return Compared::new(norm, PairVerdict::KernelMissing).note(format!("{path} is not there"));
            }
            (None, _) => return Compared::odd(raw),
        }
    }
    Compared::new(norm, verdict)
}

/// Nobody but root, where the unit names nobody. A file that is not there is told by its mode.
fn owner(case: &Case<'_>) -> Demand {
    match (case.stated(SOCKET_OWNER), case.seen(SOCKET_MODE)) {
        (Some("yes"), _) => Demand::unset("another user or group"),
        (Some("no"), Some(_)) => Demand::of("root"),
        _ => Demand::default(),
    }
}

fn owned(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    if !demand.configured {
        return Compared::new(lines(raw), PairVerdict::NotConfigured);
    }
    // How much everybody may do is SocketMode's.
    match intruder(raw, false) {
        Err(odd) => odd,
        Ok(Some(note)) => Compared::new(lines(raw), PairVerdict::KernelWeaker).note(note),
        Ok(None) => Compared::new("root", PairVerdict::Match),
    }
}

/// Who else than root may replace or write one of these files, and with `everybody` whether all may; lines
/// `PATH<tab>MODE UID GID…`.
fn intruder(raw: &str, everybody: bool) -> Result<Option<String>, Compared> {
    for line in raw.lines().filter(|line| *line != "none" && !line.is_empty()) {
        let Some((path, rest)) = line.rsplit_once('\t') else { return Err(Compared::odd(raw)) };
        let mut words = rest.split_whitespace();
        let (Some(shown), Some(owner), Some(group)) = (words.next().and_then(mode), words.next(), words.next()) else {
            return Err(Compared::odd(raw));
        };
        let note = match () {
            // What a masked drop-in leads to.
            () if path == "/dev/null" => continue,
            () if everybody && shown & EVERYBODY != 0 => format!("everybody may write {path}"),
            () if owner != "0" => format!("user {owner} owns {path}"),
            () if shown & 0o020 != 0 && group != "0" => format!("group {group} may write {path}"),
            () => continue,
        };
        return Ok(Some(note));
    }
    Ok(None)
}

/// No file of a program that everybody may write; and of those that give privileges, the ones that were signed for.
fn privileges(case: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    let found = || raw.lines().filter(|line| *line != "none").map(lines);
    for line in raw.lines().filter(|line| *line != "none") {
        let Some((path, shown)) = line.rsplit_once('\t') else { return Compared::odd(raw) };
        let Some(shown) = shown.split_whitespace().next().and_then(mode) else { return Compared::odd(raw) };
        if shown & EVERYBODY != 0 {
            let note = format!("everybody may write {path}");
            return Compared::new(norm, PairVerdict::KernelWeaker).note(note);
        }
    }
    let Some(intent) = case.intent else { return Compared::new(norm, PairVerdict::NotConfigured) };
    let wanted: Vec<&str> = intent.split("; ").filter(|line| *line != "none").collect();
    let more: Vec<String> = found().filter(|line| !wanted.contains(&line.as_str())).collect();
    let fewer = wanted.iter().any(|line| !found().any(|found| found == **line));
    match (more.is_empty(), fewer) {
        (true, false) => Compared::new(norm, PairVerdict::Match),
        (true, true) => Compared::new(norm, PairVerdict::KernelStricter),
        (false, _) => {
            let note = format!("the intent does not name {}", more.join("; "));
            Compared::new(norm, PairVerdict::IntentDrift).note(note)
        }
    }
}

fn unit_files(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::when(!raw.trim().is_empty(), lines(raw))))
}

/// Whoever can write a unit's file is root at its next start.
fn guarded(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let norm = lines(raw);
    let masked = case.stated(LOAD_STATE) == Some("masked");
    if !demand.configured || masked {
        return Compared::new(norm, PairVerdict::NotConfigured);
    }
    match intruder(raw, true) {
        Err(odd) => odd,
        Ok(Some(note)) => Compared::new(norm, PairVerdict::KernelWeaker).note(note),
        Ok(None) => Compared::new(norm, PairVerdict::Match),
    }
}

/// What tmpfiles.d says; else what the intent says.
fn path(case: &Case<'_>) -> Demand {
    let stated = case.demand(|raw| Some(Demand::when(!raw.trim().is_empty(), raw.trim())));
    match case.intent {
        Some(intent) => Demand { configured: true, by_intent: true, norm: Some(intent.to_owned()), ..stated },
        None => stated,
    }
}

/// Field by field `MODE UID GID FLAGS SHA256`, as far as it is stated: the mode exact or stricter, the rest the same.
fn path_held(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let shown = raw.trim();
    let Some(stated) = demand.norm.as_deref().filter(|_| demand.configured) else {
        return Compared::new(shown, PairVerdict::NotConfigured);
    };
    let wrong = if case.intent.is_some() { PairVerdict::IntentDrift } else { PairVerdict::KernelWeaker };
    let mut verdict = PairVerdict::Match;
    let mut have = shown.split_whitespace();
    for (index, wanted) in stated.split_whitespace().enumerate() {
        let have = have.next().unwrap_or("-");
        let what = ["mode", "owner", "group", "flags", "content"].get(index).copied().unwrap_or("field");
        match (index, mode(wanted), mode(have)) {
            _ if wanted == "-" || wanted == have => {}
            (0, Some(wanted), Some(have)) if (have & !wanted) & (OTHERS | SET_ID) == 0 => {
                verdict = PairVerdict::KernelStricter;
            }
            _ => {
                let note = format!("{what} is {have} and should be {wanted}");
                return Compared::new(shown, wrong).note(note);
            }
        }
    }
    Compared::new(shown, verdict)
}

fn always(_: &Case<'_>) -> Demand {
    Demand { configured: true, ..Demand::default() }
}

/// Labels of partitions that survive an upgrade of the image: nothing there may be a device or gain privileges.
const MUTABLE: [&str; 2] = ["COS_PERSISTENT", "COS_OEM"];

fn mount_options(_: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    let norm: String = lines(raw);
    if raw.trim() == "none" {
        return Compared::new(norm, PairVerdict::NotConfigured);
    }
    for line in raw.lines() {
        let mut fields = line.split('\t');
        let (label, point, options) =
            (fields.next().unwrap_or(""), fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let lacks = |option: &str| !options.split(',').any(|have| have == option);
        if MUTABLE.contains(&label) && (lacks("nosuid") || lacks("nodev")) {
            let note = format!("{point} ({label}) is mounted without nosuid and nodev");
            return Compared::new(norm, PairVerdict::KernelWeaker).note(note);
        }
    }
    Compared::new(norm, PairVerdict::Match)
}
