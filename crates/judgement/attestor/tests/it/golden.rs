//! HMACs that others computed: the forms of both eras of the API.

use avouch_attestor::{HmacKey, HmacRefusal, seven_field_hmac, verify_hmac};
use serde_json::{Value, json};

use crate::scene::key;

/// The published vector of the whole-bundle form: its key is the bytes 00 to 1f.
pub(crate) const WHOLE: &str = "2f79b51e951ec69d0de69a6a36893b9c3802734517942b465f782e643865fff5";
/// HMAC-SHA-256 under `verification-key` of
/// `2026-01-01T00:00:00Z|attested|deploy-abc|policy-def|registry-ghi|true|false`, by Python's hmac module.
const SEVEN: &str = "79914cdea6f78652dd24095f881ebb58728ac4b24884ffed8f19a73f8f8856ae";

pub(crate) fn whole(hmac: &str) -> Value {
    let hex = |pair: &str, bytes| pair.repeat(bytes);
    json!({
        "timestamp": "2026-07-27T12:34:56.123456789Z",
        "state": "attested",
        "assurance_mode": "hardware",
        "evidence_verified": true,
        "request_nonce": hex("11", 32),
        "boot_measurements": {
            "secure_boot_enabled": true,
            "pcr_values": {"0": format!("0x{}", hex("22", 32)), "7": format!("0x{}", hex("23", 32))},
            "measured_at": "2026-07-27T12:34:55.999999999Z",
        },
        "deployment_digest": format!("sha256:{}", hex("33", 32)),
        "deployment_verified": true,
        "release_source_commit": hex("44", 20),
        "release_baseline_verified": true,
        "service_digests": {"registry": hex("55", 32), "tool-firewall": hex("56", 32)},
        "policy_digest": hex("66", 32),
        "registry_manifest_hash": hex("77", 32),
        "kernel_cmdline": "quiet lockdown=confidentiality",
        "kernel_lockdown": "[confidentiality] integrity",
        "tpm_available": true,
        "tpm_measurements_verified": true,
        "tpm_quote_verified": true,
        "tpm_ak_public_key_sha256": hex("88", 32),
        "tpm_quote_pcr_selection": "sha256:0,2,4,7",
        "failures": ["golden-vector"],
        "bundle_hmac": hmac,
    })
}

#[test]
fn published_vector_of_the_whole_bundle_verifies() {
    assert_eq!(verify_hmac(whole(WHOLE).to_string().as_bytes(), &key()), Ok(()));
    // However it is spelled: the canonical form is what is hashed.
    let spaced = serde_json::to_string_pretty(&whole(WHOLE)).unwrap();
    assert_eq!(verify_hmac(spaced.as_bytes(), &key()), Ok(()));
}

#[test]
fn every_field_of_the_vector_is_covered() {
    let vector = whole(WHOLE);
    for name in vector.as_object().unwrap().keys().filter(|name| *name != "bundle_hmac") {
        let mut changed = vector.clone();
        changed[name] = json!("tampered");
        assert_eq!(verify_hmac(changed.to_string().as_bytes(), &key()), Err(HmacRefusal::Mismatch), "{name}");
        changed.as_object_mut().unwrap().remove(name);
        assert_eq!(verify_hmac(changed.to_string().as_bytes(), &key()), Err(HmacRefusal::Mismatch), "{name} is gone");
    }
    let mut more = vector;
    more["extra"] = json!(1);
    assert_eq!(verify_hmac(more.to_string().as_bytes(), &key()), Err(HmacRefusal::Mismatch));
}

#[test]
fn vector_of_the_first_era_is_reproduced() {
    let bundle = json!({
        "timestamp": "2026-01-01T00:00:00Z",
        "state": "attested",
        "deployment_digest": "deploy-abc",
        "policy_digest": "policy-def",
        "registry_manifest_hash": "registry-ghi",
        "tpm_available": true,
        "tpm_quote_verified": false,
        "service_digests": {"not": "covered"},
    });
    assert_eq!(seven_field_hmac(bundle.to_string().as_bytes(), b"verification-key").as_deref(), Ok(SEVEN));
    assert_eq!(seven_field_hmac(b"{}", b"verification-key"), Err(HmacRefusal::NoBundle));
}

#[test]
fn unsigned_and_damaged_bundles_never_verify() {
    let verify = |hmac: &str| verify_hmac(whole(hmac).to_string().as_bytes(), &key());
    assert_eq!(verify("unsigned"), Err(HmacRefusal::Unsigned));
    assert_eq!(verify(""), Err(HmacRefusal::NoHmac));
    assert_eq!(verify(&WHOLE.to_uppercase()), Err(HmacRefusal::NoHmac));
    assert_eq!(verify(&WHOLE[..62]), Err(HmacRefusal::NoHmac));
    let text = whole(WHOLE).to_string();
    for end in 0..text.len() {
        assert_eq!(verify_hmac(&text.as_bytes()[..end], &key()), Err(HmacRefusal::NoBundle), "cut at {end}");
    }
    assert_eq!(verify_hmac(&vec![b' '; avouch_attestor::audit::MAX_LINE_BYTES + 1], &key()), Err(HmacRefusal::TooLong));
}

#[test]
fn a_key_file_is_64_lower_case_digits_and_one_line_break() {
    let good = "0f".repeat(32);
    assert!(HmacKey::from_file(good.as_bytes()).is_ok());
    assert!(HmacKey::from_file(format!("{good}\n").as_bytes()).is_ok());
    let bad = [String::new(), good.to_uppercase(), format!("{good}\n\n"), format!(" {good}"), good.replace('0', "g")];
    for content in bad.iter().map(String::as_bytes).chain([&good.as_bytes()[..63], &[0xFF; 64]]) {
        let error = HmacKey::from_file(content).unwrap_err();
        assert_eq!(error.got, content.len());
    }
    assert_eq!(format!("{:?}", key()), "HmacKey { .. }");
}
