//! C6, C9, C12, Q15, B17 to B19: clocks, copies and the TPM itself.

use avouch_appraise::NodeKeys;
use avouch_protocol::Status;
use avouch_tpm_wire::{ClockInfo, templates};
use serde_json::json;

use super::log::*;
use crate::machine::{Machine, ak_area, code, file};

fn notes(appraisal: &avouch_appraise::Appraisal) -> Vec<&'static str> {
    appraisal.verdict.findings().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn c6_a_copied_tpm_shows_by_other_pcrs_at_the_same_clock() {
    let mut original = Machine::new();
    let policy = original.policy();
    let session = original.judged(&policy, None).session.unwrap();
    let at = original.clock;
    // The copy answers the next challenge at the very same counters, after another program ran.
    original.ima.push(file("/usr/bin/ls"));
    let mut round = original.round(Some(&policy), Some(&session));
    original.clock = at;
    let quote = original.attestation(&round.challenge, original.ima.len()).encode();
    round.evidence.quote_signature = original.sign(&quote).into();
    round.evidence.quote = quote.into();
    let appraisal = original.appraise(&round, Some(&policy), Some(&session));
    assert_eq!(told(&appraisal), (Status::Fail, vec!["VTPM_FORK"]));
    // It stays so when the clock goes on.
    let session = appraisal.session.unwrap();
    assert_eq!(told(&original.judged(&policy, Some(&session))), (Status::Fail, vec!["VTPM_FORK"]));
    // The twin: the same PCRs at the same counters are an old quote, and refused as one.
    let mut twin = Machine::new();
    let policy = twin.policy();
    let session = twin.judged(&policy, None).session.unwrap();
    let at = twin.clock;
    let mut round = twin.round(Some(&policy), Some(&session));
    twin.clock = at;
    let quote = twin.attestation(&round.challenge, twin.ima.len()).encode();
    round.evidence.quote_signature = twin.sign(&quote).into();
    round.evidence.quote = quote.into();
    assert_eq!(code(twin.authenticate(&round, Some(&session))), Some("CLOCK_NOT_ADVANCING"));
}

#[test]
fn c9_nothing_that_the_agent_says_of_time_enters_the_verdict() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let mut round = machine.round(Some(&policy), None);
    let before = machine.appraise(&round, Some(&policy), None).verdict;
    // The only words that an agent can add freely.
    round.evidence.agent_version = "booted 1970-01-01".into();
    assert_eq!(machine.appraise(&round, Some(&policy), None).verdict, before);
    assert_eq!(before.status, Status::Pass);
}

#[test]
fn c12_a_clock_that_was_set_forward_uncovers_the_time_since_the_last_quote() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    let honest = machine.judged(&policy, Some(&session));
    assert_eq!(told(&honest), (Status::Pass, vec![]));
    let session = honest.session.unwrap();
    let now = machine.context().now;
    machine.clock.clock += 36_000_000;
    let round = machine.round(Some(&policy), Some(&session));
    let quote = machine.authenticate(&round, Some(&session)).unwrap();
    let logs = avouch_appraise::ReplayedLogs::replay(quote, &round.evidence, Some(&session));
    let context = avouch_appraise::Context { now: now + 10, ..machine.context() };
    let forwarded = avouch_appraise::Appraisal::judge(logs, Some(&policy), Some(&session), &context);
    assert_eq!(told(&forwarded), (Status::Unverifiable, vec!["CLOCK_FORWARDED"]));
}

/// In another hierarchy the TPM hides firmware and counters behind a constant. Such a key is no key of ours: it is
/// refused at enrolment and in every quote, so that every absolute value in a verdict is the real one.
#[test]
fn q15_a_key_outside_the_endorsement_hierarchy_is_refused() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    assert_eq!(machine.judged(&policy, None).verdict.status, Status::Pass);
    let mut round = machine.round(Some(&policy), None);
    let mut elsewhere = machine.attestation(&round.challenge, machine.ima.len());
    elsewhere.qualified_signer[5] ^= 1;
    let quote = elsewhere.encode();
    round.evidence.quote_signature = machine.sign(&quote).into();
    round.evidence.quote = quote.into();
    assert_eq!(code(machine.authenticate(&round, None)), Some("QUALIFIED_SIGNER"));
    let storage = ak_area(&[3; 32], &[4; 32]).encode();
    assert!(NodeKeys::check(&machine.ak_public, &storage).is_err());
    assert!(NodeKeys::check(&templates::AK.encode(), &machine.parent_public).is_err());
}

/// Simulated: the pin of a discrete TPM was pulled, and a golden log replayed into it.
#[test]
fn b17_a_reset_that_nobody_planned_is_told_and_a_list_of_another_boot_fails() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    machine.clock = ClockInfo { reset_count: machine.clock.reset_count + 1, safe: false, ..machine.clock };
    let replayed = machine.judged(&policy, Some(&session));
    assert_eq!(told(&replayed), (Status::Pass, vec![]));
    assert!(notes(&replayed).contains(&"BOOT_SESSION_NEW") && notes(&replayed).contains(&"CLOCK_UNSAFE"));
    // The list that goes with the golden log has an aggregate of other PCRs.
    machine.ima[0] = crate::machine::entry("boot_aggregate", &[9; 32]);
    assert_eq!(machine.judged(&policy, Some(&session)).verdict.status, Status::Fail);
}

/// Simulated: something between processor and TPM changes what goes over the bus.
#[test]
fn b18_an_interposer_cannot_change_what_the_tpm_signed() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let round = machine.round(Some(&policy), None);
    assert_eq!(code(machine.authenticate(&round, None)), None);
    for at in [40, 80, 120] {
        let mut altered =
            crate::machine::Round { challenge: round.challenge.clone(), evidence: round.evidence.clone() };
        altered.evidence.quote[at] ^= 1;
        assert!(machine.authenticate(&altered, None).is_err(), "byte {at}");
    }
    // It can keep extends from the TPM: then the log does not reproduce the quote.
    let mut round = machine.round(Some(&policy), None);
    let mut log = Log::of(&machine.boot_log);
    log.push(4, APPLICATION, &[0; 32], b"started, and not extended");
    round.evidence.boot_log = Some(log.bytes().into());
    assert_eq!(told(&machine.appraise(&round, Some(&policy), None)), (Status::Unverifiable, vec!["LOG_MISMATCH"]));
}

/// Simulated: firmware of which keys were extracted. The model's TPM has version 9, of libtpms.
#[test]
fn b19_denied_tpm_firmware_fails() {
    let judged = |denied: serde_json::Value| {
        let mut machine = Machine::new();
        let policy = policy(&machine, |file| file["tpm"] = json!({"denied_firmware": [denied.clone()]}));
        let appraisal = machine.judged(&policy, None);
        told(&appraisal)
    };
    let range = |from: &str, to: &str| json!({"from": from, "to": to, "why": "arXiv 2304.14717"});
    assert_eq!(judged(range("a", "ff")), (Status::Pass, vec![]));
    assert_eq!(judged(range("8", "0x9")), (Status::Fail, vec!["TPM_FIRMWARE_DENIED"]));
    let of = |manufacturer: &str| {
        let mut denied = range("8", "9");
        denied["manufacturer"] = json!(manufacturer);
        judged(denied)
    };
    assert_eq!(of("id:414D4400"), (Status::Pass, vec![]));
    assert_eq!(of("id:00001014"), (Status::Fail, vec!["TPM_FIRMWARE_DENIED"]));
}
