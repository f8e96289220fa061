//! Public keys that come as SubjectPublicKeyInfo, and signatures of theirs over a digest.

use core::fmt;

use avouch_tpm_wire::HashAlg;
use aws_lc_rs::digest;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters};

use crate::CryptoError;
use crate::certificate::{KeyFacts, Spki, oid};
use crate::tpm_key::EcCurve;

/// Fewest bits in an RSA modulus.
const MIN_RSA_BITS: usize = 2048;
/// Most; beyond, verification is an attack on the verifier's time.
const MAX_RSA_BITS: usize = 8192;

/// Why a public key cannot verify signatures here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// Its algorithm or curve is not one that is verified: the kernel has no use for it, or it is weak.
    Algorithm(KeyFacts),
    /// An RSA modulus of too few or too many bits.
    Size {
        /// How many.
        bits: usize,
    },
    /// The bytes are no key: a point off its curve, no RSAPublicKey.
    Malformed,
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm(key) => {
                write!(
                    f,
                    "{key} keys are not verified: use RSA of 2048 bits or more, or ECDSA on P-256, P-384 or P-521"
                )
            }
            Self::Size { bits } => {
                write!(f, "an RSA key of {bits} bits: between {MIN_RSA_BITS} and {MAX_RSA_BITS} are accepted")
            }
            Self::Malformed => f.write_str("no valid public key"),
        }
    }
}

impl std::error::Error for KeyRefusal {}

/// A public key, parsed once to verify many signatures over SHA-256, SHA-384 or SHA-512.
pub(crate) enum VerifyKey {
    /// PKCS#1 v1.5, a form per hash.
    Rsa(Box<[ParsedPublicKey; 3]>),
    /// Signatures in DER.
    Ec(EcCurve, ParsedPublicKey),
}

impl VerifyKey {
    pub(crate) fn new(spki: &Spki<'_>) -> Result<Self, KeyRefusal> {
        match spki.algorithm {
            oid::key::RSA => {
                let (modulus, exponent) = spki.rsa().ok_or(KeyRefusal::Malformed)?;
                Self::rsa(modulus, exponent)
            }
            oid::key::EC => {
                let curve = spki.curve().and_then(EcCurve::from_oid);
                let curve = curve.ok_or_else(|| KeyRefusal::Algorithm(KeyFacts::of(spki)))?;
                let key = ParsedPublicKey::new(der_algorithm(curve), spki.key).map_err(|_| KeyRefusal::Malformed)?;
                Ok(Self::Ec(curve, key))
            }
            _ => Err(KeyRefusal::Algorithm(KeyFacts::of(spki))),
        }
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyRefusal> {
        let spare = modulus.first().map_or(0, |byte| byte.leading_zeros());
        let bits = (modulus.len() * 8).saturating_sub(usize::try_from(spare).unwrap_or(0));
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(KeyRefusal::Size { bits });
        }
        let components = PublicKeyComponents { n: modulus, e: exponent };
        let form = |parameters: &'static RsaParameters| {
            components.to_parsed_public_key(parameters).map_err(|_| KeyRefusal::Malformed)
        };
        Ok(Self::Rsa(Box::new([
            form(&signature::RSA_PKCS1_2048_8192_SHA256)?,
            form(&signature::RSA_PKCS1_2048_8192_SHA384)?,
            form(&signature::RSA_PKCS1_2048_8192_SHA512)?,
        ])))
    }

    /// Checks `signature` over `digest`, which `alg` made.
    pub(crate) fn verify(&self, alg: HashAlg, digest: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if digest.len() != alg.size() {
            return Err(CryptoError::DigestLength { wanted: alg.size(), got: digest.len() });
        }
        let (key, digest) = match (self, alg) {
            (_, HashAlg::Sha1) => return Err(weak_hash(alg)),
            (Self::Rsa(forms), _) => {
                let [sha256, sha384, sha512] = forms.as_ref();
                match alg {
                    HashAlg::Sha384 => (sha384, imported(digest, &digest::SHA384)?),
                    HashAlg::Sha512 => (sha512, imported(digest, &digest::SHA512)?),
                    _ => (sha256, imported(digest, &digest::SHA256)?),
                }
            }
            (Self::Ec(curve, key), _) => (key, fitted(*curve, digest)?),
        };
        key.verify_digest_sig(&digest, signature).map_err(|_| CryptoError::BadSignature)
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(_) => f.write_str("Rsa"),
            Self::Ec(curve, _) => write!(f, "Ec({curve:?})"),
        }
    }
}

/// SHA-1 proves nothing: whoever signs one file can be made to have signed another (Leurent and Peyrin, 2020).
pub(crate) fn weak_hash(alg: HashAlg) -> CryptoError {
    CryptoError::Unsupported { property: "hash", got: alg.id().into() }
}

/// The digest as ECDSA on this curve takes it (FIPS 186-5 section 6.4.1): its leftmost bits where it is longer than
/// the order of the curve, the same number where it is shorter. The library has one algorithm per curve and hash;
/// with this, one per curve does for all.
pub(crate) fn fitted(curve: EcCurve, digest: &[u8]) -> Result<digest::Digest, CryptoError> {
    let algorithm = match curve {
        EcCurve::P256 => &digest::SHA256,
        EcCurve::P384 => &digest::SHA384,
        EcCurve::P521 => &digest::SHA512,
    };
    let wanted = algorithm.output_len();
    let mut fitted = vec![0; wanted.saturating_sub(digest.len())];
    fitted.extend(digest.iter().take(wanted));
    imported(&fitted, algorithm)
}

fn imported(bytes: &[u8], algorithm: &'static digest::Algorithm) -> Result<digest::Digest, CryptoError> {
    digest::Digest::import_less_safe(bytes, algorithm).map_err(|_| CryptoError::Library)
}

fn der_algorithm(curve: EcCurve) -> &'static EcdsaVerificationAlgorithm {
    match curve {
        EcCurve::P256 => &signature::ECDSA_P256_SHA256_ASN1,
        EcCurve::P384 => &signature::ECDSA_P384_SHA384_ASN1,
        EcCurve::P521 => &signature::ECDSA_P521_SHA512_ASN1,
    }
}
