//! B1 to B10 and B16: the log itself.

use avouch_protocol::Status;
use avouch_tpm_wire::{HashAlg, Hasher, extend};
use serde_json::json;

use super::log::*;
use crate::machine::{BANK, Machine};

#[test]
fn b1_event_types_that_were_rewritten_are_not_believed() {
    twin_passes();
    // Digests and order stay, so the quote is reproduced.
    let renamed = altered(|log| log.find(7, SEPARATOR, 0).kind = ACTION);
    assert_eq!(told(&renamed), (Status::Fail, vec!["BOOT_GRAMMAR"]));
    // SecureBoot under another type proves nothing, and neither do data that the digest is not of.
    let machine = Machine::new();
    let required = policy(&machine, |file| file["boot"]["secure_boot"] = json!("required"));
    assert_eq!(told(&booted(|_| {}).judged(&required, None)), (Status::Pass, vec![]));
    let hidden = booted(|log| log.find(7, VARIABLE, 0).kind = 0x8000_0006).judged(&required, None);
    let fact = hidden.verdict.booted.as_ref().unwrap().secure_boot.clone();
    assert!(fact.is_none_or(|fact| fact.value == "on" && fact.covered), "a type hides nothing and adds nothing");
    let mut forged = booted(|log| *log.find(7, VARIABLE, 0).data.last_mut().unwrap() ^= 1);
    assert_eq!(told(&forged.judged(&required, None)), (Status::Fail, vec!["SECURE_BOOT_UNPROVEN"]));
}

#[test]
fn b2_events_appended_behind_the_separator_fail() {
    twin_passes();
    let again = |log: &mut Log| {
        let first = log.find(7, VARIABLE, 0).clone();
        log.events.push(first);
    };
    let (status, codes) = told(&altered(again));
    assert_eq!(status, Status::Fail);
    assert!(codes.contains(&"BOOT_GRAMMAR") && codes.contains(&"BOOT_SEQUENCE"), "{codes:?}");
    // A rule that takes any variable there does not help.
    let lax = policy(&Machine::new(), |file| {
        file["boot"]["rules"] = json!([{"pcr": 7, "type": "EV_EFI_VARIABLE_DRIVER_CONFIG", "answer": "good", "owner": "ops", "why": "test"}]);
    });
    let mut machine = booted(|log| {
        let data = log.find(7, VARIABLE, 0).data.clone();
        log.push(7, VARIABLE, &data, b"something else");
    });
    let (status, codes) = told(&machine.judged(&lax, None));
    assert_eq!((status, codes.contains(&"BOOT_GRAMMAR")), (Status::Fail, true), "{codes:?}");
}

#[test]
fn b3_an_application_renamed_to_firmware_fails() {
    twin_passes();
    let evil = |log: &mut Log| log.push(4, BLOB, &[0; 16], b"an evil loader");
    let (status, codes) = told(&altered(evil));
    assert_eq!((status, codes[0]), (Status::Fail, "BOOT_EVENT_UNKNOWN"));
    let lax = policy(&Machine::new(), |file| {
        file["boot"]["rules"] = json!([{"pcr": 4, "type": "EV_EFI_PLATFORM_FIRMWARE_BLOB", "answer": "good", "owner": "ops", "why": "test"}]);
    });
    // Who takes every blob there by its type alone is told so in every verdict.
    assert!(holes(&booted(evil).judged(&lax, None)).contains(&"BOOT_RULE_BY_TYPE"));
}

#[test]
fn b4_a_quoted_pcr_without_events_fails() {
    twin_passes();
    // The events of PCR 4 are left out of the log: the quote is not reproduced.
    let honest = Machine::new();
    let mut hiding = Machine::new();
    let mut log = Log::of(&hiding.boot_log);
    log.events.retain(|event| event.pcr != 4);
    let policy = honest.policy();
    let mut round = hiding.round(Some(&policy), None);
    round.evidence.boot_log = Some(log.bytes().into());
    let appraisal = hiding.appraise(&round, Some(&policy), None);
    assert_eq!(told(&appraisal), (Status::Unverifiable, vec!["LOG_MISMATCH"]));
    // Nothing was measured there at all: the quote is reproduced, and the boot fails.
    let empty = altered(|log| log.events.retain(|event| event.pcr != 4));
    assert_eq!(told(&empty), (Status::Fail, vec!["BOOT_SEQUENCE", "BOOT_SEPARATOR"]));
}

#[test]
fn b5_a_log_of_no_bytes_or_cut_anywhere_is_unverifiable() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let round = machine.round(Some(&policy), None);
    assert_eq!(told(&machine.appraise(&round, Some(&policy), None)), (Status::Pass, vec![]));
    for cut in (0..machine.boot_log.len()).step_by(97) {
        let mut round = crate::machine::Round { challenge: round.challenge.clone(), evidence: round.evidence.clone() };
        round.evidence.boot_log = Some(machine.boot_log[..cut].to_vec().into());
        let (status, codes) = told(&machine.appraise(&round, Some(&policy), None));
        assert_eq!(status, Status::Unverifiable, "cut at {cut}");
        assert!(matches!(codes[0], "BOOT_LOG_MALFORMED" | "LOG_MISMATCH"), "cut at {cut}: {codes:?}");
    }
}

#[test]
fn b6_a_bank_that_the_firmware_never_closed_fails_even_when_it_was_confirmed() {
    twin_passes();
    for pcr in 0..8 {
        let mut machine = booted(|log| log.events.retain(|event| event.pcr != pcr || event.kind != SEPARATOR));
        let policy = machine.policy();
        assert_eq!(told(&machine.judged(&policy, None)), (Status::Fail, vec!["BOOT_SEPARATOR"]), "PCR {pcr}");
    }
}

