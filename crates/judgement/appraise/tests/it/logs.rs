//! Replay: Q20, B5, I1, I2, I3, I4, I22 at the level of evidence.

use avouch_appraise::{Appraisal, FindingCode, Policy, Session};
use avouch_protocol::{Evidence, ImaFormat, Status};
use avouch_tpm_wire::ClockInfo;

use crate::data;
use crate::machine::{Machine, Round, codes, file};

fn first(alter: impl Fn(&mut Machine, &mut Round)) -> Appraisal {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let twin = machine.judged(&policy, None);
    assert_eq!((twin.verdict.status, codes(&twin)), (Status::Pass, vec![]));
    let mut round = machine.round(Some(&policy), None);
    alter(&mut machine, &mut round);
    machine.appraise(&round, Some(&policy), None)
}

fn unverifiable(wanted: FindingCode, alter: impl Fn(&mut Evidence)) {
    let appraisal = first(|_, round| alter(&mut round.evidence));
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec![wanted.as_str()]));
    assert_eq!(appraisal.verdict.code, wanted.as_str());
    let session = appraisal.session.unwrap();
    assert_eq!(session.reset_count(), 7, "the counters are kept");
    assert_eq!(session.offsets(&avouch_protocol::Hash::ZERO), Default::default());
}

fn ima(evidence: &mut Evidence) -> Vec<u8> {
    evidence.ima.as_ref().unwrap().bytes.to_vec()
}

fn set_ima(evidence: &mut Evidence, bytes: Vec<u8>) {
    evidence.ima.as_mut().unwrap().bytes = bytes.into();
}

#[test]
fn q20_a_log_that_is_owed_and_left_out_is_unverifiable() {
    unverifiable(FindingCode::LogMissing, |evidence| evidence.boot_log = None);
    unverifiable(FindingCode::LogMissing, |evidence| evidence.ima = None);
    unverifiable(FindingCode::LogMismatch, |evidence| set_ima(evidence, Vec::new()));
    unverifiable(FindingCode::TimeMissing, |evidence| (evidence.time, evidence.time_signature) = (None, None));
}

#[test]
fn time_of_another_moment_is_unverifiable() {
    let alter = |change: fn(&mut ClockInfo)| {
        first(move |machine, round| {
            let mut clock = machine.clock;
            change(&mut clock);
            machine.give_time(&mut round.evidence, &round.challenge, clock);
        })
    };
    assert_eq!(codes(&alter(|_| {})), Vec::<&str>::new());
    assert_eq!(codes(&alter(|clock| clock.clock -= 1)), ["TIME_MISMATCH"]);
    assert_eq!(codes(&alter(|clock| clock.reset_count += 1)), ["TIME_MISMATCH"]);
    assert_eq!(codes(&alter(|clock| clock.restart_count += 1)), ["TIME_MISMATCH"]);
}

#[test]
fn b5_a_damaged_or_short_boot_log_is_unverifiable() {
    unverifiable(FindingCode::BootLogMalformed, |evidence| evidence.boot_log = Some(Vec::new().into()));
    unverifiable(FindingCode::BootLogMalformed, |evidence| {
        let log = evidence.boot_log.as_ref().unwrap();
        evidence.boot_log = Some(log[..log.len() - 1].to_vec().into());
    });
    // Whole events are missing at the end: it parses and does not reproduce the quote.
    let log = avouch_bootlog::BootLog::parse(data!("binary_bios_measurements")).unwrap();
    let last = log.events().last().unwrap().offset;
    unverifiable(FindingCode::LogMismatch, |evidence| {
        evidence.boot_log = Some(data!("binary_bios_measurements")[..last].to_vec().into());
    });
    unverifiable(FindingCode::LogTooLarge, |evidence| {
        evidence.boot_log = Some(vec![0; avouch_protocol::MAX_BOOT_LOG_BYTES + 1].into());
    });
}

