//! States, latch, counters, ages.

use std::time::Duration;

use avouch_attestor::audit::Tail;
use avouch_attestor::{FailureCode, HmacRefusal, Machine, NothingToAcknowledge, Reading, References, State, appraise};

use crate::scene::{Attestor, NOON, facts, key, later, settings};

fn degraded() -> avouch_attestor::Facts {
    let mut facts = facts();
    facts.services.get_mut("registry").unwrap().on_disk = Reading::Absent;
    facts.services.get_mut("registry").unwrap().running = Reading::Value(vec![]);
    facts
}

/// What fails where a TPM is demanded; [`crate::scene::Tpm`] mends it.
fn demanding() -> Attestor {
    let mut settings = settings();
    settings.require_tpm = true;
    Attestor::new(settings)
}

#[test]
fn pending_is_before_the_first_run_and_never_again() {
    let mut attestor = Attestor::new(settings());
    let pending = attestor.machine.standing();
    let view = pending.at(later(1_000_000));
    assert_eq!((view.state(), view.verified(), view.stale(), view.age()), (State::Pending, false, false, None));
    assert_eq!((pending.run(), view.bundle().is_none()), (0, true));
    for (facts, state) in [(degraded(), State::Degraded), (facts(), State::Attested), (degraded(), State::Degraded)] {
        assert_eq!(attestor.run(&facts).at(NOON).state(), state);
    }
    assert_eq!(attestor.machine.standing().at(later(1_000_000)).state(), State::Degraded);
}

#[test]
fn attested_and_degraded_follow_each_run() {
    let mut attestor = Attestor::new(settings());
    let states: Vec<State> =
        [facts(), degraded(), facts()].iter().map(|it| attestor.run(it).at(NOON).state()).collect();
    assert_eq!(states, [State::Attested, State::Degraded, State::Attested]);
}

#[test]
fn every_run_counts_once() {
    let mut attestor = demanding();
    let tpm = crate::scene::Tpm::new();
    for _ in 0..5 {
        attestor.run(&tpm.quoted(facts()));
    }
    assert_eq!(attestor.machine.standing().at(NOON).status().attest_count, 5);
    attestor.run(&tpm.quoted(degraded()));
    attestor.run(&facts());
    // Latched: it would pass, and counts as what was published.
    let standing = attestor.run(&tpm.quoted(facts()));
    let status = standing.at(NOON).status();
    assert_eq!((status.attest_count, status.degrade_count, status.fail_count), (5, 1, 2));
    assert_eq!(standing.run(), 8);
}

#[test]
fn failed_stays_until_somebody_acknowledges_and_the_next_run_passes() {
    let mut attestor = demanding();
    let tpm = crate::scene::Tpm::new();
    assert_eq!(attestor.run(&facts()).at(NOON).state(), State::Failed);
    let standing = attestor.run(&tpm.quoted(facts()));
    assert_eq!(standing.at(NOON).codes(), [FailureCode::Latched]);
    assert!(standing.at(NOON).latched());
    assert_eq!(standing.at(NOON).bundle().unwrap().state, State::Failed);

    attestor.machine.acknowledge("uid 0", later(60)).unwrap();
    assert_eq!(attestor.machine.standing().at(NOON).state(), State::Failed, "an acknowledgement attests nothing");
    let standing = attestor.run(&tpm.quoted(facts()));
    let view = standing.at(NOON);
    assert_eq!((view.state(), view.latched()), (State::Attested, false));
    let acknowledged = view.bundle().unwrap().acknowledged.clone().unwrap();
    assert_eq!((acknowledged.by.as_str(), acknowledged.at.as_str()), ("uid 0", "2026-03-13T12:01:00Z"));
    assert!(attestor.run(&tpm.quoted(facts())).at(NOON).bundle().unwrap().acknowledged.is_none(), "it is told once");
}

#[test]
fn an_acknowledgement_does_not_cover_what_fails_next() {
    let mut attestor = demanding();
    let tpm = crate::scene::Tpm::new();
    attestor.run(&facts());
    attestor.machine.acknowledge("uid 0", NOON).unwrap();
    assert_eq!(attestor.run(&facts()).at(NOON).codes(), [FailureCode::TpmAbsent]);
    assert_eq!(attestor.run(&tpm.quoted(facts())).at(NOON).codes(), [FailureCode::Latched]);
}

