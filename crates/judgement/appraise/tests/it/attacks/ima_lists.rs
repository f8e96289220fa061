//! Lists, IMA policies and coverage: I11, I14 to I19, I22, I25 to I27, C10, and the logs of Q20.

use avouch_appraise::{CauseKind, MAX_SEGMENT_ENTRIES};
use avouch_bootlog::BootLog;
use avouch_crypto::{Hash as Sha, sha256};
use avouch_ima::{BootAggregate, boot_aggregate};
use avouch_protocol::Status;
use avouch_tpm_wire::HashAlg;
use serde_json::json;

use super::scene::{Scene, names_hole};
use crate::machine::{BANK, IMA_POLICY, Round, buffer, codes, content, entry, file, raw};

/// A machine that loads this IMA policy, which is the approved one, and a policy that asks for these hooks.
fn measuring(text: &str, minimum: &[&str]) -> Scene {
    let mut scene = Scene::new(|policy| {
        policy["ima"]["policies"] = json!([{ "path": IMA_POLICY, "text": text }]);
        policy["minimum"] = json!({ "coverage": minimum });
    });
    scene.machine.ima[4] = entry(IMA_POLICY, &sha256(&[text.as_bytes()]));
    scene
}

const PROGRAMS: &str = "measure func=BPRM_CHECK mask=MAY_EXEC\nmeasure func=MMAP_CHECK mask=MAY_EXEC\n";
const BELOW: &[&str] = &["COVERAGE_BELOW_MINIMUM"];

#[test]
fn i11_a_file_system_that_is_left_out_is_named_and_may_not_be_below_the_minimum() {
    let tmpfs = format!("dont_measure fsmagic=0x01021994\ndont_measure fsmagic=0x794c7630\n{PROGRAMS}");
    let appraisal = measuring(&tmpfs, &[]).comes_to(&[], Status::Pass, &[]);
    assert!(names_hole(&appraisal, "IMA_FILE_SYSTEM_EXCLUDED", "tmpfs"));
    assert!(names_hole(&appraisal, "IMA_FILE_SYSTEM_EXCLUDED", "overlayfs"));
    let appraisal = measuring(&tmpfs, &["BPRM_CHECK"]).comes_to(&[], Status::Unverifiable, BELOW);
    assert!(appraisal.verdict.findings().last().unwrap().evidence.contains("tmpfs"));
    measuring(PROGRAMS, &["BPRM_CHECK"]).comes_to(&[], Status::Pass, &[]);
}

#[test]
fn i15_a_policy_without_libraries_is_below_the_minimum() {
    let programs = "measure func=BPRM_CHECK mask=MAY_EXEC\n";
    measuring(programs, &["BPRM_CHECK", "MMAP_CHECK"]).comes_to(&[], Status::Unverifiable, BELOW);
    measuring(PROGRAMS, &["BPRM_CHECK", "MMAP_CHECK"]).comes_to(&[], Status::Pass, &[]);
}

#[test]
fn i16_a_rule_for_modules_of_one_user_is_below_the_minimum() {
    let narrowed = format!("{PROGRAMS}measure func=MODULE_CHECK uid=0\n");
    let appraisal = measuring(&narrowed, &[]).comes_to(&[], Status::Pass, &[]);
    assert!(names_hole(&appraisal, "IMA_HOOK_NARROWED", "uid=0"));
    measuring(&narrowed, &["MODULE_CHECK"]).comes_to(&[], Status::Unverifiable, BELOW);
    measuring(&format!("{PROGRAMS}measure func=MODULE_CHECK\n"), &["MODULE_CHECK"]).comes_to(&[], Status::Pass, &[]);
    let unknown = Scene::new(|policy| policy["minimum"] = json!({ "coverage": ["EVERYTHING"] }));
    assert!(avouch_appraise::Policy::parse(&unknown.policy).unwrap_err().to_string().contains("EVERYTHING"));
}