#[test]
fn i1_an_entry_deleted_edited_or_moved_is_unverifiable() {
    let entries = Machine::new().ima;
    let list = |order: &[usize]| order.iter().flat_map(|index| entries[*index].clone()).collect::<Vec<u8>>();
    for order in [&[0, 1, 2, 3, 4, 6][..], &[0, 1, 2, 3, 4, 6, 5], &[1, 2, 3, 4, 5, 6]] {
        unverifiable(FindingCode::LogMismatch, |evidence| set_ima(evidence, list(order)));
    }
    unverifiable(FindingCode::LogMismatch, |evidence| {
        let mut bytes = ima(evidence);
        let at = bytes.len() - 5;
        bytes[at] ^= 1;
        set_ima(evidence, bytes);
    });
}

#[test]
fn i2_a_segment_that_does_not_begin_where_the_proof_ends_is_unverifiable() {
    unverifiable(FindingCode::LogOffset, |evidence| evidence.ima.as_mut().unwrap().from_count = 2);
}

#[test]
fn a_list_cut_at_any_byte_is_unverifiable_and_says_where() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let mut round = machine.round(Some(&policy), None);
    let bytes = ima(&mut round.evidence);
    for cut in 0..bytes.len() {
        set_ima(&mut round.evidence, bytes[..cut].to_vec());
        let appraisal = machine.appraise(&round, Some(&policy), None);
        assert_eq!(codes(&appraisal), ["LOG_MISMATCH"], "cut at {cut}");
    }
    set_ima(&mut round.evidence, bytes[..bytes.len() - 1].to_vec());
    let appraisal = machine.appraise(&round, Some(&policy), None);
    assert!(appraisal.verdict.findings().any(|finding| finding.evidence.contains("ends inside an entry")));
}

#[test]
fn i3_the_tail_beyond_the_quote_proves_nothing_and_waits_for_the_next_round() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let mut round = machine.round(Some(&policy), None);
    // Two entries after the quote, one of them unknown, then garbage.
    let quoted = machine.ima.len();
    machine.ima.extend([file("/usr/bin/ls"), file("/tmp/evil")]);
    let tail = [machine.ima[quoted..].concat(), vec![0xFF; 9]].concat();
    let list = [ima(&mut round.evidence), tail].concat();
    set_ima(&mut round.evidence, list);
    let appraisal = machine.appraise(&round, Some(&policy), None);
    assert_eq!(appraisal.verdict.status, Status::Pass);
    let holes = &appraisal.verdict.coverage.holes;
    assert!(holes.iter().any(|hole| hole.code == "UNPROVEN_TAIL" && hole.what.starts_with("2 ")));
    let session = appraisal.session.unwrap();
    assert_eq!(session.offsets(&policy.reference()).ima_count, quoted as u64);
    // Proven now, so it counts now.
    let second = machine.judged(&policy, Some(&session));
    assert_eq!((second.verdict.status, codes(&second)), (Status::Fail, vec!["IMA_UNKNOWN_DIGEST"]));
}

#[test]
fn i4_an_agent_that_shows_an_old_state_is_unverifiable() {
    let (mut machine, policy, session) = proven();
    machine.ima.push(file("/usr/bin/ls"));
    // The quote covers the new entry, the segment leaves it out.
    let mut round = machine.round(Some(&policy), Some(&session));
    set_ima(&mut round.evidence, Vec::new());
    let appraisal = machine.appraise(&round, Some(&policy), Some(&session));
    assert_eq!(codes(&appraisal), ["LOG_MISMATCH"]);
    // A list from the start that is shorter than what was proven, with a quote that fits it, cannot be: were a key to
    // sign it all the same, it is no match.
    let mut round = machine.round(Some(&policy), Some(&session));
    round.challenge.offsets = Default::default();
    round.evidence = machine.answer(&round.challenge, 3);
    let appraisal = machine.appraise(&round, Some(&policy), Some(&session));
    assert_eq!(codes(&appraisal), ["LOG_MISMATCH"]);
}

#[test]
fn i22_a_pcr_extended_by_something_else_is_unverifiable() {
    let appraisal = first(|machine, round| {
        let mut attestation = machine.attestation(&round.challenge, machine.ima.len());
        attestation.pcr_digest[0] ^= 1;
        let quote = attestation.encode();
        round.evidence.quote_signature = machine.sign(&quote).into();
        round.evidence.quote = quote.into();
    });
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["LOG_MISMATCH"]));
}

