//! The IMA claims: I5-I8, I13, I19, I25, I26 and stickiness.

use avouch_appraise::{Appraisal, Policy};
use avouch_protocol::Status;
use serde_json::json;

use crate::machine::{IMA_POLICY, Machine, buffer, codes, content, entry, file, raw, violation};

/// Judges a machine whose list was altered after its policy was made.
fn judge(alter: impl Fn(&mut Machine)) -> Appraisal {
    let mut machine = Machine::new();
    let policy = machine.policy();
    alter(&mut machine);
    machine.judged(&policy, None)
}

fn comes_to(status: Status, wanted: &[&str], alter: impl Fn(&mut Machine)) {
    let appraisal = judge(alter);
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (status, wanted.to_vec()));
}

#[test]
fn an_unaltered_list_passes() {
    comes_to(Status::Pass, &[], |_| {});
    comes_to(Status::Pass, &[], |machine| machine.ima.push(file("/usr/bin/ls")));
}

#[test]
fn an_unknown_program_fails_with_path_and_digest() {
    let appraisal = judge(|machine| machine.ima.push(file("/tmp/evil")));
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Fail, vec!["IMA_UNKNOWN_DIGEST"]));
    let finding = appraisal.verdict.findings().find(|finding| finding.code.as_str() == "IMA_UNKNOWN_DIGEST").unwrap();
    assert_eq!(finding.place.path.as_deref(), Some("/tmp/evil"));
    assert_eq!(finding.place.digest, Some(avouch_protocol::Hash(content("/tmp/evil")).to_hex()));
    assert_eq!(finding.place.index, Some(7));
    assert!(finding.remedy.contains("avouch policy build"));
}

#[test]
fn every_failure_is_listed_not_only_the_first() {
    comes_to(Status::Fail, &["IMA_UNKNOWN_DIGEST", "IMA_VIOLATION", "IMA_UNKNOWN_BUFFER"], |machine| {
        machine.ima.extend([file("/tmp/evil"), violation("/usr/bin/ls"), buffer("kexec-cmdline", b"x")]);
    });
}

#[test]
fn i6_i9_a_known_path_does_not_make_a_digest_known() {
    comes_to(Status::Fail, &["IMA_UNKNOWN_DIGEST"], |machine| machine.ima.push(entry("/usr/bin/ls", &[9; 32])));
}

#[test]
fn i8_a_path_with_line_breaks_is_shown_escaped() {
    let appraisal = judge(|machine| machine.ima.push(file("/tmp/a\nPASS \u{202e}b")));
    let finding = appraisal.verdict.findings().last().unwrap();
    assert!(finding.evidence.contains("/tmp/a\\nPASS \\u{202e}b"), "{}", finding.evidence);
    let json = serde_json::to_string(&appraisal.verdict).unwrap();
    assert!(!json.contains('\u{202e}'));
}

#[test]
fn i5_a_violation_fails_unless_its_directory_is_tolerated() {
    comes_to(Status::Fail, &["IMA_VIOLATION"], |machine| machine.ima.push(violation("/usr/sbin/sshd")));
    for path in ["/var/logx/evil", "/var/log/../../usr/bin/evil", "var/log/x"] {
        comes_to(Status::Fail, &["IMA_VIOLATION"], |machine| machine.ima.push(violation(path)));
    }
    let appraisal = judge(|machine| machine.ima.push(violation("/var/log/syslog")));
    assert_eq!(appraisal.verdict.status, Status::Pass);
    let holes = &appraisal.verdict.coverage.holes;
    assert!(holes.iter().any(|hole| hole.code == "VIOLATIONS_TOLERATED" && hole.what.starts_with("1 ")));
}

#[test]
fn weak_digests_fail() {
    let weak = |alg: &'static str, size: usize| {
        move |machine: &mut Machine| machine.ima.push(raw("ima-ng", alg, &vec![7; size], b"/usr/bin/ls", None, [1; 20]))
    };
    comes_to(Status::Fail, &["IMA_DIGEST_ALGORITHM"], weak("sha1", 20));
    comes_to(Status::Fail, &["IMA_DIGEST_ALGORITHM"], weak("md5", 16));
    // Strong, but no reference value can name it.
    comes_to(Status::Fail, &["IMA_UNKNOWN_DIGEST"], weak("sha512", 64));
}

