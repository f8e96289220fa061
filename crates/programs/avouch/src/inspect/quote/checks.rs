//! What a quote is checked against, each check done or said not to be done.

use avouch_crypto::observation::ObservedKey;
use avouch_crypto::{CryptoError, Hash};
use avouch_tpm_wire::{Digest, HashAlg, Hasher, PublicArea, Signature};
use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;

use super::super::QuoteInputs;
use super::attest::Attest;
use super::values;

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `signature`, `nonce` or `pcr_digest`.
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
    /// Something it needs was not given, or cannot be read.
    NotDone,
}

impl Check {
    pub(super) fn new(check: &'static str, result: Outcome, what: impl ToString) -> Self {
        Self { check, result, what: what.to_string() }
    }
}

/// The three checks of a quote, of which `signed` are the exact bytes.
pub(super) fn of(attest: &Attest, signed: &[u8], inputs: &QuoteInputs) -> Vec<Check> {
    vec![signature(attest, signed, inputs), nonce(attest, inputs), pcr_digest(attest, inputs)]
}

fn signature(attest: &Attest, signed: &[u8], inputs: &QuoteInputs) -> Check {
    let not_done = |what: &str| Check::new("signature", Outcome::NotDone, what);
    let (Some(signature), Some(key)) = (&inputs.signature, &inputs.key) else {
        return not_done("not checked: give --signature and --key");
    };
    let key = match public_key(key) {
        Ok(key) => key,
        Err(error) => return not_done(&format!("not checked: the key cannot be used: {error}")),
    };
    let candidates = signatures(signature, attest);
    let mut last = CryptoError::BadSignature;
    for (form, signature) in &candidates {
        match key.verify(signed, signature) {
            Ok(observed) => {
                let weak = if observed.weak { "; SHA-1 is weak, and Avouch relies on no such signature" } else { "" };
                let what = format!("holds: {}{form}{weak}", scheme_name(signature));
                return Check::new("signature", Outcome::Passed, what);
            }
            Err(error) => last = error,
        }
    }
    match last {
        CryptoError::BadSignature | CryptoError::OtherScheme => Check::new("signature", Outcome::Failed, last),
        error => not_done(&format!("not checked: {error}")),
    }
}

/// The signature as a TPMT_SIGNATURE, or as the bare bytes of RSASSA with the hashes that fit.
fn signatures<'a>(bytes: &'a [u8], attest: &Attest) -> Vec<(&'static str, Signature<'a>)> {
    if let Ok(signature) = Signature::parse(bytes) {
        return vec![("", signature)];
    }
    let digest = attest.pcr_digest.as_ref().map(|digest| digest.len() / 2);
    let fits = |alg: &HashAlg| digest.is_none_or(|len| alg.size() == len);
    let bare = HashAlg::ALL.into_iter().filter(fits).map(|hash| Signature::RsaSsa { hash, signature: bytes });
    bare.map(|signature| (" (bare)", signature)).collect()
}

pub(super) fn scheme_name(signature: &Signature<'_>) -> String {
    let scheme = match signature {
        Signature::RsaSsa { .. } => "RSASSA",
        Signature::RsaPss { .. } => "RSAPSS",
        Signature::Ecdsa { .. } => "ECDSA",
    };
    format!("{scheme}/{}", signature.hash())
}

/// A key as TPMT_PUBLIC, TPM2B_PUBLIC, TPM 1.2 TPM_PUBKEY, PEM or DER.
pub(in super::super) fn public_key(bytes: &[u8]) -> Result<ObservedKey, String> {
    if let Ok(public) = PublicArea::parse(bytes).or_else(|_| PublicArea::parse_sized(bytes)) {
        return ObservedKey::from_public(&public).map_err(|error| error.to_string());
    }
    if let Some(modulus) = tpm12_modulus(bytes) {
        return Ok(ObservedKey::rsa(modulus, 65_537));
    }
    let text = String::from_utf8_lossy(bytes);
    if let Some(body) = text.split("-----BEGIN PUBLIC KEY-----").nth(1) {
        let body: String = body.split("-----END").next().unwrap_or_default().split_whitespace().collect();
        let der = BASE64.decode(body.as_bytes()).map_err(|error| format!("its PEM is not base64: {error}"))?;
        return Ok(ObservedKey::from_spki(&der));
    }
    if bytes.starts_with(&[0x30]) {
        return Ok(ObservedKey::from_spki(bytes));
    }
    Err("it is no TPMT_PUBLIC, TPM2B_PUBLIC, PEM or DER".into())
}

