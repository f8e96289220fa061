//! A saved bundle, checked elsewhere: without the machine, by whoever holds the TPM's key, the nonce or the HMAC key.
//!
//! The TPM signed what was measured and the nonce; it did not sign what that came to. State and failures are the
//! attestor's own word, which the HMAC alone covers.

use core::fmt;

use avouch_crypto::{constant_time_eq, sha256};
use avouch_protocol::Hash;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ak_key::{PinnedAk, PublicAk};
use crate::audit::MAX_LINE_BYTES;
use crate::bundle::{Bundle, Evidence};
use crate::hmac::{HmacKey, HmacRefusal, UNSIGNED, seven_field_hmac, verify_hmac};
use crate::quote::{SignedQuote, qualifying_data, spelled};

/// Fields that a bundle of the API's first era may have. One with more is of a later era, whose HMAC covers them all;
/// its seven-field HMAC is none.
const FIRST_ERA: [&str; 13] = [
    "timestamp",
    "state",
    "boot_measurements",
    "deployment_digest",
    "service_digests",
    "policy_digest",
    "registry_manifest_hash",
    "kernel_cmdline",
    "kernel_lockdown",
    "tpm_available",
    "tpm_quote_verified",
    "failures",
    "bundle_hmac",
];

/// What a bundle is checked with; what is absent is said not to be checked.
#[derive(Clone, Debug, Default)]
pub struct Held<'a> {
    /// The TPM's key, from somewhere else than the bundle.
    pub key: Option<PinnedAk>,
    /// The nonce that was asked with.
    pub nonce: Option<Hash>,
    /// Content of the HMAC key's file.
    pub hmac_key: Option<&'a [u8]>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `quote_signature`, `measurements`, `pcr_digest`, `claims`, `nonce` or `hmac`.
    pub check: &'static str,
    /// What came of it.
    pub result: Outcome,
    /// In words.
    pub what: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// Something that it needs was not given or is not in the bundle.
    NotDone,
}

/// What the checks come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was asked for holds, and at least one signature was checked.
    Holds,
    /// Nothing failed, and not everything could be checked; or nothing was there to check a signature with.
    Unverifiable,
    /// A check failed.
    Refused,
}

/// The checks of one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// All of them, in the order of [`Check::check`].
    pub checks: Vec<Check>,
    /// What they come to.
    pub verdict: Verdict,
}

/// Why bytes are no bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleError {
    /// More than [`MAX_LINE_BYTES`].
    TooLong {
        /// How many.
        got: usize,
    },
    /// Not JSON, or a field that is missing or of the wrong kind.
    Json {
        /// Bytes before the place.
        offset: usize,
        /// What is wrong there.
        what: String,
    },
}

/// Verifies a bundle as it was saved: an answer of `/api/v1/refresh`, or a line of the audit log.
///
/// # Errors
/// [`BundleError`] where the bytes are no bundle.
pub fn verify_bundle(bundle: &[u8], held: &Held<'_>) -> Result<Verification, BundleError> {
    if bundle.len() > MAX_LINE_BYTES {
        return Err(BundleError::TooLong { got: bundle.len() });
    }
    let wrong = |error: serde_json::Error| BundleError::at(bundle, &error);
    let object: Map<String, Value> = serde_json::from_slice(bundle).map_err(wrong)?;
    // What carries a quote must be a whole bundle of this era; older ones have neither.
    let quoted = object.contains_key("quote");
    let parsed = quoted.then(|| serde_json::from_slice::<Bundle>(bundle)).transpose().map_err(wrong)?;
    let mut checks = quote(parsed.as_ref(), held.key.as_ref());
    let quote_holds = ["quote_signature", "measurements"].iter().all(|name| passed(&checks, name));
    let (hmac, covers_nonce) = hmac(bundle, &object, held.hmac_key);
    checks.push(nonce(&object, held.nonce, quote_holds || covers_nonce));
    checks.push(hmac);
    let verdict = verdict(&checks, held);
    Ok(Verification { checks, verdict })
}

fn passed(checks: &[Check], name: &str) -> bool {
    checks.iter().any(|check| check.check == name && check.result == Outcome::Passed)
}

