//! Differences that were seen on a healthy machine (Debian 12, systemd 252, kernel 6.1): none of them is a finding.

use avouch_pairs::PairVerdict::{KernelMissing, KernelStricter, Match, NotConfigured, Unreadable};
use avouch_pairs::attribute::*;
use avouch_pairs::{Attribute, Reading, subject};

use crate::machine::{Machine, value};

const INFINITY: &str = "18446744073709551615";

fn green(attribute: Attribute, orchestrator: &str, kernel: &str) {
    let machine = Machine::running("t.service").pair(attribute, orchestrator, kernel);
    let verdict = machine.verdict(attribute);
    assert!(verdict.is_green(), "{attribute:?} {orchestrator} | {kernel}: {verdict:?}");
    assert_eq!(machine.codes(), Vec::<String>::new());
}

#[test]
fn memory_is_rounded_down_to_pages() {
    let machine = Machine::running("t-round.service").pair(MEMORY_MAX, "100000001", "99999744");
    assert_eq!(machine.verdict(MEMORY_MAX), Match);
    let one_page_more = Machine::running("t-round.service").pair(MEMORY_MAX, "100000001", "100003840");
    assert_eq!(one_page_more.verdict(MEMORY_MAX), avouch_pairs::PairVerdict::KernelWeaker);
    // 64 KiB pages round further.
    green(MEMORY_MAX, "100000001", "99942400");
}

#[test]
fn four_gibibytes_are_four_gibibytes() {
    let machine = Machine::running("t-four.service").pair(MEMORY_MAX, "4294967296", "4294967296");
    assert_eq!(machine.verdict(MEMORY_MAX), Match);
}

#[test]
fn percent_limits_are_absolute_on_both_sides() {
    green(MEMORY_HIGH, "400171008", "400171008");
    green(PIDS_MAX, "726", "726");
    green(PIDS_MAX, "1089", "1089");
}

#[test]
fn a_limit_of_an_ancestor_may_be_smaller() {
    let machine = Machine::running("t-child.service")
        .pair(MEMORY_MAX, "1073741824", "1073741824")
        .seen(MEMORY_EFFECTIVE, "33554432\t/t.slice/t-par.slice");
    assert_eq!(machine.verdict(MEMORY_MAX), Match);
    assert_eq!(machine.verdict(MEMORY_EFFECTIVE), NotConfigured);
}

#[test]
fn processor_quotas_are_compared_by_ratio() {
    green(CPU_MAX, "5000\t10000", "1000 200000");
    green(CPU_MAX, "2500000\t20000", "50000 20000");
    green(CPU_MAX, "333330\t18446744073709551615", "33333 100000");
    green(CPU_MAX, "18446744073709551615\t18446744073709551615", "max 100000");
}

#[test]
fn files_of_a_controller_that_nobody_uses_are_absent() {
    let machine = Machine::running("t-child.service")
        .fact(CPU_MAX, value("18446744073709551615\t18446744073709551615"), Reading::Absent)
        .fact(CPU_WEIGHT, value(INFINITY), Reading::Absent)
        .fact(MEMORY_MAX, value(INFINITY), Reading::Absent);
    for attribute in [CPU_MAX, CPU_WEIGHT, MEMORY_MAX] {
        assert_eq!(machine.verdict(attribute), NotConfigured);
    }
    let configured = Machine::running("t.service").fact(MEMORY_MAX, value("4096"), Reading::Absent);
    assert_eq!(configured.verdict(MEMORY_MAX), KernelMissing);
}

#[test]
fn a_processor_weight_that_is_not_set_is_100_and_idle_reads_0() {
    green(CPU_WEIGHT, INFINITY, "100\t0");
    green(CPU_WEIGHT, "0", "0\t1");
    green(CPU_WEIGHT, INFINITY, "100\t");
    green(IO_WEIGHT, INFINITY, "default 100");
}

#[test]
fn no_allowed_processors_are_all() {
    green(CPUSET_CPUS, "", "");
}

