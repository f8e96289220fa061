//! The TPM's signature over what was measured.

use avouch_attestor::{AssuranceMode, Bundle, FailureCode, Hash, QuoteRefusal, State, TpmFacts, VerifiedQuote};

use crate::scene::{Attestor, Tpm, codes, facts, judged, key, settings};

fn published(tpm: &Tpm) -> Bundle {
    let mut attestor = Attestor::new(settings());
    let standing = attestor.run(&tpm.quoted(facts()));
    standing.at(crate::scene::NOON).bundle().unwrap().clone()
}

#[test]
fn quote_over_this_run_is_verified_and_shown() {
    let tpm = Tpm::new();
    let bundle = published(&tpm);
    assert_eq!((bundle.state, bundle.tpm_quote_verified), (State::Attested, true));
    assert_eq!(bundle.assurance_mode, AssuranceMode::Hardware);
    assert_eq!(bundle.tpm_quote_pcr_selection, "sha256:0,2,4,7");
    assert_eq!(bundle.boot_measurements.pcr_values["7"], format!("0x{}", "07".repeat(32)));
    assert!(bundle.evidence_verified && !bundle.tpm_measurements_verified, "no PCR is expected");
}

#[test]
fn third_party_verifies_a_bundle_without_any_secret() {
    let bundle = published(&Tpm::new());
    let verified = bundle.verify_quote().unwrap();
    assert_eq!(verified.ak_sha256().to_hex(), bundle.tpm_ak_public_key_sha256);
    assert_eq!(verified.clock().reset_count, 7);
    let read: Bundle = serde_json::from_str(&bundle.to_json()).unwrap();
    assert!(read.verify_quote().is_ok(), "what was sent says the same");
}

#[test]
fn every_measured_field_is_under_the_signature() {
    let bundle = published(&Tpm::new());
    type Change = fn(&mut Bundle);
    let changes: [(&str, Change); 10] = [
        ("measured_at", |b| b.boot_measurements.measured_at.push('x')),
        ("secure_boot", |b| b.boot_measurements.secure_boot_enabled ^= true),
        ("deployment", |b| b.deployment_digest = "0".repeat(64)),
        ("services", |b| drop(b.service_digests.insert("registry".into(), "0".repeat(64)))),
        ("programs", |b| b.running_programs.clear()),
        ("policy", |b| b.policy_digest = "0".repeat(64)),
        ("registry", |b| b.registry_manifest_hash = "0".repeat(64)),
        ("cmdline", |b| b.kernel_cmdline.push('x')),
        ("lockdown", |b| b.kernel_lockdown = "none".into()),
        ("nonce", |b| b.request_nonce = "22".repeat(32)),
    ];
    for (name, change) in changes {
        let mut changed = bundle.clone();
        change(&mut changed);
        let refused = changed.verify_quote().unwrap_err();
        assert!(matches!(refused, QuoteRefusal::QualifyingData { .. }), "{name}: {refused}");
    }
    let mut changed = bundle.clone();
    changed.boot_measurements.pcr_values.insert("7".into(), format!("0x{}", "aa".repeat(32)));
    assert_eq!(changed.verify_quote().unwrap_err(), QuoteRefusal::PcrDigest);
    changed.boot_measurements.pcr_values.remove("7");
    assert!(matches!(changed.verify_quote().unwrap_err(), QuoteRefusal::Selection { .. }));
    changed.quote = None;
    assert!(matches!(changed.verify_quote().unwrap_err(), QuoteRefusal::Evidence(_)));
}

