//! V6: rules of [`crate::attribute`]'s `filesystem`. What the kernel enforces is derived from the unit's mounts.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::mounts::{Mount, View};
use super::{Case, Compared, Demand, Role, lines, writable};
use crate::attribute::*;
use crate::{Attribute, PairVerdict};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        PROTECT_SYSTEM
        | PROTECT_HOME
        | PRIVATE_TMP
        | PRIVATE_DEVICES
        | PROTECT_KERNEL_TUNABLES
        | PROTECT_KERNEL_MODULES
        | PROTECT_KERNEL_LOGS
        | PROTECT_CONTROL_GROUPS
        | PROTECT_PROC
        | PROC_SUBSET
        | READ_ONLY_PATHS
        | INACCESSIBLE_PATHS
        | NO_EXEC_PATHS
        | BIND_PATHS
        | BIND_READ_ONLY_PATHS
        | TEMPORARY_FILE_SYSTEM
        | ROOT_IMAGE => Role::derived(MOUNTS, option, mounted),
        ROOT_DIRECTORY => Role::process(option, root_directory),
        DEVICE_POLICY => Role::cgroup(device_policy, device_programs),
        MOUNTS | READ_WRITE_PATHS | EXEC_PATHS | MOUNT_FLAGS | OWN_DIRECTORIES | ABSENT_PATHS => Role::Input,
        _ => return None,
    })
}

/// What is wrong with the mounts beside one option, in words; nothing where they are as stated.
fn problem(case: &Case<'_>, view: &View<'_>) -> Option<String> {
    match case.attribute {
        PROTECT_SYSTEM => writable::protect_system(case, view),
        PROTECT_HOME => protect_home(case, view),
        PRIVATE_TMP => private_tmp(case, view),
        PRIVATE_DEVICES => unless(view, "/dev", "is the host's", |mount| mount.kind == "tmpfs"),
        PROTECT_KERNEL_TUNABLES => {
            let paths: &[&str] = if is_process_subset(case) { &["/sys"] } else { &["/sys", "/proc/sys"] };
            paths.iter().find_map(|path| unless(view, path, "is writable", |mount| mount.is_read_only()))
        }
        PROTECT_KERNEL_MODULES => shut(case, view, "/usr/lib/modules"),
        PROTECT_KERNEL_LOGS => {
            let log = if is_process_subset(case) { None } else { shut(case, view, "/proc/kmsg") };
            log.or_else(|| if case.yes(PRIVATE_DEVICES) { None } else { shut(case, view, "/dev/kmsg") })
        }
        PROTECT_CONTROL_GROUPS => match case.stated(PROTECT_CONTROL_GROUPS) {
            Some("private") => None,
            _ => unless(view, "/sys/fs/cgroup", "is writable", |mount| mount.is_read_only()),
        },
        PROTECT_PROC => protect_proc(case, view),
        PROC_SUBSET => unless(view, "/proc", "shows more than processes", |mount| mount.has("subset=pid")),
        READ_ONLY_PATHS => writable::each_path(case, view, "is writable", |case, view, path| {
            writable::within(case, view, path).is_none()
        }),
        INACCESSIBLE_PATHS => writable::each_path(case, view, "is accessible", |_, view, path| {
            view.covering(path).is_some_and(Mount::is_inaccessible)
        }),
        NO_EXEC_PATHS => writable::each_path(case, view, "may be executed from", |_, view, path| {
            view.covering(path).is_some_and(|mount| mount.has("noexec"))
        }),
        BIND_PATHS | BIND_READ_ONLY_PATHS => binds(case, view),
        TEMPORARY_FILE_SYSTEM => temporary(case, view),
        _ => None,
    }
}

/// Options for which systemd makes a mount namespace, with the word or list that each has when it is not set.
const OPTIONS: [Attribute; 17] = [
    PROTECT_SYSTEM,
    PROTECT_HOME,
    PRIVATE_TMP,
    PRIVATE_DEVICES,
    PROTECT_KERNEL_TUNABLES,
    PROTECT_KERNEL_MODULES,
    PROTECT_KERNEL_LOGS,
    PROTECT_CONTROL_GROUPS,
    PROTECT_PROC,
    PROC_SUBSET,
    READ_ONLY_PATHS,
    INACCESSIBLE_PATHS,
    NO_EXEC_PATHS,
    BIND_PATHS,
    BIND_READ_ONLY_PATHS,
    TEMPORARY_FILE_SYSTEM,
    ROOT_IMAGE,
];