#[test]
fn i14_i17_i18_what_no_measurement_sees_is_a_hole_in_every_pass() {
    let appraisal = Scene::standard().comes_to(&[], Status::Pass, &[]);
    assert!(names_hole(&appraisal, "MEMORY", "writable code"), "I14: memory that changes after it was measured");
    assert!(names_hole(&appraisal, "MEMORY", "BPF"), "I17: BPF programs");
    // Simulated: a device that answers otherwise later has no trace in any log.
    assert!(names_hole(&appraisal, "STORAGE", "device"), "I18: storage that lies");
}

#[test]
fn i19_a_late_or_other_ima_policy_is_named_as_the_cause() {
    let finding = Scene::standard().red(
        entry(IMA_POLICY, &[9; 32]),
        "IMA_POLICY_UNAPPROVED",
        CauseKind::ImaPolicyReplaced,
        false,
    );
    assert!(finding.remedy.contains("reboot"), "{}", finding.remedy);
    let mut late = Scene::standard();
    late.machine.ima.insert(4, file("/usr/bin/ls"));
    let appraisal = late.comes_to(&[], Status::Unverifiable, &["IMA_POLICY_NOT_FIRST"]);
    assert_eq!(appraisal.verdict.findings().last().unwrap().causes[0].kind, CauseKind::ImaPolicyReplaced);
}

#[test]
fn i22_a_pcr_that_something_else_extended_explains_nothing() {
    let mut scene = Scene::standard();
    let policy = scene.policy();
    let mut round = scene.machine.round(Some(&policy), None);
    let challenge = round.challenge.clone();
    let mut attestation = scene.machine.attestation(&challenge, scene.machine.ima.len());
    // PCR 10 with one more extend that no list tells of.
    attestation.pcr_digest = sha256(&[b"extended directly", &attestation.pcr_digest]).to_vec();
    let quote = attestation.encode();
    round.evidence.quote_signature = scene.machine.sign(&quote).into();
    round.evidence.quote = quote.into();
    let appraisal = scene.machine.appraise(&round, Some(&policy), None);
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["LOG_MISMATCH"]));
    Scene::standard().comes_to(&[], Status::Pass, &[]);
}

#[test]
fn i25_an_entry_that_cannot_be_read_is_unverifiable() {
    let unknown = raw("my-template", "sha256", &content("/usr/bin/ls"), b"/usr/bin/ls", None, [1; 20]);
    let appraisal = Scene::standard().comes_to(&[unknown], Status::Unverifiable, &["IMA_TEMPLATE"]);
    assert_eq!(appraisal.verdict.findings().last().unwrap().causes[0].kind, CauseKind::Setting);
    for template in ["ima-ng", "d-ng|n-ng"] {
        let known = raw(template, "sha256", &content("/usr/bin/ls"), b"/usr/bin/ls", None, [1; 20]);
        Scene::standard().comes_to(&[known], Status::Pass, &[]);
    }
}

#[test]
fn i26_a_boot_aggregate_of_another_boot_fails_and_the_weaker_forms_are_told() {
    let mut other = Scene::standard();
    other.machine.ima[0] = entry("boot_aggregate", &[5; 32]);
    let appraisal = other.comes_to(&[], Status::Fail, &["BOOT_AGGREGATE"]);
    let finding = appraisal.verdict.findings().last().unwrap();
    assert_eq!((finding.causes[0].kind, &finding.fix), (CauseKind::OtherBoot, &None));
    let second = Scene::standard().machine.ima[0].clone();
    let finding = Scene::standard().red(second, "BOOT_AGGREGATE", CauseKind::KernelReplaced, false);
    assert!(finding.remedy.contains("reboot"));
    let log = Scene::standard().machine.boot_log;
    let log = BootLog::parse(&log).unwrap();
    for (bank, hole) in [(BANK, "BOOT_AGGREGATE_PCR_0_7"), (HashAlg::Sha1, "BOOT_AGGREGATE_SHA1")] {
        let replayed = log.replay(bank, &Sha).unwrap();
        let digest = boot_aggregate(bank, |pcr| replayed.value(pcr), BootAggregate::Pcr0To7, &Sha).unwrap();
        let mut older = Scene::standard();
        older.machine.ima[0] = raw("ima-ng", bank.name(), digest.as_bytes(), b"boot_aggregate", None, [1; 20]);
        let appraisal = older.comes_to(&[], Status::Pass, &[]);
        assert!(names_hole(&appraisal, hole, "5.8"), "never weaker silently");
    }
    let appraisal = Scene::standard().comes_to(&[], Status::Pass, &[]);
    assert!(!names_hole(&appraisal, "BOOT_AGGREGATE_PCR_0_7", ""));
}

