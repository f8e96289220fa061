//! What an observation does to a verdict whose other claims are concluded.

use avouch_pairs::{Attribute, Fact, Level, Observation, Reading, attribute, subject};
use avouch_protocol::{Challenge, Hash, NodeProfile, NodeTag, Offsets, Status};

use super::{Seen, judge};
use crate::code::{ClaimName, Effect};
use crate::finding::Findings;
use crate::policy::{Demand, ObservationChange};
use crate::verdict::{Claim, ClaimResult, Verdict};
use crate::{Context, Identity};

/// A verdict in which everything but the levels holds.
fn passing(report: bool) -> Verdict {
    let challenge = Challenge {
        v: 1,
        origin: String::new(),
        node_tag: NodeTag([1; 32]),
        round: 1,
        seq: 1,
        prev: Hash::ZERO,
        base: Hash::ZERO,
        server_nonce: Hash::ZERO,
        pcr_bank: 11,
        pcr_mask: 1,
        policy_ref: Hash::ZERO,
        offsets: Offsets::default(),
        deadline: 1,
        chain_pcr: None,
        cap_pcr: None,
    };
    let identity = Identity { profile: NodeProfile::EkCert, vouched_by: "", manufacturer: None };
    let context = Context { now: 1, expires: 2, ek: Hash::ZERO, tpm: None, identity };
    let mut verdict = Verdict::empty(&challenge, &context);
    let judged: Vec<ClaimName> = ClaimName::ALL.into_iter().chain(report.then_some(ClaimName::Report)).collect();
    verdict.conclude(&Findings::default(), &judged);
    assert_eq!(verdict.status, Status::Pass);
    verdict
}

fn observed(facts: &[(&str, Attribute, &str, &str)]) -> Observation {
    let mut observation = Observation::default();
    for (subject, attribute, orchestrator, kernel) in facts {
        let reading = |text: &str| if text.is_empty() { Reading::NotRead } else { Reading::Value(text.into()) };
        let fact = Fact { orchestrator: reading(orchestrator), kernel: reading(kernel), second: Reading::NotRead };
        observation.subjects.entry((*subject).into()).or_default().facts.insert(*attribute, fact);
    }
    observation
}

fn seen(newest: &Observation) -> Seen<'_> {
    Seen { newest, earlier: &[] }
}

fn demand(levels: &[Level]) -> Demand {
    let change = ObservationChange { required: Some(levels.to_vec()), ..ObservationChange::default() };
    Demand::of(change).unwrap()
}

fn claim(verdict: &Verdict, name: ClaimName) -> &Claim {
    verdict.claim(name).unwrap()
}

fn hole(verdict: &Verdict, code: &str) -> bool {
    verdict.coverage.holes.iter().any(|hole| hole.code == code)
}

#[test]
fn without_a_demand_nothing_that_is_seen_changes_the_status() {
    let observation = observed(&[(subject::HOST, attribute::VIEW, "", "/proc\ta mount inside")]);
    let mut verdict = passing(true);
    judge(Some(seen(&observation)), None, &mut verdict);
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Pass, ""));
    assert_eq!(verdict.levels.len(), 14);
    assert!(hole(&verdict, "LEVELS_NOT_DEMANDED"));
    let levels = claim(&verdict, ClaimName::Levels);
    assert_eq!((levels.result, levels.findings.len()), (ClaimResult::NotDemanded, 1));
    assert!(levels.findings.iter().all(|finding| finding.effect == Effect::None));
    let names: Vec<_> = verdict.claims.iter().map(|claim| claim.name).collect();
    assert_eq!(names[6..], [ClaimName::Report, ClaimName::Levels]);
}

#[test]
fn a_mount_over_what_is_read_fails_whatever_level_is_demanded() {
    let observation = observed(&[(subject::HOST, attribute::VIEW, "", "/proc\ta mount inside")]);
    let mut verdict = passing(true);
    judge(Some(seen(&observation)), Some(&demand(&[Level::V3])), &mut verdict);
    assert_eq!(verdict.status, Status::Fail);
    let found = claim(&verdict, ClaimName::Levels).findings.first().unwrap();
    assert!(found.effect == Effect::Fail && found.evidence.contains("/proc"), "{found:?}");
    let result = |level: &str| verdict.levels.iter().find(|facts| facts.level == level).unwrap().result.clone();
    assert_eq!((result("V14").as_str(), result("V6").as_str()), ("fail", "inconclusive"));
    // The same machine with a clear view.
    let clear = observed(&[(subject::HOST, attribute::VIEW, "", "none")]);
    let mut verdict = passing(true);
    judge(Some(seen(&clear)), Some(&demand(&[Level::V3])), &mut verdict);
    assert_eq!((verdict.status, claim(&verdict, ClaimName::Levels).result), (Status::Pass, ClaimResult::Pass));
}

#[test]
fn a_demanded_level_of_which_nothing_was_seen_is_unverifiable() {
    let clear = observed(&[(subject::HOST, attribute::VIEW, "", "none")]);
    let mut verdict = passing(true);
    judge(Some(seen(&clear)), Some(&demand(&[Level::V1, Level::V3])), &mut verdict);
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Unverifiable, "LEVEL_NOT_EVALUATED"));
    assert_eq!(verdict.attained_level, None);
    let required: Vec<_> = verdict.levels.iter().filter(|level| level.required).map(|level| &*level.level).collect();
    assert_eq!(required, ["V1", "V3"]);
}

