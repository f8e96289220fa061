//! The TPM: is it there, does its quote hold, and are the PCRs what they should be.

use avouch_protocol::Hash;
use data_encoding::{BASE64, HEXLOWER};

use crate::bundle::{Bundle, QuoteEvidence};
use crate::facts::{Facts, RawQuote, TpmFacts};
use crate::failure::{Failure, FailureCode};
use crate::quote::VerifiedQuote;
use crate::settings::Settings;
use crate::state::AssuranceMode;

pub(super) fn judge(facts: &Facts, settings: &Settings, bundle: &mut Bundle, failures: &mut Vec<Failure>) {
    let demanded = settings.require_tpm || settings.require_quote || !settings.expected_pcrs.is_empty();
    match &facts.tpm {
        TpmFacts::Absent { why } if demanded => failures.push(absent(why)),
        TpmFacts::Absent { .. } => {}
        TpmFacts::Unavailable { why } => {
            bundle.tpm_available = true;
            let text = format!("TPM2 is there and gives no quote: {why}");
            failures.push(Failure::new(FailureCode::TpmUnavailable, "TPM", text).critical_if(demanded));
        }
        TpmFacts::Quoted(raw) => {
            bundle.tpm_available = true;
            quoted(facts, raw, settings, bundle, failures);
        }
    }
}

fn absent(why: &str) -> Failure {
    let text = format!(
        "TPM2 not available: {why}; the settings demand one (require_tpm, require_quote or expected_pcrs): enable it in \
         the firmware, or give this machine one"
    );
    Failure::new(FailureCode::TpmAbsent, "TPM", text).critical_if(true)
}

fn quoted(facts: &Facts, raw: &RawQuote, settings: &Settings, bundle: &mut Bundle, failures: &mut Vec<Failure>) {
    let qualifying_data = facts.qualifying_data();
    let quote = match VerifiedQuote::check(&raw.attest, &raw.signature, &raw.ak_public, &raw.pcrs, &qualifying_data) {
        Ok(quote) => quote,
        Err(refusal) => {
            let text = format!(
                "the TPM's quote does not hold: {refusal}; if it happens again, something answers in the TPM's \
                     place or its key was replaced"
            );
            failures.push(Failure::new(FailureCode::QuoteInvalid, "TPM", text).critical_if(true));
            return;
        }
    };
    // Only what the TPM signed is shown as measured.
    bundle.boot_measurements.pcr_values =
        raw.pcrs.iter().map(|(pcr, value)| (pcr.to_string(), format!("0x{value}"))).collect();
    bundle.tpm_quote_verified = true;
    bundle.tpm_ak_public_key_sha256 = quote.ak_sha256().to_hex();
    bundle.tpm_quote_pcr_selection = quote.selection();
    bundle.assurance_mode = if raw.software { AssuranceMode::Evaluation } else { AssuranceMode::Hardware };
    bundle.quote = Some(QuoteEvidence {
        attest: BASE64.encode(&raw.attest),
        signature: BASE64.encode(&raw.signature),
        ak_public: BASE64.encode(&raw.ak_public),
        qualifying_data: HEXLOWER.encode(&qualifying_data),
    });
    let differing: Vec<_> =
        settings.expected_pcrs.iter().filter_map(|(pcr, wanted)| mismatch(raw, *pcr, wanted)).collect();
    bundle.tpm_measurements_verified = !settings.expected_pcrs.is_empty() && differing.is_empty();
    bundle.evidence_verified = differing.is_empty();
    failures.extend(differing);
}

/// `None` where the PCR has the expected value.
fn mismatch(raw: &RawQuote, pcr: u8, wanted: &Hash) -> Option<Failure> {
    let actual = match raw.pcrs.get(&pcr) {
        Some(actual) if actual == wanted => return None,
        Some(actual) => format!("0x{actual}"),
        None => "not quoted".into(),
    };
    let text = format!(
        "PCR {pcr} mismatch: expected=0x{wanted} actual={actual}; firmware, boot loader, kernel or their settings are \
         not those that were approved: boot the approved ones, or approve these in expected_pcrs"
    );
    Some(Failure::new(FailureCode::PcrMismatch, format!("PCR {pcr}"), text).critical_if(true))
}
