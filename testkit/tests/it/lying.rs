//! A kernel that was made to lie, and writes that were lost: recorded trees with one file altered, since no rootkit was
//! loaded into the recorded machine and its systemd lost no write. What the altered file stands for is said at each.

use std::collections::BTreeMap;

use avouch_kernel::source::{DiagFamily, Hierarchy, Program, Refusal};
use avouch_pairs::{CauseHint, Judged, PairVerdict, Reading, Severity, attribute as a, judge};
use avouch_testkit::recorded_tree::Snapshot;

use crate::scene::{codes, demanding, fact, observed, observed_whole, pair, snapshot};

const HARD: &str = "t-hard.service";
const LIMITS: &str = "t-limits.service";
const LISTENER: &str = "listener:tcp:127.0.0.1:7777";

/// Findings of which one is that two interfaces of the kernel contradict each other.
fn contradicts(judged: &Judged) -> Vec<&'static str> {
    let critical = judged.findings.iter().filter(|finding| finding.code == "KERNEL_VIEWS_DISAGREE");
    critical
        .map(|finding| {
            assert_eq!(finding.severity, Severity::Critical);
            finding.attribute.spec().map_or("?", |spec| spec.name)
        })
        .collect()
}

// === a write that was lost ===

#[test]
fn a_limit_that_systemd_wrote_and_the_kernel_did_not_take_hints_at_the_lost_write() {
    // Altered: there is no memory.max, as where the write failed and systemd went on.
    let mut lost = snapshot("before", LIMITS);
    lost.remove("sys/fs/cgroup/system.slice/t-limits.service/memory.max");
    let judged = judge(&observed(LIMITS, &lost), None);
    assert_eq!(codes(&judged), ["t-limits.service V4.memory.max.kernel_missing"]);
    assert_eq!(pair(&judged, LIMITS, a::MEMORY_MAX).unwrap().cause, Some(CauseHint::SwallowedError));
}

#[test]
fn a_limit_below_what_is_in_use_is_taken_by_the_kernel_and_no_finding() {
    // Altered: more is in use than memory.max allows. Version 1 refused such a limit, version 2 takes it and reclaims.
    let mut full = snapshot("before", LIMITS);
    full.write("sys/fs/cgroup/system.slice/t-limits.service/memory.current", b"134217728\n");
    let judged = judge(&observed(LIMITS, &full), None);
    assert_eq!(codes(&judged), Vec::<String>::new());
    assert_eq!(pair(&judged, LIMITS, a::MEMORY_MAX).unwrap().verdict, PairVerdict::Match);
}

#[test]
fn under_version_1_the_limits_are_not_supported_and_no_finding() {
    for hierarchy in [Hierarchy::Hybrid, Hierarchy::Legacy] {
        let mut old = snapshot("before", LIMITS);
        old.answers.hierarchy = Some(hierarchy);
        let judged = judge(&observed(LIMITS, &old), None);
        assert_eq!(codes(&judged), Vec::<String>::new(), "{hierarchy:?}");
        let memory = pair(&judged, LIMITS, a::MEMORY_MAX).unwrap();
        assert_eq!(memory.verdict, PairVerdict::NotSupported, "{hierarchy:?}");
        assert!(memory.note.as_deref().unwrap().contains("unified_cgroup_hierarchy"), "{memory:?}");
    }
}

// === a kernel that lies ===

/// The stranger of T5, whose status was made to read as the hardened unit's own: what a BPF program does that rewrites
/// the buffer of a read.
fn lying_status() -> Snapshot {
    let mut snapshot = snapshot("tampered", HARD);
    let status = |pid: u32| format!("proc/{pid}/status");
    let honest = String::from_utf8(snapshot.content(&status(219)).to_vec()).unwrap();
    snapshot.write(&status(1060), honest.replace("\t219", "\t1060").as_bytes());
    snapshot
}

