//! What is kept between rounds.

use avouch_appraise::{Policy, Session, SessionError};
use avouch_protocol::{Hash, Offsets, Status};

use crate::machine::{Machine, codes, file, violation};

#[test]
fn a_session_reads_back_and_damage_is_refused_at_every_byte() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.ima.extend([file("/tmp/evil"), violation("/var/log/x")]);
    let session = machine.judged(&policy, None).session.unwrap();
    let bytes = session.to_cbor();
    assert_eq!(Session::from_cbor(&bytes).unwrap(), session);
    for cut in 0..bytes.len() {
        assert!(matches!(Session::from_cbor(&bytes[..cut]), Err(SessionError::Malformed { .. })), "cut at {cut}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Session::from_cbor(&longer), Err(SessionError::Malformed { offset: bytes.len() }));
    let mut newer = bytes;
    assert_eq!(newer[1..3], [0, 3], "key 0 is the version");
    newer[2] = 4;
    assert_eq!(Session::from_cbor(&newer), Err(SessionError::Version { got: 4 }));
    let huge = vec![0; Session::MAX_BYTES + 1];
    assert_eq!(Session::from_cbor(&huge), Err(SessionError::TooLong { got: huge.len() }));
}

#[test]
fn the_worst_session_still_fits() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.ima.extend((0..2_000).map(|number| file(&format!("/{number}{}", "\u{10fff0}".repeat(1_000)))));
    let session = machine.judged(&policy, None).session.unwrap();
    let bytes = session.to_cbor();
    assert!(bytes.len() > 500_000, "the test must press against the bound: {}", bytes.len());
    assert_eq!(Session::from_cbor(&bytes).unwrap(), session);
}

#[test]
fn a_session_of_version_1_keeps_its_counters_and_owes_everything() {
    let policy = Machine::new().policy();
    // {0: 1, 1: 5000, 2: 7, 3: 2, 4: true, 5: 9, 6: {0: ...}} as the first release wrote it.
    let head = [0xA7, 0, 1, 1, 0x19, 0x13, 0x88, 2, 7, 3, 2, 4, 0xF5, 5, 9, 6];
    let proof = [0xA3, 0, 0x58, 0x20].into_iter().chain([4; 32]).chain([5, 0x18, 40, 6, 0x19, 1, 0]);
    let bytes: Vec<u8> = head.into_iter().chain(proof).collect();
    let session = Session::from_cbor(&bytes).unwrap();
    assert_eq!((session.clock().clock, session.reset_count(), session.firmware()), (5_000, 7, 9));
    assert_eq!(session.offsets(&policy.reference()), Offsets::default());
    for cut in 0..bytes.len() {
        assert!(Session::from_cbor(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn the_list_goes_on_under_another_policy_and_the_boot_log_is_owed_again() {
    let mut machine = Machine::new();
    let strict = machine.policy();
    machine.ima.push(file("/opt/tool"));
    let first = machine.judged(&strict, None);
    assert_eq!(codes(&first), ["IMA_UNKNOWN_DIGEST"]);
    let session = Session::from_cbor(&first.session.unwrap().to_cbor()).unwrap();
    let mut draft = Machine::new().draft();
    draft.add_file(&crate::machine::content("/opt/tool"), "/opt/tool").unwrap();
    let wider = Policy::parse(&draft.to_bytes()).unwrap();
    let offsets = session.offsets(&wider.reference());
    assert_eq!((offsets.ima_count, offsets.boot_log_proven, offsets.reset_count), (8, false, Some(7)));
    assert!(session.offsets(&strict.reference()).boot_log_proven);
    let second = machine.judged(&wider, Some(&session));
    assert_eq!((second.verdict.status, codes(&second)), (Status::Pass, vec![]));
    // And back: what was good when it was first proven stays so.
    let session = second.session.unwrap();
    let third = machine.judged(&strict, Some(&session));
    assert_eq!((third.verdict.status, codes(&third)), (Status::Pass, vec![]));
    let session = third.session.unwrap();
    machine.ima.push(file("/opt/other"));
    assert_eq!(codes(&machine.judged(&strict, Some(&session))), ["IMA_UNKNOWN_DIGEST"]);
}

#[test]
fn a_boot_log_that_another_policy_owes_and_is_left_out_is_unverifiable() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    let mut other = machine.draft();
    other.rename("other", "later");
    let other = Policy::parse(&other.to_bytes()).unwrap();
    let mut round = machine.round(Some(&other), Some(&session));
    assert!(round.evidence.boot_log.is_some());
    round.evidence.boot_log = None;
    let appraisal = machine.appraise(&round, Some(&other), Some(&session));
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["LOG_MISSING"]));
}

#[test]
fn findings_that_were_only_counted_make_everything_owed_again() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let clean = machine.ima.len();
    machine.ima.extend((0..300).map(|number| file(&format!("/opt/tool{number}"))));
    let session = machine.judged(&policy, None).session.unwrap();
    let mut other = machine.draft();
    other.rename("other", "later");
    let other = Policy::parse(&other.to_bytes()).unwrap();
    assert_eq!(session.offsets(&other.reference()), Offsets::default());
    assert_eq!(session.offsets(&policy.reference()).ima_count, clean as u64 + 300);
    let appraisal = machine.judged(&other, Some(&session));
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Pass, vec![]));
}

