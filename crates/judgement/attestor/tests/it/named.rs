//! The behaviours that a local attestor has always been tested for, under the names they are known by; what needs
//! sockets, files or a TPM is tested with those, in the agent.

use avouch_attestor::{Facts, Hash, PolicyDigest, Profile, Reading, Settings, State, seven_field_hmac, verify_hmac};

use crate::scene::{Attestor, NOON, facts, file, judged, key, service, settings};

const YAML: &str = "version: 1\nrequire_tpm: false\nrequire_secure_boot: false\nexpected_pcrs: {}\n\
    service_binaries:\n  registry: /usr/libexec/secure-ai/registry\n\
    policy_files:\n  - /etc/secure-ai/policy/policy.yaml\nrefresh_interval: \"1m\"\n\
    hmac_key_path: /run/secure-ai/attestation-hmac-key\n";

fn bundle(facts: &Facts) -> avouch_attestor::Bundle {
    let standing = Attestor::new(settings()).run(facts);
    let view = standing.at(NOON);
    view.bundle().unwrap().clone()
}

fn missing() -> Facts {
    let mut facts = facts();
    facts.services.get_mut("registry").unwrap().on_disk = Reading::Absent;
    facts
}

#[test]
fn load_attest_policy_defaults() {
    let settings = Settings::defaults(Profile::SecureAi);
    assert!(!settings.require_tpm && !settings.require_secure_boot && settings.expected_pcrs.is_empty());
    let services: Vec<&str> = settings.service_binaries.keys().map(String::as_str).collect();
    assert_eq!(services, ["airlock", "policy-engine", "registry", "tool-firewall"]);
    assert_eq!(settings.service_binaries["airlock"].path.to_str(), Some("/usr/libexec/secure-ai/airlock"));
    let files: Vec<_> = settings.policy_files.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(files, ["/etc/secure-ai/policy/policy.yaml", "/etc/secure-ai/policy/agent.yaml"]);
    assert_eq!(settings.refresh_interval.as_secs(), 300);
    assert_eq!(settings.hmac_key_path.to_string(), "/run/secure-ai/attestation-hmac-key");
    assert_eq!(settings.listen.unwrap().to_string(), "127.0.0.1:8505");
}

#[test]
fn load_attest_policy_from_file() {
    let loaded = Settings::from_yaml(YAML, Profile::SecureAi).unwrap();
    assert_eq!(loaded.warnings, []);
    let settings = loaded.settings;
    assert_eq!(settings.service_binaries.len(), 1);
    assert_eq!(settings.policy_files.len(), 1);
    assert_eq!((settings.refresh_interval.as_secs(), settings.stale_after.as_secs()), (60, 150));
}

#[test]
fn load_attest_policy_require_tpm() {
    let text = YAML.replace("require_tpm: false", "require_tpm: true");
    assert!(Settings::from_yaml(&text, Profile::SecureAi).unwrap().settings.require_tpm);
}

#[test]
fn load_attest_policy_invalid_yaml() {
    for text in ["{{{", "require_tpm: [", "- a\n- b\n", "just text", "require_tpm: maybe\n", "a: b: c\n"] {
        let error = Settings::from_yaml(text, Profile::SecureAi).unwrap_err();
        assert!(error.line().is_some(), "{text:?}: {error}");
    }
}

#[test]
fn collect_service_digests_all_present() {
    let digests = bundle(&facts()).service_digests;
    assert_eq!(digests["registry"], file("registry 1.0").sha256.to_hex());
}

#[test]
fn collect_service_digests_missing_binary() {
    assert_eq!(bundle(&missing()).service_digests["registry"], "missing");
}

#[test]
fn collect_service_digests_deterministic_hash_and_different_content() {
    assert_eq!(bundle(&facts()).service_digests, bundle(&facts()).service_digests);
    let mut other = facts();
    other.services.insert("registry".into(), service("registry 1.1"));
    assert_ne!(bundle(&facts()).service_digests, bundle(&other).service_digests);
}

#[test]
fn collect_policy_digest_valid_files_deterministic_order_matters() {
    let digest = |files: &[(&str, &str)]| {
        let mut digest = PolicyDigest::new();
        files.iter().for_each(|(path, content)| digest.file(path.as_ref(), content.as_bytes()));
        digest.finish()
    };
    let (a, b) = (("/etc/a", "one"), ("/etc/b", "two"));
    assert_eq!(digest(&[a, b]), digest(&[a, b]));
    assert_ne!(digest(&[a, b]), digest(&[b, a]));
    let mut given = facts();
    given.policy_digest = Reading::Value(digest(&[a]));
    assert_eq!(bundle(&given).policy_digest, digest(&[a]).to_hex());
}

#[test]
fn collect_policy_digest_missing_files() {
    let mut facts = facts();
    facts.policy_files[0].1 = Reading::Absent;
    facts.policy_digest = Reading::Absent;
    let bundle = bundle(&facts);
    assert_eq!((bundle.policy_digest.as_str(), bundle.state), ("unavailable", State::Degraded));
    assert!(bundle.failures[0].starts_with("policy file missing: /etc/secure-ai/policy/policy.yaml"));
}

