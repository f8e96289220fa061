//! Failures are reported to whoever handles incidents on this machine, and nobody is held up by them.

use std::fs;

use super::receiver::{Manner, Receiver, Report};
use super::world::Appliance;

/// An appliance that reports to `receiver`.
fn reporting(receiver: &Receiver, more: &str) -> Appliance {
    let hook =
        format!("webhook = {{ url = '{}', token_path = '{}' }}", receiver.url(), receiver.token_path().display());
    Appliance::new(&format!("{hook}\n{more}"))
}

/// Takes the binaries away that are not in `present`, and has the machine looked at.
fn with_binaries(appliance: &Appliance, present: &[&str]) -> String {
    for name in ["first", "second"] {
        let (here, away) = (appliance.path("bin").join(name), appliance.path("bin").join(format!("{name}-away")));
        match (present.contains(&name), here.exists()) {
            (true, false) => fs::rename(away, here).unwrap(),
            (false, true) => fs::rename(here, away).unwrap(),
            _ => {}
        }
    }
    appliance.refresh()["state"].as_str().unwrap().to_owned()
}

fn missing(report: &Report) -> Vec<&str> {
    let keys = report.incident["evidence"].as_object().unwrap().keys();
    keys.filter_map(|key| key.strip_prefix("missing_binary_")).collect()
}

#[test]
fn a_failure_is_posted_once_in_the_documented_shape_and_a_success_never() {
    let receiver = Receiver::open();
    let mut appliance = reporting(&receiver, "");
    appliance.start();
    assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
    assert_eq!(with_binaries(&appliance, &["first"]), "degraded");
    let report = receiver.next();
    assert_eq!(report.line, "POST /api/v1/incidents/report HTTP/1.1");
    assert_eq!(report.token, Some(receiver.token()));
    let incident = report.incident.as_object().unwrap();
    let keys: Vec<_> = incident.keys().map(String::as_str).collect();
    assert_eq!(keys, ["class", "description", "evidence", "severity", "source"]);
    assert_eq!((&incident["class"], &incident["source"]), (&"attestation_failure".into(), &"runtime-attestor".into()));
    assert_eq!(incident["severity"], "high");
    assert!(incident["description"].as_str().unwrap().contains("degraded"), "{incident:?}");
    let bundle = appliance.lines().pop().unwrap();
    let evidence = &incident["evidence"];
    for (key, from) in [
        ("state", &bundle["state"]),
        ("failure_count", &1.into()),
        ("tpm_available", &bundle["tpm_available"]),
        ("tpm_measurements_verified", &bundle["tpm_measurements_verified"]),
        ("tpm_quote_verified", &bundle["tpm_quote_verified"]),
        ("secure_boot", &bundle["boot_measurements"]["secure_boot_enabled"]),
        ("deployment_digest", &bundle["deployment_digest"]),
        ("policy_digest", &bundle["policy_digest"]),
        ("bundle_hmac", &bundle["bundle_hmac"]),
        ("missing_binary_second", &true.into()),
    ] {
        assert_eq!(&evidence[key], from, "{key}");
    }
    let first = evidence["failure_0"].as_str().unwrap();
    assert!(first.starts_with("SERVICE_MISSING: ") && evidence.get("failure_1").is_none(), "{evidence}");

    assert_eq!(with_binaries(&appliance, &["first"]), "degraded", "the same failure, seen again");
    assert_eq!(with_binaries(&appliance, &["first", "second"]), "attested");
    assert_eq!(with_binaries(&appliance, &["second"]), "degraded");
    assert_eq!(missing(&receiver.next()), ["first"], "neither the repetition nor the success was posted");
    assert_eq!(receiver.left(), 0);
}

#[test]
fn a_machine_that_fails_is_critical() {
    let receiver = Receiver::open();
    let mut appliance = reporting(&receiver, "require_tpm = true");
    appliance.start();
    assert_eq!(appliance.settled(), (503, "failed".into()));
    let report = receiver.next();
    assert_eq!(report.incident["severity"], "critical");
    assert_eq!(report.incident["evidence"]["state"], "failed");
    let first = report.incident["evidence"]["failure_0"].as_str().unwrap();
    assert!(first.starts_with("TPM_"), "{first}");
}

#[test]
fn a_receiver_that_never_answers_holds_nothing_up() {
    let receiver = Receiver::open();
    let mut appliance = reporting(&receiver, "");
    appliance.start();
    appliance.settled();
    receiver.behave(Manner::NeverAnswers);
    with_binaries(&appliance, &["first"]);
    assert_eq!(missing(&receiver.next()), ["second"], "it has the report and keeps its answer");
    assert_eq!(appliance.verify(), (503, "degraded".into()));
    assert_eq!(with_binaries(&appliance, &["first", "second"]), "attested");
    assert_eq!(appliance.verify(), (200, "attested".into()));
    receiver.behave(Manner::Takes);
    assert_eq!(with_binaries(&appliance, &["second"]), "degraded");
    assert_eq!(missing(&receiver.next()), ["first"], "reported when the first call was given up");
    let told = appliance.told();
    assert!(told.contains("a failure cannot be reported: no answer at http://127.0.0.1:"), "{told}");
}

#[test]
fn a_receiver_that_refuses_or_fails_holds_nothing_up_and_is_told_when_it_is_back() {
    let mut receiver = Receiver::open();
    let mut appliance = reporting(&receiver, "");
    appliance.start();
    appliance.settled();
    receiver.behave(Manner::Answers500);
    with_binaries(&appliance, &["first"]);
    assert_eq!(missing(&receiver.next()), ["second"]);
    assert_eq!(appliance.verify(), (503, "degraded".into()));

    receiver.close();
    with_binaries(&appliance, &["second"]);
    assert_eq!(appliance.verify(), (503, "degraded".into()));
    let words = appliance.told_until("a failure cannot be reported");
    assert!(words.contains("does not take a report of a failure: 500"), "{words}");

    receiver.behave(Manner::Takes);
    receiver.reopen();
    with_binaries(&appliance, &[]);
    assert_eq!(missing(&receiver.next()), ["first", "second"], "what it missed is not sent again, what is new is");
    assert_eq!(receiver.left(), 0);
}

#[test]
fn a_receiver_elsewhere_is_refused_before_anything_starts() {
    let appliance = Appliance::new("webhook = { url = 'https://recorder.example/report' }");
    for words in [&["check-config"][..], &[]] {
        let refused = appliance.run(words);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(78), "{told}");
        for word in ["line 2: `webhook.url`", "https://recorder.example", "http://127.0.0.1:PORT/PATH", "forwarder"] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
    let refused = appliance.run(&["check-config", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.status.code(), &document["error"]["line"]), (Some(78), &2.into()), "{document}");
    assert!(document["error"]["text"].as_str().unwrap().contains("webhook.url"), "{document}");
}
