//! Signatures by attestation keys.

use core::fmt;

use avouch_tpm_wire::{Attributes, HashAlg, Key, PublicArea, Scheme, Signature};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters};

use crate::CryptoError;
use crate::tpm_key::{EcCurve, PublicKey, extend_padded};

/// What a TPM must guarantee of an attestation key: it never left the TPM that made it, and it signs only structures
/// that the TPM itself wrote (TPM 2.0 Part 1, "Restricted Attribute").
const WANTED: Attributes = Attributes::FIXED_TPM
    .with(Attributes::FIXED_PARENT)
    .with(Attributes::SENSITIVE_DATA_ORIGIN)
    .with(Attributes::RESTRICTED)
    .with(Attributes::SIGN);

/// A public attestation key, parsed once to verify many signatures.
///
/// On the allow-list: ECDSA on P-256 with SHA-256 and on P-384 with SHA-384; RSASSA-PKCS1-v1_5 and RSASSA-PSS (salt as
/// long as the hash) with 2048, 3072 or 4096 bits, exponent 65537 and SHA-256, SHA-384 or SHA-512. Everything else,
/// SHA-1 and a scheme chosen per command included, is refused. Holding this type proves the form of the key and that
/// its attributes are an attestation key's, not that any TPM has it: credential activation does that.
pub struct AttestationKey {
    scheme: Scheme,
    /// Bytes in r, in s or in the modulus.
    size: usize,
    key: ParsedPublicKey,
}

impl AttestationKey {
    /// The key in a public area.
    ///
    /// # Errors
    /// [`CryptoError::Attributes`], [`CryptoError::Unsupported`], [`CryptoError::MalformedKey`].
    pub fn new(public: &PublicArea<'_>) -> Result<Self, CryptoError> {
        let attributes = public.attributes();
        if !attributes.contains(WANTED) || attributes.contains(Attributes::DECRYPT) {
            return Err(CryptoError::Attributes { got: attributes.0 });
        }
        let scheme = match *public.key() {
            Key::Rsa { scheme, .. } | Key::Ecc { scheme, .. } => scheme,
            ref other => return Err(CryptoError::Unsupported { property: "type", got: other.kind().into() }),
        };
        match PublicKey::of(public.key())? {
            PublicKey::Ec(curve, point) => Self::ecdsa(curve, &point, scheme),
            PublicKey::Rsa(components) => Self::rsa(components, scheme),
        }
    }

    /// The key in a TPMT_PUBLIC.
    ///
    /// # Errors
    /// [`CryptoError::Wire`], and as [`AttestationKey::new`].
    pub fn from_public(tpmt_public: &[u8]) -> Result<Self, CryptoError> {
        Self::new(&PublicArea::parse(tpmt_public).map_err(CryptoError::Wire)?)
    }

    /// Checks that `signature` was made by this key over `attest`, the bytes of a TPMS_ATTEST.
    ///
    /// # Errors
    /// [`CryptoError::OtherScheme`], [`CryptoError::SignatureLength`], [`CryptoError::BadSignature`].
    pub fn verify(&self, attest: &[u8], signature: &Signature<'_>) -> Result<(), CryptoError> {
        match (*signature, self.scheme) {
            (Signature::Ecdsa { hash, r, s }, Scheme::Ecdsa(wanted)) if hash == wanted => {
                let fixed = self.fixed(r, s)?;
                self.check(attest, &fixed)
            }
            (Signature::RsaSsa { hash, signature }, Scheme::RsaSsa(wanted))
            | (Signature::RsaPss { hash, signature }, Scheme::RsaPss(wanted))
                if hash == wanted =>
            {
                if signature.len() != self.size {
                    return Err(CryptoError::SignatureLength { wanted: self.size, got: signature.len() });
                }
                self.check(attest, signature)
            }
            _ => Err(CryptoError::OtherScheme),
        }
    }

    fn ecdsa(curve: EcCurve, point: &[u8], scheme: Scheme) -> Result<Self, CryptoError> {
        let algorithm: &'static dyn signature::VerificationAlgorithm = match (curve, scheme) {
            (EcCurve::P256, Scheme::Ecdsa(HashAlg::Sha256)) => &signature::ECDSA_P256_SHA256_FIXED,
            (EcCurve::P384, Scheme::Ecdsa(HashAlg::Sha384)) => &signature::ECDSA_P384_SHA384_FIXED,
            _ => return Err(unsupported_scheme(scheme)),
        };
        let key = ParsedPublicKey::new(algorithm, point).map_err(|_| CryptoError::MalformedKey)?;
        Ok(Self { scheme, size: curve.size(), key })
    }

    fn rsa(components: PublicKeyComponents<&[u8]>, scheme: Scheme) -> Result<Self, CryptoError> {
        let parameters = rsa_parameters(scheme).ok_or(unsupported_scheme(scheme))?;
        let size = components.n.len();
        let key = components.to_parsed_public_key(parameters).map_err(|_| CryptoError::MalformedKey)?;
        Ok(Self { scheme, size, key })
    }

    /// r ‖ s, each as long as the curve's order.
    fn fixed(&self, r: &[u8], s: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut fixed = Vec::new();
        for part in [r, s] {
            extend_padded(&mut fixed, part, self.size)
                .ok_or(CryptoError::SignatureLength { wanted: self.size, got: part.len() })?;
        }
        Ok(fixed)
    }

    fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.key.verify_sig(message, signature).map_err(|_| CryptoError::BadSignature)
    }
}

impl fmt::Debug for AttestationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttestationKey").field("scheme", &self.scheme).field("size", &self.size).finish_non_exhaustive()
    }
}

fn rsa_parameters(scheme: Scheme) -> Option<&'static RsaParameters> {
    Some(match scheme {
        Scheme::RsaSsa(HashAlg::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        Scheme::RsaSsa(HashAlg::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        Scheme::RsaSsa(HashAlg::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        Scheme::RsaPss(HashAlg::Sha256) => &signature::RSA_PSS_2048_8192_SHA256,
        Scheme::RsaPss(HashAlg::Sha384) => &signature::RSA_PSS_2048_8192_SHA384,
        Scheme::RsaPss(HashAlg::Sha512) => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// The refusal of a scheme: its TPM_ALG_ID in the upper half, its hash in the lower.
fn unsupported_scheme(scheme: Scheme) -> CryptoError {
    let (id, hash) = match scheme {
        Scheme::Null => (0x0010_u16, None),
        Scheme::RsaSsa(hash) => (0x0014, Some(hash)),
        Scheme::RsaEs => (0x0015, None),
        Scheme::RsaPss(hash) => (0x0016, Some(hash)),
        Scheme::Oaep(hash) => (0x0017, Some(hash)),
        Scheme::Ecdsa(hash) => (0x0018, Some(hash)),
        Scheme::Ecdh(hash) => (0x0019, Some(hash)),
        Scheme::Ecdaa(hash, _) => (0x001A, Some(hash)),
        Scheme::Sm2(hash) => (0x001B, Some(hash)),
        Scheme::EcSchnorr(hash) => (0x001C, Some(hash)),
        Scheme::EcMqv(hash) => (0x001D, Some(hash)),
    };
    let hash = hash.map_or(0, HashAlg::id);
    CryptoError::Unsupported { property: "scheme and hash", got: u64::from(id) << 16 | u64::from(hash) }
}
