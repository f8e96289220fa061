//! One row for each way in which an attribute's witnesses can stand to each other.

use avouch_pairs::PairVerdict::{
    self, KernelMissing, KernelStricter, KernelWeaker, Match, NotConfigured, NotSupported, Unmanaged, Unreadable,
};
use avouch_pairs::attribute::*;
use avouch_pairs::{Attribute, LevelResult, Reading, subject};

use crate::machine::{Machine, value};

const INFINITY: &str = "18446744073709551615";
const ALL: &str = "ffffffffffffffff";
const KERNEL_ALL: &str = "000001ffffffffff";

/// Of a running service: what systemd states, what the kernel shows, what it comes to.
#[rustfmt::skip]
const UNIT: &[(Attribute, &str, &str, PairVerdict)] = &[
    (MEMORY_MAX, "67108864", "67108864", Match),
    (MEMORY_MAX, "67108864", "max", KernelWeaker),
    (MEMORY_MAX, "67108864", "33554432", KernelStricter),
    (MEMORY_MAX, INFINITY, "max", NotConfigured),
    (MEMORY_MAX, INFINITY, "1048576", KernelStricter),
    (MEMORY_MAX, "67108864", "lots", Unreadable),
    (MEMORY_HIGH, "50331648", "max", KernelWeaker),
    (MEMORY_SWAP_MAX, "0", "0", Match),
    (MEMORY_SWAP_MAX, "0", "max", KernelWeaker),
    (MEMORY_ZSWAP_MAX, "4096", "8192", KernelWeaker),
    (MEMORY_LOW, "8388608", "8388608", Match),
    (MEMORY_LOW, "8388608", "0", KernelWeaker),
    (MEMORY_MIN, "0", "0", NotConfigured),
    (CPU_MAX, "200000\t18446744073709551615", "20000 100000", Match),
    (CPU_MAX, "200000\t18446744073709551615", "max 100000", KernelWeaker),
    (CPU_MAX, "200000\t18446744073709551615", "21000 100000", KernelWeaker),
    (CPU_MAX, "200000\t18446744073709551615", "10000 100000", KernelStricter),
    (CPU_MAX, "18446744073709551615\t18446744073709551615", "max 100000", NotConfigured),
    (CPU_MAX, "200000\t100000", "20000 0", Unreadable),
    (CPU_WEIGHT, "50", "50\t0", Match),
    (CPU_WEIGHT, "50", "10000\t0", KernelWeaker),
    (CPU_WEIGHT, INFINITY, "1\t0", KernelWeaker),
    (IO_WEIGHT, "50", "default 50", Match),
    (IO_WEIGHT, "50", "default 100\n259:0 50", KernelWeaker),
    (CPUSET_CPUS, "01", "0", Match),
    (CPUSET_CPUS, "01", "0-1", KernelWeaker),
    (CPUSET_CPUS, "01", "", KernelWeaker),
    (CPUSET_CPUS, "03", "1", KernelStricter),
    (CPUSET_CPUS, "", "", NotConfigured),
    (CPUSET_MEMS, "01", "0", Match),
    (PIDS_MAX, "20", "20", Match),
    (PIDS_MAX, "20", "max", KernelWeaker),
    (IO_MAX, "wbps\t/dev/vda\t1048576\t254:0", "254:0 rbps=max wbps=1048576 riops=max wiops=max", Match),
    (IO_MAX, "wbps\t/dev/vda\t1048576\t254:0", "254:0 rbps=max wbps=max riops=max wiops=max", KernelWeaker),
    (IO_MAX, "wbps\t/dev/vda\t1048576\t254:0", "", KernelMissing),
    (IO_MAX, "", "", NotConfigured),
    (MEMORY_OOM_GROUP, "kill", "1", Match),
    (MEMORY_OOM_GROUP, "kill", "0", KernelWeaker),
    (MEMORY_OOM_GROUP, "stop", "0", NotConfigured),
    (RLIMIT_NOFILE, "1000 2000", "1000 2000", Match),
    (RLIMIT_NOFILE, "1000 2000", "999999 999999", KernelWeaker),
    (RLIMIT_NOFILE, "1000 2000", "500 1000", KernelStricter),
    (RLIMIT_NOFILE, "1000 2000", "2000 2000", Match),
    (RLIMIT_CORE, "0 0", "unlimited unlimited", KernelWeaker),
    (RLIMIT_AS, "18446744073709551615 18446744073709551615", "unlimited unlimited", NotConfigured),
    (OOM_SCORE_ADJ, "-100", "-100", Match),
    (OOM_SCORE_ADJ, "-100", "-1000", KernelWeaker),
    (OOM_SCORE_ADJ, "-900", "-900\t221\n0\t230", KernelStricter),
    (NICE, "5", "-20", KernelWeaker),
    (NICE, "0", "0", NotConfigured),
    (CGROUP_MAIN, "/system.slice/t.service", "/system.slice/t.service", Match),
    (CGROUP_MAIN, "/system.slice/t.service", "0::/escape", KernelWeaker),
    (CGROUP_MAIN, "/system.slice/t.service", "/system.slice/t.service2", KernelWeaker),
    (CGROUP_MAIN, "/system.slice/t.service", "/system.slice/t.service/payload", Match),
    (CGROUP_ID, "1176", "1176", Match),
    (CGROUP_ID, "1176", "1200", KernelWeaker),
    (CGROUP_ID, "0", "1200", NotConfigured),
    (CGROUP_FREEZE, "running", "0\t0", Match),
    (CGROUP_FREEZE, "running", "1\t1", Unmanaged),
    (CGROUP_FREEZE, "frozen", "1\t1", Match),
    (CGROUP_FREEZE, "frozen", "0\t0", KernelWeaker),
    (NO_NEW_PRIVS, "yes", "1", Match),
    (NO_NEW_PRIVS, "yes", "0", KernelWeaker),
    (NO_NEW_PRIVS, "yes", "1\t221\n0\t1060", KernelWeaker),
    (NO_NEW_PRIVS, "no", "0", NotConfigured),
    (NO_NEW_PRIVS, "yes", "perhaps", Unreadable),
    (NO_NEW_PRIVS, "perhaps", "1", Unreadable),
    (MEMORY_DENY_WRITE_EXECUTE, "yes", "none", Match),
    (MEMORY_DENY_WRITE_EXECUTE, "yes", "[anonymous]\t221", KernelWeaker),
    (UMASK, "0077", "0077", Match),
    (UMASK, "0077", "0022", KernelWeaker),
    (UMASK, "0027", "0077", KernelStricter),
    (UMASK, "0022", "0000", NotConfigured),
    (PERSONALITY, "x86", "00000008", Match),
    (PERSONALITY, "x86", "00000000", KernelWeaker),
    (PERSONALITY, "", "00000000", NotConfigured),
    (ROOT_DIRECTORY, "", "/", NotConfigured),
    (ROOT_DIRECTORY, "/srv/root", "/", KernelMissing),
    (DEVICE_POLICY, "closed", "5a6b7c8d9e0f1122", Match),
    (DEVICE_POLICY, "closed", "none", KernelMissing),
    (DEVICE_POLICY, "auto", "none", NotConfigured),
    (DEVICE_POLICY, "auto\n/dev/null\trw", "none", KernelMissing),
    (NS_NET, "yes", "private 4026532294", Match),
    (NS_NET, "yes", "host 4026531840", KernelMissing),
    (NS_NET, "yes", "private 4026532294\t221\nhost 4026531840\t1060", KernelMissing),
    (NS_NET, "no", "host 4026531840", NotConfigured),
    (NS_NET, "no", "private 4026532294", KernelStricter),
    (NS_MNT, "yes", "host 4026531841", KernelMissing),
    (NS_IPC, "yes", "private 1", Match),
    (NS_UTS, "private", "host 1", KernelMissing),
    (NS_PID, "yes", "private 1", Match),
    (NS_USER, "identity", "private 1", Match),
    (CAP_BOUNDING, "0000000000000400", "0000000000000400", Match),
    (CAP_BOUNDING, "0000000000000400", KERNEL_ALL, KernelWeaker),
    (CAP_BOUNDING, "0000000000000c00", "0000000000000400", KernelStricter),
    (CAP_BOUNDING, ALL, KERNEL_ALL, NotConfigured),
    (CAP_AMBIENT, "0000000000000000", "0000000000000000", Match),
    (CAP_AMBIENT, "0000000000000000", "0000000000000400", KernelWeaker),
    (UID, "4294967295", "0 0 0 0", NotConfigured),
    (APPARMOR_PROFILE, "required\tt-profile", "t-profile (enforce)", Match),
    (APPARMOR_PROFILE, "required\tt-profile", "t-profile//child (enforce)", Match),
    (APPARMOR_PROFILE, "required\tt-profile", "t-profile (complain)", KernelWeaker),
    (APPARMOR_PROFILE, "required\tt-profile", "unconfined", KernelMissing),
    (APPARMOR_PROFILE, "required\tt-profile", "other (enforce)", KernelWeaker),
    (APPARMOR_PROFILE, "", "unconfined", NotConfigured),
    (APPARMOR_PROFILE, "", "dhclient (enforce)", KernelStricter),
    (SELINUX_CONTEXT, "required\tsystem_u:system_r:httpd_t:s0", "system_u:system_r:httpd_t:s0", Match),
    (SELINUX_CONTEXT, "required\tsystem_u:system_r:httpd_t:s0", "system_u:system_r:unconfined_service_t:s0", KernelWeaker),
    (SMACK_LABEL, "required\tSystem", "_", KernelWeaker),
    (IP_ADDRESS_FILTER, "deny\t0.0.0.0/0", "ingress\taa\negress\tbb", Match),
    (IP_ADDRESS_FILTER, "deny\t0.0.0.0/0", "egress\tbb", KernelMissing),
    (IP_ADDRESS_FILTER, "", "none", NotConfigured),
    (SOCKET_BIND_FILTER, "deny\ttcp", "none", KernelMissing),
    (SOCKET_BIND_FILTER, "deny\ttcp", "bind4\taa\nbind6\tbb", Match),
    (RESTRICT_NETWORK_INTERFACES, "deny", "none", NotConfigured),
    (RESTRICT_NETWORK_INTERFACES, "allow\nlo", "none", KernelMissing),
    (LISTEN, "Stream\t127.0.0.1:7777\nFIFO\t/run/x", "Stream\t127.0.0.1:7777", Match),
    (LISTEN, "Stream\t127.0.0.1:7777", "none", KernelMissing),
    (DIRECTORY_MODES, "/var/lib/t\t0700", "/var/lib/t\t0700 0 0", Match),
    (DIRECTORY_MODES, "/var/lib/t\t0750", "/var/lib/t\t0700 0 0", KernelStricter),
    (DIRECTORY_MODES, "/var/lib/t\t0700", "/var/lib/t\t0755 0 0", KernelWeaker),
    (DIRECTORY_MODES, "/var/lib/t\t0700", "/var/lib/other\t0700 0 0", KernelMissing),
    (DIRECTORY_MODES, "/var/log/t\t0755", "/var/log/t\t2755 0 4", Match),
    (SOCKET_MODE, "/run/t.sock\t0600", "/run/t.sock\t0666 0 0", KernelWeaker),
    (UNIT_FILES, "/etc/systemd/system/t.service", "/etc/systemd/system/t.service\t0644 0 0 aa", Match),
    (UNIT_FILES, "/etc/systemd/system/t.service", "/etc/systemd/system/t.service\t0666 0 0 aa", KernelWeaker),
    (UNIT_FILES, "/etc/systemd/system/t.service", "/etc/systemd/system/t.service\t0644 1000 0 aa", KernelWeaker),
    (PROCESSES, "221", "221", Match),
    (PROCESSES, "221\n230", "221\n231", Match),
    (PROCESSES, "221", "221\n231", Unmanaged),
    (PROCESSES, "221\n230", "221", KernelMissing),
    (EXE, "/usr/bin/sleep", "/usr/bin/sleep", Match),
    (EXE, "/bin/sleep", "/usr/bin/sleep", Match),
    (EXE, "/usr/bin/script", "/usr/bin/bash", NotConfigured),
    (EXE, "/usr/bin/sleep", "/usr/bin/sleep (deleted)", PairVerdict::PendingRestart),
    (EXE, "/usr/bin/sleep", "/memfd:x (deleted)", KernelWeaker),
    (EXE, "/usr/bin/sleep", "/tmp/x", KernelWeaker),
    (LOAD_STATE, "loaded", "", Match),
    (LOAD_STATE, "bad-setting", "", KernelMissing),
    (LOAD_STATE, "masked", "", NotConfigured),
];

