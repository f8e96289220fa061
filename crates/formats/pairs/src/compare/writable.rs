//! V6: where a unit may write, by its mounts, and where it is meant to.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::Case;
use super::mounts::{View, is_below};
use crate::attribute::*;

/// `ProtectSystem=`: what may be written although it should not be.
pub(super) fn protect_system(case: &Case<'_>, view: &View<'_>) -> Option<String> {
    let (always, where_mounted): (&[&str], &[&str]) = match case.stated(PROTECT_SYSTEM)? {
        "strict" => (&["/"], &[]),
        "full" => (&["/usr", "/etc"], &["/boot", "/efi"]),
        _ => (&["/usr"], &["/boot", "/efi"]),
    };
    let mounted = where_mounted.iter().filter(|path| view.at(path).is_some());
    always.iter().chain(mounted).find_map(|path| within(case, view, path))
}

/// A path, or a mount below it, that is writable and that no other option leaves writable.
pub(super) fn within(case: &Case<'_>, view: &View<'_>, path: &str) -> Option<String> {
    let covering = view.covering(path)?;
    if !covering.is_read_only() && !is_left_writable(case, path) {
        return Some(format!("{path} is writable"));
    }
    let mut below = view.below(path).filter(|mount| !mount.is_read_only() && mount.kind != "autofs");
    below
        .find(|mount| !is_left_writable(case, mount.point) && !came_later(mount.point))
        .map(|mount| format!("{} is writable", mount.point))
}

/// Every path of the attribute's list passes a test, or says why not. One that may be missing (`-`) and is no mount
/// of its own proves nothing.
pub(super) fn each_path(
    case: &Case<'_>,
    view: &View<'_>,
    is: &str,
    holds: impl Fn(&Case<'_>, &View<'_>, &str) -> bool,
) -> Option<String> {
    let paths = case.stated(case.attribute)?.lines().filter(|line| !line.is_empty());
    paths
        .map(|line| (line.trim_start_matches('+').starts_with('-'), resolved(line)))
        .find(|(may_be_missing, path)| {
            let unknown = *may_be_missing && view.at(path).is_none();
            !unknown && !holds(case, view, path)
        })
        .map(|(_, path)| format!("{path} {is}"))
}

/// A path without systemd's prefixes, through the links that every Linux system has.
pub(super) fn resolved(path: &str) -> String {
    let path = path.trim_start_matches(['-', '+']).trim_start_matches(['-', '+']);
    let linked = LINKS.into_iter().find(|(link, _)| is_below(path, link));
    match linked.and_then(|(link, target)| Some((path.strip_prefix(link)?, target))) {
        Some((rest, target)) => format!("{target}{rest}"),
        None => path.to_owned(),
    }
}

const LINKS: [(&str, &str); 6] = [
    ("/bin", "/usr/bin"),
    ("/sbin", "/usr/sbin"),
    ("/lib", "/usr/lib"),
    ("/lib64", "/usr/lib64"),
    ("/var/run", "/run"),
    ("/var/lock", "/run/lock"),
];

/// Whether the unit's own options leave a path writable.
fn is_left_writable(case: &Case<'_>, path: &str) -> bool {
    const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];
    let below = |above: &str| is_below(path, above);
    KERNEL.into_iter().any(below)
        || (makes_own_run(case) && below("/run"))
        || (!is_set(case, PRIVATE_TMP, "no") && ["/tmp", "/var/tmp"].into_iter().any(below))
        || (homes_are_open(case) && ["/home", "/root", "/run/user"].into_iter().any(below))
        || listed(case, READ_WRITE_PATHS).any(|line| below(&resolved(line)))
        || listed(case, TEMPORARY_FILE_SYSTEM).filter_map(|line| line.split('\t').next()).any(below)
        || listed(case, BIND_PATHS).filter_map(|line| line.split('\t').nth(1)).any(below)
        || listed(case, OWN_DIRECTORIES).any(|line| is_own(line, path))
}

fn listed<'a>(case: &Case<'a>, attribute: crate::Attribute) -> impl Iterator<Item = &'a str> {
    case.stated(attribute).unwrap_or("").lines().filter(|line| !line.is_empty())
}

fn is_set(case: &Case<'_>, attribute: crate::Attribute, unset: &str) -> bool {
    case.stated(attribute).is_none_or(|word| word == unset)
}

/// `ProtectSystem=strict` leaves homes to `ProtectHome=`.
fn homes_are_open(case: &Case<'_>) -> bool {
    case.stated(PROTECT_HOME).is_none_or(|word| word == "no" || word == "tmpfs")
}

/// With these options systemd mounts /proc, /sys and /run anew, and /run stays writable.
fn makes_own_run(case: &Case<'_>) -> bool {
    let words =
        [PROTECT_KERNEL_TUNABLES, PROTECT_CONTROL_GROUPS, PROTECT_PROC, PROC_SUBSET, ROOT_DIRECTORY, ROOT_IMAGE];
    let unset = |word: &str| matches!(word, "no" | "default" | "all" | "");
    words.into_iter().any(|attribute| case.stated(attribute).is_some_and(|word| !unset(word)))
}

/// Whether a path is a directory that systemd made for the unit, `KIND<tab>NAME`.
fn is_own(line: &str, path: &str) -> bool {
    let Some((kind, name)) = line.split_once('\t') else { return false };
    let bases: &[&str] = match kind {
        "state" => &["/var/lib/", "/var/lib/private/"],
        "cache" => &["/var/cache/", "/var/cache/private/"],
        "logs" => &["/var/log/", "/var/log/private/"],
        "runtime" => &["/run/", "/run/private/"],
        "configuration" => &["/etc/"],
        _ => &[],
    };
    let name = name.split(':').next().unwrap_or(name);
    bases.iter().any(|base| path.strip_prefix(base).is_some_and(|rest| is_below(rest, name)))
}

/// Where media are mounted while the unit runs: the kernel passes such mounts on to it as they are.
fn came_later(point: &str) -> bool {
    ["/media", "/mnt", "/run/media"].into_iter().any(|above| is_below(point, above))
}
