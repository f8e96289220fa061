//! The recorded machine as a container, under another hierarchy of cgroups, behind a narrow /proc, and with a kernel that
//! lacks what others have: a clear state for each pair, no finding.

use avouch_collect::observe::{Observer, Scope};
use avouch_kernel::source::{Hierarchy, Refusal, Stat};
use avouch_pairs::{Judged, PairVerdict, Reading, attribute as a, judge};
use avouch_testkit::recorded_tree::Snapshot;

use crate::scene::{codes, fact, observed, pair, snapshot};

const HARD: &str = "t-hard.service";
const NAME: &str = "unit:t-hard.service";
const INIT: &[u8] = b"1 (systemd) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5 0\n";

/// Nothing is a finding, and these pairs say why they say nothing.
fn silent(judged: &Judged, unit: &str, attributes: &[avouch_pairs::Attribute], reason: &str) {
    assert_eq!(codes(judged), Vec::<String>::new());
    for attribute in attributes {
        let found = pair(judged, unit, *attribute).unwrap_or_else(|| panic!("no pair of {attribute:?}"));
        assert_eq!(found.verdict, PairVerdict::NotSupported, "{found:?}");
        assert!(found.note.as_deref().is_some_and(|note| note.contains(reason)), "{found:?}");
    }
}

/// As version 1 names cgroups, beside the unified hierarchy where there is one.
fn version_one(hierarchy: Hierarchy) -> Snapshot {
    let mut old = snapshot("before", HARD);
    old.answers.hierarchy = Some(hierarchy);
    let group = "/system.slice/t-hard.service";
    let lines = match hierarchy {
        Hierarchy::Hybrid => format!("4:memory:{group}\n1:name=systemd:{group}\n0::{group}\n"),
        _ => format!("4:memory:{group}\n1:name=systemd:{group}\n"),
    };
    old.write("proc/219/cgroup", lines.as_bytes());
    old.write("proc/1/stat", INIT);
    old
}

#[test]
fn hosts_with_version_1_show_no_limits_and_every_process() {
    for hierarchy in [Hierarchy::Hybrid, Hierarchy::Legacy] {
        let observation = observed(HARD, &version_one(hierarchy));
        let judged = judge(&observation, None);
        let word = "cgroup";
        silent(&judged, HARD, &[a::PIDS_MAX, a::CGROUP_FREEZE], word);
        assert_eq!(fact(&observation, NAME, a::PROCESSES).kernel.value(), Some("219"), "{hierarchy:?}");
        for attribute in [a::NO_NEW_PRIVS, a::CAP_BOUNDING, a::PROTECT_SYSTEM, a::CGROUP_MAIN] {
            assert_eq!(pair(&judged, HARD, attribute).unwrap().verdict, PairVerdict::Match, "{hierarchy:?}");
        }
        let host = judged.pairs.iter().find(|pair| pair.attribute == a::CGROUP_HIERARCHY).unwrap();
        assert_eq!(host.verdict, PairVerdict::NotSupported);
    }
}

#[test]
fn a_container_without_systemd_shows_its_cgroups_and_says_that_nobody_else_was_asked() {
    let mut inside = snapshot("before", HARD);
    inside.stat(".dockerenv", Stat { mode: 0o100_755, ..Stat::default() });
    inside.looked("run");
    inside.write("proc/1/cgroup", b"0::/\n");
    let root = tempfile::tempdir().unwrap();
    let observation = Observer::new(None, inside.kernel()).rooted(root.path()).observe(&Scope::default());
    assert_eq!(fact(&observation, "host", a::CONTAINER).kernel.value(), Some("docker"));
    let limit = fact(&observation, NAME, a::PIDS_MAX);
    assert_eq!(limit.kernel.value(), Some("1089"));
    assert_eq!(limit.orchestrator, Reading::Unreadable("systemd was not asked".to_owned()));
    let judged = judge(&observation, None);
    assert_eq!(codes(&judged), Vec::<String>::new());
    assert!(judged.pairs.iter().all(|pair| pair.subject != NAME || pair.verdict != PairVerdict::Match));
}

#[test]
fn a_cgroup_outside_of_the_namespace_is_spelled_as_the_kernel_does() {
    // A process of the unit that was joined from outside of the container's cgroup namespace.
    let mut namespaced = snapshot("before", HARD);
    namespaced.write("proc/219/cgroup", b"0::/../../elsewhere\n");
    let judged = judge(&observed(HARD, &namespaced), None);
    assert_eq!(codes(&judged), ["t-hard.service V4.cgroup.main.kernel_weaker"]);
    let found = pair(&judged, HARD, a::CGROUP_MAIN).unwrap();
    assert!(found.note.as_deref().unwrap().contains("/../../elsewhere"), "{found:?}");
}

