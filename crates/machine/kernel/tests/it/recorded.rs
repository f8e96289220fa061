//! The recorded machine: what each tampering changed in the kernel's column, and that nothing else did.

use std::collections::BTreeMap;

use avouch_pairs::{Attribute, Reading, Subject, attribute as a};

use crate::recorded_tree::{DUAL_SOURCE, Recording};

fn recording() -> Recording {
    Recording::parse(DUAL_SOURCE)
}

fn unit(phase: &str, unit: &str) -> Subject {
    let recording = recording();
    let snapshot = recording.snapshot(phase, unit);
    snapshot.kernel().unit(&snapshot.ask(unit))
}

fn value(subject: &Subject, attribute: Attribute) -> String {
    let fact = subject.facts.get(&attribute).unwrap_or_else(|| panic!("{attribute:?} is not stated"));
    match &fact.kernel {
        Reading::Value(value) => value.clone(),
        other => panic!("{attribute:?}: {other:?}"),
    }
}

/// Attributes whose kernel column is another after than before, by name.
fn changed(before: &str, after: &str, name: &str) -> BTreeMap<&'static str, (Reading, Reading)> {
    let (before, after) = (unit(before, name), unit(after, name));
    assert_eq!(before.facts.keys().collect::<Vec<_>>(), after.facts.keys().collect::<Vec<_>>());
    let pairs = before.facts.iter().zip(after.facts.values());
    // Programs were not looked for at every time.
    let looked = |after: &Reading| !matches!(after, Reading::NotSupported(_));
    let others = pairs.filter(|((_, before), after)| before.kernel != after.kernel && looked(&after.kernel));
    others
        .map(|((attribute, before), after)| {
            (attribute.spec().unwrap().name, (before.kernel.clone(), after.kernel.clone()))
        })
        .collect()
}