#[test]
fn units_stand_to_the_kernel_as_the_rows_say() {
    for &(attribute, orchestrator, kernel, verdict) in UNIT {
        let pair = Machine::running("t.service").pair(attribute, orchestrator, kernel).find(attribute);
        let name = attribute.spec().unwrap().name;
        let pair = pair.unwrap_or_else(|| panic!("{name}: {orchestrator:?} | {kernel:?} makes no pair"));
        assert_eq!(pair.verdict, verdict, "{name}: {orchestrator:?} | {kernel:?}: {pair:?}");
    }
}

/// Of other subjects, where systemd may state nothing.
#[rustfmt::skip]
const OTHERS: &[(&str, Attribute, Option<&str>, &str, PairVerdict)] = &[
    ("host", LSM, Some("lockdown,apparmor"), "lockdown,capability,apparmor", Match),
    ("host", LSM, Some("lockdown,selinux"), "lockdown,capability,apparmor", KernelMissing),
    ("host", LSM, None, "lockdown", NotConfigured),
    ("host", SELINUX_ENFORCE, Some("enforcing"), "1", Match),
    ("host", SELINUX_ENFORCE, Some("enforcing"), "0", KernelWeaker),
    ("host", SELINUX_ENFORCE, Some("permissive"), "1", KernelStricter),
    ("host", APPARMOR_MODE, Some("1"), "Y\tenforce", Match),
    ("host", APPARMOR_MODE, Some("1"), "N\tenforce", KernelMissing),
    ("host", APPARMOR_MODE, None, "Y\tcomplain", KernelWeaker),
    ("host", NS_UNMANAGED, None, "none", Match),
    ("host", NS_UNMANAGED, None, "net 4026532294\t/escape", Unmanaged),
    ("host", OVERMOUNTS, None, "none", Match),
    ("host", OVERMOUNTS, None, "/usr\toverlay\toverlay", Unmanaged),
    ("host", LABELLED_MOUNTS, None, "COS_OEM\t/oem\trw,nosuid,nodev", Match),
    ("host", LABELLED_MOUNTS, None, "COS_OEM\t/oem\trw", KernelWeaker),
    ("host", HIDDEN_PROCESSES, None, "none", Match),
    ("host", HIDDEN_PROCESSES, None, "4711", Unmanaged),
    ("host", STRAY_PROCESSES, None, "/escape\t1\t/usr/bin/sleep", Unmanaged),
    ("host", VIEW, None, "none", Match),
    ("host", VIEW, None, "/sys/fs/cgroup/x/memory.max\ttmpfs", KernelWeaker),
    ("host", CGROUP_HIERARCHY, None, "unified", Match),
    ("host", CGROUP_HIERARCHY, None, "hybrid", NotSupported),
    ("host", LOCKDOWN, None, "none", NotConfigured),
    ("host", TAINTED, None, "12288", NotConfigured),
    ("host", KEXEC, None, "0 0", NotConfigured),
    ("host", MODULES, Some("loop"), "loop\nveth", NotConfigured),
    ("sysctl:kernel.kptr_restrict", SYSCTL, Some("1\t/etc/sysctl.d/x.conf"), "1", Match),
    ("sysctl:kernel.kptr_restrict", SYSCTL, Some("1\t/etc/sysctl.d/x.conf"), "2", KernelStricter),
    ("sysctl:kernel.kptr_restrict", SYSCTL, Some("1\t/etc/sysctl.d/x.conf"), "0", KernelWeaker),
    ("sysctl:kernel.unprivileged_bpf_disabled", SYSCTL, Some("1\tf"), "2", KernelWeaker),
    ("sysctl:kernel.unprivileged_bpf_disabled", SYSCTL, Some("2\tf"), "1", KernelStricter),
    ("sysctl:kernel.sysrq", SYSCTL, Some("438\tf"), "16", KernelStricter),
    ("sysctl:kernel.sysrq", SYSCTL, Some("438\tf"), "1", KernelWeaker),
    ("sysctl:net.ipv4.conf.eth0.rp_filter", SYSCTL, Some("2\tf"), "0", KernelWeaker),
    ("sysctl:net.ipv4.ping_group_range", SYSCTL, Some("0 2147483647\tf"), "0\t2147483647", Match),
    ("sysctl:kernel.core_pattern", SYSCTL, Some("|/bin/false\tf"), "core", KernelWeaker),
    ("dm:usr", DM_TABLE, Some("abcd"), "V\t1\t0 8 verity 1 8:1 8:2 4096 4096 1 1 sha256 abcd salt", Match),
    ("dm:usr", DM_TABLE, Some("abcd"), "C\t1\t0 8 verity 1 8:1 8:2 4096 4096 1 1 sha256 abcd salt", KernelWeaker),
    ("dm:usr", DM_TABLE, Some("abcd"), "V\t0\t0 8 verity 1 8:1 8:2 4096 4096 1 1 sha256 abcd salt", KernelWeaker),
    ("dm:usr", DM_TABLE, Some("abce"), "V\t1\t0 8 verity 1 8:1 8:2 4096 4096 1 1 sha256 abcd salt", KernelWeaker),
    ("dm:swap", DM_TABLE, None, "\t0\t0 8 crypt aes-xts-plain64", NotConfigured),
    ("path:/etc/shadow", PATH, Some("0640 0 42"), "0640 0 42 - aa", Match),
    ("path:/etc/shadow", PATH, Some("0640 0 42"), "0600 0 42 - aa", KernelStricter),
    ("path:/etc/shadow", PATH, Some("0640 0 42"), "0644 0 42 - aa", KernelWeaker),
    ("path:/etc/shadow", PATH, Some("0640 0 42"), "0640 1000 42 - aa", KernelWeaker),
    ("path:/usr/bin/x", PATH, Some("0755 0 0"), "4755 0 0 - aa", KernelWeaker),
];