#[test]
fn a_status_that_lies_about_capabilities_is_contradicted_by_capget() {
    let mut lying = lying_status();
    lying.answers.capabilities = Some([(219, [0x400; 3]), (1060, [0x1ff_ffff_ffff, 0x1ff_ffff_ffff, 0])].into());
    let judged = judge(&observed(HARD, &lying), None);
    assert_eq!(contradicts(&judged), ["cap.effective", "cap.permitted", "cap.inheritable"]);
    // Of no_new_privs there is one view, which lies.
    assert_eq!(pair(&judged, HARD, a::NO_NEW_PRIVS).unwrap().verdict, PairVerdict::Match);
    // Without the lie both views agree.
    let mut honest = snapshot("before", HARD);
    honest.answers.capabilities = Some([(219, [0x400; 3])].into());
    assert_eq!(codes(&judge(&observed(HARD, &honest), None)), Vec::<String>::new());
}

#[test]
fn limits_that_lie_are_contradicted_by_prlimit() {
    let honest = snapshot("before", LIMITS);
    let rlimits = |files: (u64, u64)| -> BTreeMap<(u32, u32), (u64, u64)> {
        let shown = avouch_kernel::parse::limits::limits(honest.content("proc/209/limits")).unwrap();
        let number = |word: &str| if word == "unlimited" { u64::MAX } else { word.parse().unwrap() };
        let both = |row: &str| row.split_once(' ').map(|(soft, hard)| (number(soft), number(hard))).unwrap();
        let all = (0..).zip(&shown).map(|(limit, row)| ((209, limit), both(row)));
        all.chain([((209, 7), files)]).collect()
    };
    for (files, found) in [((1000, 2000), &[][..]), ((999_999, 999_999), &["rlimit.nofile"])] {
        let mut both = snapshot("before", LIMITS);
        both.answers.rlimits = Some(rlimits(files));
        assert_eq!(contradicts(&judge(&observed(LIMITS, &both), None)), found);
    }
}

#[test]
fn the_program_that_makes_the_kernel_lie_drifts_from_the_inventory() {
    let program =
        |id, kind, name: &str| Program { id, kind: Some(kind), name: Some(name.to_owned()), tag: Some([7; 8]) };
    let known = vec![program(21, 15, "sd_devices"), program(14, 8, "sd_fw_egress"), program(15, 8, "sd_fw_ingress")];
    let mut before = snapshot("before", HARD);
    before.answers.programs = Some(known.clone());
    let intent = demanding(&observed(HARD, &before), a::BPF_PROGRAMS);
    assert_eq!(codes(&judge(&observed(HARD, &before), Some(&intent))), Vec::<String>::new());
    // What rewrites what others read hangs on a tracepoint or a kprobe.
    let mut after = before.clone();
    after.answers.programs = Some(known.into_iter().chain([program(99, 5, "tp_read_exit")]).collect());
    let judged = judge(&observed(HARD, &after), Some(&intent));
    assert_eq!(codes(&judged), ["host V12.bpf.programs.intent_drift"]);
    let found = judged.pairs.iter().find(|pair| pair.attribute == a::BPF_PROGRAMS).unwrap();
    assert!(found.kernel.as_deref().unwrap().contains("tracepoint"), "{found:?}");
}

/// A machine whose sockets can be counted: PID 1 with a stat, a program and the descriptor that the console shows, and
/// the tables of which it shows nothing, empty.
fn with_sockets() -> Snapshot {
    let mut snapshot = snapshot("before", "t-sock.socket");
    snapshot.write("proc/1/stat", b"1 (systemd) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5 0\n");
    snapshot.link("proc/1/exe", b"/usr/lib/systemd/systemd");
    snapshot.link("proc/1/fd/74", b"socket:[1793]");
    snapshot.link("proc/1/fd/75", b"socket:[12034]");
    for table in ["tcp6", "udp", "udp6", "raw", "raw6", "packet"] {
        snapshot.write(&format!("proc/1/net/{table}"), b"  sl  local_address rem_address\n");
    }
    snapshot.answers.sockets =
        Some([(DiagFamily::Inet(6), vec![listening()]), (DiagFamily::Unix, vec![bound()])].into());
    snapshot
}

