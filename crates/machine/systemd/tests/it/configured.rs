//! Configuration files and which of them hold.

use std::path::Path;

use avouch_pairs::{Attribute, Reading, attribute as a};
use avouch_systemd::configured;
use tempfile::TempDir;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for (path, content) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, content).expect("a file");
    }
    root
}

fn reading(root: &Path, subject: &str, attribute: Attribute) -> Reading {
    reading_of(root, subject, attribute, &[])
}

fn reading_of(root: &Path, subject: &str, attribute: Attribute, paths: &[&str]) -> Reading {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let observation = configured(root, &paths);
    let fact = observation.subjects.get(subject).and_then(|subject| subject.facts.get(&attribute));
    fact.map_or(Reading::NotRead, |fact| fact.orchestrator.clone())
}

fn value(text: &str) -> Reading {
    Reading::Value(text.into())
}

#[test]
fn a_file_of_etc_hides_one_of_the_same_name_and_later_names_win() {
    let root = tree(&[
        ("usr/lib/sysctl.d/50-a.conf", "kernel.kptr_restrict = 2\nkernel.sysrq=16\n"),
        ("etc/sysctl.d/50-a.conf", "kernel.kptr_restrict=1\n"),
        ("run/sysctl.d/60-b.conf", "# text\n; text\n-kernel/dmesg_restrict = 1\n"),
        ("usr/lib/sysctl.d/99-z.conf", "kernel.dmesg_restrict =  0 \n"),
        ("usr/lib/sysctl.d/README", "kernel.panic=1\n"),
    ]);
    let root = root.path();
    assert_eq!(reading(root, "sysctl:kernel.kptr_restrict", a::SYSCTL), value("1\t/etc/sysctl.d/50-a.conf"));
    assert_eq!(reading(root, "sysctl:kernel.sysrq", a::SYSCTL), Reading::NotRead, "the hidden file says nothing");
    assert_eq!(reading(root, "sysctl:kernel.dmesg_restrict", a::SYSCTL), value("0\t/usr/lib/sysctl.d/99-z.conf"));
    assert_eq!(reading(root, "sysctl:kernel.panic", a::SYSCTL), Reading::NotRead);
}

#[test]
fn a_link_to_nothing_switches_a_file_off() {
    let root = tree(&[("usr/lib/sysctl.d/50-a.conf", "kernel.sysrq=16\n"), ("etc/sysctl.d/x", "")]);
    std::os::unix::fs::symlink("/dev/null", root.path().join("etc/sysctl.d/50-a.conf")).expect("a link");
    assert_eq!(reading(root.path(), "sysctl:kernel.sysrq", a::SYSCTL), Reading::NotRead);
}

#[test]
fn patterns_mean_what_the_kernel_has_and_explicit_settings_win() {
    let root = tree(&[
        (
            "etc/sysctl.d/1.conf",
            "net.ipv4.conf.eth0.rp_filter=0\nnet.ipv4.conf.*.rp_filter=2\n-net.ipv4.conf.lo.rp_filter\n",
        ),
        ("proc/sys/net/ipv4/conf/eth0/rp_filter", "1"),
        ("proc/sys/net/ipv4/conf/eth1.7/rp_filter", "1"),
        ("proc/sys/net/ipv4/conf/lo/rp_filter", "1"),
    ]);
    let of = |key: &str| reading(root.path(), &format!("sysctl:{key}"), a::SYSCTL);
    assert_eq!(of("net.ipv4.conf.eth0.rp_filter"), value("0\t/etc/sysctl.d/1.conf"));
    assert_eq!(of("net.ipv4.conf.eth1/7.rp_filter"), value("2\t/etc/sysctl.d/1.conf"));
    assert_eq!(of("net.ipv4.conf.lo.rp_filter"), Reading::NotRead);
}

#[test]
fn the_host_is_read_from_its_files_and_only_words_of_the_command_line() {
    let root = tree(&[
        ("etc/selinux/config", "# c\nSELINUX=permissive\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"),
        (
            "proc/cmdline",
            "root=/dev/x lsm=a,b apparmor=1 password=canary roothash=00ff lsm=lockdown,yama modules-load=z\n",
        ),
        ("usr/lib/modules-load.d/fuse.conf", "# x\nfuse\n\ndm-verity\n"),
    ]);
    let host = |attribute| reading(root.path(), "host", attribute);
    assert_eq!(host(a::SELINUX_ENFORCE), value("enforcing"));
    assert_eq!(host(a::SELINUX_POLICY), value("targeted"));
    assert_eq!(host(a::LSM), value("lockdown,yama"));
    assert_eq!(host(a::APPARMOR_MODE), value("1"));
    assert_eq!(host(a::MODULES), value("dm-verity\nfuse\nz"));
    assert_eq!(reading(root.path(), "dm:root", a::DM_TABLE), value("00ff"));
    assert_eq!(reading(root.path(), "dm:usr", a::DM_TABLE), Reading::NotRead);
    assert!(!format!("{:?}", configured(root.path(), &[])).contains("canary"));
}

#[test]
fn nothing_configured_is_absent() {
    let root = tree(&[]);
    for attribute in [a::SELINUX_ENFORCE, a::LSM, a::APPARMOR_MODE, a::MODULES] {
        assert_eq!(reading(root.path(), "host", attribute), Reading::Absent);
    }
}

#[test]
fn what_cannot_be_read_is_not_silence() {
    let root = tree(&[("etc/sysctl.d/1.conf", "kernel.sysrq=1\n")]);
    std::fs::create_dir(root.path().join("etc/sysctl.d/2.conf")).expect("a directory");
    assert!(matches!(reading(root.path(), "sysctl:kernel.sysrq", a::SYSCTL), Reading::Unreadable(_)));
}

#[test]
fn the_first_line_of_tmpfiles_holds_and_owners_are_numbers() {
    let root = tree(&[
        ("etc/passwd", "root:x:0:0::/:/bin/sh\nlogger:x:77:78::/:/bin/false\n"),
        ("etc/group", "logs:x:79:\n"),
        ("usr/lib/tmpfiles.d/a.conf", "d /var/log/app 750 logger logs -\nd /var/empty\nz /etc/s?adow 0640 - -\n"),
        ("usr/lib/tmpfiles.d/b.conf", "d /var/log/app 777 root root -\nd /var/odd - nobody -\n"),
    ]);
    let of = |path: &str| reading_of(root.path(), &format!("path:{path}"), a::PATH, &[path]);
    assert_eq!(of("/var/log/app"), value("0750 77 79"));
    assert_eq!(of("/var/empty"), value("0755 0 0"));
    assert_eq!(of("/etc/shadow"), value("0640 - -"));
    assert!(matches!(of("/var/odd"), Reading::Unreadable(reason) if !reason.contains("nobody")));
    assert_eq!(of("/other"), Reading::Absent);
}
