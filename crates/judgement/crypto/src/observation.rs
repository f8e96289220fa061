//! Signatures as an observer checks them: also by keys and algorithms on which nothing may rely.
//!
//! A person who looks at a recorded quote wants to know whether its signature holds, SHA-1 and all. The answer is
//! [`Observed`], which no check of evidence takes: those want an [`crate::AttestationKey`].

use avouch_tpm_wire::{Curve, HashAlg, Key, PublicArea, Signature};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, VerificationAlgorithm};

use crate::CryptoError;
use crate::tpm_key::extend_padded;

/// A signature that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// True when its hash is SHA-1: it holds, and proves little.
    pub weak: bool,
}

/// A public key from anywhere.
#[derive(Clone, Debug)]
pub struct ObservedKey {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// SubjectPublicKeyInfo.
    Spki(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
}

impl ObservedKey {
    /// The key of a public area, whatever its attributes.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] for a key that cannot sign, [`CryptoError::MalformedKey`] for an empty one.
    pub fn from_public(public: &PublicArea<'_>) -> Result<Self, CryptoError> {
        match *public.key() {
            Key::Rsa { exponent, modulus, .. } => Ok(Self::rsa(modulus, if exponent == 0 { 65_537 } else { exponent })),
            Key::Ecc { curve, x, y, .. } => {
                let mut point = vec![0x04];
                for coordinate in [x, y] {
                    let size = coordinate_size(curve)?;
                    extend_padded(&mut point, coordinate, size).ok_or(CryptoError::MalformedKey)?;
                }
                Ok(Self { form: Form::Ec { curve, point } })
            }
            ref other => Err(CryptoError::Unsupported { property: "type", got: other.kind().into() }),
        }
    }

    /// An RSA key by its numbers; `modulus` is big-endian.
    pub fn rsa(modulus: &[u8], exponent: u32) -> Self {
        let exponent = exponent.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        let modulus = modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
        Self { form: Form::Rsa { modulus, exponent } }
    }

    /// A SubjectPublicKeyInfo in DER (RFC 5280 section 4.1), checked when a signature is.
    pub fn from_spki(der: &[u8]) -> Self {
        Self { form: Form::Spki(der.to_vec()) }
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// [`CryptoError::BadSignature`] when it does not hold, the others when it cannot be checked.
    pub fn verify(&self, message: &[u8], signature: &Signature<'_>) -> Result<Observed, CryptoError> {
        match *signature {
            Signature::RsaSsa { hash, signature } => self.check(rsa_pkcs1(hash), hash, message, signature),
            Signature::RsaPss { hash, signature } => {
                let parameters = rsa_pss(hash).ok_or(unsupported("hash", hash))?;
                self.check(parameters, hash, message, signature)
            }
            Signature::Ecdsa { hash, r, s } => self.ecdsa(hash, message, &der_sequence(r, s)),
        }
    }

    /// Checks an ECDSA signature in DER (RFC 3279 section 2.2.3).
    ///
    /// # Errors
    /// As [`ObservedKey::verify`].
    pub fn verify_ecdsa(&self, hash: HashAlg, message: &[u8], der: &[u8]) -> Result<Observed, CryptoError> {
        self.ecdsa(hash, message, der)
    }

    fn ecdsa(&self, hash: HashAlg, message: &[u8], der: &[u8]) -> Result<Observed, CryptoError> {
        let curves = match self.form {
            Form::Ec { curve, .. } => vec![curve],
            // The library finds a key of another curve malformed.
            _ => vec![Curve::P256, Curve::P384, Curve::P521],
        };
        let mut last = unsupported("hash", hash);
        for algorithm in curves.into_iter().filter_map(|curve| ecdsa(curve, hash)) {
            match self.parsed(algorithm) {
                Ok(key) => return observed(&key, hash, message, der),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn check(
        &self,
        parameters: &'static RsaParameters,
        hash: HashAlg,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Observed, CryptoError> {
        observed(&self.parsed_rsa(parameters)?, hash, message, signature)
    }

    fn parsed_rsa(&self, parameters: &'static RsaParameters) -> Result<ParsedPublicKey, CryptoError> {
        match &self.form {
            Form::Rsa { modulus, exponent } => {
                let components = PublicKeyComponents { n: modulus.as_slice(), e: exponent.as_slice() };
                components.to_parsed_public_key(parameters).map_err(|_| CryptoError::MalformedKey)
            }
            Form::Ec { .. } => Err(CryptoError::OtherScheme),
            Form::Spki(_) => self.parsed(parameters),
        }
    }

    fn parsed(&self, algorithm: &'static dyn VerificationAlgorithm) -> Result<ParsedPublicKey, CryptoError> {
        match &self.form {
            Form::Spki(bytes) | Form::Ec { point: bytes, .. } => {
                ParsedPublicKey::new(algorithm, bytes).map_err(|_| CryptoError::MalformedKey)
            }
            Form::Rsa { .. } => Err(CryptoError::OtherScheme),
        }
    }
}

fn observed(key: &ParsedPublicKey, hash: HashAlg, message: &[u8], signature: &[u8]) -> Result<Observed, CryptoError> {
    key.verify_sig(message, signature).map_err(|_| CryptoError::BadSignature)?;
    Ok(Observed { weak: hash == HashAlg::Sha1 })
}

fn unsupported(property: &'static str, hash: HashAlg) -> CryptoError {
    CryptoError::Unsupported { property, got: hash.id().into() }
}

fn coordinate_size(curve: Curve) -> Result<usize, CryptoError> {
    match curve {
        Curve::P256 => Ok(32),
        Curve::P384 => Ok(48),
        Curve::P521 => Ok(66),
        Curve(other) => Err(CryptoError::Unsupported { property: "curve", got: other.into() }),
    }
}

fn rsa_pkcs1(hash: HashAlg) -> &'static RsaParameters {
    match hash {
        HashAlg::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        HashAlg::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        HashAlg::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        HashAlg::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}

fn rsa_pss(hash: HashAlg) -> Option<&'static RsaParameters> {
    match hash {
        HashAlg::Sha1 => None,
        HashAlg::Sha256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        HashAlg::Sha384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        HashAlg::Sha512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
    }
}

fn ecdsa(curve: Curve, hash: HashAlg) -> Option<&'static EcdsaVerificationAlgorithm> {
    Some(match (curve, hash) {
        (Curve::P256, HashAlg::Sha1) => &signature::ECDSA_P256_SHA1_ASN1,
        (Curve::P256, HashAlg::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, HashAlg::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, HashAlg::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, HashAlg::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, HashAlg::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, HashAlg::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, HashAlg::Sha1) => &signature::ECDSA_P521_SHA1_ASN1,
        (Curve::P521, HashAlg::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, HashAlg::Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, HashAlg::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

/// Ecdsa-Sig-Value (RFC 3279 section 2.2.3). A coordinate has at most 66 bytes, so both lengths stay below 128 and the
/// sequence below 256.
fn der_sequence(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [r, s] {
        let number: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = number.first().is_none_or(|byte| byte & 0x80 != 0);
        let length = number.len().saturating_add(usize::from(sign));
        body.extend([0x02, u8::try_from(length).unwrap_or(u8::MAX)]);
        body.extend(sign.then_some(0));
        body.extend(number);
    }
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    let mut der = vec![0x30];
    der.extend((length >= 0x80).then_some(0x81));
    der.push(length);
    der.extend(body);
    der
}