#[test]
fn other_subjects_stand_to_the_kernel_as_the_rows_say() {
    for &(subject, attribute, orchestrator, kernel, verdict) in OTHERS {
        let stated = orchestrator.map_or(Reading::Absent, value);
        let pair =
            Machine::running("t.service").subject(subject).fact(attribute, stated, value(kernel)).find(attribute);
        let name = attribute.spec().unwrap().name;
        let pair = pair.unwrap_or_else(|| panic!("{name}: {orchestrator:?} | {kernel:?} makes no pair"));
        assert_eq!(pair.verdict, verdict, "{name}: {orchestrator:?} | {kernel:?}: {pair:?}");
    }
}

/// Every row in order, with the kernel's side taken away: nothing of it may stay green.
#[test]
fn what_could_not_be_read_is_never_in_order() {
    let units = UNIT.iter().map(|&(attribute, stated, kernel, verdict)| {
        (format!("{}t.service", subject::UNIT), attribute, Some(stated), kernel, verdict)
    });
    let others = OTHERS
        .iter()
        .map(|&(name, attribute, stated, kernel, verdict)| (name.to_owned(), attribute, stated, kernel, verdict));
    let stated_alone = [LOAD_STATE];
    for (name, attribute, stated, _, verdict) in units.chain(others) {
        if verdict != Match || stated_alone.contains(&attribute) {
            continue;
        }
        let stated = stated.map_or(Reading::Absent, value);
        let level = attribute.spec().unwrap().level;
        let with =
            |kernel: Reading| Machine::running("t.service").subject(&name).fact(attribute, stated.clone(), kernel);
        let unreadable = with(Reading::Unreadable("EACCES".to_owned()));
        assert_eq!(unreadable.verdict(attribute), Unreadable, "{attribute:?}");
        assert_eq!(unreadable.judged().level(level).result, LevelResult::Inconclusive, "{attribute:?}");
        if attribute != PROCESSES {
            let unsupported = with(Reading::NotSupported("no BPF".to_owned()));
            assert_eq!(unsupported.verdict(attribute), NotSupported, "{attribute:?}");
            assert_eq!(unsupported.judged().level(level).result, LevelResult::Inconclusive, "{attribute:?}");
            let absent = with(Reading::Absent).find(attribute);
            assert!(absent.is_none_or(|pair| pair.verdict.is_discrepant()), "{attribute:?}");
        }
        let silent = Machine::running("t.service").subject(&name).fact(
            attribute,
            Reading::Unreadable("systemd did not answer".to_owned()),
            value("1"),
        );
        let pair = silent.find(attribute);
        let own = [MEMORY_MAX, NO_NEW_PRIVS, CAP_BOUNDING, SYSCTL];
        assert!(!own.contains(&attribute) || pair.is_some_and(|pair| pair.verdict == Unreadable), "{attribute:?}");
    }
}