fn verdict(checks: &[Check], held: &Held<'_>) -> Verdict {
    if checks.iter().any(|check| check.result == Outcome::Failed) {
        return Verdict::Refused;
    }
    let by_key = ["quote_signature", "measurements", "pcr_digest", "claims"];
    let key_holds = held.key.is_none() || by_key.iter().all(|name| passed(checks, name));
    let nonce_holds = held.nonce.is_none() || passed(checks, "nonce");
    let hmac_holds = held.hmac_key.is_none() || passed(checks, "hmac");
    let signed = passed(checks, "quote_signature") || passed(checks, "hmac");
    if key_holds && nonce_holds && hmac_holds && signed { Verdict::Holds } else { Verdict::Unverifiable }
}

/// The four checks of the quote.
fn quote(bundle: Option<&Bundle>, key: Option<&PinnedAk>) -> Vec<Check> {
    let missing = if key.is_some() { Outcome::Failed } else { Outcome::NotDone };
    let Some(bundle) = bundle else { return without_quote(missing, "the bundle carries no quote") };
    let evidence = match bundle.evidence() {
        Ok(evidence) => evidence,
        Err(refusal) => return without_quote(Outcome::Failed, refusal),
    };
    let signed = match SignedQuote::check(&evidence.attest, &evidence.signature, &evidence.ak_public) {
        Ok(signed) => signed,
        Err(refusal) => return without_quote(Outcome::Failed, refusal),
    };
    let outcome = |check, result: Result<&str, String>| match result {
        Ok(what) => Check::new(check, Outcome::Passed, what),
        Err(what) => Check::new(check, Outcome::Failed, what),
    };
    let over = signed.qualifies(&qualifying_data(&evidence.nonce, &bundle.measured()));
    let covered = signed.covers(&evidence.pcrs);
    let selection = covered.as_ref().map(spelled).unwrap_or_default();
    vec![
        signature(&signed, &evidence, key),
        outcome(
            "measurements",
            over.map(|()| "time, Secure Boot, digests, command line, lockdown and nonce are those that the TPM signed")
                .map_err(|refusal| refusal.to_string()),
        ),
        outcome(
            "pcr_digest",
            covered.map(|_| "the PCR values are those that the TPM signed").map_err(|refusal| refusal.to_string()),
        ),
        outcome("claims", claims(bundle, &evidence, &selection)),
    ]
}

fn without_quote(result: Outcome, why: impl fmt::Display) -> Vec<Check> {
    let not_done = |check| Check::new(check, Outcome::NotDone, "not checked: there is no signed quote");
    let signature = Check::new("quote_signature", result, why);
    vec![signature, not_done("measurements"), not_done("pcr_digest"), not_done("claims")]
}

fn signature(signed: &SignedQuote<'_>, evidence: &Evidence, key: Option<&PinnedAk>) -> Check {
    let name = PublicAk::of(&evidence.ak_public).map(|key| key.name()).unwrap_or_default();
    let Some(key) = key else {
        let what = format!(
            "not checked: give the TPM's key. Under the key in the bundle itself, {name}, it holds, and anybody can make \
             a key"
        );
        return Check::new("quote_signature", Outcome::NotDone, what);
    };
    if key.is(&evidence.ak_public, &evidence.attest, signed.signature()) {
        Check::new("quote_signature", Outcome::Passed, format!("the TPM's key {name} signed it"))
    } else {
        Check::new("quote_signature", Outcome::Failed, format!("another key signed it, {name}"))
    }
}

/// What the bundle tells of its quote, against the quote.
fn claims(bundle: &Bundle, evidence: &Evidence, selection: &str) -> Result<&'static str, String> {
    let told = bundle.quote.as_ref().map(|quote| quote.qualifying_data.as_str());
    let signed = HEXLOWER.encode(&qualifying_data(&evidence.nonce, &bundle.measured()));
    let key = HEXLOWER.encode(&sha256(&[&evidence.ak_public]));
    let claims = [
        ("timestamp", bundle.timestamp == bundle.boot_measurements.measured_at),
        ("tpm_available", bundle.tpm_available),
        ("tpm_quote_verified", bundle.tpm_quote_verified),
        ("tpm_ak_public_key_sha256", bundle.tpm_ak_public_key_sha256 == key),
        ("tpm_quote_pcr_selection", bundle.tpm_quote_pcr_selection == selection),
        ("quote.qualifying_data", told == Some(signed.as_str())),
    ];
    match claims.iter().find(|(_, holds)| !holds) {
        None => Ok("what the bundle tells of its quote is what the quote says"),
        Some((field, _)) => Err(format!("`{field}` is not what the quote says")),
    }
}