fn names(changed: &BTreeMap<&'static str, (Reading, Reading)>) -> Vec<&'static str> {
    changed.keys().copied().collect()
}

fn to(changed: &BTreeMap<&'static str, (Reading, Reading)>, name: &str) -> String {
    changed[name].1.value().unwrap_or_else(|| panic!("{:?}", changed[name])).to_owned()
}

#[test]
fn a_hardened_unit_is_stated_as_the_kernel_has_it() {
    let unit = unit("before", "t-hard.service");
    assert_eq!(value(&unit, a::NO_NEW_PRIVS), "1");
    assert!(value(&unit, a::SECCOMP).starts_with("2 "));
    assert_eq!(value(&unit, a::NS_NET), "private 4026532241");
    assert_eq!(value(&unit, a::NS_PID), "host 4026531836");
    assert_eq!(value(&unit, a::NET_DEVICES), "lo");
    assert!(value(&unit, a::MOUNTS).lines().any(|line| line.starts_with("/\tro")));
    assert_eq!(value(&unit, a::CGROUP_MAIN), "/system.slice/t-hard.service");
    assert_eq!(value(&unit, a::DEVICE_POLICY), "-");
    assert_eq!(value(&unit, a::EXE), "/usr/bin/sleep");
    assert_eq!(value(&unit, a::PROCESSES), "219");
    assert!(matches!(unit.facts[&a::SELINUX_CONTEXT].kernel, Reading::NotSupported(_)));
    assert!(matches!(unit.facts[&a::RLIMIT_NOFILE].second, Reading::NotSupported(_)));
}

#[test]
fn limits_are_the_kernels_own_and_an_ancestors_counts() {
    let limits = unit("before", "t-limits.service");
    let max = value(&limits, a::MEMORY_MAX);
    assert!(max.parse::<u64>().is_ok(), "{max}");
    assert_eq!(value(&limits, a::MEMORY_EFFECTIVE), format!("{max}\t/system.slice/t-limits.service"));
    // A slice of 32 MiB above a unit of 1 GiB.
    let child = unit("before", "t-child.service");
    assert_eq!(value(&child, a::MEMORY_EFFECTIVE), "33554432\t/t.slice/t-par.slice");
    assert_ne!(value(&child, a::MEMORY_MAX), "33554432");
}

#[test]
fn t1_limits_written_past_systemd_are_seen() {
    let changed = changed("before", "tampered", "t-limits.service");
    for name in ["memory.max", "cpu.max", "pids.max"] {
        assert!(to(&changed, name).starts_with("max"), "{name}: {:?}", changed[name]);
    }
    assert!(to(&changed, "memory.effective").starts_with("max\t"));
}

#[test]
fn t2_and_t3_rlimits_and_detached_programs_are_seen() {
    let changed = changed("before", "tampered_rlimit_bpf", "t-limits.service");
    assert!(
        changed.contains_key("rlimit.nofile") && changed.contains_key("oom_score_adj") && changed.contains_key("nice")
    );
    for name in ["ip_address_filter", "device_policy"] {
        assert_ne!(changed[name].0.value(), Some("none"));
        assert_eq!(to(&changed, name), "none", "{name}");
    }
}

#[test]
fn t4_processes_that_left_their_unit_are_missing_from_it() {
    let unit = unit("tampered", "t-forking.service");
    let there = unit.facts[&a::PROCESSES].kernel.clone();
    assert_ne!(there, Reading::NotRead);
    assert!(there.value().is_none_or(|pids| !pids.lines().any(|pid| pid == "245")), "{there:?}");
}

#[test]
fn t5_a_process_moved_into_a_unit_shows_beside_the_main_process() {
    let changed = changed("before", "tampered", "t-hard.service");
    assert_eq!(to(&changed, "processes"), "219\n1060");
    let no_new_privs = to(&changed, "no_new_privs");
    assert_eq!(no_new_privs, "1\t219\n0\t1060");
    let namespace = to(&changed, "ns.net");
    assert!(namespace.starts_with("private 4026532241\t219\nhost "), "{namespace}");
    for name in ["seccomp", "cap.bounding", "cap.effective", "ns.mnt", "uid"] {
        assert!(to(&changed, name).ends_with("\t1060"), "{name}");
    }
}

#[test]
fn t6_a_drop_in_that_was_not_followed_by_a_restart_changes_limits_of_the_cgroup_alone() {
    let changed = changed("before", "tampered", "t-stale.service");
    let cgroup = ["memory.", "pids.", "cgroup.", "cpu.", "io."];
    let drop_in = "1795296267624396\t/run/systemd/system/t-stale.service.d/h.conf";
    assert_eq!(to(&changed, "unit_freshness"), drop_in);
    for name in names(&changed).into_iter().filter(|name| *name != "unit_freshness") {
        assert!(cgroup.iter().any(|prefix| name.starts_with(prefix)), "{name}");
    }
    assert_eq!(to(&changed, "memory.max"), "67108864");
}

#[test]
fn t7_a_profile_that_complains_or_is_gone_is_seen() {
    let complains = changed("before", "tampered_aa_complain", "t-aa.service");
    assert_eq!(names(&complains), ["apparmor.profile"]);
    assert!(to(&complains, "apparmor.profile").ends_with("(complain)"));
    let gone = changed("before", "tampered", "t-aa.service");
    assert_eq!(to(&gone, "apparmor.profile"), "unconfined");
}

#[test]
fn t8_to_t10_a_writable_root_a_bare_tmp_and_another_interface_are_seen() {
    let changed = changed("before", "tampered_veth", "t-hardroot.service");
    assert_eq!(names(&changed), ["mounts", "net.devices"]);
    let root = |mounts: &str| mounts.lines().find(|line| line.starts_with("/\t")).unwrap().to_owned();
    assert!(root(changed["mounts"].0.value().unwrap()).starts_with("/\tro"));
    assert!(root(&to(&changed, "mounts")).starts_with("/\trw"));
    let private = |mounts: &str| mounts.lines().any(|line| line.starts_with("/tmp\t"));
    assert!(private(changed["mounts"].0.value().unwrap()) && !private(&to(&changed, "mounts")));
    assert_eq!(to(&changed, "net.devices"), "lo\nveth1");
}

#[test]
fn t11_a_frozen_unit_is_seen() {
    let changed = changed("before", "tampered", "t-plain.service");
    assert_eq!(to(&changed, "cgroup.freeze"), "1\t1");
}

#[test]
fn t12_a_controller_that_was_switched_off_leaves_no_file() {
    let changed = changed("before", "tampered", "t-child.service");
    assert_eq!(changed["memory.max"].1, Reading::Absent);
    assert!(!to(&changed, "cgroup.controllers").contains("memory"));
}

#[test]
fn t14_set_property_changes_what_the_kernel_has() {
    let changed = changed("before", "after", "t-round.service");
    assert_eq!(to(&changed, "memory.max"), "max");
    assert_eq!(to(&changed, "pids.max"), "max");
}

#[test]
fn a_unit_without_a_process_is_absent_and_a_broken_file_is_unreadable() {
    let recording = recording();
    let mut snapshot = recording.snapshot("before", "t-hard.service").clone();
    snapshot.write("proc/219/status", b"NoNewPrivs:\t1");
    let unit = snapshot.kernel().unit(&snapshot.ask("t-hard.service"));
    assert!(matches!(unit.facts[&a::NO_NEW_PRIVS].kernel, Reading::Unreadable(_)));
    assert_eq!(value(&unit, a::OOM_SCORE_ADJ), "0");
    snapshot.remove("proc/219");
    let unit = snapshot.kernel().unit(&snapshot.ask("t-hard.service"));
    for attribute in [a::NO_NEW_PRIVS, a::PROCESSES, a::EXE, a::NS_NET, a::RLIMIT_NOFILE, a::MOUNTS] {
        assert_eq!(unit.facts[&attribute].kernel, Reading::Absent, "{attribute:?}");
    }
    assert!(value(&unit, a::PIDS_MAX).parse::<u64>().is_ok() || value(&unit, a::PIDS_MAX) == "max");
}
