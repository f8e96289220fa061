//! What root did to the recorded machine: each way of tampering is found under its code, unit and attribute, and nothing
//! else is.
//!
//! systemd's column is what `systemctl show` printed at that moment, said over D-Bus; the kernel's the files of the same
//! moment. Some of it was not recorded, and says so in its pair:
//!
//! | not recorded | rows | what stands there |
//! | --- | --- | --- |
//! | which processes systemd counts to the unit | all | systemd's side of `processes` is unreadable |
//! | threads, memory maps, personalities, digests of programs, inodes of cgroups | all | not supported |
//! | prlimit(2) and capget(2), the second views of limits and capabilities | all | not supported |
//! | BPF programs while somebody tampered, but after T3 | T1, T4-T12 | not supported |
//! | processes that had left their cgroup | T4 | as before, in the cgroup that the console shows |
//! | when drop-ins were written | all but T6 | not supported |
//! | mounts as PID 1 sees them, at that moment | T13 | those of a process of the same namespace |
//! | PID 1's own stat, by which processes are counted | all but T4 | strays and holders of sockets are not supported |
//!
//! T15 is what the next reload heals, T17 a socket unit that was stopped. T16 (the program of a running unit is replaced)
//! and T18 (who owns systemd's name on the bus) left nothing in the recording: no digest, no connection.

use avouch_pairs::{CauseHint, Judged, PairVerdict, Reading, Severity, attribute as a, judge, learn};
use avouch_testkit::recorded_tree::Snapshot;

use crate::scene::{codes, fact, observed, observed_whole, pair, snapshot};

fn judged(phase: &str, unit: &str) -> Judged {
    judge(&observed(unit, &snapshot(phase, unit)), None)
}

/// Holds the findings of a recorded unit against these codes.
fn finds(phase: &str, unit: &str, expected: &[&str]) -> Judged {
    let judged = judged(phase, unit);
    is(&judged, unit, expected);
    judged
}

fn is(judged: &Judged, unit: &str, expected: &[&str]) {
    let expected: Vec<String> = expected
        .iter()
        .map(|code| if code.contains(' ') { (*code).to_owned() } else { format!("{unit} {code}") })
        .collect();
    assert_eq!(codes(judged), expected, "{:#?}", judged.findings);
    let nothing_said =
        judged.findings.iter().find(|finding| finding.implication.is_empty() || finding.remedy.is_empty());
    assert_eq!(nothing_said, None);
}

#[test]
fn t1_limits_written_past_systemd() {
    let judged = finds(
        "tampered",
        "t-limits.service",
        &[
            "V4.memory.max.kernel_weaker",
            "V4.memory.high.kernel_weaker",
            "V4.memory.swap.max.kernel_weaker",
            "V4.cpu.max.kernel_weaker",
            "V4.cpu.weight.kernel_weaker",
            "V4.cpuset.cpus.kernel_weaker",
            "V4.pids.max.kernel_weaker",
        ],
    );
    assert!(judged.findings.iter().all(|finding| finding.cause == Some(CauseHint::DirectWrite)));
    let memory = pair(&judged, "t-limits.service", a::MEMORY_MAX).unwrap();
    assert_eq!((memory.orchestrator.as_deref(), memory.kernel.as_deref()), (Some("67108864"), Some("infinity")));
}

#[test]
fn t2_and_t3_limits_of_the_process_and_programs_of_the_cgroup() {
    finds(
        "tampered_rlimit_bpf",
        "t-limits.service",
        &[
            "V4.rlimit.nofile.kernel_weaker",
            "V4.oom_score_adj.kernel_weaker",
            "V4.nice.kernel_weaker",
            "V6.device_policy.kernel_missing",
            "V10.ip_address_filter.kernel_missing",
        ],
    );
}

/// The console's line of the main process, and all else of it and of the second process as it was before.
fn escaped() -> Snapshot {
    let mut snapshot = snapshot("tampered", "t-forking.service");
    let before = crate::scene::snapshot("before", "t-forking.service");
    for pid in [245, 247] {
        snapshot.restore(&before, &format!("proc/{pid}"));
        snapshot.write(&format!("proc/{pid}/cgroup"), b"0::/escape\n");
    }
    snapshot
}

