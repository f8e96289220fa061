//! A saved bundle in the hands of somebody else.

use avouch_attestor::{
    Bundle, BundleError, Hash, Held, Outcome, PinnedAk, PinnedAkError, PublicAk, Verdict, Verification, verify_bundle,
};
use avouch_crypto::FileKey;
use avouch_tpm_wire::{HashAlg, Key, PublicArea, Scheme, Symmetric, templates};
use serde_json::{Value, json};

use crate::golden::{WHOLE, whole};
use crate::scene::{Attestor, NOON, Tpm, facts, settings};

/// The scene's HMAC key as its file has it.
const HMAC_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
/// Of the scene's facts.
const NONCE: Hash = Hash([0x11; 32]);

fn saved(tpm: &Tpm) -> Value {
    let mut attestor = Attestor::new(settings());
    let standing = attestor.run(&tpm.quoted(facts()));
    serde_json::from_str(&standing.at(NOON).bundle().unwrap().to_json()).unwrap()
}

fn pinned(tpm: &Tpm) -> PinnedAk {
    PinnedAk::read(PublicAk::of(&tpm.ak_public()).unwrap().pem().as_bytes()).unwrap()
}

fn verify(bundle: &Value, held: &Held<'_>) -> Verification {
    verify_bundle(bundle.to_string().as_bytes(), held).unwrap()
}

fn outcome(verification: &Verification, check: &str) -> Outcome {
    verification.checks.iter().find(|found| found.check == check).unwrap().result
}

fn failed(verification: &Verification) -> Vec<&str> {
    verification.checks.iter().filter(|check| check.result == Outcome::Failed).map(|check| check.check).collect()
}

fn all(tpm: &Tpm) -> Held<'static> {
    Held { key: Some(pinned(tpm)), nonce: Some(NONCE), hmac_key: Some(HMAC_KEY.as_bytes()) }
}

#[test]
fn what_was_asked_for_holds_and_what_was_not_given_is_not_done() {
    let tpm = Tpm::new();
    let bundle = saved(&tpm);
    let with = |held: Held<'_>| verify(&bundle, &held);
    let everything = with(all(&tpm));
    assert_eq!(everything.verdict, Verdict::Holds);
    assert!(everything.checks.iter().all(|check| check.result == Outcome::Passed), "{everything:?}");
    let names: Vec<_> = everything.checks.iter().map(|check| check.check).collect();
    assert_eq!(names, ["quote_signature", "measurements", "pcr_digest", "claims", "nonce", "hmac"]);

    let by_key = with(Held { nonce: None, hmac_key: None, ..all(&tpm) });
    assert_eq!((by_key.verdict, outcome(&by_key, "nonce")), (Verdict::Holds, Outcome::NotDone));
    let by_hmac = with(Held { key: None, ..all(&tpm) });
    assert_eq!((by_hmac.verdict, outcome(&by_hmac, "quote_signature")), (Verdict::Holds, Outcome::NotDone));

    // A key that the bundle brings along proves nothing, and a nonce that nobody signed neither.
    let nothing = with(Held::default());
    assert_eq!((nothing.verdict, outcome(&nothing, "quote_signature")), (Verdict::Unverifiable, Outcome::NotDone));
    let nonce = with(Held { nonce: Some(NONCE), ..Held::default() });
    assert_eq!((nonce.verdict, outcome(&nonce, "nonce")), (Verdict::Unverifiable, Outcome::NotDone));
}

#[test]
fn another_key_another_nonce_or_another_hmac_key_is_refused() {
    let (tpm, other) = (Tpm::new(), Tpm::new());
    let bundle = saved(&tpm);
    let refused = |held: Held<'_>| {
        let verification = verify(&bundle, &held);
        assert_eq!(verification.verdict, Verdict::Refused);
        failed(&verification).join(" ")
    };
    assert_eq!(refused(Held { key: Some(pinned(&other)), ..all(&tpm) }), "quote_signature");
    assert_eq!(refused(Held { nonce: Some(Hash([0x12; 32])), ..all(&tpm) }), "nonce");
    let key = "ff".repeat(32);
    assert_eq!(refused(Held { hmac_key: Some(key.as_bytes()), ..all(&tpm) }), "hmac");
    assert_eq!(refused(Held { hmac_key: Some(b"no key"), ..all(&tpm) }), "hmac");
}