#[test]
fn a_digest_of_another_algorithm_is_never_taken_for_sha256() {
    comes_to(Status::Fail, &["IMA_DIGEST_ALGORITHM"], |machine| {
        let digest = content("/usr/bin/ls");
        machine.ima.push(raw("ima-ng", "sm3", &digest, b"/usr/bin/ls", None, [1; 20]));
    });
}

#[test]
fn an_early_file_or_a_buffer_is_known_by_sha256_only() {
    comes_to(Status::Fail, &["IMA_POLICY_NOT_FIRST", "IMA_DIGEST_ALGORITHM"], |machine| {
        machine.ima[2] = raw("ima-ng", "sm3", &content("/init"), b"/init", None, [1; 20]);
    });
    comes_to(Status::Fail, &["IMA_UNKNOWN_BUFFER"], |machine| {
        let digest = avouch_crypto::sha256(&[b"6.1.0"]);
        machine.ima.push(raw("ima-buf", "sm3", &digest, b"kernel_version", Some(b"6.1.0"), [1; 20]));
    });
}

#[test]
fn an_fs_verity_digest_is_never_taken_for_the_content() {
    let entry = |alg| raw("ima-ngv2", alg, &content("/usr/bin/ls"), b"/usr/bin/ls", None, [1; 20]);
    comes_to(Status::Pass, &[], |machine| machine.ima.push(entry("ima:sha256")));
    comes_to(Status::Fail, &["IMA_VERITY_UNSIGNED"], |machine| machine.ima.push(entry("verity:sha256")));
}

#[test]
fn i25_an_unknown_template_is_unverifiable() {
    comes_to(Status::Unverifiable, &["IMA_TEMPLATE"], |machine| {
        machine.ima.push(raw("my-template", "sha256", &content("/usr/bin/ls"), b"/usr/bin/ls", None, [1; 20]));
    });
    comes_to(Status::Pass, &[], |machine| {
        machine.ima.push(raw("ima-ng", "sha256", &content("/usr/bin/ls"), b"/usr/bin/ls", None, [1; 20]));
    });
}

#[test]
fn i26_boot_aggregate_must_be_this_boots_and_the_only_one() {
    comes_to(Status::Fail, &["BOOT_AGGREGATE"], |machine| machine.ima[0] = entry("boot_aggregate", &[0; 32]));
    comes_to(Status::Fail, &["BOOT_AGGREGATE"], |machine| machine.ima[0] = file("/init"));
    comes_to(Status::Fail, &["BOOT_AGGREGATE"], |machine| machine.ima[0] = buffer("kernel_version", b"6.1.0"));
    comes_to(Status::Fail, &["BOOT_AGGREGATE"], |machine| machine.ima[0] = violation("boot_aggregate"));
    comes_to(Status::Fail, &["BOOT_AGGREGATE"], |machine| {
        let aggregate = machine.aggregate();
        machine.ima[0] = raw("ima-ng", "sha1", &aggregate[..20], b"boot_aggregate", None, [1; 20]);
    });
    comes_to(Status::Fail, &["BOOT_AGGREGATE"], |machine| machine.ima.push(machine.ima[0].clone()));
}

#[test]
fn i19_no_approved_policy_is_unverifiable() {
    comes_to(Status::Unverifiable, &["IMA_POLICY_MISSING"], |machine| machine.ima.truncate(4));
    comes_to(Status::Unverifiable, &["IMA_POLICY_MISSING"], |machine| machine.ima.clear());
}

#[test]
fn i19_a_program_before_the_policy_is_unverifiable_even_when_it_is_known() {
    comes_to(Status::Unverifiable, &["IMA_POLICY_NOT_FIRST"], |machine| machine.ima.insert(4, file("/usr/bin/ls")));
    // Early only counts early: the same content elsewhere is another file.
    comes_to(Status::Unverifiable, &["IMA_POLICY_NOT_FIRST"], |machine| {
        machine.ima.insert(4, entry("/elsewhere", &content("/init")));
    });
    comes_to(Status::Unverifiable, &["IMA_POLICY_NOT_FIRST"], |machine| machine.ima.insert(4, violation("/var/log/x")));
    comes_to(Status::Unverifiable, &["IMA_POLICY_NOT_FIRST", "IMA_TEMPLATE"], |machine| {
        machine.ima.insert(4, raw("my-template", "sha256", &[1; 32], b"/x", None, [1; 20]));
    });
    comes_to(Status::Fail, &["IMA_POLICY_NOT_FIRST", "IMA_UNKNOWN_DIGEST"], |machine| {
        machine.ima.insert(4, file("/tmp/evil"));
    });
    comes_to(Status::Fail, &["IMA_POLICY_NOT_FIRST", "IMA_UNKNOWN_BUFFER"], |machine| {
        machine.ima.insert(4, buffer(".ima", b"a key"));
    });
}