#[test]
fn b7_a_bank_weaker_than_the_policy_wants_fails() {
    let mut machine = Machine::new();
    let enough = policy(&machine, |file| file["minimum"] = json!({"bank": "sha256"}));
    assert_eq!(told(&machine.judged(&enough, None)), (Status::Pass, vec![]));
    let strict = policy(&machine, |file| file["minimum"] = json!({"bank": "sha384"}));
    assert_eq!(told(&machine.judged(&strict, None)), (Status::Fail, vec!["BANK_TOO_WEAK"]));
    // A log of another bank does not replay in the quoted one.
    let mut sha1 = Machine::new();
    let mut log = Log::of(&sha1.boot_log);
    log.events.iter_mut().for_each(|event| event.digests.retain(|(alg, _)| *alg == HashAlg::Sha1.id()));
    let mut round = sha1.round(Some(&enough), None);
    round.evidence.boot_log = Some(log.bytes().into());
    assert_eq!(told(&sha1.appraise(&round, Some(&enough), None)), (Status::Unverifiable, vec!["LOG_BANK"]));
}

#[test]
fn b8_a_locality_that_the_tpm_did_not_start_from_is_refused() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let with = |machine: &mut Machine, locality: u8| {
        let mut log = Log::of(&machine.boot_log);
        let said = log.event(0, NO_ACTION, &[b"StartupLocality\0".as_slice(), &[locality]].concat(), b"");
        log.events.insert(0, said);
        let mut round = machine.round(Some(&policy), None);
        round.evidence.boot_log = Some(log.bytes().into());
        told(&machine.appraise(&round, Some(&policy), None))
    };
    assert_eq!(with(&mut machine, 0), (Status::Pass, vec![]));
    assert_eq!(with(&mut machine, 3), (Status::Unverifiable, vec!["LOG_MISMATCH"]));
    assert_eq!(with(&mut machine, 4), (Status::Unverifiable, vec!["LOG_MISMATCH"]));
    for locality in [1, 2, 5, 0xFF] {
        assert_eq!(with(&mut machine, locality), (Status::Unverifiable, vec!["LOG_BANK"]), "{locality}");
    }
}

#[test]
fn b9_a_dynamic_pcr_that_was_filled_from_zero_is_no_dynamic_launch() {
    let alter = |log: &mut Log| log.push(17, ACTION, b"a launch", b"a launch");
    let mut machine = booted(alter);
    machine.mask |= 1 << 17;
    let policy = machine.policy();
    assert_eq!(told(&machine.judged(&policy, None)), (Status::Pass, vec![]), "from ones, as hardware starts it");
    let mut round = machine.round(Some(&policy), None);
    let mut forged = machine.attestation(&round.challenge, machine.ima.len());
    let sha = avouch_crypto::Hash;
    let zero = avouch_tpm_wire::Digest::zero(BANK);
    let launched = extend(&sha, &zero, &sha.hash(BANK, &[b"a launch"]));
    forged.pcr_digest = machine.pcr_digest_with(machine.ima.len(), 17, launched);
    round.evidence.quote = forged.encode().into();
    round.evidence.quote_signature = machine.sign(&round.evidence.quote).into();
    let appraisal = machine.appraise(&round, Some(&policy), None);
    assert_eq!(told(&appraisal), (Status::Unverifiable, vec!["LOG_MISMATCH"]));
}

#[test]
fn b10_lengths_that_lie_cost_neither_memory_nor_the_process() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let round = machine.round(Some(&policy), None);
    let header = Log::of(&machine.boot_log);
    let mut bombs: Vec<Vec<u8>> = Vec::new();
    for at in [28, 32, 36, 44, 56] {
        let mut log = header.bytes();
        log[at..at + 4].copy_from_slice(&[0xFF; 4]);
        bombs.push(log);
    }
    bombs.push([machine.boot_log.as_slice(), &[4, 0, 0, 0, 3, 0, 0, 0], &[0xFF; 8]].concat());
    bombs.push(vec![0x41; avouch_protocol::MAX_BOOT_LOG_BYTES + 1]);
    for bomb in bombs {
        let mut round = crate::machine::Round { challenge: round.challenge.clone(), evidence: round.evidence.clone() };
        round.evidence.boot_log = Some(bomb.into());
        let (status, codes) = told(&machine.appraise(&round, Some(&policy), None));
        assert_eq!(status, Status::Unverifiable);
        assert!(["BOOT_LOG_MALFORMED", "LOG_MISMATCH", "LOG_TOO_LARGE", "LOG_BANK"].contains(&codes[0]), "{codes:?}");
    }
}

#[test]
fn b16_new_kinds_of_events_that_are_known_pass_and_are_listed() {
    let mut machine = booted(|log| {
        let note = log.event(0, NO_ACTION, b"Vendor's words!!", b"");
        log.events.push(note);
        log.push(9, 0x8000_7777, b"a new table", b"a new table");
    });
    let policy = machine.policy();
    let appraisal = machine.judged(&policy, None);
    assert_eq!(told(&appraisal), (Status::Pass, vec![]));
    let holes = holes(&appraisal);
    assert!(holes.contains(&"BOOT_STATEMENTS") && holes.contains(&"BOOT_EVENT_KIND"), "{holes:?}");
    // The holes stay when a later round sends no log.
    let session = appraisal.session.unwrap();
    let later = machine.judged(&policy, Some(&session));
    assert_eq!(later.verdict.status, Status::Pass);
    assert!(super::log::holes(&later).contains(&"BOOT_EVENT_KIND"));
    // And an unknown one of the kind fails.
    let unknown = altered(|log| log.push(9, 0x8000_7777, b"a new table", b"a new table"));
    assert_eq!(told(&unknown), (Status::Fail, vec!["BOOT_EVENT_UNKNOWN"]));
}