#[test]
fn t4_processes_that_left_their_unit() {
    let unit = "t-forking.service";
    is(&judge(&observed(unit, &escaped()), None), unit, &["V4.cgroup.main.kernel_weaker"]);
    // With a PID 1 that can be counted, so can the strays.
    let mut counted = escaped();
    counted.write("proc/1/stat", b"1 (systemd) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5 0\n");
    counted.link("proc/1/exe", b"/usr/lib/systemd/systemd");
    let whole = judge(&observed_whole(unit, &counted), None);
    // PID 1 is one too: of its own unit this recording has nothing.
    let strays = whole.pairs.iter().find(|pair| pair.attribute == a::STRAY_PROCESSES).unwrap();
    assert_eq!(strays.verdict, PairVerdict::Unmanaged);
    assert!(strays.kernel.as_deref().unwrap().contains("/escape"), "{strays:?}");
}

#[test]
fn t5_a_process_put_into_a_hardened_unit() {
    let judged = finds(
        "tampered",
        "t-hard.service",
        &[
            "V5.no_new_privs.kernel_weaker",
            "V5.system_call_filter.kernel_missing",
            "V5.system_call_architectures.kernel_missing",
            "V5.restrict_address_families.kernel_missing",
            "V5.restrict_namespaces.kernel_missing",
            "V5.lock_personality.kernel_missing",
            "V5.restrict_realtime.kernel_missing",
            "V5.restrict_suid_sgid.kernel_missing",
            "V5.protect_clock.kernel_missing",
            "V5.umask.kernel_weaker",
            "V7.ns.net.kernel_missing",
            "V7.ns.mnt.kernel_missing",
            "V7.ns.ipc.kernel_missing",
            "V7.ns.uts.kernel_missing",
            "V8.cap.bounding.kernel_weaker",
            "V8.cap.effective.kernel_weaker",
            "V8.uid.kernel_weaker",
            "V8.gid.kernel_weaker",
        ],
    );
    for finding in &judged.findings {
        let found = pair(&judged, "t-hard.service", finding.attribute).unwrap();
        let (kernel, note) = (found.kernel.clone().unwrap_or_default(), found.note.clone().unwrap_or_default());
        assert!(kernel.contains("1060") || note.contains("1060"), "the process is named: {found:?}");
    }
}

#[test]
fn t6_settings_that_no_restart_put_into_force() {
    let judged = judged("tampered", "t-stale.service");
    is(
        &judged,
        "t-stale.service",
        &[
            "V4.rlimit.nofile.pending_restart",
            "V4.oom_score_adj.pending_restart",
            "V5.no_new_privs.pending_restart",
            "V5.system_call_filter.pending_restart",
            "V5.restrict_namespaces.pending_restart",
            "V6.protect_system.pending_restart",
            "V6.private_tmp.pending_restart",
            "V7.ns.net.pending_restart",
            "V7.ns.mnt.pending_restart",
            "V8.cap.bounding.pending_restart",
            "V8.cap.effective.pending_restart",
            "V9.apparmor.profile.pending_restart",
        ],
    );
    // Limits of the cgroup were applied by the reload.
    for attribute in [a::MEMORY_MAX, a::PIDS_MAX] {
        assert_eq!(pair(&judged, "t-stale.service", attribute).unwrap().verdict, PairVerdict::Match);
    }
    assert!(judged.findings.iter().all(|finding| finding.cause == Some(CauseHint::PendingRestart)));
}

#[test]
fn t6_without_the_time_of_the_drop_in_it_is_not_enforced_all_the_same() {
    let unit = "t-stale.service";
    let mut undated = snapshot("tampered", unit);
    undated.forget_stats();
    let judged = judge(&observed(unit, &undated), None);
    assert!(codes(&judged).contains(&format!("{unit} V5.no_new_privs.kernel_weaker")), "{:?}", codes(&judged));
    let freshness = pair(&judged, unit, a::UNIT_FRESHNESS).unwrap();
    assert_eq!(freshness.verdict, PairVerdict::NotSupported);
    assert!(freshness.note.as_deref().unwrap().contains("recording"));
}

