//! V14: the observing program, PID 1's, and whether the files that are read are what they look like.

use avouch_pairs::{Reading, attribute as a, subject};

use super::storage::mounts_of_first;
use crate::Pass;
use crate::parse::mountinfo::mounts;
use crate::reading::{Facts, clean, hex, listed, put, reading};
use crate::source::{Hierarchy, Refusal, Root};

/// Where pseudo file systems are mounted inside of /proc and /sys by systemd and the kernel's documentation: (path,
/// types).
const EXPECTED: [(&str, &[&str]); 16] = [
    ("/proc/sys/fs/binfmt_misc", &["autofs", "binfmt_misc"]),
    ("/proc/fs/nfsd", &["nfsd"]),
    ("/proc/xen", &["xenfs"]),
    ("/sys/kernel/security", &["securityfs"]),
    ("/sys/fs/cgroup", &["cgroup2", "tmpfs"]),
    ("/sys/fs/pstore", &["pstore"]),
    ("/sys/fs/bpf", &["bpf"]),
    ("/sys/fs/selinux", &["selinuxfs"]),
    ("/sys/fs/smackfs", &["smackfs"]),
    ("/sys/fs/fuse/connections", &["fusectl"]),
    ("/sys/fs/resctrl", &["resctrl"]),
    ("/sys/kernel/debug", &["debugfs"]),
    ("/sys/kernel/debug/tracing", &["tracefs", "autofs"]),
    ("/sys/kernel/tracing", &["tracefs"]),
    ("/sys/kernel/config", &["configfs"]),
    ("/sys/firmware/efi/efivars", &["efivarfs"]),
];
/// Roots that nothing else may be mounted below, but for [`EXPECTED`].
const ROOTS: [&str; 2] = ["/proc", "/sys"];

pub(super) fn read(pass: &Pass<'_>, facts: &mut Facts) {
    let own = pass.kernel.source.own_pid().ok_or(Refusal::Absent);
    put(facts, a::AGENT_EXE, reading(own.and_then(|pid| program(pass, pid))));
    put(facts, a::MANAGER_EXE, reading(program(pass, 1)));
    let word = match pass.kernel.source.hierarchy() {
        Hierarchy::Unified => "unified",
        Hierarchy::Hybrid => "hybrid",
        Hierarchy::Legacy => "legacy",
    };
    put(facts, a::CGROUP_HIERARCHY, Reading::Value(word.to_owned()));
    put(facts, a::CONTAINER, reading(container(pass)));
    // Last: every other fact of this pass may have met something that stands over its file.
    put(facts, a::VIEW, reading(view(pass)));
}

fn program(pass: &Pass<'_>, pid: u32) -> Result<String, Refusal> {
    let process = pass.process(pid)?;
    Ok(hex(&pass.digest(process.as_ref(), "exe", || pass.noted(process.target("exe")))?))
}

/// What a container manager left: systemd's own note of it, or the files that two others make.
fn container(pass: &Pass<'_>) -> Result<String, Refusal> {
    match pass.content(Root::Host, "run/systemd/container") {
        Err(Refusal::Absent) => {}
        word => return word,
    }
    for (file, word) in [("run/.containerenv", "podman"), (".dockerenv", "docker")] {
        match pass.noted(pass.root(Root::Host)?.stat(file, true)) {
            Err(Refusal::Absent) => {}
            Err(refusal) => return Err(refusal),
            Ok(_) => return Ok(word.to_owned()),
        }
    }
    Ok("none".to_owned())
}

fn view(pass: &Pass<'_>) -> Result<String, Refusal> {
    let mut problems = pass.shadowed();
    problems.extend(pass.kernel.source.view());
    let text = mounts_of_first(pass)?;
    let mut stacked = std::collections::BTreeSet::new();
    for mount in mounts(&text)? {
        let inside = |root: &str| mount.point.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        let root = ROOTS.contains(&mount.point);
        let again = root && !stacked.insert(mount.point);
        if again || (ROOTS.iter().any(|root| inside(root)) && !expected(pass, mount.point, mount.kind)) {
            let problem = format!("a mount of {}", clean(mount.kind.as_bytes()));
            problems.insert((subject::without_user(&clean(mount.point.as_bytes())), problem));
        }
    }
    Ok(listed(problems.into_iter().map(|(path, problem)| format!("{path}\t{problem}")).collect()))
}

fn expected(pass: &Pass<'_>, point: &str, kind: &str) -> bool {
    let version_one = point.strip_prefix("/sys/fs/cgroup/").is_some_and(|name| !name.contains('/'));
    if version_one && pass.kernel.source.hierarchy() != Hierarchy::Unified {
        return matches!(kind, "cgroup" | "cgroup2");
    }
    EXPECTED.iter().any(|(place, kinds)| *place == point && kinds.contains(&kind))
}