#[test]
fn every_changed_field_is_refused_by_whoever_holds_both_keys() {
    let tpm = Tpm::new();
    let bundle = saved(&tpm);
    for (name, value) in bundle.as_object().unwrap() {
        let mut changed = bundle.clone();
        changed[name] = match value {
            Value::Bool(flag) => json!(!flag),
            Value::Number(number) => json!(number.as_u64().unwrap() + 1),
            Value::String(text) if name == "state" => json!(if text == "failed" { "attested" } else { "failed" }),
            Value::String(text) if name == "assurance" => json!(if text == "local" { "server" } else { "local" }),
            Value::String(text) if name == "assurance_mode" => {
                json!(if text == "hardware" { "software" } else { "hardware" })
            }
            Value::String(text) => json!(format!("{text}0")),
            Value::Array(_) => json!([]),
            _ => continue,
        };
        let verification = verify(&changed, &all(&tpm));
        assert_eq!(verification.verdict, Verdict::Refused, "{name}");
        assert!(failed(&verification).contains(&"hmac"), "{name}: {verification:?}");
    }
}

#[test]
fn the_tpm_alone_protects_what_was_measured_and_what_is_told_of_its_quote() {
    let tpm = Tpm::new();
    let whole: Bundle = serde_json::from_value(saved(&tpm)).unwrap();
    type Change = fn(&mut Bundle);
    let changes: [(&str, Change, &str); 9] = [
        ("cmdline", |b| b.kernel_cmdline.push('x'), "measurements"),
        ("service", |b| drop(b.service_digests.insert("registry".into(), "0".repeat(64))), "measurements"),
        ("nonce", |b| b.request_nonce = "22".repeat(32), "measurements"),
        (
            "PCR",
            |b| drop(b.boot_measurements.pcr_values.insert("7".into(), format!("0x{}", "aa".repeat(32)))),
            "pcr_digest",
        ),
        ("fewer PCRs", |b| drop(b.boot_measurements.pcr_values.remove("7")), "pcr_digest"),
        ("time", |b| b.timestamp.push('x'), "claims"),
        ("selection", |b| b.tpm_quote_pcr_selection = "sha256:0".into(), "claims"),
        ("key's digest", |b| b.tpm_ak_public_key_sha256 = "0".repeat(64), "claims"),
        ("signature", |b| b.quote.as_mut().unwrap().signature = "AAAA".into(), "quote_signature"),
    ];
    let held = Held { nonce: None, hmac_key: None, ..all(&tpm) };
    for (name, change, check) in changes {
        let mut changed = whole.clone();
        change(&mut changed);
        let verification = verify_bundle(changed.to_json().as_bytes(), &held).unwrap();
        assert_eq!(verification.verdict, Verdict::Refused, "{name}");
        assert!(failed(&verification).contains(&check), "{name}: {verification:?}");
    }
    let mut without = whole;
    without.quote = None;
    let verification = verify_bundle(without.to_json().as_bytes(), &held).unwrap();
    assert_eq!(failed(&verification), ["quote_signature"], "a quote is asked for, and there is none");
}

#[test]
fn hmacs_of_both_eras_verify_and_no_later_bundle_passes_as_an_early_one() {
    let hmac = |key: &'static [u8]| Held { hmac_key: Some(key), ..Held::default() };
    let vector = verify(&whole(WHOLE), &hmac(HMAC_KEY.as_bytes()));
    assert_eq!((vector.verdict, outcome(&vector, "hmac")), (Verdict::Holds, Outcome::Passed));

    let mut seven = json!({
        "timestamp": "2026-01-01T00:00:00Z", "state": "attested", "deployment_digest": "deploy-abc",
        "policy_digest": "policy-def", "registry_manifest_hash": "registry-ghi", "tpm_available": true,
        "tpm_quote_verified": false, "service_digests": {"not": "covered"},
        // By Python's hmac module, under the bytes `verification-key`.
        "bundle_hmac": "79914cdea6f78652dd24095f881ebb58728ac4b24884ffed8f19a73f8f8856ae",
    });
    let held = hmac(b"verification-key");
    let early = verify(&seven, &held);
    assert_eq!(early.verdict, Verdict::Holds);
    let told = &early.checks.iter().find(|check| check.check == "hmac").unwrap().what;
    assert!(told.contains("first era") && told.contains("nothing else"), "{told}");
    let changed = |name: &str, value: Value| {
        let mut changed = seven.clone();
        changed[name] = value;
        verify(&changed, &held).verdict
    };
    for name in ["timestamp", "state", "deployment_digest", "policy_digest", "registry_manifest_hash"] {
        assert_eq!(changed(name, json!("other")), Verdict::Refused, "{name}");
    }
    for name in ["tpm_available", "tpm_quote_verified"] {
        assert_eq!(changed(name, json!(!seven[name].as_bool().unwrap())), Verdict::Refused, "{name}");
    }
    assert_eq!(changed("assurance", json!("server")), Verdict::Refused, "a later bundle in an early one's clothes");
    assert_eq!(changed("bundle_hmac", json!("unsigned")), Verdict::Refused);
    // The nonce of such a bundle was signed by nobody.
    let held = Held { nonce: Some(NONCE), ..held.clone() };
    assert_eq!(verify(&seven, &held).verdict, Verdict::Refused, "there is no nonce in it");
    seven["bundle_hmac"] = json!(null);
    assert_eq!(verify(&seven, &hmac(b"verification-key")).verdict, Verdict::Refused);
}