/// Whether the unit has an option for which systemd makes a mount namespace.
pub(super) fn needs_mounts(case: &Case<'_>) -> bool {
    OPTIONS.into_iter().any(|attribute| case.stated(attribute).is_some_and(|stated| !is_default(stated)))
}

fn is_default(stated: &str) -> bool {
    matches!(stated.trim(), "no" | "default" | "all" | "")
}

fn option(case: &Case<'_>) -> Demand {
    case.demand(|raw| Some(Demand::when(!is_default(raw), lines(raw))))
}

fn mounted(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    if raw == "host" {
        let verdict = if demand.configured { PairVerdict::KernelMissing } else { PairVerdict::NotConfigured };
        return Compared::new("the host's mounts", verdict);
    }
    if !demand.configured {
        return Compared::new("mounts of its own", PairVerdict::NotConfigured);
    }
    let Some(view) = View::parse(raw) else { return Compared::odd(raw) };
    if let Some(note) = nothing_to_shut(case) {
        return Compared::new("nothing to shut", PairVerdict::NotConfigured).note(note);
    }
    match problem(case, &view) {
        None => Compared::new(demand.norm.clone().unwrap_or_default(), PairVerdict::Match),
        // Of these options the mount itself is what the kernel enforces.
        Some(gone) if matches!(case.attribute, PRIVATE_TMP | TEMPORARY_FILE_SYSTEM | BIND_PATHS) => {
            Compared::new(gone, PairVerdict::KernelMissing)
        }
        Some(problem) => Compared::new(problem, PairVerdict::KernelWeaker),
    }
}

fn is_process_subset(case: &Case<'_>) -> bool {
    case.stated(PROC_SUBSET) == Some("pid")
}

/// Says of a path that it is something unless the mount that it is on passes a test.
fn unless(view: &View<'_>, path: &str, is: &str, passes: impl Fn(&Mount<'_>) -> bool) -> Option<String> {
    (!view.covering(path).is_some_and(passes)).then(|| format!("{path} {is}"))
}

fn shut(case: &Case<'_>, view: &View<'_>, path: &str) -> Option<String> {
    if is_passed_over(case, path) {
        return None;
    }
    unless(view, path, "is accessible", |mount| mount.is_inaccessible())
}

/// Whether the machine has no such path, so that systemd passed over it. A root of the unit's own is another tree, of
/// which nothing is known here.
fn is_passed_over(case: &Case<'_>, path: &str) -> bool {
    let roots = [ROOT_DIRECTORY, ROOT_IMAGE];
    let own_root = roots.into_iter().any(|root| case.stated(root).is_some_and(|stated| !is_default(stated)));
    !own_root && case.world.host(ABSENT_PATHS).is_some_and(|absent| absent.lines().any(|line| line == path))
}

/// Of an option that shuts a few paths and nothing else: why there is nothing to hold it against.
fn nothing_to_shut(case: &Case<'_>) -> Option<String> {
    let paths: &[&str] = match case.attribute {
        PROTECT_HOME => &["/home", "/root", "/run/user"],
        PROTECT_KERNEL_LOGS => &["/proc/kmsg", "/dev/kmsg"],
        PROTECT_KERNEL_MODULES => &["/usr/lib/modules"],
        _ => return None,
    };
    let nothing = paths.iter().all(|path| is_passed_over(case, path));
    nothing.then(|| format!("this machine has no {}, so systemd has nothing to make inaccessible", paths.join(", no ")))
}

/// Homes, and where they are on images whose /home is a link.
const HOMES: [(&str, &str); 3] = [("/home", "/var/home"), ("/root", "/var/roothome"), ("/run/user", "/run/user")];

fn protect_home(case: &Case<'_>, view: &View<'_>) -> Option<String> {
    let stated = case.stated(PROTECT_HOME).unwrap_or("");
    let held = |mount: &Mount<'_>| match stated {
        "read-only" => mount.is_read_only() || mount.is_inaccessible(),
        "tmpfs" => mount.kind == "tmpfs",
        _ => mount.is_inaccessible(),
    };
    HOMES.into_iter().find_map(|(path, elsewhere)| {
        let moved = view.at(elsewhere).is_some_and(held);
        // A host without logind has no /run/user: systemd passes over what is not there.
        let nothing = is_passed_over(case, path) || path == "/run/user" && view.at(path).is_none();
        (!moved && !nothing && !view.covering(path).is_some_and(held)).then(|| format!("{path} is accessible"))
    })
}