#[test]
fn an_entry_of_another_pcr_is_no_part_of_the_list() {
    unverifiable(FindingCode::LogMismatch, |evidence| {
        let mut bytes = ima(evidence);
        bytes[0] = 11;
        set_ima(evidence, bytes);
    });
}

#[test]
fn a_selection_without_pcr_10_is_unverifiable() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.mask &= !(1 << 10);
    let appraisal = machine.judged(&policy, None);
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["PCR_10_NOT_SELECTED"]));
}

/// A machine after its first proven round.
fn proven() -> (Machine, Policy, Session) {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    (machine, policy, session)
}

#[test]
fn a_later_round_sends_only_what_is_new() {
    let (mut machine, policy, session) = proven();
    machine.ima.push(file("/usr/bin/ls"));
    let round = machine.round(Some(&policy), Some(&session));
    assert!(round.evidence.boot_log.is_none() && round.evidence.time.is_none());
    let segment = round.evidence.ima.as_ref().unwrap();
    assert_eq!((segment.from_count, segment.bytes.len()), (7, machine.ima[7].len()));
    let appraisal = machine.appraise(&round, Some(&policy), Some(&session));
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Pass, vec![]));
    assert_eq!(appraisal.session.unwrap().offsets(&policy.reference()).ima_count, 8);
}

#[test]
fn a_round_without_new_entries_passes_on_the_empty_prefix() {
    let (mut machine, policy, session) = proven();
    let appraisal = machine.judged(&policy, Some(&session));
    assert_eq!(appraisal.verdict.status, Status::Pass);
}

#[test]
fn everything_may_be_sent_again_within_a_session() {
    let (mut machine, policy, session) = proven();
    machine.ima.push(file("/tmp/evil"));
    let session = machine.judged(&policy, Some(&session)).session.unwrap();
    let mut round = machine.round(Some(&policy), Some(&session));
    let segment = round.evidence.ima.as_mut().unwrap();
    (segment.from_count, segment.bytes) = (0, machine.ima.concat().into());
    round.evidence.boot_log = Some(machine.boot_log.clone().into());
    let appraisal = machine.appraise(&round, Some(&policy), Some(&session));
    assert_eq!(codes(&appraisal), ["IMA_UNKNOWN_DIGEST"], "judged once, when it was first proven");
    assert_eq!(appraisal.session.unwrap().offsets(&policy.reference()).ima_count, 8);
}

#[test]
fn both_spellings_of_a_list_prove_the_same() {
    let mut machine = Machine::with_list(data!("binary_runtime_measurements"));
    let policy = machine.policy();
    let mut round = machine.round(Some(&policy), None);
    let binary = machine.appraise(&round, Some(&policy), None);
    let segment = round.evidence.ima.as_mut().unwrap();
    segment.format = ImaFormat::Ascii;
    segment.bytes = data!("ascii_runtime_measurements").to_vec().into();
    let ascii = machine.appraise(&round, Some(&policy), None);
    assert_eq!(binary.verdict.status, Status::Pass);
    assert_eq!(binary.verdict, ascii.verdict);
    assert_eq!(binary.session, ascii.session);
}

#[test]
fn another_history_than_the_proven_one_is_no_match() {
    let (mut machine, policy, session) = proven();
    // PCR 10 only grows within a boot session, so no TPM signs this; were one to, the proof stands.
    machine.ima.swap(5, 6);
    let mut round = machine.round(Some(&policy), Some(&session));
    let again = |machine: &Machine, round: &mut Round| {
        let segment = round.evidence.ima.as_mut().unwrap();
        (segment.from_count, segment.bytes) = (0, machine.ima.concat().into());
    };
    again(&machine, &mut round);
    let appraisal = machine.appraise(&round, Some(&policy), Some(&session));
    assert_eq!(codes(&appraisal), ["LOG_MISMATCH"]);
    machine.ima.swap(5, 6);
    let mut round = machine.round(Some(&policy), Some(&session));
    again(&machine, &mut round);
    assert_eq!(machine.appraise(&round, Some(&policy), Some(&session)).verdict.status, Status::Pass);
}
