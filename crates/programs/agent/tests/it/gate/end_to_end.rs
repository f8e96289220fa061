//! The way of an appliance through its states, asked from outside.

use std::fs;

use super::world::{Appliance, codes};
use crate::swtpm::Swtpm;

#[test]
fn pending_then_attested_then_degraded_by_a_missing_binary_and_attested_again() {
    let mut appliance = Appliance::new("");
    let took = appliance.start();
    println!("counted: {took:?} from exec to the first answer");
    assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());

    let second = appliance.path("bin/second");
    fs::rename(&second, appliance.path("bin/away")).unwrap();
    let bundle = appliance.refresh();
    assert_eq!((&bundle["state"], codes(&bundle)), (&"degraded".into(), vec!["SERVICE_MISSING".to_owned()]));
    assert_eq!(bundle["service_digests"]["second"], "missing");
    assert_eq!(appliance.verify(), (503, "degraded".into()));

    fs::rename(appliance.path("bin/away"), &second).unwrap();
    assert_eq!(appliance.refresh()["state"], "attested");
    assert_eq!(appliance.verify(), (200, "attested".into()));

    fs::write(&second, "another program").unwrap();
    let bundle = appliance.refresh();
    assert_eq!((&bundle["state"], codes(&bundle)), (&"degraded".into(), vec!["SERVICE_DRIFT".to_owned()]));

    let lines = appliance.lines();
    let states: Vec<_> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["attested", "degraded", "attested", "degraded"]);
    let verified = appliance.run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    let (_, status) = appliance.get("/api/security/status");
    assert_eq!(
        (&status["attest_count"], &status["degrade_count"], &status["fail_count"]),
        (&2.into(), &2.into(), &0.into())
    );
}

#[test]
fn without_a_demanded_tpm_it_fails_and_stays_failed_until_acknowledged() {
    let mut appliance = Appliance::new("require_tpm = true");
    appliance.start();
    assert_eq!(appliance.settled(), (503, "failed".into()));
    // It would pass now, and must not by itself; not even by a restart.
    appliance.kill();
    appliance.configure("");
    appliance.start();
    assert_eq!(appliance.settled(), (503, "failed".into()));
    let bundle = appliance.refresh();
    assert_eq!(codes(&bundle), ["LATCHED"]);
    let wait = appliance.run(&["wait", "--timeout", "1s", "--unit", "lab.service"]);
    let words = String::from_utf8(wait.stderr).unwrap();
    assert!(wait.status.code() == Some(1) && words.contains("lab.service may not start"), "{words}");
    assert!(words.contains("gate ack"), "the remedy is not told: {words}");

    let acknowledged = appliance.run(&["ack"]);
    assert_eq!(acknowledged.status.code(), Some(0), "{acknowledged:?}");
    assert_eq!(appliance.verify(), (200, "attested".into()));
    let again = appliance.run(&["ack", "--json"]);
    assert_eq!(again.status.code(), Some(4), "there is nothing left to acknowledge: {again:?}");
    assert_eq!(appliance.run(&["wait", "--timeout", "1s"]).status.code(), Some(0));
}

#[test]
fn a_tpm_signs_what_was_measured_with_the_callers_nonce() {
    let Some(tpm) = Swtpm::start() else { return };
    let mut appliance = Appliance::new(&format!("require_tpm = true\nrequire_quote = true\ntpm = '{}'", tpm.spec()));
    appliance.start();
    assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
    let bundle = appliance.refresh();
    assert!(bundle["tpm_available"] == true && bundle["tpm_quote_verified"] == true, "{bundle}");
    let parsed: avouch_attestor::Bundle = serde_json::from_value(bundle).unwrap();
    parsed.verify_quote().unwrap();
    // The key is made once, and outlives the gate.
    appliance.kill();
    appliance.start();
    assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
    let again: avouch_attestor::Bundle = serde_json::from_value(appliance.refresh()).unwrap();
    assert_eq!(again.tpm_ak_public_key_sha256, parsed.tpm_ak_public_key_sha256);
    drop(tpm);
    let bundle = appliance.refresh();
    assert_eq!(bundle["state"], "failed", "the TPM is gone: {bundle}");
}