fn private_tmp(case: &Case<'_>, view: &View<'_>) -> Option<String> {
    let unit = case.bare_name();
    let shared = case.stated(JOINS_NAMESPACE_OF).is_some_and(|units| !units.trim().is_empty());
    let own = |mount: &Mount<'_>| {
        let root = mount.root.replace("\\134", "\\");
        let private = root
            .split_once("/systemd-private-")
            .is_some_and(|(_, name)| name.ends_with("/tmp") && (shared || name.contains(&format!("-{unit}-"))));
        private || mount.kind == "tmpfs" && case.stated(PRIVATE_TMP) == Some("disconnected")
    };
    let locked = |mount: &Mount<'_>| mount.is_inaccessible() || own(mount);
    ["/tmp", "/var/tmp"].into_iter().find_map(|path| {
        let held = view.at(path).is_some_and(locked);
        (!held).then(|| format!("{path} is shared with other units"))
    })
}

fn protect_proc(case: &Case<'_>, view: &View<'_>) -> Option<String> {
    // The kernel also spells these as numbers.
    let words: [&str; 2] = match case.stated(PROTECT_PROC)? {
        "noaccess" => ["hidepid=noaccess", "hidepid=1"],
        "invisible" => ["hidepid=invisible", "hidepid=2"],
        "ptraceable" => ["hidepid=ptraceable", "hidepid=4"],
        _ => return None,
    };
    unless(view, "/proc", "shows all processes", |mount| words.into_iter().any(|word| mount.has(word)))
}

fn binds(case: &Case<'_>, view: &View<'_>) -> Option<String> {
    let must_be_read_only = case.attribute == BIND_READ_ONLY_PATHS;
    case.stated(case.attribute)?.lines().find_map(|line| {
        let mut fields = line.split('\t').skip(1);
        let (path, missing) = (fields.next()?, fields.next().unwrap_or("must"));
        let path = writable::resolved(path);
        match view.at(&path) {
            Some(mount) if must_be_read_only && !mount.is_read_only() => Some(format!("{path} is writable")),
            Some(_) => None,
            None if missing == "ignore" => None,
            None => Some(format!("nothing is bound to {path}")),
        }
    })
}

fn temporary(case: &Case<'_>, view: &View<'_>) -> Option<String> {
    case.stated(TEMPORARY_FILE_SYSTEM)?.lines().find_map(|line| {
        let path = writable::resolved(line.split('\t').next()?);
        let held = view.at(&path).is_some_and(|mount| mount.kind == "tmpfs");
        (!held).then(|| format!("{path} is no temporary file system"))
    })
}

/// systemd makes the directory the root of a mount namespace: then the link reads `/` from outside as well.
fn root_directory(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    let own = case.seen(MOUNTS).is_some_and(|mounts| mounts != "host");
    super::every::worst(case, raw, |root| {
        let changed = own || demand.norm.as_deref() == Some(root);
        let verdict = match (demand.configured, changed) {
            (false, _) => PairVerdict::NotConfigured,
            (true, true) => PairVerdict::Match,
            (true, false) => PairVerdict::KernelMissing,
        };
        Some((root.to_owned(), verdict, None))
    })
}

fn device_policy(case: &Case<'_>) -> Demand {
    case.demand(|raw| {
        let devices = raw.lines().nth(1).is_some_and(|line| !line.is_empty());
        match raw.lines().next() {
            Some("auto") | None => Some(Demand::when(devices, lines(raw))),
            Some("closed" | "strict") => Some(Demand::of(lines(raw))),
            Some(_) => None,
        }
    })
}

fn device_programs(_: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    match (raw.trim() == "none" || raw.trim().is_empty(), demand.configured) {
        (true, true) => Compared::new("no program", PairVerdict::KernelMissing),
        (true, false) => Compared::new("no program", PairVerdict::NotConfigured),
        (false, true) => Compared::new("a program is attached", PairVerdict::Match)
            .note("a program is attached; the kernel does not show which devices it refuses"),
        (false, false) => Compared::new("a program is attached", PairVerdict::KernelStricter),
    }
}