#[test]
fn behind_hidepid_nothing_of_processes_matches_and_nothing_is_a_finding() {
    // hidepid=invisible: directories of others are not there. hidepid=noaccess: they are, and none of their files.
    let mut invisible = snapshot("before", HARD);
    invisible.remove("proc/219");
    invisible.remove("proc/1");
    let mut closed = snapshot("before", HARD);
    for path in closed.paths().into_iter().filter(|path| path.starts_with("proc/219/") || path.starts_with("proc/1/")) {
        closed.refuse(&path, Refusal::Denied("CAP_SYS_PTRACE"));
    }
    for (how, narrow) in [("invisible", invisible), ("noaccess", closed)] {
        let judged = judge(&observed(HARD, &narrow), None);
        assert_eq!(codes(&judged), Vec::<String>::new(), "{how}: {:#?}", judged.findings);
        for attribute in [a::NO_NEW_PRIVS, a::CAP_BOUNDING, a::PROTECT_SYSTEM, a::NS_NET, a::RLIMIT_NOFILE, a::EXE] {
            let found = pair(&judged, HARD, attribute);
            assert!(found.is_none_or(|pair| !pair.verdict.is_green()), "{how}: {found:?}");
        }
        // The cgroup is not hidden.
        let limit = pair(&judged, HARD, a::PIDS_MAX).unwrap();
        assert_eq!(limit.verdict, PairVerdict::Match, "{how}");
    }
}

#[test]
fn behind_subset_pid_the_capabilities_of_an_unknown_kernel_are_compared_all_the_same() {
    // subset=pid: /proc has no sys, and so no cap_last_cap.
    for unit in ["t-hard.service", "t-plain.service", "t-pusers.service"] {
        let mut narrow = snapshot("before", unit);
        narrow.remove("proc/sys");
        let judged = judge(&observed(unit, &narrow), None);
        assert_eq!(codes(&judged), Vec::<String>::new(), "{unit}");
        assert!(pair(&judged, unit, a::CAP_BOUNDING).unwrap().verdict.is_green(), "{unit}");
    }
}

#[test]
fn without_bpf_the_filters_are_not_supported() {
    let unit = "t-limits.service";
    let mut without = snapshot("before", unit);
    without.answers.attached = None;
    silent(&judge(&observed(unit, &without), None), unit, &[a::DEVICE_POLICY, a::IP_ADDRESS_FILTER], "recording");
}

#[test]
fn without_apparmor_a_profile_is_not_supported_and_no_match() {
    let unit = "t-aa.service";
    let mut without = snapshot("before", unit);
    without.write("sys/kernel/security/lsm", b"lockdown,capability,landlock,yama");
    without.remove("proc/234/attr/apparmor");
    without.refuse("proc/234/attr/current", Refusal::Failed("Invalid argument (os error 22)".to_owned()));
    silent(&judge(&observed(unit, &without), None), unit, &[a::APPARMOR_PROFILE], "apparmor is not active");
    // Where securityfs does not say which modules there are, the label's own file decides.
    let mut unlisted = without.clone();
    unlisted.remove("sys/kernel/security/lsm");
    silent(&judge(&observed(unit, &unlisted), None), unit, &[a::APPARMOR_PROFILE], "no active security module");
}

#[test]
fn without_selinux_a_context_is_not_supported_and_no_match() {
    let mut without = snapshot("before", HARD);
    without.properties.insert("SELinuxContext".to_owned(), "system_u:system_r:hard_t:s0".to_owned());
    silent(&judge(&observed(HARD, &without), None), HARD, &[a::SELINUX_CONTEXT], "selinux is not active");
}

#[test]
fn without_seccomp_or_namespaces_the_options_are_not_supported() {
    let mut without = snapshot("before", HARD);
    let status = String::from_utf8(without.content("proc/219/status").to_vec()).unwrap();
    let kept: String =
        status.lines().filter(|line| !line.starts_with("Seccomp")).map(|line| format!("{line}\n")).collect();
    without.write("proc/219/status", kept.as_bytes());
    for process in ["proc/219", "proc/1"] {
        without.remove(&format!("{process}/ns/net"));
        without.refuse(&format!("{process}/ns/net"), Refusal::Absent);
    }
    let judged = judge(&observed(HARD, &without), None);
    silent(&judged, HARD, &[a::SYSTEM_CALL_FILTER, a::RESTRICT_NAMESPACES], "no seccomp");
    silent(&judged, HARD, &[a::NS_NET], "no net namespaces");
}
