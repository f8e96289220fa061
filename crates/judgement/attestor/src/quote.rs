//! The TPM's signature over what was measured.

use core::fmt;
use std::collections::BTreeMap;

use avouch_crypto::{AttestationKey, CryptoError, Hash as Sha, sha256};
use avouch_protocol::{Hash, MAX_ATTEST_BYTES, MAX_SIGNATURE_BYTES};
use avouch_tpm_wire::{Attest, AttestBody, ClockInfo, HashAlg, Hasher, PcrSelection, Signature, WireError};

use crate::bundle::Measured;

/// What stands in front of everything that is hashed into the qualifyingData, so that a signature made for one purpose
/// serves no other.
const CONTEXT: &[u8] = b"avouch/local-attestation/v1\0";

/// See [`crate::Facts::qualifying_data`].
pub(crate) fn qualifying_data(nonce: &Hash, measured: &Measured) -> [u8; 32] {
    sha256(&[CONTEXT, &nonce.0, &sha256(&[measured.canonical().as_bytes()])])
}

/// A quote that a TPM's attestation key signed over exactly these PCR values and this qualifyingData. Whose TPM it is
/// says the digest of its key, to whoever has seen that before.
#[derive(Clone, Debug)]
pub struct VerifiedQuote {
    selection: PcrSelection,
    clock: ClockInfo,
    ak_sha256: Hash,
}

/// A quote that the key beside it signed; over what, is still to be checked.
pub(crate) struct SignedQuote<'a> {
    parsed: Attest<'a>,
    signature: Signature<'a>,
}

/// Why a quote does not hold. Most often the PCRs were extended between reading and quoting; else somebody answers in
/// the TPM's place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuoteRefusal {
    /// A part is longer than any TPM makes it.
    TooLong {
        /// Bytes given.
        got: usize,
        /// Bytes taken at most.
        most: usize,
    },
    /// The bytes are not the TPM structure they should be.
    Wire(WireError),
    /// The key is no attestation key that is accepted.
    Key(CryptoError),
    /// The signature does not hold.
    Signature(CryptoError),
    /// Signed by the TPM, but no quote.
    NotAQuote,
    /// A quote for another nonce or other measurements.
    QualifyingData {
        /// What was signed, in hexadecimal.
        got: String,
    },
    /// A quote over other PCRs or another bank than those that were read.
    Selection {
        /// Bit i is PCR i.
        wanted: u32,
    },
    /// The values that were read are not those that the TPM signed.
    PcrDigest,
    /// A bundle whose quote is not there, or not base64 and hexadecimal as it should be.
    Evidence(&'static str),
}

// === impl VerifiedQuote ===

impl VerifiedQuote {
    /// Checks, in this order: form and allow-list of the key, form of the attestation, signature, that it is a quote,
    /// the qualifying data, the selection, and the digest over the PCR values.
    ///
    /// `ak_public` is a TPMT_PUBLIC, `attest` a TPMS_ATTEST, `signature` a TPMT_SIGNATURE, `pcrs` bank sha256.
    ///
    /// # Errors
    /// [`QuoteRefusal`] with the first check that failed.
    pub fn check(
        attest: &[u8],
        signature: &[u8],
        ak_public: &[u8],
        pcrs: &BTreeMap<u8, Hash>,
        qualifying_data: &[u8; 32],
    ) -> Result<Self, QuoteRefusal> {
        let signed = SignedQuote::check(attest, signature, ak_public)?;
        signed.qualifies(qualifying_data)?;
        let selection = signed.covers(pcrs)?;
        Ok(Self { selection, clock: signed.parsed.clock, ak_sha256: Hash(sha256(&[ak_public])) })
    }

    /// SHA-256 of the attestation key's TPMT_PUBLIC: what a third party pins.
    pub fn ak_sha256(&self) -> Hash {
        self.ak_sha256
    }

    /// Counters of the TPM when it signed.
    pub fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The selection as tools write it, e.g. `sha256:0,2,4,7`.
    pub fn selection(&self) -> String {
        spelled(&self.selection)
    }
}

/// A selection as tools write it.
pub(crate) fn spelled(selection: &PcrSelection) -> String {
    let pcrs: Vec<String> = selection.pcrs().map(|pcr| pcr.to_string()).collect();
    format!("sha256:{}", pcrs.join(","))
}

