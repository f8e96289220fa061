//! Mount namespaces of real services (Debian 12, systemd 252), and what was done to them.

use avouch_pairs::PairVerdict::{KernelMissing, KernelWeaker, Match, NotConfigured};
use avouch_pairs::attribute::*;

use crate::machine::{Machine, of};

/// ProtectSystem=strict, PrivateTmp=yes, PrivateNetwork=yes.
const STRICT: &str = "/\tro,nosuid\text4\t/
/dev\trw,nosuid\tdevtmpfs\t/
/dev/shm\trw,nosuid,nodev\ttmpfs\t/
/dev/pts\trw,nosuid,noexec\tdevpts\t/
/proc\trw,nosuid,nodev,noexec\tproc\t/
/sys\trw,nosuid,nodev,noexec\tsysfs\t/
/sys/kernel/security\trw,nosuid,nodev,noexec\tsecurityfs\t/
/sys/fs/cgroup\trw,nosuid,nodev,noexec\tcgroup2\t/
/run\tro,nosuid,nodev\ttmpfs\t/
/run/lock\tro,nosuid,nodev,noexec\ttmpfs\t/
/job\tro,nosuid\text4\t/
/home\trw,nosuid\text4\t/home
/root\trw,nosuid\text4\t/root
/run/credentials\tro,nosuid,nodev,noexec\ttmpfs\t/systemd/inaccessible/dir
/run/systemd/incoming\tro,nosuid,nodev\ttmpfs\t/systemd/propagate/t-hardroot.service
/run/user\trw,nosuid,nodev\ttmpfs\t/user
/tmp\trw,nosuid\text4\t/tmp/systemd-private-46e8dbc38fc048aab6c49614e1703da6-t-hardroot.service-msmcCm/tmp
/var/tmp\trw,nosuid\text4\t/var/tmp/systemd-private-46e8dbc38fc048aab6c49614e1703da6-t-hardroot.service-pkuSZD/tmp";

/// Nearly every option of the file system, and ReadWritePaths=/opt.
const HARD: &str = "/\tro,nosuid\text4\t/
/sys\tro,nosuid,nodev,noexec\tsysfs\t/
/sys/kernel/security\tro,nosuid,nodev,noexec\tsecurityfs\t/
/sys/fs/cgroup\tro,nosuid,nodev,noexec\tcgroup2\t/
/run\trw,nosuid,nodev\ttmpfs\t/
/run/lock\trw,nosuid,nodev,noexec\ttmpfs\t/
/job\tro,nosuid\text4\t/
/dev\tro,nosuid,noexec\ttmpfs\t/
/dev/pts\trw,nosuid,noexec\tdevpts\t/
/dev/shm\trw,nosuid,nodev\ttmpfs\t/
/dev/mqueue\trw,nosuid,nodev,noexec\tmqueue\t/
/home\tro,nosuid,nodev,noexec\ttmpfs\t/systemd/inaccessible/dir
/opt\trw,nosuid\text4\t/opt
/proc\trw,nosuid,nodev,noexec,hidepid=invisible,subset=pid\tproc\t/
/root\tro,nosuid,nodev,noexec\ttmpfs\t/systemd/inaccessible/dir
/run/credentials\tro,nosuid,nodev,noexec\ttmpfs\t/systemd/inaccessible/dir
/run/user\tro,nosuid,nodev,noexec\ttmpfs\t/systemd/inaccessible/dir
/sys/kernel/debug\tro,nosuid,nodev,noexec\tsysfs\t/kernel/debug
/tmp\trw,nosuid\text4\t/tmp/systemd-private-46e8dbc38fc048aab6c49614e1703da6-t-hard.service-8IZ3df/tmp
/usr/lib/modules\tro,nosuid,nodev,noexec\ttmpfs\t/systemd/inaccessible/dir
/var/tmp\trw,nosuid\text4\t/var/tmp/systemd-private-46e8dbc38fc048aab6c49614e1703da6-t-hard.service-omuGUH/tmp";

fn strict(mounts: &str) -> Machine {
    Machine::running("t-hardroot.service")
        .stated(PROTECT_SYSTEM, "strict")
        .stated(PRIVATE_TMP, "yes")
        .stated(PROTECT_HOME, "no")
        .seen(MOUNTS, mounts)
}