#[test]
fn i19_an_unapproved_policy_fails() {
    comes_to(Status::Fail, &["IMA_POLICY_UNAPPROVED"], |machine| machine.ima.push(entry(IMA_POLICY, &[9; 32])));
    comes_to(Status::Fail, &["IMA_POLICY_NOT_FIRST", "IMA_POLICY_UNAPPROVED"], |machine| {
        machine.ima[4] = entry(IMA_POLICY, &[9; 32]);
    });
}

#[test]
fn the_text_of_an_approved_policy_read_elsewhere_is_no_policy_load() {
    comes_to(Status::Fail, &["IMA_POLICY_NOT_FIRST", "IMA_UNKNOWN_DIGEST"], |machine| {
        let digest = avouch_crypto::sha256(&[crate::data!("ima-policy")]);
        machine.ima[4] = entry("/tmp/ima-policy", &digest);
    });
}

#[test]
fn a_buffer_is_known_by_name_and_digest_together() {
    comes_to(Status::Fail, &["IMA_UNKNOWN_BUFFER"], |machine| machine.ima.push(buffer("selinux-state", b"enabled=1;")));
    comes_to(Status::Fail, &["IMA_UNKNOWN_BUFFER"], |machine| machine.ima.push(buffer("other", b"6.1.0")));
    comes_to(Status::Pass, &[], |machine| machine.ima.push(buffer("kernel_version", b"6.1.0")));
}

#[test]
fn a_bad_entry_keeps_the_verdict_red_after_it_is_proven() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.ima.push(file("/tmp/evil"));
    let mut session = machine.judged(&policy, None).session.unwrap();
    for _ in 0..3 {
        machine.ima.push(file("/usr/bin/ls"));
        let appraisal = machine.judged(&policy, Some(&session));
        assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Fail, vec!["IMA_UNKNOWN_DIGEST"]));
        // Through the stored form, as the server does it.
        session = avouch_appraise::Session::from_cbor(&appraisal.session.unwrap().to_cbor()).unwrap();
    }
    machine.reboot();
    machine.ima.truncate(7);
    let healed = machine.judged(&policy, Some(&session));
    assert_eq!(healed.verdict.status, Status::Pass, "a clean boot session starts anew");
}

#[test]
fn more_failures_than_are_kept_are_counted() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.ima.extend((0..3_000).map(|number| file(&format!("/tmp/evil{number}"))));
    let first = machine.judged(&policy, None);
    let claim = |appraisal: &Appraisal| {
        let claim = appraisal.verdict.claims.last().unwrap();
        (claim.findings.len() as u64, claim.omitted)
    };
    assert_eq!(claim(&first), (1_024, 1_976));
    let session = first.session.unwrap();
    machine.ima.push(file("/tmp/last"));
    let second = machine.judged(&policy, Some(&session));
    assert_eq!(claim(&second), (257, 2_744));
}

#[test]
fn a_policy_that_measures_less_says_so_in_the_coverage() {
    let mut machine = Machine::new();
    let text = "dont_measure fsmagic=0x01021994\nmeasure func=BPRM_CHECK mask=MAY_EXEC\n";
    machine.ima[4] = entry(IMA_POLICY, &avouch_crypto::sha256(&[text.as_bytes()]));
    let mut policy: serde_json::Value = serde_json::from_slice(&Machine::new().draft().to_bytes()).unwrap();
    policy["ima"]["policies"] = json!([{ "path": IMA_POLICY, "text": text }]);
    let policy = Policy::parse(policy.to_string().as_bytes()).unwrap();
    let appraisal = machine.judged(&policy, None);
    assert_eq!(appraisal.verdict.status, Status::Pass);
    let holes: Vec<_> = appraisal.verdict.coverage.holes.iter().map(|hole| hole.what.as_str()).collect();
    assert!(holes.iter().any(|what| what.contains("tmpfs")), "{holes:?}");
    assert!(holes.iter().any(|what| what.contains("MODULE_CHECK is not measured")), "{holes:?}");
}