// === impl SignedQuote ===

impl<'a> SignedQuote<'a> {
    /// Checks form and allow-list of the key, form of the attestation, signature, and that it is a quote.
    ///
    /// # Errors
    /// [`QuoteRefusal`] with the first check that failed.
    pub(crate) fn check(attest: &'a [u8], signature: &'a [u8], ak_public: &[u8]) -> Result<Self, QuoteRefusal> {
        bounded(attest, MAX_ATTEST_BYTES)?;
        bounded(signature, MAX_SIGNATURE_BYTES)?;
        let key = AttestationKey::from_public(ak_public).map_err(QuoteRefusal::Key)?;
        let parsed = Attest::parse(attest).map_err(QuoteRefusal::Wire)?;
        let signature = Signature::parse(signature).map_err(QuoteRefusal::Wire)?;
        key.verify(attest, &signature).map_err(QuoteRefusal::Signature)?;
        if !matches!(parsed.body, AttestBody::Quote { .. }) {
            return Err(QuoteRefusal::NotAQuote);
        }
        Ok(Self { parsed, signature })
    }

    /// Checks what the caller gave the TPM to sign.
    ///
    /// # Errors
    /// [`QuoteRefusal::QualifyingData`].
    pub(crate) fn qualifies(&self, qualifying_data: &[u8; 32]) -> Result<(), QuoteRefusal> {
        let got = self.parsed.extra_data;
        if got == qualifying_data {
            return Ok(());
        }
        Err(QuoteRefusal::QualifyingData { got: data_encoding::HEXLOWER.encode(got) })
    }

    /// Checks that exactly these PCRs were quoted, with these values, bank sha256.
    ///
    /// # Errors
    /// [`QuoteRefusal::Selection`], [`QuoteRefusal::PcrDigest`].
    pub(crate) fn covers(&self, pcrs: &BTreeMap<u8, Hash>) -> Result<PcrSelection, QuoteRefusal> {
        let AttestBody::Quote { selection, pcr_digest } = &self.parsed.body else {
            return Err(QuoteRefusal::NotAQuote);
        };
        let numbers: Vec<u32> = pcrs.keys().map(|pcr| u32::from(*pcr)).collect();
        let wanted = PcrSelection::of(HashAlg::Sha256, &numbers);
        if pcrs.is_empty() || !selection.is(wanted) {
            return Err(QuoteRefusal::Selection { wanted: wanted.mask });
        }
        // The map is ascending, as the TPM hashes them.
        let values: Vec<&[u8]> = pcrs.values().map(|value| value.0.as_slice()).collect();
        if Sha.hash(self.signature.hash(), &values).as_bytes() != *pcr_digest {
            return Err(QuoteRefusal::PcrDigest);
        }
        Ok(wanted)
    }

    /// As the TPM gave it.
    pub(crate) fn signature(&self) -> &Signature<'a> {
        &self.signature
    }
}

fn bounded(bytes: &[u8], most: usize) -> Result<(), QuoteRefusal> {
    if bytes.len() > most { Err(QuoteRefusal::TooLong { got: bytes.len(), most }) } else { Ok(()) }
}

// === impl QuoteRefusal ===

impl fmt::Display for QuoteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got, most } => write!(f, "a part of the quote has {got} bytes, at most {most} are taken"),
            Self::Wire(error) => write!(f, "the quote is malformed: {error}"),
            Self::Key(error) => write!(f, "the attestation key is not accepted: {error}"),
            Self::Signature(error) => write!(f, "{error}"),
            Self::NotAQuote => f.write_str("what the TPM signed is no quote"),
            Self::QualifyingData { got } => {
                write!(f, "the quote is for another nonce or other measurements (qualifyingData {got})")
            }
            Self::Selection { wanted } => write!(f, "the quote does not cover exactly the PCRs read ({wanted:#08x})"),
            Self::PcrDigest => f.write_str("the PCR values that were read are not those that the TPM signed"),
            Self::Evidence(part) => write!(f, "{part} of the bundle's quote is missing or damaged"),
        }
    }
}

impl std::error::Error for QuoteRefusal {}
