//! Does the collector's own sandbox hide something that it must see? A witness that looks at a pretty picture would
//! find everything in order.

use std::fs;
use std::path::Path;

/// Something that this process cannot see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// What, and how it shows.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// Namespaces that must be those of PID 1. Its own mount namespace a sandbox must have; what that hides is looked at
/// one by one.
const SHARED: [(&str, &str); 5] = [
    ("pid", "take PrivatePIDs= out of the unit"),
    ("net", "take PrivateNetwork= out of the unit: sockets are asked for per network namespace"),
    ("cgroup", "run the collector on the host, not in a container"),
    ("user", "take PrivateUsers= out of the unit: in a user namespace of its own no capability counts"),
    ("ipc", "take PrivateIPC= out of the unit"),
];

/// Bit in `CapEff`, name, and what is not read without it.
const CAPABILITIES: [(u32, &str, &str); 3] = [
    (2, "CAP_DAC_READ_SEARCH", "unit files, executables and directories of other users"),
    (12, "CAP_NET_ADMIN", "BPF programs of cgroups, the nftables ruleset and owners of sockets"),
    (19, "CAP_SYS_PTRACE", "executables, namespaces and memory maps of other users' processes"),
];

/// Options of `/proc` that take processes or files out of sight.
const HIDING: [&str; 5] = ["hidepid=1", "hidepid=2", "hidepid=noaccess", "hidepid=invisible", "subset=pid"];

/// Everything that is hidden from this process, as `proc` (usually `/proc`) shows it.
pub fn hidden(proc: &Path) -> Vec<Hidden> {
    let mut hidden = Vec::new();
    for (kind, remedy) in SHARED {
        let of = |pid: &str| fs::read_link(proc.join(pid).join("ns").join(kind));
        match (of("self"), of("1")) {
            (Ok(ours), Ok(theirs)) if ours == theirs => {}
            (Ok(_), Ok(_)) => hidden.push(Hidden::new(format!("the {kind} namespace is not that of PID 1"), remedy)),
            // A kernel without this kind of namespace has it for nobody.
            (Err(_), Err(_)) if kind == "cgroup" || kind == "user" => {}
            _ => hidden.push(Hidden::new(
                format!("the {kind} namespace of PID 1 cannot be read"),
                "run as root with CAP_SYS_PTRACE",
            )),
        }
    }
    hidden.extend(missing_capabilities(proc));
    hidden.extend(hiding_options(proc));
    hidden
}

fn missing_capabilities(proc: &Path) -> Vec<Hidden> {
    let status = fs::read_to_string(proc.join("self/status")).unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let missing = CAPABILITIES.into_iter().filter(|(bit, ..)| mask >> bit & 1 == 0);
    let told = |(_, name, unread)| {
        Hidden::new(
            format!("{name} is missing: {unread} are not read"),
            "run as root, and keep the capability in the unit",
        )
    };
    missing.map(told).collect()
}

/// In the own mount namespace `/proc` may be mounted anew, with options that hide.
fn hiding_options(proc: &Path) -> Vec<Hidden> {
    let mounts = fs::read_to_string(proc.join("self/mountinfo")).unwrap_or_default();
    let of_proc = mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/proc"));
    let options = of_proc.flat_map(|line| line.rsplit(' ').next().unwrap_or_default().split(','));
    let hiding = options.filter(|option| HIDING.contains(option));
    let told = |option| {
        Hidden::new(
            format!("/proc is mounted with {option}"),
            "take ProtectProc= and ProcSubset= out of the unit, or mount /proc without it",
        )
    };
    hiding.map(told).collect()
}

// === impl Hidden ===

impl Hidden {
    fn new(what: String, remedy: impl Into<String>) -> Self {
        Self { what, remedy: remedy.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const ROOT: &str = "CapEff:\t000001ffffffffff\n";
    const PLAIN: &str = "25 1 0:23 / /proc rw,nosuid shared:1 - proc proc rw\n";

    fn proc(net: &str, status: &str, mounts: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (pid, net) in [("1", "net:[1]"), ("self", net)] {
            fs::create_dir_all(dir.path().join(pid).join("ns")).unwrap();
            for (kind, _) in SHARED {
                let target = if kind == "net" { net.to_owned() } else { format!("{kind}:[1]") };
                symlink(target, dir.path().join(pid).join("ns").join(kind)).unwrap();
            }
        }
        fs::write(dir.path().join("self/status"), status).unwrap();
        fs::write(dir.path().join("self/mountinfo"), mounts).unwrap();
        dir
    }

    #[test]
    fn a_sandbox_that_hides_nothing_is_quiet() {
        assert_eq!(hidden(proc("net:[1]", ROOT, PLAIN).path()), []);
    }

    #[test]
    fn what_is_hidden_is_named() {
        let what = |dir: tempfile::TempDir| hidden(dir.path()).into_iter().map(|h| h.what).collect::<Vec<_>>();
        assert_eq!(what(proc("net:[2]", ROOT, PLAIN)), ["the net namespace is not that of PID 1"]);
        let without_ptrace = "CapEff:\t0000000000001004\n";
        let told = what(proc("net:[1]", without_ptrace, PLAIN));
        assert!(told.len() == 1 && told[0].starts_with("CAP_SYS_PTRACE is missing"), "{told:?}");
        for options in ["rw,hidepid=invisible", "rw,subset=pid"] {
            let mounts = format!("{PLAIN}31 1 0:24 / /proc rw - proc proc {options}\n");
            assert_eq!(what(proc("net:[1]", ROOT, &mounts)).len(), 1, "{options}");
        }
        assert_eq!(what(proc("net:[1]", "", PLAIN)).len(), CAPABILITIES.len());
    }
}