/// Findings but for PID 1 as a stray: of its own unit this recording has nothing.
fn of_sockets(judged: &Judged) -> Vec<String> {
    let stray = "host V13.stray_processes.unmanaged";
    codes(judged).into_iter().filter(|code| code != stray).collect()
}

/// struct inet_diag_msg of the recorded listener.
fn listening() -> Vec<u8> {
    let mut bytes = vec![0; 72];
    bytes[..2].copy_from_slice(&[2, 10]);
    bytes[4..6].copy_from_slice(&7777_u16.to_be_bytes());
    bytes[8..12].copy_from_slice(&[127, 0, 0, 1]);
    bytes[68..72].copy_from_slice(&1793_u32.to_ne_bytes());
    bytes
}

/// struct unix_diag_msg of the recorded path, with UNIX_DIAG_NAME.
fn bound() -> Vec<u8> {
    let mut bytes = vec![1, 1, 10, 0];
    bytes.extend(12034_u32.to_ne_bytes());
    bytes.extend([0; 8]);
    let name = b"/run/t-sock.sock\0";
    bytes.extend(u16::try_from(name.len() + 4).unwrap().to_ne_bytes());
    bytes.extend(0_u16.to_ne_bytes());
    bytes.extend(name);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn a_socket_unit_has_its_sockets_in_both_views() {
    let observation = observed_whole("t-sock.socket", &with_sockets());
    let judged = judge(&observation, None);
    assert_eq!(of_sockets(&judged), Vec::<String>::new(), "{:#?}", judged.findings);
    assert_eq!(pair(&judged, "t-sock.socket", a::LISTEN).unwrap().verdict, PairVerdict::Match);
    let listener = fact(&observation, LISTENER, a::LISTENER);
    assert_eq!(listener.kernel.value(), Some("/init.scope\t0"));
    assert_eq!(listener.kernel, listener.second);
}

#[test]
fn a_row_that_a_module_leaves_out_of_proc_net_tcp_is_contradicted_by_sock_diag() {
    // Altered: /proc/net/tcp has no row, as where its sequence function is hooked.
    let mut hooked = with_sockets();
    hooked.write("proc/1/net/tcp", b"  sl  local_address rem_address\n");
    let judged = judge(&observed_whole("t-sock.socket", &hooked), None);
    assert_eq!(of_sockets(&judged), [format!("{LISTENER} KERNEL_VIEWS_DISAGREE")]);
    // And the other way round: sock_diag is what was hooked.
    let mut hooked = with_sockets();
    hooked.answers.sockets = Some([(DiagFamily::Unix, vec![bound()])].into());
    let judged = judge(&observed_whole("t-sock.socket", &hooked), None);
    assert_eq!(of_sockets(&judged), [format!("{LISTENER} KERNEL_VIEWS_DISAGREE")]);
}

#[test]
fn a_file_bound_over_proc_net_tcp_is_seen_and_not_believed() {
    // Altered: PID 1's mounts have a file over its table, through which openat2 does not go.
    let mut covered = with_sockets();
    let mut mounts = covered.content("proc/1/mountinfo").to_vec();
    mounts.extend(b"157 21 0:23 /fake /proc/1/net/tcp rw,nosuid,nodev shared:12 - tmpfs tmpfs rw\n");
    covered.write("proc/1/mountinfo", &mounts);
    covered.refuse("proc/1/net/tcp", Refusal::Shadowed("/proc/1/net/tcp".to_owned()));
    let observation = observed_whole("t-sock.socket", &covered);
    let judged = judge(&observation, None);
    assert_eq!(of_sockets(&judged), ["host V14.view.kernel_weaker"]);
    let view = judged.findings.iter().find(|finding| finding.attribute == a::VIEW).unwrap();
    assert_eq!(view.severity, Severity::Critical);
    // sock_diag shows the listener all the same; the covered view says why it says nothing.
    let listener = fact(&observation, LISTENER, a::LISTENER);
    assert_eq!(listener.kernel.value(), Some("/init.scope\t0"));
    assert!(matches!(&listener.second, Reading::Unreadable(why) if why.contains("/proc/1/net/tcp")), "{listener:?}");
}