#[test]
fn compute_bundle_hmac_no_key() {
    let mut attestor = Attestor::new(settings());
    attestor.key = Reading::Absent;
    let standing = attestor.run(&facts());
    assert_eq!(standing.at(NOON).bundle().unwrap().bundle_hmac, "unsigned");
}

#[test]
fn compute_bundle_hmac_with_key_deterministic_verify_correctness() {
    let (one, two) = (bundle(&facts()), bundle(&facts()));
    assert_eq!(one.bundle_hmac.len(), 64);
    assert_eq!(one.bundle_hmac, two.bundle_hmac);
    assert_eq!(verify_hmac(one.to_json().as_bytes(), &key()), Ok(()));
}

#[test]
fn compute_bundle_hmac_different_keys() {
    let other = avouch_attestor::HmacKey::from_file("ab".repeat(32).as_bytes()).unwrap();
    let mut attestor = Attestor::new(settings());
    attestor.key = Reading::Value(other.clone());
    let standing = attestor.run(&facts());
    let view = standing.at(NOON);
    let json = view.bundle().unwrap().to_json();
    assert_ne!(view.bundle().unwrap().bundle_hmac, bundle(&facts()).bundle_hmac);
    assert_eq!(verify_hmac(json.as_bytes(), &other), Ok(()));
    assert!(verify_hmac(json.as_bytes(), &key()).is_err());
    assert_ne!(seven_field_hmac(json.as_bytes(), b"a").unwrap(), seven_field_hmac(json.as_bytes(), b"b").unwrap());
}

#[test]
fn perform_attestation_no_requirements() {
    let mut settings = settings();
    settings.service_binaries.clear();
    assert_eq!(judged(&facts(), &settings).outcome(), State::Attested, "a policy file alone is something to check");
}

#[test]
fn perform_attestation_missing_binary_degrades() {
    let appraisal = judged(&missing(), &settings());
    assert_eq!(appraisal.outcome(), State::Degraded);
    assert!(appraisal.failures()[0].text.starts_with("service binary missing: registry (/usr/libexec/secure-ai/"));
}

#[test]
fn perform_attestation_valid_binaries_attested() {
    assert_eq!(judged(&facts(), &settings()).outcome(), State::Attested);
}

#[test]
fn perform_attestation_require_tpm_fails_in_ci() {
    let mut settings = settings();
    settings.require_tpm = true;
    let appraisal = judged(&facts(), &settings);
    assert_eq!(appraisal.outcome(), State::Failed);
    assert!(appraisal.failures()[0].text.starts_with("TPM2 not available: "));
}

#[test]
fn perform_attestation_attest_count_incremented_degrade_count_incremented() {
    let mut attestor = Attestor::new(settings());
    attestor.run(&facts());
    attestor.run(&missing());
    let counters = attestor.machine.standing().counters();
    assert_eq!((counters.attest, counters.degrade, counters.fail, counters.runs()), (1, 1, 0, 2));
}

#[test]
fn get_current_state_default_and_after_attestation() {
    let mut attestor = Attestor::new(settings());
    assert_eq!(attestor.machine.standing().at(NOON).state(), State::Pending);
    attestor.run(&facts());
    let standing = attestor.machine.standing();
    assert_eq!(standing.at(NOON).state(), State::Attested);
    assert_eq!(standing.at(NOON).bundle().unwrap().timestamp, "2026-03-13T12:00:00Z");
}

#[test]
fn http_verify_attested_not_attested_degraded() {
    let mut attestor = Attestor::new(settings());
    assert_eq!(attestor.machine.standing().at(NOON).verify(None).http_status(), 503);
    assert_eq!(attestor.run(&facts()).at(NOON).verify(None).http_status(), 200);
    assert_eq!(attestor.run(&missing()).at(NOON).verify(None).http_status(), 503);
}

#[test]
fn collect_kernel_state_no_error() {
    let bundle = bundle(&facts());
    assert!(bundle.kernel_cmdline.contains("lockdown=integrity"));
    assert_eq!(bundle.kernel_lockdown, "none [integrity] confidentiality");
}

#[test]
fn collect_deployment_digest_and_registry_manifest_hash_unavailable() {
    let bundle = bundle(&facts());
    assert_eq!(bundle.deployment_digest, "unavailable");
    assert_eq!(bundle.registry_manifest_hash, "unavailable");
    assert_eq!(bundle.state, State::Attested, "a machine without them is in order");
}

#[test]
fn collect_boot_measurements_no_tpm_and_tpm_required_fails_gracefully() {
    let bundle = bundle(&facts());
    assert!(!bundle.tpm_available && !bundle.tpm_quote_verified && bundle.boot_measurements.pcr_values.is_empty());
    assert_eq!(bundle.request_nonce, Hash([0x11; 32]).to_hex(), "the nonce is under the HMAC without a TPM, too");
    let mut settings = settings();
    settings.require_tpm = true;
    let standing = Attestor::new(settings).run(&facts());
    assert_eq!(standing.at(NOON).verify(None).http_status(), 503);
}
