//! The recorded machine before anybody touched it, and what was restored afterwards: no finding, however differently the
//! two witnesses spell the same thing. Each benign difference that was seen is named below; what systemd-udevd shows is
//! not, since its processes are in a cgroup below its own, which was not recorded.

use std::collections::BTreeSet;

use avouch_pairs::PairVerdict::{self, KernelStricter, Match, NotConfigured, NotSupported, Unreadable};
use avouch_pairs::{Attribute, Reading, attribute as a, judge};

use crate::scene::{RECORDING, codes, fact, observed, pair, snapshot};

#[test]
fn a_machine_that_nobody_touched_has_no_finding() {
    let untouched = RECORDING.snapshots.iter().filter(|((phase, _), _)| phase == "before");
    let mut units = 0;
    for ((_, unit), snapshot) in untouched {
        let judged = judge(&observed(unit, snapshot), None);
        assert_eq!(codes(&judged), Vec::<String>::new(), "{unit}: {:#?}", judged.findings);
        units += 1;
    }
    assert_eq!(units, 23);
}

#[test]
fn what_was_restored_has_no_finding_any_more() {
    for unit in ["t-child.service", "t-sock.socket"] {
        let judged = judge(&observed(unit, &snapshot("after", unit)), None);
        assert_eq!(codes(&judged), Vec::<String>::new(), "{unit}");
    }
}

