//! The verdict's shape.

use avouch_appraise::{Appraisal, ClaimName, ClaimResult, FindingCode, Policy, RejectCode, SEMANTICS, Verdict};
use avouch_protocol::{Hash, KeyLost, Status, VERSION};

use crate::machine::{Machine, codes, file};

#[test]
fn a_pass_says_what_it_is_worth() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let verdict = machine.judged(&policy, None).verdict;
    assert_eq!(verdict.semantics, SEMANTICS);
    assert_eq!((verdict.freshness.as_str(), verdict.membership.as_str()), ("operator-asserted", "operator"));
    assert_eq!(verdict.tpm.as_deref(), Some("software TPM: evaluation only"));
    assert_eq!(verdict.policy_ref, policy.reference().to_hex());
    assert_eq!((verdict.expires, verdict.code.as_str()), (1_700_000_330, ""));
    assert!(verdict.claims.iter().all(|claim| claim.result == ClaimResult::Pass));
    let names: Vec<_> = verdict.claims.iter().map(|claim| claim.name).collect();
    assert_eq!(names, ClaimName::ALL);
    let holes: Vec<_> = verdict.coverage.holes.iter().map(|hole| hole.code.as_str()).collect();
    for wanted in ["PCR_11_NOT_SELECTED", "RELAY", "INTERPRETERS", "MEMORY"] {
        assert!(holes.contains(&wanted), "{wanted} is not in {holes:?}");
    }
}

#[test]
fn the_hole_of_interpreters_is_told_once_and_names_scripts_when_they_are_not_measured() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let verdict = machine.judged(&policy, None).verdict;
    let told: Vec<_> = verdict.coverage.holes.iter().filter(|hole| hole.what.contains("interpreter")).collect();
    let [hole] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(hole.code, "INTERPRETERS");
    assert!(hole.what.contains("scripts"), "{}", hole.what);
}

#[test]
fn freshness_is_asserted_by_a_checkpoint_when_there_is_one() {
    let mut machine = Machine::new();
    let mut round = machine.round(None, None);
    round.challenge.base = Hash([8; 32]);
    round.evidence = machine.answer(&round.challenge, 7);
    let verdict = machine.appraise(&round, None, None).verdict;
    assert_eq!((verdict.freshness.as_str(), verdict.policy_ref.as_str()), ("checkpoint", ""));
}

#[test]
fn a_verdict_reads_back_from_its_json() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.ima.push(file("/tmp/evil"));
    let verdict = machine.judged(&policy, None).verdict;
    let text = serde_json::to_string_pretty(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
    assert!(text.contains("\"status\": \"fail\"") && text.contains("\"code\": \"IMA_UNKNOWN_DIGEST\""));
    let bad = text.replace("\"status\": \"fail\"", "\"status\": \"fine\"");
    assert!(serde_json::from_str::<Verdict>(&bad).is_err());
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.ima.extend([file("/tmp/evil"), file("/tmp/worse")]);
    let round = machine.round(Some(&policy), None);
    let bytes = || {
        // A policy read again has tables with other hash seeds.
        let policy = Policy::parse(&Machine::new().draft().to_bytes()).unwrap();
        let appraisal = machine.appraise(&round, Some(&policy), None);
        (serde_json::to_vec(&appraisal.verdict).unwrap(), appraisal.session.unwrap().to_cbor())
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn the_tree_goes_from_claim_to_evidence_rule_and_remedy() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.ima.push(file("/tmp/evil"));
    let tree = machine.judged(&policy, None).verdict.tree();
    assert_eq!(tree.text, "fail (IMA_UNKNOWN_DIGEST)");
    let ima = tree.children.iter().find(|child| child.text.starts_with("ima: fail")).unwrap();
    let finding = &ima.children[0];
    assert_eq!(finding.text, "IMA_UNKNOWN_DIGEST");
    let starts: Vec<_> = finding.children.iter().map(|line| line.text.split(':').next().unwrap()).collect();
    assert_eq!(starts, ["evidence", "rule", "means", "do", "likely", "allow"]);
    assert!(tree.children.iter().any(|child| child.text == "coverage"));
}

#[test]
fn a_rejection_has_a_verdict_that_expires_nothing() {
    let mut machine = Machine::new();
    let mut round = machine.round(None, None);
    round.evidence.quote_signature = Machine::new().sign(&round.evidence.quote).into();
    let rejection = machine.authenticate(&round, None).unwrap_err();
    assert_eq!(rejection.code, RejectCode::Signature);
    let verdict = Verdict::rejected(&rejection, &round.challenge, &machine.context());
    assert_eq!((verdict.status, verdict.code.as_str(), verdict.expires), (Status::Rejected, "SIGNATURE", 0));
}

#[test]
fn c11_a_key_that_no_longer_loads_fails() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    let challenge = machine.challenge(policy.reference(), Default::default());
    let notice = KeyLost { v: VERSION, seq: challenge.seq, challenge: Hash::ZERO, tpm_rc: 0x1DF };
    let appraisal = Appraisal::key_lost(&notice, &challenge, Some(&session), &machine.context());
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Fail, vec!["TPM_CLEARED"]));
    assert_eq!(appraisal.verdict.code, FindingCode::TpmCleared.as_str());
    assert_eq!(appraisal.session.unwrap().offsets(&policy.reference()), Default::default());
}

#[test]
fn a_resume_within_a_session_is_a_note() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    machine.clock.restart_count += 1;
    let appraisal = machine.judged(&policy, Some(&session));
    assert_eq!(appraisal.verdict.status, Status::Pass);
    assert!(appraisal.verdict.findings().any(|finding| finding.code == FindingCode::SessionResumed));
}
