//! TPM attestations, and the signatures and keys beside them.

mod attest;
mod checks;
mod show;
mod values;

use avouch_crypto::Hash;
use avouch_tpm_wire::{Attributes, Key, PublicArea, Signature};
use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;

use super::report::{Facts, Problem, Reading};
use super::{Options, QuoteInputs};

pub(super) use checks::public_key;

use attest::{Attest, MAGIC};
use checks::{Check, Outcome};

/// An attestation, a signature or a public key.
#[derive(Debug, Default, Serialize)]
pub struct Quote {
    /// `TPMS_ATTEST`, `TPM2B_ATTEST`, `TPM_QUOTE_INFO` (TPM 1.2), `TPMT_SIGNATURE`, `TPMT_PUBLIC`, `TPM2B_PUBLIC` or
    /// `keylime`.
    pub format: &'static str,
    /// What the TPM says.
    pub attest: Option<Attest>,
    /// The signature that is in the file, or was given beside it.
    pub signature: Option<SignatureFacts>,
    /// The key that is in the file, or was given beside it.
    pub key: Option<KeyFacts>,
    /// What was checked, and what was not.
    pub checks: Vec<Check>,
}

/// A signature.
#[derive(Debug, Serialize)]
pub struct SignatureFacts {
    /// `RSASSA/sha256` and the like.
    pub scheme: String,
    /// Bytes of the structure.
    pub bytes: usize,
}

/// A public key.
#[derive(Debug, Serialize)]
pub struct KeyFacts {
    /// `RSA-2048`, `ECC NIST P-256` and the like.
    pub key: String,
    /// Its Name: nameAlg and digest; null for a key outside a TPM.
    pub name: Option<String>,
    /// TPMA_OBJECT, hexadecimal.
    pub attributes: Option<String>,
    /// True when the attributes are those of a key that signs only what the TPM wrote, and never left it.
    pub restricted_signing: Option<bool>,
}

/// Where a TPMS_ATTEST begins: at once, or behind the length of a TPM2B_ATTEST.
pub(super) fn attest_start(bytes: &[u8]) -> Option<usize> {
    let sized = bytes.get(2..).is_some_and(|rest| rest.starts_with(&MAGIC));
    if bytes.starts_with(&MAGIC) {
        Some(0)
    } else if sized || bytes.get(4..).is_some_and(|rest| rest.starts_with(b"QUOT")) {
        Some(if sized { 2 } else { 0 })
    } else {
        None
    }
}

/// True for `r`, then base64 of quote, signature and PCRs with colons between.
pub(super) fn is_keylime_text(bytes: &[u8]) -> bool {
    bytes.starts_with(b"r/1RD")
}

/// Reads one of the structures.
pub(super) fn read(bytes: &[u8], options: &Options) -> Reading {
    if is_keylime_text(bytes.trim_ascii()) {
        return keylime(bytes.trim_ascii(), &options.quote);
    }
    if attest_start(bytes).is_some() {
        return attestation(bytes, &options.quote);
    }
    if let Ok(signature) = Signature::parse(bytes) {
        let signature = Some(signature_facts(&signature, bytes.len()));
        return whole(Quote { format: "TPMT_SIGNATURE", signature, ..Quote::default() }, Vec::new());
    }
    for (format, public) in
        [("TPMT_PUBLIC", PublicArea::parse(bytes)), ("TPM2B_PUBLIC", PublicArea::parse_sized(bytes))]
    {
        if let Ok(public) = public {
            return whole(Quote { format, key: Some(key_facts(&public)), ..Quote::default() }, Vec::new());
        }
    }
    let start = HEXLOWER.encode(bytes.get(..8).unwrap_or(bytes));
    let what =
        format!("begins with {start}: no TPMS_ATTEST, TPM2B_ATTEST, TPMT_SIGNATURE, TPMT_PUBLIC or TPM2B_PUBLIC");
    Reading::not(Problem::at(0, what))
}

