//! Signatures by attestation keys.

use core::fmt;

use avouch_tpm_wire::{Attributes, HashAlg, Hasher, Key, PublicArea, Scheme, Signature};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPssSaltLength};

use crate::tpm_key::{EcCurve, PublicKey, extend_padded};
use crate::verify_key::fitted;
use crate::{CryptoError, Hash};

/// What a TPM must guarantee of an attestation key: it never left the TPM that made it, and it signs only structures
/// that the TPM itself wrote (TPM 2.0 Part 1, "Restricted Attribute").
const WANTED: Attributes = Attributes::FIXED_TPM
    .with(Attributes::FIXED_PARENT)
    .with(Attributes::SENSITIVE_DATA_ORIGIN)
    .with(Attributes::RESTRICTED)
    .with(Attributes::SIGN);

/// A public attestation key, parsed once to verify many signatures.
///
/// On the allow-list: ECDSA on P-256, P-384 or P-521, RSASSA-PKCS1-v1_5 and RSASSA-PSS with 2048, 3072 or 4096 bits and
/// exponent 65537; each with SHA-256, SHA-384 or SHA-512. Everything else, SHA-1, EC Schnorr and a scheme chosen per
/// command included, is refused. Holding this type proves the form of the key and that its attributes are an
/// attestation key's, not that any TPM has it: credential activation does that.
pub struct AttestationKey {
    scheme: Scheme,
    /// Bytes in r, in s or in the modulus.
    size: usize,
    forms: Forms,
}

/// The key, parsed for each way in which it may have signed.
enum Forms {
    Ec(EcCurve, ParsedPublicKey),
    Pkcs1(ParsedPublicKey),
    /// The TPM 2.0 specification lets a TPM choose the salt: as long as the hash where it conforms to FIPS 186, as
    /// long as fits otherwise (Part 1, annex B.7).
    Pss {
        as_hash: ParsedPublicKey,
        longest: ParsedPublicKey,
    },
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
                self.check(hash, attest, &fixed)
            }
            (Signature::RsaSsa { hash, signature }, Scheme::RsaSsa(wanted))
            | (Signature::RsaPss { hash, signature }, Scheme::RsaPss(wanted))
                if hash == wanted =>
            {
                if signature.len() != self.size {
                    return Err(CryptoError::SignatureLength { wanted: self.size, got: signature.len() });
                }
                self.check(hash, attest, signature)
            }
            _ => Err(CryptoError::OtherScheme),
        }
    }

    fn ecdsa(curve: EcCurve, point: &[u8], scheme: Scheme) -> Result<Self, CryptoError> {
        let Scheme::Ecdsa(HashAlg::Sha256 | HashAlg::Sha384 | HashAlg::Sha512) = scheme else {
            return Err(unsupported_scheme(scheme));
        };
        let algorithm: &'static dyn signature::VerificationAlgorithm = match curve {
            EcCurve::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            EcCurve::P384 => &signature::ECDSA_P384_SHA384_FIXED,
            EcCurve::P521 => &signature::ECDSA_P521_SHA512_FIXED,
        };
        let key = ParsedPublicKey::new(algorithm, point).map_err(|_| CryptoError::MalformedKey)?;
        Ok(Self { scheme, size: curve.size(), forms: Forms::Ec(curve, key) })
    }

    fn rsa(components: PublicKeyComponents<&[u8]>, scheme: Scheme) -> Result<Self, CryptoError> {
        let parameters = rsa_parameters(scheme).ok_or(unsupported_scheme(scheme))?;
        let size = components.n.len();
        let parsed = |parameters| components.to_parsed_public_key(parameters).map_err(|_| CryptoError::MalformedKey);
        let forms = match parameters {
            RsaForms::Pkcs1(parameters) => Forms::Pkcs1(parsed(parameters)?),
            RsaForms::Pss { as_hash, longest } => Forms::Pss { as_hash: parsed(as_hash)?, longest: parsed(longest)? },
        };
        Ok(Self { scheme, size, forms })
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

    fn check(&self, hash: HashAlg, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let holds = match &self.forms {
            Forms::Ec(curve, key) => {
                key.verify_digest_sig(&fitted(*curve, Hash.hash(hash, &[message]).as_bytes())?, signature)
            }
            Forms::Pkcs1(key) => key.verify_sig(message, signature),
            Forms::Pss { as_hash, longest } => {
                as_hash.verify_sig(message, signature).or_else(|_| longest.verify_sig(message, signature))
            }
        };
        holds.map_err(|_| CryptoError::BadSignature)
    }
}

impl fmt::Debug for AttestationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttestationKey").field("scheme", &self.scheme).field("size", &self.size).finish_non_exhaustive()
    }
}

/// What the library needs to know of a scheme with its hash.
enum RsaForms {
    Pkcs1(&'static RsaParameters),
    Pss { as_hash: &'static RsaParameters, longest: &'static RsaParameters },
}

const LONGEST: RsaPssSaltLength = RsaPssSaltLength::Max;
static PSS_SHA256_LONGEST: RsaParameters = signature::RSA_PSS_2048_8192_SHA256.with_pss_salt_length(LONGEST);
static PSS_SHA384_LONGEST: RsaParameters = signature::RSA_PSS_2048_8192_SHA384.with_pss_salt_length(LONGEST);
static PSS_SHA512_LONGEST: RsaParameters = signature::RSA_PSS_2048_8192_SHA512.with_pss_salt_length(LONGEST);

fn rsa_parameters(scheme: Scheme) -> Option<RsaForms> {
    let pss = |as_hash, longest| RsaForms::Pss { as_hash, longest };
    Some(match scheme {
        Scheme::RsaSsa(HashAlg::Sha256) => RsaForms::Pkcs1(&signature::RSA_PKCS1_2048_8192_SHA256),
        Scheme::RsaSsa(HashAlg::Sha384) => RsaForms::Pkcs1(&signature::RSA_PKCS1_2048_8192_SHA384),
        Scheme::RsaSsa(HashAlg::Sha512) => RsaForms::Pkcs1(&signature::RSA_PKCS1_2048_8192_SHA512),
        Scheme::RsaPss(HashAlg::Sha256) => pss(&signature::RSA_PSS_2048_8192_SHA256, &PSS_SHA256_LONGEST),
        Scheme::RsaPss(HashAlg::Sha384) => pss(&signature::RSA_PSS_2048_8192_SHA384, &PSS_SHA384_LONGEST),
        Scheme::RsaPss(HashAlg::Sha512) => pss(&signature::RSA_PSS_2048_8192_SHA512, &PSS_SHA512_LONGEST),
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