/// TPM_PUBKEY (TPM Main Part 2, section 10.5) of an RSA key with PKCS#1 SHA-1 signatures and the default exponent.
fn tpm12_modulus(bytes: &[u8]) -> Option<&[u8]> {
    let parameters = bytes.strip_prefix(&[0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 0, 12])?;
    let (_, rest) = parameters.split_at_checked(12)?;
    let (len, modulus) = rest.split_first_chunk()?;
    (usize::try_from(u32::from_be_bytes(*len)) == Ok(modulus.len())).then_some(modulus)
}

fn nonce(attest: &Attest, inputs: &QuoteInputs) -> Check {
    match &inputs.nonce {
        None => Check::new("nonce", Outcome::NotDone, "not checked: give --nonce"),
        Some(nonce) if HEXLOWER.encode(nonce) == attest.extra_data => {
            Check::new("nonce", Outcome::Passed, "is what was signed")
        }
        Some(nonce) => {
            let what = format!("{} was signed, not {}", attest.extra_data, HEXLOWER.encode(nonce));
            Check::new("nonce", Outcome::Failed, what)
        }
    }
}

fn pcr_digest(attest: &Attest, inputs: &QuoteInputs) -> Check {
    let not_done = |what: String| Check::new("pcr_digest", Outcome::NotDone, what);
    let Some(quoted) = &attest.pcr_digest else { return not_done("this is no quote, it covers no PCR".into()) };
    let Some(file) = &inputs.pcrs else { return not_done("not checked: give --pcrs".into()) };
    let Some(values) = values::read(file) else {
        return not_done("not checked: the values are in no form that is known here".into());
    };
    let computed = match &attest.selection {
        Some(selection) => selected_digest(selection, quoted, &values),
        None => composite(&values),
    };
    match computed {
        Err(missing) => not_done(format!("not checked: {missing}")),
        Ok(digest) if digest == *quoted => Check::new("pcr_digest", Outcome::Passed, "is that of the values given"),
        Ok(digest) => Check::new("pcr_digest", Outcome::Failed, format!("is {quoted}, that of the values is {digest}")),
    }
}

/// The digest is in the hash of the signature, not of the bank; its length tells which.
fn selected_digest(
    selection: &[super::attest::Selected],
    quoted: &str,
    values: &values::Values,
) -> Result<String, String> {
    let hash = HashAlg::ALL.into_iter().find(|alg| alg.size() * 2 == quoted.len());
    let hash = hash.ok_or("its length is that of no hash known here")?;
    let mut parts = Vec::new();
    for bank in selection {
        for pcr in &bank.pcrs {
            let value = values.get(&bank.bank).and_then(|values| values.get(pcr));
            parts.push(value.ok_or_else(|| format!("the values lack PCR {pcr} of the {} bank", bank.bank))?.as_slice());
        }
    }
    Ok(Hash.hash(hash, &parts).to_string())
}

/// TPM_PCR_COMPOSITE of a TPM 1.2 over every value given: selection, length, values.
fn composite(values: &values::Values) -> Result<String, String> {
    let values = values.get(HashAlg::Sha1.name()).ok_or("a TPM 1.2 has SHA-1 values only, and none is given")?;
    let mut bits = [0_u8; 3];
    let mut all = Vec::new();
    for (pcr, value) in values {
        let octet = usize::try_from(pcr / 8).ok().and_then(|at| bits.get_mut(at)).ok_or("a PCR number is too large")?;
        *octet |= 1 << (pcr % 8);
        all.extend_from_slice(value);
    }
    let length = u32::try_from(all.len()).unwrap_or(u32::MAX).to_be_bytes();
    let digest: Digest = Hash.hash(HashAlg::Sha1, &[&[0, 3], &bits, &length, &all]);
    Ok(digest.to_string())
}
