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
    assert_eq!(newer[1..3], [0, 1], "key 0 is the version");
    newer[2] = 2;
    assert_eq!(Session::from_cbor(&newer), Err(SessionError::Version { got: 2 }));
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
fn another_policy_judges_the_whole_boot_session_anew() {
    let mut machine = Machine::new();
    let strict = machine.policy();
    machine.ima.push(file("/opt/tool"));
    let first = machine.judged(&strict, None);
    assert_eq!(first.verdict.status, Status::Fail);
    let session = first.session.unwrap();
    let mut draft = Machine::new().draft();
    draft.add_file(&crate::machine::content("/opt/tool"), "/opt/tool").unwrap();
    let wider = Policy::parse(&draft.to_bytes()).unwrap();
    assert_eq!(session.offsets(&wider.reference()), Offsets::default());
    assert_ne!(session.offsets(&strict.reference()), Offsets::default());
    let second = machine.judged(&wider, Some(&session));
    assert_eq!((second.verdict.status, codes(&second)), (Status::Pass, vec![]));
    // And back: what the wider one let pass is bad again.
    let session = second.session.unwrap();
    let third = machine.judged(&strict, Some(&session));
    assert_eq!((third.verdict.status, codes(&third)), (Status::Fail, vec!["IMA_UNKNOWN_DIGEST"]));
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
