//! What root did to a healthy machine while systemd showed no change: each is found, and nothing else is.

use avouch_pairs::attribute::*;
use avouch_pairs::{CauseHint, PairVerdict, Reading, Severity};

use crate::machine::{Machine, STARTED, value};

fn codes_of(machine: &Machine) -> Vec<String> {
    machine.judged().findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn t1_limits_written_to_the_cgroup() {
    let machine = Machine::running("t-limits.service")
        .pair(MEMORY_MAX, "67108864", "max")
        .pair(CPU_MAX, "200000\t18446744073709551615", "max 100000")
        .pair(CPU_WEIGHT, "50", "10000\t0")
        .pair(CPUSET_CPUS, "01", "0-1")
        .pair(PIDS_MAX, "20", "max");
    let judged = machine.judged();
    let codes: Vec<&str> = judged.findings.iter().map(|finding| &*finding.code).collect();
    assert_eq!(
        codes,
        [
            "V4.memory.max.kernel_weaker",
            "V4.cpu.max.kernel_weaker",
            "V4.cpu.weight.kernel_weaker",
            "V4.cpuset.cpus.kernel_weaker",
            "V4.pids.max.kernel_weaker"
        ]
    );
    for finding in &judged.findings {
        assert_eq!(finding.cause, Some(CauseHint::DirectWrite));
        assert!(finding.remedy.contains("daemon-reload"), "{}", finding.remedy);
        assert!(finding.remedy.contains("t-limits.service"), "{}", finding.remedy);
    }
}

#[test]
fn t2_limits_of_the_process() {
    let machine = Machine::running("t-limits.service")
        .pair(RLIMIT_NOFILE, "1000 2000", "999999 999999")
        .pair(OOM_SCORE_ADJ, "-100", "-1000")
        .pair(NICE, "5", "-20");
    assert_eq!(
        codes_of(&machine),
        ["V4.rlimit.nofile.kernel_weaker", "V4.oom_score_adj.kernel_weaker", "V4.nice.kernel_weaker"]
    );
}

#[test]
fn t3_programs_detached_from_the_cgroup() {
    let machine = Machine::running("t-limits.service").pair(DEVICE_POLICY, "closed", "none").pair(
        IP_ADDRESS_FILTER,
        "allow\t127.0.0.1/32\ndeny\t::/0",
        "none",
    );
    assert_eq!(codes_of(&machine), ["V6.device_policy.kernel_missing", "V10.ip_address_filter.kernel_missing"]);
}

#[test]
fn t4_processes_moved_out_of_the_cgroup() {
    let machine = Machine::running("t-forking.service")
        .pair(CGROUP_MAIN, "/system.slice/t-forking.service", "/escape")
        .pair(PROCESSES, "221\n248", "248");
    assert_eq!(codes_of(&machine), ["V4.cgroup.main.kernel_weaker"]);
    // The only process: nothing is left in the cgroup to look at.
    let alone = Machine::running("t-escape.service")
        .fact(CGROUP_MAIN, value("/system.slice/t-escape.service"), Reading::Absent)
        .fact(RLIMIT_NOFILE, value("1024 524288"), Reading::Absent)
        .fact(NO_NEW_PRIVS, value("yes"), Reading::Absent)
        .fact(PROCESSES, value("221"), Reading::Absent);
    assert_eq!(codes_of(&alone), ["V4.cgroup.main.kernel_weaker"]);
    let stray = Machine::running("t.service").subject("host").seen(STRAY_PROCESSES, "/escape\t1\t/usr/bin/sleep");
    assert_eq!(codes_of(&stray), ["V13.stray_processes.unmanaged"]);
}

#[test]
fn t5_a_process_put_into_the_cgroup() {
    let machine = Machine::running("t-hard.service")
        .pair(NO_NEW_PRIVS, "yes", "1\t221\n0\t1060")
        .pair(CAP_BOUNDING, "0000000000000400", "0000000000000400\t221\n000001ffffffffff\t1060")
        .stated(SYSTEM_CALL_FILTER, "allow\nread\nwrite")
        .seen(SECCOMP, "2 34\t221\n0 0\t1060");
    let judged = machine.judged();
    let found: Vec<_> = judged.findings.iter().map(|finding| (&*finding.code, finding.severity)).collect();
    assert_eq!(
        found,
        [
            ("V5.no_new_privs.kernel_weaker", Severity::High),
            ("V5.system_call_filter.kernel_missing", Severity::High),
            ("V8.cap.bounding.kernel_weaker", Severity::Critical)
        ]
    );
    let bounding = machine.find(CAP_BOUNDING).unwrap();
    let note = bounding.note.unwrap();
    assert!(note.starts_with("process 1060: holds CAP_CHOWN, ") && note.contains("CAP_SYS_MODULE"), "{note}");
    assert_eq!(bounding.kernel.as_deref(), Some("0000000000000400 (process 221); 000001ffffffffff (process 1060)"));
}

#[test]
fn t5_an_injected_process_is_not_explained_by_newer_files() {
    let machine = Machine::running("t-hard.service")
        .pair(NO_NEW_PRIVS, "yes", "1\t221\n0\t1060")
        .stated(UNIT_FILES, "/run/systemd/system/t-hard.service")
        .pair(UNIT_FRESHNESS, "no", &format!("{}\t/run/systemd/system/t-hard.service", STARTED + 1));
    assert_eq!(codes_of(&machine), ["V5.no_new_privs.kernel_weaker"]);
}

#[test]
fn t6_settings_added_after_the_start() {
    let stale = |reload: &str| {
        Machine::running("t-stale.service")
            .pair(NO_NEW_PRIVS, "yes", "0")
            .pair(CAP_BOUNDING, "0000000000000000", "000001ffffffffff")
            .stated(PROTECT_SYSTEM, "strict")
            .stated(PRIVATE_TMP, "yes")
            .seen(MOUNTS, "host")
            .pair(NS_NET, "yes", "host 4026531840")
            .stated(SYSTEM_CALL_FILTER, "allow\nread")
            .seen(SECCOMP, "0 0")
            .pair(MEMORY_MAX, "67108864", "67108864")
            .stated(UNIT_FILES, "/run/systemd/system/t-stale.service\n/run/systemd/system/t-stale.service.d/x.conf")
            .pair(UNIT_FRESHNESS, reload, &format!("{}\t/run/systemd/system/t-stale.service.d/x.conf", STARTED + 9))
    };
    let judged = stale("no").judged();
    assert_eq!(judged.findings.len(), 6, "{:?}", judged.findings);
    for finding in &judged.findings {
        assert_eq!(finding.verdict, PairVerdict::PendingRestart, "{finding:?}");
        assert_eq!(finding.cause, Some(CauseHint::PendingRestart));
        assert!(finding.remedy.contains("`systemctl restart t-stale.service`"), "{}", finding.remedy);
    }
    assert!(codes_of(&stale("yes")).contains(&"V14.unit_freshness.pending_restart".to_owned()));
}

#[test]
fn t6_a_drop_in_that_systemd_has_not_read() {
    let machine = |newest: &str| {
        Machine::running("t-unloaded.service")
            .stated(UNIT_FILES, "/run/systemd/system/t-unloaded.service")
            .pair(NO_NEW_PRIVS, "no", "0")
            .pair(UNIT_FRESHNESS, "no", newest)
    };
    let expected = ["V14.unit_freshness.pending_restart"];
    let folder = "/run/systemd/system/t-unloaded.service.d/";
    assert_eq!(codes_of(&machine(&format!("{}\t{folder}x.conf", STARTED + 1))), expected);
    assert_eq!(codes_of(&machine(&format!("{}\t{folder}", STARTED + 1))), expected);
    // An empty folder from before the start says nothing.
    assert_eq!(codes_of(&machine(&format!("{}\t{folder}", STARTED - 1))), Vec::<String>::new());
}

#[test]
fn t7_the_profile_complains_or_is_gone() {
    let machine = |kernel: &str| Machine::running("t-aa.service").pair(APPARMOR_PROFILE, "required\tt-profile", kernel);
    assert_eq!(codes_of(&machine("t-profile (complain)")), ["V9.apparmor.profile.kernel_weaker"]);
    assert_eq!(codes_of(&machine("unconfined")), ["V9.apparmor.profile.kernel_missing"]);
}

#[test]
fn t11_the_service_is_frozen() {
    let machine = Machine::running("t.service").pair(CGROUP_FREEZE, "running", "1\t1");
    assert_eq!(codes_of(&machine), ["V4.cgroup.freeze.unmanaged"]);
}

#[test]
fn t12_the_controller_is_taken_away() {
    let machine = Machine::running("t-child.service")
        .fact(MEMORY_MAX, value("1073741824"), Reading::Absent)
        .fact(MEMORY_HIGH, value("18446744073709551615"), Reading::Absent)
        .seen(CGROUP_CONTROLLERS, "pids");
    assert_eq!(codes_of(&machine), ["V4.memory.max.kernel_missing"]);
    let note = machine.find(MEMORY_MAX).unwrap().note.unwrap();
    assert_eq!(note, "the memory controller is off in the parent's cgroup.subtree_control");
    let lost = machine.seen(CGROUP_CONTROLLERS, "memory pids");
    assert_eq!(lost.find(MEMORY_MAX).unwrap().cause, Some(CauseHint::SwallowedError));
}

#[test]
fn d2_processors_that_the_machine_has_not() {
    let machine = Machine::running("t.service").pair(CPUSET_CPUS, "20", "").second(CPUSET_CPUS, value("0-1"));
    let pair = machine.find(CPUSET_CPUS).unwrap();
    assert_eq!((pair.verdict, pair.cause), (PairVerdict::KernelWeaker, Some(CauseHint::SwallowedError)));
}

#[test]
fn t13_something_stands_over_the_kernels_files() {
    let machine = Machine::running("t-limits.service")
        .fact(MEMORY_MAX, value("67108864"), Reading::Unreadable("a mount stands over it".to_owned()))
        .subject("host")
        .seen(VIEW, "/sys/fs/cgroup/system.slice/t-limits.service/memory.max\ta mount inside");
    let judged = machine.judged();
    assert_eq!(judged.findings.len(), 1);
    assert_eq!(
        (&*judged.findings[0].code, judged.findings[0].severity),
        ("V14.view.kernel_weaker", Severity::Critical)
    );
}

#[test]
fn two_interfaces_of_the_kernel_contradict_each_other() {
    let machine = Machine::running("t.service")
        .seen(CAP_EFFECTIVE, "0000000000000000")
        .second(CAP_EFFECTIVE, value("000001ffffffffff"))
        .pair(RLIMIT_NOFILE, "1024 524288", "1024 524288")
        .second(RLIMIT_NOFILE, value("1024 524288"));
    let judged = machine.judged();
    assert_eq!(judged.findings.len(), 1, "{:?}", judged.findings);
    let finding = &judged.findings[0];
    assert_eq!((&*finding.code, finding.severity), ("KERNEL_VIEWS_DISAGREE", Severity::Critical));
    assert_eq!(finding.verdict, PairVerdict::KernelWeaker);
    assert!(machine.find(CAP_EFFECTIVE).unwrap().views_disagree);
}