fn attestation(bytes: &[u8], inputs: &QuoteInputs) -> Reading {
    let mut problems = Vec::new();
    let (format, signed) = match (attest_start(bytes), bytes.split_first_chunk::<2>()) {
        (Some(2), Some((size, rest))) => {
            let size = usize::from(u16::from_be_bytes(*size));
            if size != rest.len() {
                problems.push(Problem::at(0, format!("says {size} bytes follow, {} do", rest.len())));
            }
            ("TPM2B_ATTEST", rest)
        }
        _ => ("TPMS_ATTEST", bytes),
    };
    if let Some(attest) = Attest::parse_tpm12(bytes) {
        return checked("TPM_QUOTE_INFO", attest, bytes, inputs, problems);
    }
    match Attest::parse(signed) {
        Ok(attest) => checked(format, attest, signed, inputs, problems),
        Err(error) => {
            problems.push(Problem::at(error.offset + bytes.len() - signed.len(), error.what));
            Reading { facts: None, read: super::Read::Not, problems }
        }
    }
}

fn checked(
    format: &'static str,
    attest: Attest,
    signed: &[u8],
    inputs: &QuoteInputs,
    mut problems: Vec<Problem>,
) -> Reading {
    if attest.trailing > 0 {
        let what = format!("{} bytes after the end of the structure", attest.trailing);
        problems.push(Problem::at(signed.len() - attest.trailing, what));
    }
    let checks = checks::of(&attest, signed, inputs);
    let failed = checks.iter().filter(|check| check.result == Outcome::Failed);
    problems.extend(failed.map(|check| Problem::new(format!("{}: {}", check.check, check.what))));
    let signature = inputs
        .signature
        .as_ref()
        .and_then(|bytes| Signature::parse(bytes).ok().map(|signature| signature_facts(&signature, bytes.len())));
    let key = inputs.key.as_ref().and_then(|bytes| {
        PublicArea::parse(bytes).or_else(|_| PublicArea::parse_sized(bytes)).ok().map(|public| key_facts(&public))
    });
    whole(Quote { format, attest: Some(attest), signature, key, checks }, problems)
}

/// Keylime's text: `r`, then base64 of TPMS_ATTEST, TPMT_SIGNATURE and the PCR values in tpm2-tools' form.
fn keylime(text: &[u8], inputs: &QuoteInputs) -> Reading {
    let mut parts = text.strip_prefix(b"r").unwrap_or(text).split(|byte| *byte == b':').map(|part| BASE64.decode(part));
    let (Some(Ok(quote)), Some(Ok(signature)), Some(Ok(pcrs)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Reading::not(Problem::new("begins like Keylime's quote, and is not r and three base64 parts"));
    };
    let inputs = QuoteInputs { signature: Some(signature), pcrs: Some(pcrs), ..inputs.clone() };
    let mut reading = attestation(&quote, &inputs);
    if let Some(Facts::Quote(facts)) = &mut reading.facts {
        facts.format = "keylime";
    }
    reading
}

fn whole(quote: Quote, problems: Vec<Problem>) -> Reading {
    Reading::whole(Facts::Quote(Box::new(quote)), problems)
}

fn signature_facts(signature: &Signature<'_>, bytes: usize) -> SignatureFacts {
    SignatureFacts { scheme: checks::scheme_name(signature), bytes }
}

fn key_facts(public: &PublicArea<'_>) -> KeyFacts {
    let key = match *public.key() {
        Key::Rsa { bits, .. } => format!("RSA-{bits}"),
        Key::Ecc { curve, .. } => match curve.0 {
            3 => "ECC NIST P-256".into(),
            4 => "ECC NIST P-384".into(),
            5 => "ECC NIST P-521".into(),
            other => format!("ECC curve {other:#06x}"),
        },
        Key::KeyedHash { .. } => "keyed hash".into(),
        _ => "symmetric cipher".into(),
    };
    let wanted = Attributes::FIXED_TPM
        .with(Attributes::FIXED_PARENT)
        .with(Attributes::SENSITIVE_DATA_ORIGIN)
        .with(Attributes::RESTRICTED)
        .with(Attributes::SIGN);
    let attributes = public.attributes();
    KeyFacts {
        key,
        name: Some(HEXLOWER.encode(&public.name(&Hash))),
        attributes: Some(format!("{:08x}", attributes.0)),
        restricted_signing: Some(attributes.contains(wanted) && !attributes.contains(Attributes::DECRYPT)),
    }
}
