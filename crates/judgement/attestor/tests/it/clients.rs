//! Clients of the local attestor API: one that knows only what was documented first, and a new one.

use std::collections::BTreeMap;

use avouch_attestor::{AttestAnswer, Bundle, HealthAnswer, State, StatusAnswer, VerifyAnswer};
use serde::Deserialize;
use serde_json::Value;

use crate::scene::{Attestor, NOON, Tpm, facts, later, settings};

/// The thirteen fields, every type as it was: what is missing or of another type is an error.
#[derive(Deserialize)]
struct OldBundle {
    timestamp: String,
    state: String,
    boot_measurements: OldBoot,
    deployment_digest: String,
    service_digests: BTreeMap<String, String>,
    policy_digest: String,
    registry_manifest_hash: String,
    kernel_cmdline: String,
    kernel_lockdown: String,
    tpm_available: bool,
    tpm_quote_verified: bool,
    #[serde(default)]
    failures: Vec<String>,
    bundle_hmac: String,
}

#[derive(Deserialize)]
struct OldBoot {
    secure_boot_enabled: bool,
    #[serde(default)]
    pcr_values: BTreeMap<String, String>,
    measured_at: String,
}

#[derive(Deserialize)]
struct OldAttest {
    state: String,
    bundle: Option<OldBundle>,
}

#[derive(Deserialize)]
struct OldVerify {
    verified: bool,
    state: String,
}

#[derive(Deserialize)]
struct OldStatus {
    attestation_state: String,
    tpm_available: bool,
    tpm_quote_verified: bool,
    secure_boot: bool,
    policy_digest: String,
    deployment_digest: String,
    service_count: u64,
    failure_count: u64,
    last_attested: String,
    attest_count: u64,
    degrade_count: u64,
    fail_count: u64,
}

fn sent<A: serde::Serialize, B: for<'de> Deserialize<'de>>(answer: &A) -> B {
    serde_json::from_str(&serde_json::to_string(answer).unwrap()).unwrap()
}

#[test]
fn old_client_reads_every_answer() {
    let mut attestor = Attestor::new(settings());
    let standing = attestor.run(&Tpm::new().quoted(facts()));
    let view = standing.at(NOON);
    let health: BTreeMap<String, String> = sent(&view.health());
    assert_eq!(health, BTreeMap::from([("state".into(), "attested".into()), ("status".into(), "ok".into())]));
    let verify: OldVerify = sent(&view.verify(None));
    assert!(verify.verified && verify.state == "attested");
    let attest: OldAttest = sent(&view.attest());
    let bundle = attest.bundle.unwrap();
    assert_eq!((attest.state.as_str(), bundle.state.as_str()), ("attested", "attested"));
    assert_eq!((bundle.timestamp.as_str(), bundle.boot_measurements.measured_at.len()), ("2026-03-13T12:00:00Z", 20));
    assert!(
        !bundle.boot_measurements.secure_boot_enabled && bundle.boot_measurements.pcr_values["0"].starts_with("0x")
    );
    assert_eq!((bundle.service_digests["registry"].len(), bundle.policy_digest.len()), (64, 64));
    assert_eq!(
        (bundle.deployment_digest.as_str(), bundle.registry_manifest_hash.as_str()),
        ("unavailable", "unavailable")
    );
    assert!(bundle.kernel_cmdline.starts_with("quiet") && bundle.kernel_lockdown.contains("[integrity]"));
    assert!(bundle.tpm_available && bundle.tpm_quote_verified && bundle.failures.is_empty());
    assert_eq!(bundle.bundle_hmac.len(), 64);
    let status: OldStatus = sent(&view.status());
    assert_eq!(
        (status.attestation_state.as_str(), status.last_attested.as_str()),
        ("attested", "2026-03-13T12:00:00Z")
    );
    assert!(status.tpm_available && status.tpm_quote_verified && !status.secure_boot);
    assert_eq!((status.policy_digest.len(), status.deployment_digest.as_str()), (64, "unavailable"));
    let counts = (status.service_count, status.failure_count, status.attest_count, status.degrade_count);
    assert_eq!((counts, status.fail_count), ((1, 0, 1, 0), 0));
}

#[test]
fn old_client_reads_the_answers_before_the_first_run() {
    let attestor = Attestor::new(settings());
    let standing = attestor.machine.standing();
    let view = standing.at(NOON);
    let verify: OldVerify = sent(&view.verify(None));
    assert!(!verify.verified && verify.state == "pending");
    let attest: OldAttest = sent(&view.attest());
    assert!(attest.state == "pending" && attest.bundle.is_none());
    let status: OldStatus = sent(&view.status());
    assert_eq!((status.attestation_state.as_str(), status.last_attested.as_str()), ("pending", ""));
    assert_eq!(view.verify(None).http_status(), 503);
}

#[test]
fn new_client_reads_what_is_newer() {
    let standing = Attestor::new(settings()).run(&Tpm::new().quoted(facts()));
    let view = standing.at(later(7));
    let verify: VerifyAnswer = sent(&view.verify(None));
    assert_eq!((verify.age_seconds, verify.expires_at.as_deref()), (Some(7), Some("2026-03-13T12:10:30Z")));
    assert_eq!(verify, view.verify(None));
    assert_eq!(sent::<_, AttestAnswer>(&view.attest()), view.attest());
    assert_eq!(sent::<_, StatusAnswer>(&view.status()), view.status());
    assert_eq!(sent::<_, HealthAnswer>(&view.health()).state, State::Attested);
    let bundle: Bundle = sent(view.bundle().unwrap());
    assert_eq!((bundle.seq, bundle.prev.as_deref()), (Some(1), Some("0".repeat(64).as_str())));
    let value: Value = sent(&view.verify(None));
    assert_eq!((&value["assurance"], &value["assurance_mode"]), (&"local".into(), &"hardware".into()));
}

#[test]
fn empty_fields_are_left_out_where_they_are_documented_to_be() {
    let standing = Attestor::new(settings()).run(&facts());
    let view = standing.at(NOON);
    let value: Value = sent(view.bundle().unwrap());
    assert!(value.get("failures").is_none() && value["boot_measurements"].get("pcr_values").is_none());
    for name in ["findings", "quote", "acknowledged"] {
        assert!(value.get(name).is_none(), "{name}");
    }
}
