//! SELinux, nftables, device mapper and BPF programs beside what systemd was configured with.
//!
//! The recorded machine had none of the first three and showed its programs to bpftool alone. So these objects are laid
//! out here byte by byte as the kernel's headers have them (linux/dm-ioctl.h, linux/netfilter/nf_tables.h, linux/bpf.h,
//! selinuxfs), put into a recorded tree, and read by the product's own parsers and rules. The ioctls, the netlink dump,
//! bpf(2) and selinuxfs of a live kernel are not part of it.

use std::path::Path;

use avouch_collect::observe::{Observer, Scope};
use avouch_kernel::parse::netlink::{DONE, messages};
use avouch_kernel::source::{MappedDevice, Program, Refusal, Stat};
use avouch_pairs::{Observation, PairVerdict, Reading, Severity, attribute as a, judge, learn};
use avouch_testkit::FakeSystemd;
use avouch_testkit::recorded_tree::Snapshot;

use crate::scene::{DEADLINE, codes, demanding, fact, manager, pair, snapshot};

const HARD: &str = "t-hard.service";
const CONTEXT: &str = "system_u:system_r:hard_t:s0";

/// Both witnesses of the unit, with configuration files below `root`.
fn observed(snapshot: &Snapshot, root: &Path) -> Observation {
    let systemd = FakeSystemd::recorded(HARD, snapshot);
    let scope = Scope { units: Some(vec![HARD.to_owned()]), ..Scope::default() };
    Observer::new(Some(manager(&systemd, DEADLINE)), snapshot.kernel()).rooted(root).observe(&scope)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn configured(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    root
}

// === SELinux ===

/// The recorded tree with selinuxfs, whose files end without a newline, and a context that ends with a NUL.
fn confined(enforce: &[u8], context: &str) -> Snapshot {
    let mut snapshot = snapshot("before", HARD);
    snapshot.write("sys/kernel/security/lsm", b"lockdown,capability,landlock,yama,selinux,bpf");
    snapshot.write("sys/fs/selinux/enforce", enforce);
    snapshot.write("sys/fs/selinux/policyvers", b"33");
    snapshot.write("sys/fs/selinux/policy", &[0x8c, 0xff, 0x7c, 0xf9, 8, 0, 0, 0]);
    snapshot.write("proc/219/attr/current", format!("{context}\0").as_bytes());
    snapshot.properties.insert("SELinuxContext".to_owned(), CONTEXT.to_owned());
    snapshot
}

#[test]
fn selinux_that_enforces_matches_and_a_flip_or_another_context_is_found() {
    let root = configured(&[("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")]);
    let judged = |enforce: &[u8], context: &str| judge(&observed(&confined(enforce, context), root.path()), None);
    let good = judged(b"1", CONTEXT);
    assert_eq!(codes(&good), Vec::<String>::new());
    assert_eq!(pair(&good, HARD, a::SELINUX_CONTEXT).unwrap().verdict, PairVerdict::Match);
    let enforce = good.pairs.iter().find(|pair| pair.attribute == a::SELINUX_ENFORCE).unwrap();
    assert_eq!(enforce.verdict, PairVerdict::Match);

    let flipped = judged(b"0", CONTEXT);
    assert_eq!(codes(&flipped), ["host V9.selinux.enforce.kernel_weaker"]);
    assert_eq!(flipped.findings[0].severity, Severity::Critical);
    let loose = judged(b"1", "system_u:system_r:unconfined_service_t:s0");
    assert_eq!(codes(&loose), ["t-hard.service V9.selinux.context.kernel_weaker"]);
}

#[test]
fn another_selinux_policy_drifts_from_the_intent() {
    let root = configured(&[("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")]);
    let before = observed(&confined(b"1", CONTEXT), root.path());
    let shown = fact(&before, "host", a::SELINUX_POLICY).kernel.value().unwrap().to_owned();
    assert!(shown.starts_with("33\t") && shown.len() == 3 + 64, "{shown}");
    let intent = demanding(&before, a::SELINUX_POLICY);
    assert_eq!(codes(&judge(&before, Some(&intent))), Vec::<String>::new());
    let mut other = confined(b"1", CONTEXT);
    other.write("sys/fs/selinux/policy", &[0x8c, 0xff, 0x7c, 0xf9, 8, 0, 0, 1]);
    let judged = judge(&observed(&other, root.path()), Some(&intent));
    assert_eq!(codes(&judged), ["host V9.selinux.policy.intent_drift"]);
    // The file names a policy and not its content; an intent may do the same.
    let mut by_name = intent;
    by_name.subjects.get_mut("host").unwrap().insert(a::SELINUX_POLICY, "targeted".to_owned());
    assert_eq!(codes(&judge(&observed(&other, root.path()), Some(&by_name))), Vec::<String>::new());
}

#[test]
fn a_boolean_that_was_set_drifts_from_what_was_learned() {
    let root = configured(&[("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")]);
    let with = |value: &[u8]| {
        let mut snapshot = confined(b"1", CONTEXT);
        for (file, content) in [("mls", "1"), ("deny_unknown", "0"), ("checkreqprot", "0")] {
            snapshot.write(&format!("sys/fs/selinux/{file}"), content.as_bytes());
        }
        snapshot.write("sys/fs/selinux/booleans/httpd_can_network_connect", value);
        snapshot.write("sys/fs/selinux/booleans/ssh_sysadm_login", b"0 0");
        observed(&snapshot, root.path())
    };
    let before = with(b"0 0");
    let digest = hexadecimal(&avouch_crypto::sha256(&[b"httpd_can_network_connect 0 0\nssh_sysadm_login 0 0"]));
    let expected = format!("mls\t1\ndeny_unknown\t0\ncheckreqprot\t0\nbooleans\t2 {digest}");
    assert_eq!(fact(&before, "host", a::SELINUX_SETTINGS).kernel.value(), Some(&*expected));
    let intent = learn(&before);
    assert!(intent.subjects["host"].contains_key(&a::SELINUX_SETTINGS));
    assert_eq!(codes(&judge(&before, Some(&intent))), Vec::<String>::new());
    assert_eq!(codes(&judge(&with(b"1 1"), Some(&intent))), ["host V9.selinux.settings.intent_drift"]);
}

// === AppArmor ===

#[test]
fn a_profile_of_the_same_name_with_other_rules_drifts_from_the_intent() {
    let root = configured(&[]);
    let with = |digest: &str, file: &str| {
        let mut snapshot = snapshot("before", HARD);
        // The recorded profiles have no digests.
        snapshot.remove("sys/kernel/security/apparmor/policy");
        let folder = "sys/kernel/security/apparmor/policy/profiles/ssh.7";
        snapshot.refuse(&format!("{folder}/profiles"), Refusal::Absent);
        if file != "sha256" {
            snapshot.refuse(&format!("{folder}/sha256"), Refusal::Absent);
        }
        for (name, content) in [("name", "sshd"), ("mode", "enforce"), (file, digest)] {
            snapshot.write(&format!("{folder}/{name}"), format!("{content}\n").as_bytes());
        }
        observed(&snapshot, root.path())
    };
    let before = with("0a1b", "sha256");
    let expected = format!("1 {}", hexadecimal(&avouch_crypto::sha256(&[b"sshd 0a1b"])));
    assert_eq!(fact(&before, "host", a::APPARMOR_POLICY).kernel.value(), Some(&*expected));
    assert_eq!(fact(&with("0a1b", "sha1"), "host", a::APPARMOR_POLICY).kernel.value(), Some(&*expected));
    let intent = demanding(&before, a::APPARMOR_POLICY);
    assert_eq!(codes(&judge(&before, Some(&intent))), Vec::<String>::new());
    assert_eq!(codes(&judge(&with("ffff", "sha256"), Some(&intent))), ["host V9.apparmor.policy.intent_drift"]);
}

// === counters and maps ===

#[test]
fn limits_that_were_met_are_told_and_those_that_were_not_are_left_out() {
    let unit = "t-limits.service";
    let mut snapshot = snapshot("before", unit);
    let group = "sys/fs/cgroup/system.slice/t-limits.service";
    snapshot.write(&format!("{group}/memory.events"), b"low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n");
    snapshot.write(&format!("{group}/pids.events"), b"max 0\n");
    snapshot.write(&format!("{group}/cpu.stat"), b"usage_usec 5\nnr_periods 9\nnr_throttled 4\nthrottled_usec 1\n");
    let observation = crate::scene::observed(unit, &snapshot);
    let met = fact(&observation, "unit:t-limits.service", a::LIMITS_MET).kernel.value().unwrap().to_owned();
    assert_eq!(met, "memory.max\t12\nmemory.oom_kill\t2\ncpu.throttled\t4");
    assert_eq!(codes(&judge(&observation, None)), Vec::<String>::new());
}

// === device mapper ===

const ROOT_HASH: &str = "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076";

/// struct dm_ioctl of an answer to DM_TABLE_STATUS with one target, whose type and line stand behind it.
fn dm_answer(kind: &str, line: &str) -> Vec<u8> {
    const HEADER: usize = 312;
    let mut target = vec![0; 40];
    target[8..16].copy_from_slice(&417_792_u64.to_ne_bytes());
    target[24..24 + kind.len()].copy_from_slice(kind.as_bytes());
    target.extend(line.as_bytes());
    target.push(0);
    let used = HEADER + target.len();
    target.resize(target.len().next_multiple_of(8), 0);
    let next = u32::try_from(target.len()).unwrap();
    target[20..24].copy_from_slice(&next.to_ne_bytes());
    let mut bytes = vec![0; HEADER];
    for (at, field) in [(0, 4), (4, 47), (12, u32::try_from(used).unwrap()), (16, 312), (20, 1), (24, 1), (28, 0x8001)]
    {
        bytes[at..at + 4].copy_from_slice(&u32::to_ne_bytes(field));
    }
    bytes[40..48].copy_from_slice(&0xfd00_u64.to_ne_bytes());
    bytes[48..52].copy_from_slice(b"root");
    bytes.extend(target);
    // The kernel leaves the rest of the buffer as it was.
    bytes.resize(16 * 1024, 0);
    bytes
}

fn verity(status: &str, hash: &str) -> Snapshot {
    let mut snapshot = snapshot("before", HARD);
    let table = format!("1 8:1 8:2 4096 4096 52224 1 sha256 {hash} 00ff 1 restart_on_corruption");
    snapshot.answers.devices = Some(vec![MappedDevice {
        name: "root".to_owned(),
        minor: 0,
        status: dm_answer("verity", status),
        table: Some(dm_answer("verity", &table)),
    }]);
    snapshot.write("sys/block/dm-0/ro", b"1\n");
    snapshot.write("sys/block/dm-0/dm/name", b"root\n");
    snapshot
}

#[test]
fn a_verity_device_matches_its_root_hash_and_corruption_or_another_hash_is_found() {
    let root = configured(&[("proc/cmdline", &format!("root=/dev/mapper/root roothash={ROOT_HASH}\n"))]);
    let judged = |status: &str, hash: &str| judge(&observed(&verity(status, hash), root.path()), None);
    let good = judged("V", ROOT_HASH);
    assert_eq!(codes(&good), Vec::<String>::new());
    let device = good.pairs.iter().find(|pair| pair.subject == "dm:root").unwrap();
    assert_eq!(device.verdict, PairVerdict::Match, "{device:?}");
    for (status, hash) in [("C", ROOT_HASH), ("V", &ROOT_HASH.replace('4', "5"))] {
        let bad = judged(status, hash);
        assert_eq!(codes(&bad), ["dm:root V2.dm.table.kernel_weaker"], "{status} {hash}");
        assert_eq!(bad.findings[0].severity, Severity::Critical);
    }
    // An answer that was cut says where, and nothing matches.
    let mut cut = verity("V", ROOT_HASH);
    for device in cut.answers.devices.as_mut().unwrap() {
        device.status.truncate(340);
    }
    let observation = observed(&cut, root.path());
    assert!(
        matches!(&fact(&observation, "dm:root", a::DM_TABLE).kernel, Reading::Unreadable(why) if why.contains("byte"))
    );
    assert_eq!(codes(&judge(&observation, None)), Vec::<String>::new());
}

// === nftables ===

fn attribute(number: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
    bytes.extend(number.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// One netlink message of a dump: header with NLM_F_MULTI, struct nfgenmsg of NFPROTO_INET, attributes.
fn message(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    let payload = [vec![1, 0, 0, 7], attributes.concat()].concat();
    let mut bytes = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(2_u16.to_ne_bytes());
    bytes.extend([1, 0, 0, 0, 9, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// `table inet filter { chain input { type filter hook input priority 0; policy drop; counter VERDICT } }`.
fn ruleset(packets: u64, handle: u64, verdict: u32) -> Vec<(u16, Vec<u8>)> {
    let handle = handle.to_be_bytes();
    let table = [
        attribute(1, b"filter\0"),
        attribute(2, &0_u32.to_be_bytes()),
        attribute(3, &1_u32.to_be_bytes()),
        attribute(4, &handle),
    ];
    let hook = [attribute(1, &1_u32.to_be_bytes()), attribute(2, &0_u32.to_be_bytes())].concat();
    let chain = [
        attribute(1, b"filter\0"),
        attribute(2, &handle),
        attribute(3, b"input\0"),
        attribute(NESTED | 4, &hook),
        attribute(5, &0_u32.to_be_bytes()),
        attribute(7, b"filter\0"),
    ];
    let count = [attribute(1, &packets.to_be_bytes()), attribute(2, &packets.to_be_bytes())].concat();
    let counter = [attribute(1, b"counter\0"), attribute(NESTED | 2, &count)].concat();
    // NFTA_IMMEDIATE_DREG 0 and NFTA_IMMEDIATE_DATA with NFTA_DATA_VERDICT and its NFTA_VERDICT_CODE.
    let code = attribute(NESTED | 2, &attribute(1, &verdict.to_be_bytes()));
    let immediate = [attribute(1, &0_u32.to_be_bytes()), attribute(NESTED | 2, &code)].concat();
    let immediate = [attribute(1, b"immediate\0"), attribute(NESTED | 2, &immediate)].concat();
    let expressions = [attribute(NESTED | 1, &counter), attribute(NESTED | 1, &immediate)].concat();
    let rule = [
        attribute(1, b"filter\0"),
        attribute(2, b"input\0"),
        attribute(3, &handle),
        attribute(NESTED | 4, &expressions),
    ];
    let done = [[20, 0, 0, 0, 3, 0, 2, 0], [1, 0, 0, 0, 9, 0, 0, 0]].concat();
    let datagram =
        [message(0x0a00, &table), message(0x0a03, &chain), message(0x0a06, &rule), done, vec![0, 0, 0, 0]].concat();
    let all = messages(&datagram).unwrap();
    assert_eq!(all.last().map(|message| message.kind), Some(DONE));
    all.iter().filter(|message| message.kind != DONE).map(|message| (message.kind, message.payload.to_vec())).collect()
}

/// `NF_ACCEPT` and `NF_DROP`.
const ACCEPT: u32 = 1;
const DROP: u32 = 0;

fn filtered(ruleset: Vec<(u16, Vec<u8>)>) -> Snapshot {
    let mut snapshot = snapshot("before", HARD);
    snapshot.stat("sys/module/nf_tables", Stat { mode: 0o40_755, ..Stat::default() });
    snapshot.answers.nftables = Some(ruleset);
    snapshot
}

#[test]
fn a_ruleset_drifts_by_its_verdicts_and_not_by_its_counters() {
    let root = configured(&[]);
    let before = observed(&filtered(ruleset(1, 2, ACCEPT)), root.path());
    assert_eq!(fact(&before, "host", a::NFTABLES).kernel.value().map(str::len), Some(64));
    let intent = demanding(&before, a::NFTABLES);
    let judged = |ruleset| judge(&observed(&filtered(ruleset), root.path()), Some(&intent));
    assert_eq!(codes(&judged(ruleset(90, 7, ACCEPT))), Vec::<String>::new());
    assert_eq!(codes(&judged(ruleset(1, 2, DROP))), ["host V10.nftables.intent_drift"]);
    assert_eq!(codes(&judged(Vec::new())), ["host V10.nftables.intent_drift"]);
    // A message of another subsystem is no ruleset.
    let odd = observed(&filtered(vec![(0x0105, vec![0; 8])]), root.path());
    assert!(matches!(fact(&odd, "host", a::NFTABLES).kernel, Reading::Unreadable(_)));
}

// === BPF ===

#[test]
fn programs_of_a_unit_are_named_by_their_tags_and_counted_in_the_inventory() {
    let unit = "t-limits.service";
    let program = |id, kind, name: &str, tag: u8| Program {
        id,
        kind: Some(kind),
        name: Some(name.to_owned()),
        tag: Some([tag; 8]),
    };
    let mut snapshot = snapshot("before", unit);
    snapshot.answers.programs = Some(vec![
        program(13, 15, "sd_devices", 1),
        program(14, 8, "sd_fw_egress", 2),
        program(15, 8, "sd_fw_ingress", 3),
    ]);
    let observation = crate::scene::observed(unit, &snapshot);
    let of_unit = |attribute| fact(&observation, "unit:t-limits.service", attribute).kernel.value().unwrap().to_owned();
    assert_eq!(of_unit(a::DEVICE_POLICY), "0101010101010101");
    assert_eq!(of_unit(a::IP_ADDRESS_FILTER), "ingress\t0303030303030303\negress\t0202020202020202");
    let inventory = fact(&observation, "host", a::BPF_PROGRAMS).kernel.value().unwrap().to_owned();
    let expected = "cgroup_device\tsd_devices\t0101010101010101\ncgroup_skb\tsd_fw_egress\t0202020202020202\n\
        cgroup_skb\tsd_fw_ingress\t0303030303030303";
    assert_eq!(inventory, expected);
    assert_eq!(codes(&judge(&observation, None)), Vec::<String>::new());
}