#[test]
fn entries_proven_without_a_policy_are_judged_once_there_is_one() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    machine.ima.push(file("/tmp/evil"));
    let round = machine.round(None, Some(&session));
    let appraisal = machine.appraise(&round, None, Some(&session));
    assert_eq!(codes(&appraisal), ["NO_POLICY"]);
    let session = appraisal.session.unwrap();
    assert_eq!(session.offsets(&policy.reference()), Offsets::default());
    assert_eq!(codes(&machine.judged(&policy, Some(&session))), ["IMA_UNKNOWN_DIGEST"]);
}

#[test]
fn what_was_judged_stays_judged_when_the_logs_did_not_explain_a_quote() {
    let mut machine = Machine::new();
    machine.ima.push(file("/opt/tool"));
    let wide = machine.policy();
    let session = machine.judged(&wide, None).session.unwrap();
    let strict = Machine::new().policy();
    let session = machine.judged(&strict, Some(&session)).session.unwrap();
    let mut round = machine.round(Some(&strict), Some(&session));
    round.evidence.ima = None;
    let appraisal = machine.appraise(&round, Some(&strict), Some(&session));
    assert_eq!(codes(&appraisal), ["LOG_MISSING"]);
    let session = appraisal.session.unwrap();
    assert_eq!(session.offsets(&strict.reference()), Offsets::default(), "every log is owed");
    let healed = machine.judged(&strict, Some(&session));
    assert_eq!((healed.verdict.status, codes(&healed)), (Status::Pass, vec![]));
}

#[test]
fn proof_of_another_selection_does_not_count() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    // The challenge still says that the logs are proven, for the old selection.
    machine.mask &= !(1 << 12);
    let appraisal = machine.judged(&policy, Some(&session));
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["TIME_MISSING"]));
    let session = appraisal.session.unwrap();
    let healed = machine.judged(&policy, Some(&session));
    assert_eq!(healed.verdict.status, Status::Pass);
}

#[test]
fn a_policy_that_changed_between_challenge_and_evidence_is_unverifiable_and_proves_nothing() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let mut other = machine.draft();
    other.rename("other", "later");
    let other = Policy::parse(&other.to_bytes()).unwrap();
    let round = machine.round(Some(&policy), None);
    for (given, code) in [(Some(&other), "POLICY_CHANGED"), (None, "NO_POLICY")] {
        let appraisal = machine.appraise(&round, given, None);
        assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec![code]));
        let session = appraisal.session.unwrap();
        assert_eq!(session.offsets(&policy.reference()), Offsets::default());
    }
}

#[test]
fn unproven_logs_owe_everything_and_keep_the_counters() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    let mut round = machine.round(Some(&policy), Some(&session));
    round.evidence.ima = None;
    let appraisal = machine.appraise(&round, Some(&policy), Some(&session));
    assert_eq!(appraisal.verdict.status, Status::Unverifiable);
    let next = appraisal.session.unwrap();
    assert_eq!(next.clock().clock, machine.clock.clock);
    assert_eq!(next.offsets(&policy.reference()), Offsets::default());
    assert_eq!(crate::machine::code(machine.authenticate(&round, Some(&next))), Some("CLOCK_NOT_ADVANCING"));
}

#[test]
fn without_a_policy_the_logs_are_still_proven() {
    let mut machine = Machine::new();
    let round = machine.round(None, None);
    let appraisal = machine.appraise(&round, None, None);
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["NO_POLICY"]));
    assert_eq!(appraisal.session.unwrap().offsets(&Hash::ZERO).ima_count, 7);
}
