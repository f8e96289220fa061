//! Signatures over reports.

use core::fmt;

use avouch_tpm_wire::{Attributes, HashAlg, Key, PublicArea, Scheme, Signature};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

use crate::CryptoError;
use crate::tpm_key::{EcCurve, PublicKey, extend_padded};
use crate::verify_key::fitted;

/// Bytes in r and in s.
const SIZE: usize = 32;

/// A public report key: ECDSA on P-256 with SHA-256, a signing key and nothing else. Holding this type proves the form
/// of the key, not that any TPM has it or when it signs: its certification and its policy do that.
pub struct ReportKey(ParsedPublicKey);

impl ReportKey {
    /// The key in a public area.
    ///
    /// # Errors
    /// [`CryptoError::Attributes`] when it does not sign, or decrypts too; [`CryptoError::Unsupported`] for any other
    /// curve or scheme; [`CryptoError::MalformedKey`] for a point off the curve.
    pub fn new(public: &PublicArea<'_>) -> Result<Self, CryptoError> {
        let attributes = public.attributes();
        if !attributes.contains(Attributes::SIGN) || attributes.contains(Attributes::DECRYPT) {
            return Err(CryptoError::Attributes { got: attributes.0 });
        }
        let unsupported = CryptoError::Unsupported { property: "report key of type", got: public.key().kind().into() };
        match (*public.key(), PublicKey::of(public.key())?) {
            (Key::Ecc { scheme: Scheme::Ecdsa(HashAlg::Sha256), .. }, PublicKey::Ec(EcCurve::P256, point)) => {
                let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
                key.map(Self).map_err(|_| CryptoError::MalformedKey)
            }
            _ => Err(unsupported),
        }
    }

    /// The key in a TPMT_PUBLIC.
    ///
    /// # Errors
    /// [`CryptoError::Wire`], and as [`ReportKey::new`].
    pub fn from_public(tpmt_public: &[u8]) -> Result<Self, CryptoError> {
        Self::new(&PublicArea::parse(tpmt_public).map_err(CryptoError::Wire)?)
    }

    /// Checks that `signature`, a TPMT_SIGNATURE, was made by this key over `digest`, the SHA-256 of a report.
    ///
    /// # Errors
    /// [`CryptoError::Wire`], [`CryptoError::OtherScheme`], [`CryptoError::SignatureLength`],
    /// [`CryptoError::BadSignature`].
    pub fn verify(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), CryptoError> {
        let Signature::Ecdsa { hash: HashAlg::Sha256, r, s } =
            Signature::parse(signature).map_err(CryptoError::Wire)?
        else {
            return Err(CryptoError::OtherScheme);
        };
        let mut fixed = Vec::new();
        for part in [r, s] {
            extend_padded(&mut fixed, part, SIZE)
                .ok_or(CryptoError::SignatureLength { wanted: SIZE, got: part.len() })?;
        }
        self.0.verify_digest_sig(&fitted(EcCurve::P256, digest)?, &fixed).map_err(|_| CryptoError::BadSignature)
    }
}

impl fmt::Debug for ReportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportKey").finish_non_exhaustive()
    }
}