#[test]
fn an_unlimited_number_of_files_is_capped_by_the_kernel() {
    let machine = Machine::running("t-round.service").pair(
        RLIMIT_NOFILE,
        "18446744073709551615 18446744073709551615",
        "1048576 1048576",
    );
    assert_eq!(machine.verdict(RLIMIT_NOFILE), KernelStricter);
}

#[test]
fn the_soft_limit_is_the_programs_own() {
    green(RLIMIT_NOFILE, "1024 524288", "524288 524288");
}

#[test]
fn no_new_privileges_may_be_implied() {
    let machine = Machine::running("t-implied.service").pair(NO_NEW_PRIVS, "no", "1");
    assert_eq!(machine.verdict(NO_NEW_PRIVS), KernelStricter);
}

#[test]
fn capabilities_are_masked_by_the_last_that_the_kernel_knows() {
    let host = Machine::running("t.service").subject("host").seen(CAP_LAST_CAP, "40");
    let machine = host.unit("t.service").pair(CAP_BOUNDING, "ffffffffffffffff", "000001ffffffffff");
    assert_eq!(machine.verdict(CAP_BOUNDING), NotConfigured);
    let old = Machine::running("t.service").subject("host").seen(CAP_LAST_CAP, "37");
    let machine = old.unit("t.service").pair(CAP_BOUNDING, "000001ffffd7ffff", "0000003fffd7ffff");
    assert_eq!(machine.verdict(CAP_BOUNDING), Match);
}

#[test]
fn private_devices_are_subtracted_on_both_sides() {
    green(CAP_BOUNDING, "000001fff7fdffff", "000001fff7fdffff");
}

#[test]
fn a_user_without_ambient_capabilities_has_none() {
    let machine = Machine::running("t-implied.service")
        .stated(USER_SET, "yes")
        .pair(UID, "65534", "65534 65534 65534 65534")
        .pair(CAP_AMBIENT, "0000000000000000", "0000000000000000")
        .seen(CAP_EFFECTIVE, "0000000000000000");
    assert_eq!(machine.verdict(CAP_EFFECTIVE), Match);
    assert_eq!(machine.verdict(UID), Match);
    assert_eq!(machine.codes(), Vec::<String>::new());
}

/// dbus.service starts as root and drops to a user of its own choice.
#[test]
fn a_program_may_drop_its_privileges_itself() {
    let machine = Machine::running("dbus.service")
        .stated(USER_SET, "no")
        .pair(UID, "4294967295", "100 100 100 100")
        .pair(CAP_BOUNDING, "ffffffffffffffff", "000001ffffffffff")
        .pair(CAP_AMBIENT, "0000000000000000", "0000000000000000")
        .seen(CAP_EFFECTIVE, "0000000020000000");
    assert_eq!(machine.codes(), Vec::<String>::new());
}

/// systemd-udevd: 20 filters and no NoNewPrivileges.
#[test]
fn filters_do_not_demand_no_new_privileges() {
    let machine = Machine::running("systemd-udevd.service")
        .pair(NO_NEW_PRIVS, "no", "0")
        .stated(SYSTEM_CALL_ARCHITECTURES, "native")
        .seen(SECCOMP, "2 20");
    assert_eq!(machine.verdict(NO_NEW_PRIVS), NotConfigured);
    assert_eq!(machine.verdict(SYSTEM_CALL_ARCHITECTURES), Match);
}

#[test]
fn a_namespace_mask_of_all_ones_restricts_nothing() {
    let machine = Machine::running("t.service").stated(RESTRICT_NAMESPACES, INFINITY).seen(SECCOMP, "0 0");
    assert_eq!(machine.find(RESTRICT_NAMESPACES), None);
    let none_allowed = Machine::running("t.service").stated(RESTRICT_NAMESPACES, "0").seen(SECCOMP, "0 0");
    assert_eq!(none_allowed.verdict(RESTRICT_NAMESPACES), KernelMissing);
}