#[test]
fn quote_that_does_not_hold_fails_the_machine_and_shows_no_pcr() {
    let tpm = Tpm::new();
    let good = tpm.quoted(facts());
    let TpmFacts::Quoted(quote) = good.tpm.clone() else { unreachable!("just quoted") };
    let mut broken = Vec::new();
    broken.push(("another nonce", tpm.quote_over(&[9; 32])));
    broken.push(("another key", Tpm::new().quote_over(&good.qualifying_data())));
    if let Some((_, other)) = broken.last_mut() {
        other.ak_public.clone_from(&quote.ak_public);
    }
    let mut values = quote.clone();
    values.pcrs.insert(4, Hash([0xEE; 32]));
    broken.push(("other values", values));
    let mut fewer = quote.clone();
    fewer.pcrs.remove(&4);
    broken.push(("fewer values", fewer));
    let mut none = quote.clone();
    none.pcrs.clear();
    broken.push(("no values", none));
    let mut torn = quote.clone();
    torn.attest.pop();
    broken.push(("cut attestation", torn));
    let mut flipped = quote;
    if let Some(byte) = flipped.signature.last_mut() {
        *byte ^= 1;
    }
    broken.push(("changed signature", flipped));
    for (name, quote) in broken {
        let mut facts = good.clone();
        facts.tpm = TpmFacts::Quoted(quote);
        let appraisal = judged(&facts, &settings());
        assert_eq!(codes(&appraisal), [FailureCode::QuoteInvalid], "{name}");
        assert_eq!(appraisal.outcome(), State::Failed, "{name}");
        let standing = Attestor::new(settings()).run(&facts);
        let view = standing.at(crate::scene::NOON);
        let bundle = view.bundle().unwrap();
        assert!(bundle.boot_measurements.pcr_values.is_empty() && bundle.quote.is_none(), "{name}");
        assert!(!bundle.tpm_quote_verified && bundle.tpm_available, "{name}");
    }
}

#[test]
fn every_cut_of_a_quote_is_refused() {
    let tpm = Tpm::new();
    let quote = tpm.quote_over(&[9; 32]);
    let check = |attest: &[u8], signature: &[u8], ak: &[u8]| {
        VerifiedQuote::check(attest, signature, ak, &tpm.pcrs, &[9; 32]).is_ok()
    };
    assert!(check(&quote.attest, &quote.signature, &quote.ak_public));
    for end in 0..quote.attest.len() {
        assert!(!check(&quote.attest[..end], &quote.signature, &quote.ak_public));
    }
    for end in 0..quote.signature.len() {
        assert!(!check(&quote.attest, &quote.signature[..end], &quote.ak_public));
    }
    for end in 0..quote.ak_public.len() {
        assert!(!check(&quote.attest, &quote.signature, &quote.ak_public[..end]));
    }
    assert!(!check(&[0; 2_000], &quote.signature, &quote.ak_public));
}

#[test]
fn expected_pcrs_of_any_index_are_compared_with_what_was_quoted() {
    let mut tpm = Tpm::new();
    tpm.pcrs.insert(14, Hash([14; 32]));
    let mut settings = settings();
    settings.expected_pcrs.insert(14, Hash([14; 32]));
    let appraisal = judged(&tpm.quoted(facts()), &settings);
    assert_eq!(appraisal.outcome(), State::Attested);
    settings.expected_pcrs.insert(7, Hash([1; 32]));
    settings.expected_pcrs.insert(23, Hash([0; 32]));
    let appraisal = judged(&tpm.quoted(facts()), &settings);
    assert_eq!(codes(&appraisal), [FailureCode::PcrMismatch, FailureCode::PcrMismatch], "one differs, one is missing");
    assert_eq!(appraisal.outcome(), State::Failed);
    assert!(appraisal.failures()[0].text.contains("PCR 7 mismatch: expected=0x0101"));
}

#[test]
fn software_tpm_is_for_evaluation_only() {
    let mut facts = Tpm::new().quoted(facts());
    if let TpmFacts::Quoted(quote) = &mut facts.tpm {
        quote.software = true;
    }
    let mut attestor = Attestor::new(settings());
    let standing = attestor.run(&facts);
    let view = standing.at(crate::scene::NOON);
    assert_eq!(view.verify(None).assurance_mode, AssuranceMode::Evaluation);
    let json = view.bundle().unwrap().to_json();
    assert_eq!(avouch_attestor::verify_hmac(json.as_bytes(), &key()), Ok(()), "the quote is under the HMAC, too");
}