#[test]
fn v3_and_v14_rest_on_the_claims_of_the_verifier() {
    let clear = observed(&[(subject::HOST, attribute::VIEW, "", "none")]);
    let result = |verdict: &mut Verdict, level: &str| {
        judge(Some(seen(&clear)), None, verdict);
        verdict.levels.iter().find(|facts| facts.level == level).unwrap().result.clone()
    };
    assert_eq!(result(&mut passing(true), "V3"), "pass");
    let mut unproven = passing(true);
    unproven.on_claim(ClaimName::Boot, |claim| claim.result = ClaimResult::Unverifiable);
    assert_eq!(result(&mut unproven, "V3"), "inconclusive");
    let mut failed = passing(true);
    failed.on_claim(ClaimName::Boot, |claim| claim.result = ClaimResult::Fail);
    assert_eq!(result(&mut failed, "V3"), "fail");
    assert_eq!(result(&mut passing(false), "V14"), "inconclusive", "no claim says that the report counts");
}

#[test]
fn a_kernel_that_root_can_alter_is_a_ceiling_that_is_told() {
    let ceiling = |lockdown: &str, taint: &str| {
        let host = [(subject::HOST, attribute::LOCKDOWN, "", lockdown), (subject::HOST, attribute::TAINTED, "", taint)];
        let mut verdict = passing(true);
        judge(Some(seen(&observed(&host))), None, &mut verdict);
        hole(&verdict, "TRUST_CEILING")
    };
    assert!(!ceiling("integrity", "0"));
    assert!(ceiling("none", "0") && ceiling("integrity", "4096") && ceiling("", "0"));
}

#[test]
fn a_report_that_is_owed_and_not_there_leaves_the_levels_unjudged() {
    let mut verdict = passing(false);
    judge(None, Some(&demand(&[Level::V4])), &mut verdict);
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Unverifiable, "REPORT_MISSING"));
    assert_eq!(claim(&verdict, ClaimName::Levels).result, ClaimResult::NotJudged);
    let mut verdict = passing(false);
    judge(None, None, &mut verdict);
    assert_eq!(verdict.status, Status::Pass);
    assert!(hole(&verdict, "NO_REPORT"));
}

/// A running unit whose memory limit is 4 GiB as systemd says.
fn limited(kernel: &str) -> Observation {
    let mut observation = observed(&[
        (subject::HOST, attribute::VIEW, "", "none"),
        ("unit:db.service", attribute::MEMORY_MAX, "4294967296", kernel),
    ]);
    let run = avouch_pairs::UnitIdentity {
        invocation: "ab".repeat(16),
        main_pid: 7,
        main_start: 700,
        active_state: "active".into(),
        sub_state: "running".into(),
        started_usec: 1,
        attempts: 1,
        steady: true,
    };
    observation.subjects.get_mut("unit:db.service").unwrap().identity = Some(run);
    observation
}

#[test]
fn a_limit_that_is_not_enforced_fails_with_unit_attribute_and_both_columns() {
    let (good, bad) = (limited("4294967296"), limited("max"));
    let mut verdict = passing(true);
    judge(Some(seen(&good)), Some(&demand(&[Level::V4])), &mut verdict);
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Pass, ""));
    let mut verdict = passing(true);
    judge(Some(seen(&bad)), Some(&demand(&[Level::V4])), &mut verdict);
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Fail, "V4.memory.max.kernel_weaker"));
    let findings = &claim(&verdict, ClaimName::Levels).findings;
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let pair = finding.pair.as_ref().unwrap();
    assert_eq!((&*pair.subject, &*pair.attribute), ("unit:db.service", "memory.max"));
    assert!(pair.orchestrator.is_some() && pair.kernel.is_some() && !finding.remedy.is_empty());
    // The same report where another level is demanded, or none.
    let mut other = passing(true);
    judge(Some(seen(&bad)), Some(&demand(&[Level::V3])), &mut other);
    assert_eq!(other.status, Status::Pass);
    let mut shown = passing(true);
    judge(Some(seen(&bad)), None, &mut shown);
    assert_eq!(shown.status, Status::Pass);
    assert_eq!(claim(&shown, ClaimName::Levels).findings.len(), 1);
}

#[test]
fn what_came_and_went_between_two_rounds_counts() {
    let (newest, earlier) = (limited("4294967296"), [limited("4294967296"), limited("max")]);
    let mut verdict = passing(true);
    judge(Some(Seen { newest: &newest, earlier: &earlier }), Some(&demand(&[Level::V4])), &mut verdict);
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Fail, "V4.memory.max.kernel_weaker"));
    let pair = claim(&verdict, ClaimName::Levels).findings[0].pair.as_ref().unwrap();
    assert!(pair.note.as_ref().unwrap().contains("between two rounds"), "{pair:?}");
}

#[test]
fn a_change_of_both_witnesses_is_a_drift_from_the_intent() {
    let mut intent = avouch_pairs::Intent::default();
    let wanted = avouch_pairs::learn(&limited("4294967296"));
    let values = wanted.subjects.get("unit:db.service").cloned().unwrap_or_default();
    assert!(values.contains_key(&attribute::MEMORY_MAX), "{wanted:?}");
    intent.subjects.insert("unit:db.service".into(), values);
    let file = avouch_protocol::intent::IntentFile::of("db", "now", &intent);
    let change =
        ObservationChange { required: Some(vec![Level::V4]), intent: Some(file), ..ObservationChange::default() };
    let demand = Demand::of(change).unwrap();
    let mut verdict = passing(true);
    judge(Some(seen(&limited("4294967296"))), Some(&demand), &mut verdict);
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Pass, ""));
    let mut both = limited("8589934592");
    let fact = both.subjects.get_mut("unit:db.service").unwrap().facts.get_mut(&attribute::MEMORY_MAX).unwrap();
    fact.orchestrator = Reading::Value("8589934592".into());
    let mut verdict = passing(true);
    judge(Some(seen(&both)), Some(&demand), &mut verdict);
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Fail, "V4.memory.max.intent_drift"));
}