#[test]
fn without_the_latch_a_good_run_ends_a_failure() {
    let mut attestor = demanding();
    attestor.settings.latch_failed = false;
    attestor.machine = Machine::new(&attestor.settings, None);
    attestor.run(&facts());
    assert!(attestor.run(&crate::scene::Tpm::new().quoted(facts())).at(NOON).verified());
}

#[test]
fn nothing_is_acknowledged_where_nothing_failed() {
    let mut attestor = Attestor::new(settings());
    assert_eq!(attestor.machine.acknowledge("uid 0", NOON), Err(NothingToAcknowledge));
    attestor.run(&facts());
    assert_eq!(attestor.machine.acknowledge("uid 0", NOON), Err(NothingToAcknowledge));
}

#[test]
fn a_latched_failure_outlives_a_restart() {
    let mut attestor = demanding();
    attestor.run(&facts());
    assert_eq!(attestor.tail.state, Some(State::Failed));
    attestor.machine = Machine::new(&attestor.settings, Some(&attestor.tail));
    assert_eq!(attestor.machine.standing().at(NOON).state(), State::Pending);
    let tpm = crate::scene::Tpm::new();
    assert_eq!(attestor.run(&tpm.quoted(facts())).at(NOON).codes(), [FailureCode::Latched]);
    attestor.machine.acknowledge("uid 0", NOON).unwrap();
    assert!(attestor.run(&tpm.quoted(facts())).at(NOON).verified());
    attestor.machine = Machine::new(&attestor.settings, Some(&attestor.tail));
    assert!(attestor.run(&tpm.quoted(facts())).at(NOON).verified(), "what was acknowledged stays so");
}

#[test]
fn stale_is_computed_when_somebody_asks_and_survives_clock_jumps() {
    let mut attestor = Attestor::new(settings());
    let standing = attestor.run(&facts());
    let stale_after = attestor.settings.stale_after.as_secs();
    assert_eq!(stale_after, 2 * 300 + 30);
    assert!(standing.at(later(stale_after)).verified());
    let view = standing.at(later(stale_after + 1));
    assert_eq!((view.state(), view.verified(), view.stale()), (State::Degraded, false, true));
    assert_eq!(view.verify(None).http_status(), 503);
    assert_eq!(view.verify(None).expires_at.as_deref(), Some("2026-03-13T12:10:30Z"));
    // The wall clock decides nothing in either direction.
    let year = 365 * 86_400_000;
    let mut ahead = later(10);
    ahead.unix_ms += year;
    assert!(standing.at(ahead).verified());
    let mut back = later(stale_after + 1);
    back.unix_ms -= year;
    assert!(!standing.at(back).verified());
}

#[test]
fn who_asks_for_a_fresher_attestation_gets_no_older_one() {
    let standing = Attestor::new(settings()).run(&facts());
    let view = standing.at(later(20));
    assert_eq!(view.verify(Some(Duration::from_secs(20))).http_status(), 200);
    let answer = view.verify(Some(Duration::from_secs(19)));
    assert_eq!((answer.http_status(), answer.stale, answer.age_seconds), (503, true, Some(20)));
    let standing_long = standing.at(later(10_000));
    assert_eq!(standing_long.verify(Some(Duration::from_secs(99_999))).http_status(), 503, "no one can ask for older");
}

#[test]
fn failed_stays_failed_however_old() {
    let standing = demanding().run(&facts());
    let view = standing.at(later(1_000_000));
    assert_eq!((view.state(), view.stale()), (State::Failed, true));
}

#[test]
fn a_missing_key_leaves_the_bundle_unsigned_and_the_machine_degraded() {
    for key in [Reading::Absent, Reading::Unreadable("mode 0644; chmod 0400 it".into())] {
        let mut attestor = Attestor::new(settings());
        attestor.key = key;
        let standing = attestor.run(&facts());
        let view = standing.at(NOON);
        assert_eq!((view.state(), view.codes()), (State::Degraded, vec![FailureCode::HmacKeyUnusable]));
        let json = view.bundle().unwrap().to_json();
        let refused = avouch_attestor::verify_hmac(json.as_bytes(), &crate::scene::key());
        assert_eq!(refused, Err(HmacRefusal::Unsigned));
        assert!(view.bundle().unwrap().failures[0].contains("hmac_key_path"), "the fix is in the message");
    }
}