fn hard(mounts: &str) -> Machine {
    let machine = Machine::running("t-hard.service")
        .stated(PROTECT_SYSTEM, "strict")
        .stated(PROTECT_HOME, "yes")
        .stated(READ_WRITE_PATHS, "/opt")
        .stated(PROTECT_PROC, "invisible")
        .stated(PROC_SUBSET, "pid");
    let yes = [
        PRIVATE_TMP,
        PRIVATE_DEVICES,
        PROTECT_KERNEL_TUNABLES,
        PROTECT_KERNEL_MODULES,
        PROTECT_KERNEL_LOGS,
        PROTECT_CONTROL_GROUPS,
    ];
    yes.into_iter().fold(machine, |machine, attribute| machine.stated(attribute, "yes")).seen(MOUNTS, mounts)
}

#[test]
fn recorded_services_are_in_order() {
    for machine in [strict(STRICT), hard(HARD)] {
        let judged = machine.judged();
        assert_eq!(judged.findings, Vec::new());
        assert!(judged.pairs.iter().filter(|pair| pair.verdict == Match).count() >= 2);
    }
    assert_eq!(hard(HARD).judged().pairs.len(), 10);
}

#[test]
fn an_option_whose_mount_is_gone_is_found_alone() {
    #[rustfmt::skip]
    let cases = [
        ("/\tro", "/\trw", "V6.protect_system.kernel_weaker"),
        ("/job\tro", "/job\trw", "V6.protect_system.kernel_weaker"),
        ("/home\t", "/elsewhere\t", "V6.protect_home.kernel_weaker"),
        ("/root\t", "/elsewhere\t", "V6.protect_home.kernel_weaker"),
        ("/tmp\t", "/elsewhere\t", "V6.private_tmp.kernel_missing"),
        ("t-hard.service-omuGUH", "other.service-omuGUH", "V6.private_tmp.kernel_missing"),
        ("/dev\tro,nosuid,noexec\ttmpfs", "/dev\trw,nosuid\tdevtmpfs", "V6.private_devices.kernel_weaker"),
        ("/sys\tro", "/sys\trw", "V6.protect_kernel_tunables.kernel_weaker"),
        ("/sys/fs/cgroup\tro", "/sys/fs/cgroup\trw", "V6.protect_control_groups.kernel_weaker"),
        ("/usr/lib/modules", "/usr/lib/elsewhere", "V6.protect_kernel_modules.kernel_weaker"),
        ("hidepid=invisible,", "", "V6.protect_proc.kernel_weaker"),
        (",subset=pid", "", "V6.proc_subset.kernel_weaker"),
    ];
    for (from, to, code) in cases {
        let mut lines: Vec<String> = HARD.lines().map(str::to_owned).collect();
        let line = lines.iter_mut().find(|line| line.starts_with(from) || line.contains(from)).unwrap();
        // What is unmounted is not there under another name: the mount becomes one of /dev, which nobody judges.
        *line =
            line.replacen(from, to, 1).replace("/elsewhere\trw", "/dev/x\trw").replace("/elsewhere\tro", "/dev/x\tro");
        let judged = hard(&lines.join("\n")).judged();
        let codes: Vec<&str> = judged.findings.iter().map(|finding| &*finding.code).collect();
        assert_eq!(codes, [code], "{from}");
    }
}

#[test]
fn options_of_a_service_in_the_hosts_namespace_are_missing() {
    let judged = hard("host").judged();
    assert_eq!(judged.findings.len(), 10);
    assert!(judged.findings.iter().all(|finding| finding.verdict == KernelMissing));
}

#[test]
fn directories_that_systemd_makes_stay_writable() {
    let mounts = format!("{STRICT}\n/var/lib/private/t\trw,nosuid\text4\t/var/lib/private/t");
    assert_eq!(strict(&mounts).verdict(PROTECT_SYSTEM), KernelWeaker);
    let own = strict(&mounts).stated(OWN_DIRECTORIES, "state\tt\nlogs\tt");
    assert_eq!(own.verdict(PROTECT_SYSTEM), Match);
}