/// Unit, attribute, what both said, verdict.
type Row = (&'static str, Attribute, (&'static str, &'static str), PairVerdict);

/// Of capabilities, the set of all 41.
const ALL: &str = "000001ffffffffff";
const INFINITY: &str = "18446744073709551615";

#[rustfmt::skip]
const DIFFERENCES: &[Row] = &[
    // Whole pages, percents of the machine's memory and tasks, the kernel's cap on open files.
    ("t-round.service", a::MEMORY_MAX, ("100000001", "99999744"), Match),
    ("t-round.service", a::MEMORY_HIGH, ("400171008", "400171008"), Match),
    ("t-round.service", a::PIDS_MAX, ("726", "726"), Match),
    ("t-round.service", a::RLIMIT_NOFILE, ("18446744073709551615 18446744073709551615", "1048576 1048576"), KernelStricter),
    // Quotas as ratios; a weight that is not set is 100, an idle one 0.
    ("t-round2.service", a::CPU_MAX, ("5000\t10000", "1000 200000"), Match),
    ("t-round3.service", a::CPU_MAX, ("2500000\t20000", "50000 20000"), Match),
    ("t-round3.service", a::CPU_WEIGHT, ("0", "0\t1"), Match),
    ("t-plain.service", a::CPU_WEIGHT, (INFINITY, "100\t0"), NotConfigured),
    ("t-plain.service", a::CPUSET_CPUS, ("", ""), NotConfigured),
    ("t-limits.service", a::CPUSET_CPUS, ("01", "0"), Match),
    ("t-limits.service", a::MEMORY_SWAP_MAX, ("0", "0"), Match),
    ("t-limits.service", a::IO_WEIGHT, ("50", "default 50"), Match),
    // A smaller limit above, and no file where no sibling uses the controller.
    ("t-child.service", a::MEMORY_MAX, ("1073741824", "1073741824"), Match),
    // NoNewPrivileges= that other options imply.
    ("t-implied.service", a::NO_NEW_PRIVS, ("no", "1"), KernelStricter),
    ("t-dyn.service", a::NO_NEW_PRIVS, ("yes", "1"), Match),
    ("t-nnproot.service", a::NO_NEW_PRIVS, ("yes", "1"), Match),
    // Capability masks: all ones, what PrivateDevices= takes away, and a program that drops its own.
    ("t-plain.service", a::CAP_BOUNDING, ("ffffffffffffffff", ALL), NotConfigured),
    ("t-hard.service", a::CAP_BOUNDING, ("0000000000000400", "0000000000000400"), Match),
    ("t-pusers.service", a::CAP_BOUNDING, ("000001fff7fdffff", "000001fff7fdffff"), Match),
    // A profile that may be missing is.
    ("t-aamiss.service", a::APPARMOR_PROFILE, ("optional\tnosuchprofile", "unconfined"), NotConfigured),
    ("t-aa.service", a::APPARMOR_PROFILE, ("required\tt-profile", "t-profile (enforce)"), Match),
    ("t-forking.service", a::CGROUP_FREEZE, ("running", "0\t0"), Match),
];

#[test]
fn each_benign_difference_is_seen_and_is_none() {
    for (unit, attribute, (orchestrator, kernel), verdict) in DIFFERENCES {
        let observation = observed(unit, &snapshot("before", unit));
        let found = fact(&observation, &format!("unit:{unit}"), *attribute);
        let both = (found.orchestrator.value(), found.kernel.value());
        assert_eq!(both, (Some(*orchestrator), Some(*kernel)), "{unit} {attribute:?}");
        let judged = judge(&observation, None);
        assert_eq!(pair(&judged, unit, *attribute).unwrap().verdict, *verdict, "{unit} {attribute:?}");
    }
}

#[test]
fn options_whose_evidence_stands_elsewhere_match() {
    for (unit, attribute) in [
        // The mount is read-only, the file system below it is not.
        ("t-hardroot.service", a::PROTECT_SYSTEM),
        ("t-hardroot.service", a::PRIVATE_TMP),
        ("t-hard.service", a::PROTECT_PROC),
        ("t-hard.service", a::PRIVATE_DEVICES),
        ("t-hard.service", a::NS_NET),
        ("t-hard.service", a::NET_DEVICES),
        ("t-hard.service", a::SYSTEM_CALL_FILTER),
        ("t-hard.service", a::DEVICE_POLICY),
        // DynamicUser= implies a /tmp of its own.
        ("t-dyn.service", a::PRIVATE_TMP),
        ("t-pusers.service", a::NS_USER),
        ("t-implied.service", a::CAP_EFFECTIVE),
        ("systemd-journald.service", a::IP_ADDRESS_FILTER),
        ("t-limits.service", a::IP_ADDRESS_FILTER),
    ] {
        let judged = judge(&observed(unit, &snapshot("before", unit)), None);
        let found = pair(&judged, unit, attribute).unwrap_or_else(|| panic!("{unit} {attribute:?}"));
        assert_eq!(found.verdict, Match, "{found:?}");
    }
}

#[test]
fn a_limit_of_an_ancestor_is_shown_as_the_one_in_effect() {
    let observation = observed("t-child.service", &snapshot("before", "t-child.service"));
    let effective = fact(&observation, "unit:t-child.service", a::MEMORY_EFFECTIVE);
    assert_eq!(effective.kernel.value(), Some("33554432\t/t.slice/t-par.slice"));
    let judged = judge(&observation, None);
    for attribute in [a::CPU_MAX, a::CPU_WEIGHT, a::IO_WEIGHT] {
        assert_eq!(fact(&observation, "unit:t-child.service", attribute).kernel, Reading::Absent);
        assert_eq!(pair(&judged, "t-child.service", attribute).unwrap().verdict, NotConfigured);
    }
}

#[test]
fn units_that_have_no_process_or_never_ran_have_nothing_to_compare() {
    for unit in ["t-oneshot.service", "t-never.service"] {
        let judged = judge(&observed(unit, &snapshot("before", unit)), None);
        let name = format!("unit:{unit}");
        let compared: Vec<_> = judged
            .pairs
            .iter()
            .filter(|pair| pair.subject == name && (400..1_000).contains(&pair.attribute.0))
            .filter(|pair| matches!(pair.verdict, Match | KernelStricter))
            .collect();
        assert!(compared.is_empty(), "{unit}: {compared:?}");
    }
}

#[test]
fn a_socket_unit_that_is_stopped_still_names_its_sockets() {
    let unit = "t-sock.socket";
    let observation = observed(unit, &snapshot("after", unit));
    let listen = fact(&observation, "unit:t-sock.socket", a::LISTEN);
    assert_eq!(listen.orchestrator.value(), Some("Stream\t127.0.0.1:7777\nStream\t/run/t-sock.sock"));
    assert_eq!(codes(&judge(&observation, None)), Vec::<String>::new());
}

/// Attributes of a hardened service that the recording cannot decide, by name: nothing is missing in silence.
const UNDECIDED: [&str; 15] = [
    "memory.zswap.max",
    "cgroup.id",
    "memory_deny_write_execute",
    "secure_bits",
    "keyring_mode",
    "personality",
    "restrict_file_systems",
    "landlock",
    "exe.digests",
    "processes",
    "exec_mappings",
    "selinux.context",
    "smack.label",
    "unit_files",
    "unit_freshness",
];

#[test]
fn what_the_recording_lacks_is_said_with_the_reason() {
    let unit = "t-hard.service";
    let judged = judge(&observed(unit, &snapshot("before", unit)), None);
    let of_unit = judged.pairs.iter().filter(|pair| pair.subject == format!("unit:{unit}"));
    let undecided: Vec<_> = of_unit.filter(|pair| matches!(pair.verdict, NotSupported | Unreadable)).collect();
    for pair in &undecided {
        assert!(pair.note.as_deref().is_some_and(|note| !note.is_empty()), "{pair:?}");
    }
    let names: BTreeSet<&str> =
        undecided.iter().filter_map(|pair| pair.attribute.spec()).map(|spec| spec.name).collect();
    assert_eq!(names, UNDECIDED.into());
}