#[test]
fn nothing_is_attested_without_its_record() {
    let mut attestor = Attestor::new(settings());
    attestor.run(&facts());
    let prepared = attestor.machine.prepare(
        appraise(&facts(), &settings(), &References::default()),
        &attestor.key,
        &attestor.tail,
    );
    assert_eq!(prepared.bundle().state, State::Attested);
    assert_eq!(attestor.machine.standing().run(), 1, "preparing publishes nothing");
    let standing = attestor.machine.withhold(prepared, &attestor.key, "no space left on device; make room");
    let view = standing.at(NOON);
    assert_eq!((view.state(), view.codes()), (State::Failed, vec![FailureCode::AuditNotWritten]));
    let bundle = view.bundle().unwrap();
    assert_eq!((bundle.state, bundle.seq, &bundle.prev), (State::Failed, None, &None));
    assert_eq!(avouch_attestor::verify_hmac(bundle.to_json().as_bytes(), &key()), Ok(()));
    assert_eq!(attestor.run(&facts()).at(NOON).codes(), [FailureCode::Latched]);
}

#[test]
fn bundle_lists_the_worst_and_counts_the_rest() {
    let mut settings = settings();
    settings.policy_files = (0..300).map(|n| format!("/etc/policy/{n}").into()).collect();
    settings.require_tpm = true;
    let mut attestor = Attestor::new(settings);
    let standing = attestor.run(&facts());
    let view = standing.at(NOON);
    let bundle = view.bundle().unwrap();
    assert_eq!((bundle.findings.len(), bundle.failures.len(), bundle.failures_omitted), (128, 128, 173));
    assert_eq!(bundle.findings[0].code, FailureCode::TpmAbsent);
    assert_eq!((view.status().failure_count, view.state()), (301, State::Failed));
    assert!(attestor.log.len() < avouch_attestor::audit::MAX_LINE_BYTES);
}

#[test]
fn an_acknowledgement_that_the_log_did_not_take_is_none() {
    let mut attestor = demanding();
    let tpm = crate::scene::Tpm::new();
    attestor.run(&facts());
    attestor.machine.acknowledge("uid 0", NOON).unwrap();
    let appraisal = appraise(&tpm.quoted(facts()), &attestor.settings, &References::default());
    let prepared = attestor.machine.prepare(appraisal, &attestor.key, &attestor.tail);
    let standing = attestor.machine.withhold(prepared, &attestor.key, "input/output error");
    assert!(standing.at(NOON).bundle().unwrap().acknowledged.is_none());
    assert_eq!(attestor.run(&tpm.quoted(facts())).at(NOON).codes(), [FailureCode::Latched]);
}

#[test]
fn an_incident_is_reported_for_every_run_that_does_not_attest() {
    let report = |facts: &avouch_attestor::Facts, settings: &avouch_attestor::Settings| {
        let machine = Machine::new(settings, None);
        let appraisal = appraise(facts, settings, &References::default());
        machine.prepare(appraisal, &Reading::Value(key()), &Tail::EMPTY).incident()
    };
    assert_eq!(report(&facts(), &settings()), None);
    let incident = serde_json::to_value(report(&degraded(), &settings()).unwrap()).unwrap();
    assert_eq!(incident["class"], "attestation_failure");
    assert_eq!(incident["source"], "runtime-attestor");
    assert_eq!(incident["severity"], "high");
    let evidence = &incident["evidence"];
    assert_eq!((&evidence["state"], &evidence["failure_count"]), (&"degraded".into(), &1.into()));
    assert_eq!(evidence["missing_binary_registry"], true);
    assert!(evidence["failure_0"].as_str().unwrap().starts_with("SERVICE_MISSING: service binary missing: registry"));
    let mut demanding = settings();
    demanding.require_tpm = true;
    assert_eq!(report(&facts(), &demanding).unwrap().severity, "critical");
}