#[test]
fn paths_are_judged_by_the_longest_mount_above_them() {
    let machine = |attribute, list: &str, mounts: &str| {
        Machine::running("t.service").stated(attribute, list).seen(MOUNTS, mounts).verdict(attribute)
    };
    let mounts = "/\trw\text4\t/\n/srv\tro\text4\t/srv\n/srv/open\trw\text4\t/srv/open\n/srvx\trw\text4\t/";
    assert_eq!(machine(READ_ONLY_PATHS, "/srv/www", mounts), Match);
    assert_eq!(machine(READ_ONLY_PATHS, "/srv", mounts), KernelWeaker);
    assert_eq!(machine(READ_ONLY_PATHS, "/srv/open/x", mounts), KernelWeaker);
    assert_eq!(machine(READ_ONLY_PATHS, "-/nowhere", mounts), Match);
    assert_eq!(machine(READ_ONLY_PATHS, "/nowhere", mounts), KernelWeaker);
    let shut = "/\trw\text4\t/\n/srv\tro\ttmpfs\t/systemd/inaccessible/dir\n/x\tro,noexec\text4\t/x";
    assert_eq!(machine(INACCESSIBLE_PATHS, "/srv", shut), Match);
    assert_eq!(machine(INACCESSIBLE_PATHS, "/x", shut), KernelWeaker);
    assert_eq!(machine(NO_EXEC_PATHS, "/x", shut), Match);
    assert_eq!(machine(NO_EXEC_PATHS, "/srv", shut), KernelWeaker);
    assert_eq!(machine(BIND_PATHS, "/a\t/x\tmust", shut), Match);
    assert_eq!(machine(BIND_PATHS, "/a\t/y\tmust", shut), KernelMissing);
    assert_eq!(machine(BIND_PATHS, "/a\t/y\tignore", shut), Match);
    assert_eq!(machine(TEMPORARY_FILE_SYSTEM, "/srv\tro", shut), Match);
    assert_eq!(machine(TEMPORARY_FILE_SYSTEM, "/x\t", shut), KernelMissing);
}

#[test]
fn a_process_in_the_hosts_namespace_beside_the_main_one_is_found() {
    let machine = strict(STRICT).pair(NS_MNT, "no", "private 4026532345\t221\nhost 4026531841\t1060");
    assert_eq!(machine.verdict(NS_MNT), KernelMissing);
    let plain = Machine::running("t.service").pair(NS_MNT, "no", "host 4026531841");
    assert!(plain.verdict(NS_MNT).is_green());
}

/// As `HARD` on a machine without kernel modules: systemd makes no mount where there is nothing.
fn without_modules() -> Machine {
    let mounts: Vec<&str> = HARD.lines().filter(|line| !line.starts_with("/usr/lib/modules")).collect();
    hard(&mounts.join("\n"))
}

#[test]
fn what_the_machine_does_not_have_cannot_be_made_inaccessible() {
    let machine = without_modules().subject("host").seen(ABSENT_PATHS, "/run/user\n/usr/lib/modules");
    let judged = machine.judged();
    assert_eq!(judged.findings, []);
    let pair = of(&judged, "unit:t-hard.service", PROTECT_KERNEL_MODULES).expect("it is stated");
    assert_eq!((pair.verdict, pair.orchestrator.as_deref()), (NotConfigured, Some("yes")));
    assert!(pair.note.is_some_and(|note| note.contains("no /usr/lib/modules")));
    // Of an option with several paths those that are there are held against it.
    let home = of(&judged, "unit:t-hard.service", PROTECT_HOME).expect("it is stated");
    assert_eq!(home.verdict, Match);
}

#[test]
fn what_the_machine_has_must_be_inaccessible() {
    let weaker = "unit:t-hard.service V6.protect_kernel_modules.kernel_weaker";
    // Nobody looked, it is there, and a root of the unit's own, of which the host's tree says nothing.
    assert_eq!(without_modules().codes(), [weaker]);
    assert_eq!(without_modules().subject("host").seen(ABSENT_PATHS, "none").codes(), [weaker]);
    let own_root = without_modules().stated(ROOT_DIRECTORY, "/srv/root");
    assert_eq!(own_root.subject("host").seen(ABSENT_PATHS, "/usr/lib/modules").codes(), [weaker]);
}