fn nonce(object: &Map<String, Value>, wanted: Option<Hash>, signed: bool) -> Check {
    let check = |result, what: String| Check::new("nonce", result, what);
    let Some(wanted) = wanted else {
        return check(Outcome::NotDone, "not checked: give the nonce. The bundle may be an old one".into());
    };
    match object.get("request_nonce").and_then(Value::as_str) {
        None => check(Outcome::Failed, "the bundle has no request_nonce".into()),
        Some(got) if got != wanted.to_hex() => {
            check(Outcome::Failed, format!("the bundle answers the nonce {}, not {wanted}", short(got)))
        }
        Some(_) if signed => check(Outcome::Passed, "it is what was signed".into()),
        Some(_) => check(Outcome::NotDone, "it stands in the bundle, and no signature over it was checked".into()),
    }
}

/// Whether the HMAC holds, and whether it covers the nonce.
fn hmac(bundle: &[u8], object: &Map<String, Value>, key: Option<&[u8]>) -> (Check, bool) {
    let check = |result, what: &dyn fmt::Display| Check::new("hmac", result, what);
    let Some(file) = key else { return (check(Outcome::NotDone, &"not checked: give the HMAC key"), false) };
    let given = match object.get("bundle_hmac").and_then(Value::as_str) {
        Some(UNSIGNED) => return (check(Outcome::Failed, &HmacRefusal::Unsigned), false),
        Some(given) => given,
        None => return (check(Outcome::Failed, &HmacRefusal::NoHmac), false),
    };
    let key = HmacKey::from_file(file);
    let whole = key.as_ref().map(|key| verify_hmac(bundle, key));
    if matches!(whole, Ok(Ok(()))) {
        return (check(Outcome::Passed, &"it is over every field of the bundle"), true);
    }
    if object.keys().all(|field| FIRST_ERA.contains(&field.as_str())) {
        let seven = seven_field_hmac(bundle, file);
        if seven.as_ref().is_ok_and(|seven| constant_time_eq(seven.as_bytes(), given.as_bytes())) {
            return (check(Outcome::Passed, &FIRST_ERA_HOLDS), false);
        }
    }
    match whole {
        Err(error) => (check(Outcome::Failed, error), false),
        Ok(holds) => (check(Outcome::Failed, &holds.err().unwrap_or(HmacRefusal::Mismatch)), false),
    }
}

const FIRST_ERA_HOLDS: &str = "it is of the API's first era, over timestamp, state, deployment_digest, policy_digest, \
                               registry_manifest_hash, tpm_available and tpm_quote_verified; nothing else in the bundle is \
                               protected";

/// As much of a field as a message has room for, with nothing that a terminal would act on.
fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

// === impl Check ===

impl Check {
    fn new(check: &'static str, result: Outcome, what: impl fmt::Display) -> Self {
        Self { check, result, what: what.to_string() }
    }
}

// === impl Outcome ===

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotDone => "not done",
        })
    }
}

// === impl BundleError ===

impl BundleError {
    fn at(bundle: &[u8], error: &serde_json::Error) -> Self {
        let line = error.line().saturating_sub(1);
        let before: usize = bundle.split_inclusive(|byte| *byte == b'\n').take(line).map(<[u8]>::len).sum();
        let offset =
            if error.is_eof() { bundle.len() } else { before.saturating_add(error.column().saturating_sub(1)) };
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        Self::Json { offset, what: short(what) }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => write!(f, "it has {got} bytes, and no bundle has more than {MAX_LINE_BYTES}"),
            Self::Json { offset, what } => write!(f, "offset {offset}: {what}"),
        }
    }
}

impl std::error::Error for BundleError {}