#[test]
fn t7_a_profile_that_complains_or_is_gone() {
    finds("tampered_aa_complain", "t-aa.service", &["V9.apparmor.profile.kernel_weaker"]);
    finds("tampered", "t-aa.service", &["V9.apparmor.profile.kernel_missing"]);
}

#[test]
fn t8_to_t10_a_writable_root_a_shared_tmp_and_another_interface() {
    let expected = ["V6.protect_system.kernel_weaker", "V6.private_tmp.kernel_missing", "V7.net.devices.unmanaged"];
    finds("tampered", "t-hardroot.service", &expected);
    finds("tampered_veth", "t-hardroot.service", &expected);
}

#[test]
fn t11_a_frozen_unit() {
    finds("tampered", "t-plain.service", &["V4.cgroup.freeze.unmanaged"]);
}

#[test]
fn t12_a_controller_that_was_switched_off_above() {
    let judged = finds("tampered", "t-child.service", &["V4.memory.max.kernel_missing"]);
    let note = pair(&judged, "t-child.service", a::MEMORY_MAX).unwrap().note.clone().unwrap();
    assert!(note.contains("memory controller is off"), "{note}");
}

/// What T2 had left of the process, beside the bind mount.
const OF_T2: [&str; 3] = ["V4.rlimit.nofile.kernel_weaker", "V4.oom_score_adj.kernel_weaker", "V4.nice.kernel_weaker"];

#[test]
fn t13_a_file_that_stands_over_the_kernels() {
    let unit = "t-limits.service";
    let mut covered = snapshot("tampered_bindmount", unit);
    // PID 1 is in the mount namespace of this process.
    let before = snapshot("before", unit);
    assert_eq!(before.target("proc/209/ns/mnt"), before.target("proc/1/ns/mnt"));
    let mounts = covered.content("proc/209/mountinfo").to_owned();
    covered.write("proc/1/mountinfo", &mounts);
    let expected = |judged: &Judged| {
        let all: Vec<&str> = ["host V14.view.kernel_weaker"].into_iter().chain(OF_T2).collect();
        is(judged, unit, &all);
        let view = judged.findings.iter().find(|finding| finding.attribute == a::VIEW).unwrap();
        assert_eq!(view.severity, Severity::Critical);
    };
    // cp read the forged file; the product's own openat2 is refused there.
    expected(&judge(&observed(unit, &covered), None));
    let file = "sys/fs/cgroup/system.slice/t-limits.service/memory.max";
    covered.refuse(file, avouch_kernel::source::Refusal::Shadowed(format!("/{file}")));
    let observation = observed(unit, &covered);
    let memory = fact(&observation, "unit:t-limits.service", a::MEMORY_MAX);
    assert!(matches!(&memory.kernel, Reading::Unreadable(why) if why.contains("stands over")), "{memory:?}");
    expected(&judge(&observation, None));
}

#[test]
fn t14_set_property_changes_both_and_drifts_from_the_intent() {
    let unit = "t-round.service";
    let (before, after) = (observed(unit, &snapshot("before", unit)), observed(unit, &snapshot("after", unit)));
    is(&judge(&after, None), unit, &[]);
    let intent = learn(&before);
    is(&judge(&before, Some(&intent)), unit, &[]);
    let drift = judge(&after, Some(&intent));
    is(&drift, unit, &["V4.memory.max.intent_drift", "V4.pids.max.intent_drift"]);
}

#[test]
fn t15_a_reload_heals_the_cgroup_and_nothing_of_the_process() {
    let judged = finds("after", "t-limits.service", &OF_T2);
    // Other programs than before, of the same effect.
    for attribute in [a::DEVICE_POLICY, a::IP_ADDRESS_FILTER, a::MEMORY_MAX, a::CPU_MAX, a::PIDS_MAX] {
        assert_eq!(pair(&judged, "t-limits.service", attribute).unwrap().verdict, PairVerdict::Match);
    }
}
