//! V2 and V11: mounts that hide something, labelled file systems, device mapper, and files that an intent names.

use avouch_pairs::{Fact, Observation, Reading, attribute as a, subject};

use super::alone;
use crate::Pass;
use crate::parse::dm::{Target, targets};
use crate::parse::mountinfo::{Mount, mounts};
use crate::pass::LARGE;
use crate::reading::{Facts, clean, hex, listed, put, reading};
use crate::source::{Refusal, Root};

/// Directories of the system's programs and settings: what is mounted below hides what the image has there.
const SYSTEM: [&str; 8] = ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// Labels of file systems that outlive an image.
const LABELLED: &str = "COS_";
/// Most names of a directory.
const MOST: usize = 65_536;
/// `STATX_ATTR_*` that are stated (linux/stat.h).
const ATTRIBUTES: [(u64, &str); 3] = [(0x10, "immutable"), (0x20, "append"), (0x0010_0000, "verity")];

/// Mounts as PID 1 sees them.
pub(super) fn mounts_of_first(pass: &Pass<'_>) -> Result<String, Refusal> {
    let process = pass.process(1)?;
    let bytes = pass.read(process.as_ref(), "mountinfo", LARGE)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn read(pass: &Pass<'_>, facts: &mut Facts) {
    let text = mounts_of_first(pass);
    let mounts = text.as_ref().map_err(Clone::clone).and_then(|text| Ok(mounts(text)?));
    let over = mounts.as_ref().map(|mounts| over(mounts)).map_err(Clone::clone);
    put(facts, a::OVERMOUNTS, reading(over.map(listed)));
    let labelled = mounts.and_then(|mounts| labelled(pass, &mounts));
    put(facts, a::LABELLED_MOUNTS, reading(labelled.map(listed)));
    put(facts, a::ABSENT_PATHS, reading(absent(pass).map(listed)));
}

/// Paths that systemd's options make inaccessible, and that are not there. One that may not be looked at is there.
fn absent(pass: &Pass<'_>) -> Result<Vec<String>, Refusal> {
    const SHUT: [&str; 6] = ["/home", "/root", "/run/user", "/usr/lib/modules", "/proc/kmsg", "/dev/kmsg"];
    let host = pass.root(Root::Host)?;
    let missing = |path: &&str| matches!(host.stat(path, true), Err(Refusal::Absent));
    Ok(SHUT.into_iter().filter(missing).map(str::to_owned).collect())
}

fn path(path: &str) -> String {
    subject::without_user(&clean(path.as_bytes()))
}

/// Everything mounted below a directory of the system, and what stands over `/` or such a directory itself.
fn over(mounts: &[Mount<'_>]) -> Vec<String> {
    let within = |point: &str, place: &str| {
        point.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let hides = |(index, mount): &(usize, &Mount<'_>)| match mount.point {
        // One mount there is how the system is laid out; what comes later stands over it.
        point @ ("/" | "/usr") => mounts.iter().take(*index).any(|before| before.point == point),
        point => SYSTEM.iter().any(|place| within(point, place)),
    };
    let line =
        |mount: &Mount<'_>| format!("{}\t{}\t{}", path(mount.point), clean(mount.kind.as_bytes()), path(mount.source));
    mounts.iter().enumerate().filter(hides).map(|(_, mount)| line(mount)).collect()
}

fn labelled(pass: &Pass<'_>, mounts: &[Mount<'_>]) -> Result<Vec<String>, Refusal> {
    let host = pass.root(Root::Host)?;
    let entries = match pass.noted(host.list("dev/disk/by-label", MOST)) {
        Err(Refusal::Absent) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut lines = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.name.starts_with(LABELLED)) {
        let link = pass.noted(host.link(&format!("dev/disk/by-label/{}", entry.name)))?;
        let link = String::from_utf8_lossy(&link).into_owned();
        let Some(name) = link.rsplit('/').next() else { continue };
        let device = match pass.content(Root::Sys, &format!("class/block/{name}/dev")) {
            Err(Refusal::Absent) => continue,
            device => device?,
        };
        for mount in mounts.iter().filter(|mount| mount.device == device) {
            lines.push(format!(
                "{}\t{}\t{}",
                clean(entry.name.as_bytes()),
                path(mount.point),
                clean(mount.options.as_bytes())
            ));
        }
    }
    lines.sort();
    Ok(lines)
}

/// A subject for each device-mapper device.
pub(super) fn read_devices(pass: &Pass<'_>, observation: &mut Observation) {
    match pass.kernel.source.mapped_devices() {
        Ok(devices) => {
            for device in devices {
                let stated = targets(&device.status).map_err(Refusal::from).and_then(|states| {
                    let tables = device.table.as_deref().map(targets).transpose()?;
                    let read_only = pass.content(Root::Sys, &format!("block/dm-{}/ro", device.minor))?;
                    Ok(format!("{}\t{read_only}\t{}", states_of(&states), tables_of(&states, tables.as_deref())))
                });
                stated_device(observation, &device.name, reading(stated));
            }
        }
        Err(refusal) => {
            for name in by_directory(pass) {
                stated_device(observation, &name, refusal.reading());
            }
        }
    }
}

fn stated_device(observation: &mut Observation, name: &str, reading: Reading) {
    alone(observation, format!("{}{}", subject::DM, clean(name.as_bytes())), a::DM_TABLE, Fact::kernel(reading));
}

fn states_of(targets: &[Target]) -> String {
    targets.iter().map(|target| clean(target.line.as_bytes())).collect::<Vec<_>>().join("; ")
}

/// The tables, or where they are not asked for the kinds of the targets alone.
fn tables_of(states: &[Target], tables: Option<&[Target]>) -> String {
    let line = |target: &Target, table: &str| {
        let line = format!("{} {} {} {table}", target.sectors.0, target.sectors.1, target.kind);
        clean(line.trim_end().as_bytes())
    };
    let lines: Vec<String> = match tables {
        Some(tables) => tables.iter().map(|target| line(target, &target.line)).collect(),
        None => states.iter().map(|target| line(target, "-")).collect(),
    };
    lines.join("; ")
}

/// Names of the devices in sysfs, for the time when their tables cannot be read.
fn by_directory(pass: &Pass<'_>) -> Vec<String> {
    let entries = pass.root(Root::Sys).and_then(|sys| pass.noted(sys.list("block", MOST))).unwrap_or_default();
    let mapped = entries.into_iter().filter(|entry| entry.name.starts_with("dm-"));
    mapped.filter_map(|entry| pass.content(Root::Sys, &format!("block/{}/dm/name", entry.name)).ok()).collect()
}

/// `MODE UID GID FLAGS SHA256` of each path, links not followed.
pub(super) fn read_paths(pass: &Pass<'_>, paths: &[String], observation: &mut Observation) {
    for wanted in paths {
        let name = format!("{}{wanted}", subject::PATH);
        alone(observation, name, a::PATH, Fact::kernel(reading(state(pass, wanted))));
    }
}

fn state(pass: &Pass<'_>, wanted: &str) -> Result<String, Refusal> {
    let host = pass.root(Root::Host)?;
    let stat = pass.noted(host.stat(wanted, false))?;
    let words = ATTRIBUTES.into_iter().filter(|(bit, _)| stat.attributes & bit != 0).map(|(_, word)| word);
    let flags = words.collect::<Vec<_>>().join(",");
    let flags = if flags.is_empty() { "-" } else { &flags };
    /// `S_IFMT` and `S_IFREG`.
    const KIND: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    let digest = match stat.mode & KIND {
        REGULAR => hex(&pass.digest(host, wanted, || pass.noted(host.stat(wanted, false)))?),
        _ => "-".to_owned(),
    };
    Ok(format!("{:04o} {} {} {flags} {digest}", stat.mode & 0o7777, stat.uid, stat.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_system_directories_hide_something_and_usr_itself_does_not() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /usr ro - ext4 /dev/sda2 rw\n\
            3 1 8:3 / /home rw - ext4 /dev/sda3 rw\n4 2 0:9 / /usr/bin rw - tmpfs tmpfs rw\n\
            5 1 0:10 / /etc rw - overlay overlay rw\n6 2 0:11 / /usr rw - tmpfs x rw\n7 1 0:4 / /usrlocal rw - tmpfs x rw\n";
        let lines = over(&mounts(text).unwrap());
        assert_eq!(lines, ["/usr/bin\ttmpfs\ttmpfs", "/etc\toverlay\toverlay", "/usr\ttmpfs\tx"]);
    }
}