#[test]
fn an_unsigned_bundle_never_verifies() {
    let tpm = Tpm::new();
    let mut bundle = saved(&tpm);
    bundle["bundle_hmac"] = json!("unsigned");
    assert_eq!(failed(&verify(&bundle, &all(&tpm))), ["hmac"]);
    bundle.as_object_mut().unwrap().remove("quote");
    assert_eq!(verify(&bundle, &Held::default()).verdict, Verdict::Unverifiable);
}

#[test]
fn what_is_no_bundle_is_refused_with_its_offset_and_field() {
    let tpm = Tpm::new();
    let text = saved(&tpm).to_string();
    for end in 0..text.len() {
        let error = verify_bundle(&text.as_bytes()[..end], &Held::default()).unwrap_err();
        assert!(matches!(error, BundleError::Json { offset, .. } if offset <= end), "cut at {end}: {error}");
    }
    let refused = |text: &str| verify_bundle(text.as_bytes(), &Held::default()).unwrap_err().to_string();
    let spoilt = text.replacen("\"tpm_available\":true", "\"tpm_available\":1", 1);
    let at = spoilt.find("\"tpm_available\":1").unwrap() + "\"tpm_available\":".len();
    assert!(refused(&spoilt).starts_with(&format!("offset {at}: ")), "{} wanted {at}", refused(&spoilt));
    let mut lacking = saved(&tpm);
    lacking.as_object_mut().unwrap().remove("kernel_cmdline");
    assert!(refused(&lacking.to_string()).contains("kernel_cmdline"));
    assert_eq!(refused("[]").split(':').next(), Some("offset 0"));
    assert!(refused(&format!("{text} x")).starts_with(&format!("offset {}", text.len() + 1)));
    let twice = text.replacen('{', "{\"state\":\"attested\",", 1);
    assert!(refused(&twice).contains("duplicate field"), "{}", refused(&twice));
    let long = vec![b' '; avouch_attestor::audit::MAX_LINE_BYTES + 1];
    assert!(matches!(verify_bundle(&long, &Held::default()), Err(BundleError::TooLong { .. })));
}

#[test]
fn a_key_is_read_as_it_is_printed_and_as_tpm_tools_write_it() {
    let tpm = Tpm::new();
    let public = tpm.ak_public();
    let printed = PublicAk::of(&public).unwrap();
    assert_eq!(printed.name().len(), 68);
    assert!(printed.name().starts_with("000b") && printed.name().ends_with(&printed.sha256().to_hex()));
    let sized = [&u16::try_from(public.len()).unwrap().to_be_bytes()[..], &public].concat();
    let bundle = saved(&tpm);
    for file in [printed.pem().as_bytes(), &public, &sized] {
        let held = Held { key: Some(PinnedAk::read(file).unwrap()), ..Held::default() };
        assert_eq!(verify(&bundle, &held).verdict, Verdict::Holds);
        for end in 0..file.len().saturating_sub(1) {
            assert!(PinnedAk::read(&file[..end]).is_err(), "cut at {end}");
        }
    }
    let wrong = [&b""[..], b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", &[0xFF; 64], &[b'A'; 20_000]];
    for file in wrong {
        assert!(!PinnedAk::read(file).unwrap_err().to_string().is_empty());
    }
    assert_eq!(PinnedAk::read(wrong[1]), Err(PinnedAkError::Content));
}

#[test]
fn keys_of_every_kind_are_printed_as_others_read_them() {
    for bits in [2048_u16, 3072, 4096] {
        let modulus = vec![0xC5; usize::from(bits / 8)];
        let key = Key::Rsa {
            symmetric: Symmetric::Null,
            scheme: Scheme::RsaSsa(HashAlg::Sha256),
            bits,
            exponent: 0,
            modulus: &modulus,
        };
        let public = PublicArea::new(HashAlg::Sha256, templates::AK.attributes(), &[], key).unwrap().encode();
        let printed = PublicAk::of(&public).unwrap();
        assert_eq!(FileKey::from_pem(printed.pem()).unwrap().len(), 1, "{bits}");
        assert!(PinnedAk::read(printed.pem().as_bytes()).is_ok(), "{bits}");
    }
    let storage = templates::AK.attributes();
    assert!(storage.0 != 0 && PublicAk::of(b"no key").is_err());
}