#[test]
fn i27_a_list_too_long_is_refused_and_long_names_are_not() {
    let long = format!("/opt/{}", "n".repeat(4_000));
    let appraisal = Scene::standard().comes_to(&[file(&long)], Status::Fail, &["IMA_UNKNOWN_DIGEST"]);
    assert!(serde_json::to_vec(&appraisal.verdict).unwrap().len() < 32_000);
    let mut scene = Scene::standard();
    let policy = scene.policy();
    let mut round = scene.machine.round(Some(&policy), None);
    let ima = round.evidence.ima.as_mut().unwrap();
    let tail = raw("ima-ng", "sha256", &[0xAB; 32], b"/", None, [1; 20]).repeat(MAX_SEGMENT_ENTRIES);
    ima.bytes = [ima.bytes.as_slice(), &tail].concat().into();
    let appraisal = scene.machine.appraise(&round, Some(&policy), None);
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["LOG_TOO_LARGE"]));
}

#[test]
fn c10_a_second_kernel_without_a_reset_fails() {
    Scene::standard().comes_to(&[buffer("kernel_version", b"6.1.0")], Status::Pass, &[]);
    let second = buffer("kernel_version", b"6.6.0");
    Scene::standard().red(second.clone(), "IMA_KERNEL_REPLACED", CauseKind::KernelReplaced, false);
    // Also where the policy knows both.
    let both = Scene::new(|policy| {
        let known = json!({ "name": "kernel_version", "sha256": avouch_protocol::Hash(sha256(&[b"6.6.0"])).to_hex() });
        policy["ima"]["buffers"].as_array_mut().unwrap().push(known);
    });
    both.red(second, "IMA_KERNEL_REPLACED", CauseKind::KernelReplaced, false);
    let line = buffer("kexec-cmdline", b"root=/dev/sda ima=off");
    let finding = Scene::standard().red(line, "IMA_UNKNOWN_BUFFER", CauseKind::KernelReplaced, true);
    assert!(finding.causes[0].what.contains("ima=off"), "{:?}", finding.causes);
}

#[test]
fn critical_data_is_told_by_what_it_says() {
    let top = |name, data: &[u8]| {
        let appraisal = Scene::standard().comes_to(&[buffer(name, data)], Status::Fail, &["IMA_UNKNOWN_BUFFER"]);
        appraisal.verdict.findings().last().unwrap().causes[0].clone()
    };
    assert_eq!(top("selinux-policy-hash", &[7; 32]).kind, CauseKind::Setting);
    assert_eq!(top("something", b"else").kind, CauseKind::Unknown);
    assert_eq!(top("kernel_version\n", b"x").kind, CauseKind::Unknown);
}

#[test]
fn q20_a_log_that_is_owed_is_never_left_out() {
    let leave_out: [fn(&mut Round); 2] = [|round| round.evidence.boot_log = None, |round| round.evidence.ima = None];
    for leave_out in leave_out {
        let mut scene = Scene::standard();
        let policy = scene.policy();
        let mut round = scene.machine.round(Some(&policy), None);
        leave_out(&mut round);
        let appraisal = scene.machine.appraise(&round, Some(&policy), None);
        assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["LOG_MISSING"]));
    }
}