#[test]
fn a_profile_that_may_be_missing_is_missing() {
    let machine = Machine::running("t.service")
        .subject("host")
        .seen(APPARMOR_PROFILES, "t-profile (enforce)")
        .unit("t-aamiss.service")
        .pair(APPARMOR_PROFILE, "optional\tnosuchprofile", "unconfined");
    assert_eq!(machine.verdict(APPARMOR_PROFILE), NotConfigured);
    // Without the list nobody knows whether the profile should be in force.
    let unread = Machine::running("t.service")
        .subject("host")
        .fact(APPARMOR_PROFILES, Reading::NotRead, Reading::Unreadable("no securityfs".to_owned()))
        .unit("t-aamiss.service")
        .pair(APPARMOR_PROFILE, "optional\tnosuchprofile", "unconfined");
    assert_eq!(unread.verdict(APPARMOR_PROFILE), Unreadable);
    let there = machine.unit("t.service").pair(APPARMOR_PROFILE, "optional\tt-profile", "unconfined");
    assert_eq!(there.verdict(APPARMOR_PROFILE), KernelMissing);
}

#[test]
fn programs_have_other_tags_after_a_reload() {
    green(IP_ADDRESS_FILTER, "allow\t127.0.0.1/32\ndeny\t0.0.0.0/0", "ingress\t01\negress\t02");
    green(IP_ADDRESS_FILTER, "allow\t127.0.0.1/32\ndeny\t0.0.0.0/0", "ingress\t03\negress\t04");
}

#[test]
fn a_socket_unit_that_is_stopped_still_names_its_sockets() {
    let machine = Machine::running("t-sock.socket")
        .identity(|identity| identity.active_state = "inactive".to_owned())
        .pair(LISTEN, "Stream\t127.0.0.1:7777", "none")
        .subject("listener:tcp:127.0.0.1:7777")
        .stated(LISTENER, "t-sock.socket\tStream\t127.0.0.1:7777");
    assert_eq!(machine.codes(), Vec::<String>::new());
}

/// What nobody can compare is neither a finding nor in order.
#[test]
fn units_without_processes_have_nothing_to_compare() {
    let exited = |active: &str| {
        Machine::running("t-oneshot.service")
            .identity(|identity| {
                identity.active_state = active.to_owned();
                identity.main_pid = 0;
            })
            .fact(CGROUP_ID, Reading::Absent, Reading::Absent)
            .fact(MEMORY_MAX, value("67108864"), Reading::Absent)
            .fact(NO_NEW_PRIVS, value("yes"), Reading::Absent)
            .fact(PROCESSES, value(""), Reading::Absent)
            .fact(PROTECT_SYSTEM, value("strict"), Reading::NotRead)
            .fact(MOUNTS, Reading::NotRead, Reading::Absent)
            .fact(IP_ADDRESS_FILTER, value("deny\t0.0.0.0/0"), Reading::Absent)
    };
    for active in ["active", "inactive", "failed"] {
        let judged = exited(active).judged();
        assert_eq!(judged.findings, Vec::new(), "{active}");
        let unit = format!("{}t-oneshot.service", subject::UNIT);
        assert!(!judged.pairs.iter().any(|pair| pair.subject == unit && pair.verdict == Match), "{active}");
        assert_eq!(judged.attained(), None);
    }
}

/// sshd takes itself out of the reach of the OOM killer.
#[test]
fn a_program_may_choose_its_own_score_where_the_unit_does_not() {
    green(OOM_SCORE_ADJ, "0", "-1000");
    green(UMASK, "0022", "0000");
}

#[test]
fn containers_and_user_sessions_below_a_delegated_unit_are_their_own() {
    let machine =
        Machine::running("user@1000.service").stated(DELEGATE, "yes").pair(NO_NEW_PRIVS, "yes", "1\t221\n0\t300").pair(
            CGROUP_MAIN,
            "/user.slice/user-1000.slice/user@1000.service",
            "/user.slice/user-1000.slice/user@1000.service/init.scope",
        );
    assert_eq!(machine.codes(), Vec::<String>::new());
    assert!(machine.verdict(NO_NEW_PRIVS).is_green());
}
