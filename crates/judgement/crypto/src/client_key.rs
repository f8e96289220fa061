//! P-256 keys: the agent's client key, an operator's key, a server's key and the keys of the CAs.

use core::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::certificate::pem_encode;

/// An ECDSA P-256 key pair. The private bytes are wiped when it is dropped and never printed.
pub struct ClientKey {
    pair: EcdsaKeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
}

/// Why a key cannot be made or read. It never carries key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The library could not make a key.
    Generate,
    /// The text holds no `PRIVATE KEY` block (PKCS#8 PEM).
    Pem,
    /// The block is not a PKCS#8 key of the kind that is wanted.
    Pkcs8,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generate => "no key could be made: the random generator or the crypto library failed",
            Self::Pem => "no PRIVATE KEY block found: the file must hold one PKCS#8 key in PEM",
            Self::Pkcs8 => "the PRIVATE KEY block is damaged or holds a key of another kind",
        })
    }
}

impl std::error::Error for KeyError {}

impl ClientKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate() -> Result<Self, KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError::Generate)?;
        Self::from_pkcs8(document.as_ref())
    }

    /// Reads PKCS#8 DER (RFC 5958).
    ///
    /// # Errors
    /// [`KeyError::Pkcs8`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map_err(|_| KeyError::Pkcs8)?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| KeyError::Pkcs8)?;
        let spki = spki.as_ref().to_vec();
        Ok(Self { pair, pkcs8: Zeroizing::new(der.to_vec()), spki })
    }

    /// Reads the first `PRIVATE KEY` block of a PEM text.
    ///
    /// # Errors
    /// [`KeyError::Pem`], [`KeyError::Pkcs8`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Pem)?;
        let der = WipedKey(PrivateKeyDer::Pkcs8(key));
        Self::from_pkcs8(der.0.secret_der())
    }

    /// PKCS#8 DER.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }

    /// PKCS#8 in PEM, as it is kept in a file of mode 0600.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem_encode("PRIVATE KEY", &self.pkcs8))
    }

    /// DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7): what the server certifies and quotes are bound to.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// ECDSA with SHA-256 over `message`, DER-encoded.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the library gives no signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Generate)?;
        Ok(signature.as_ref().to_vec())
    }

    /// The uncompressed point.
    pub(crate) fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The key with its certificates, for rustls. The DER copy that the conversion takes is wiped.
    pub(crate) fn certified(
        &self,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Arc<SingleCertAndKey>, rustls::Error> {
        let der = WipedKey(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.to_vec())));
        let certified = CertifiedKey::new(chain, any_ecdsa_type(&der.0)?);
        certified.keys_match()?;
        Ok(Arc::new(SingleCertAndKey::from(certified)))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey").finish_non_exhaustive()
    }
}

struct WipedKey(PrivateKeyDer<'static>);

impl Drop for WipedKey {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_survives_its_pem_form() {
        let key = ClientKey::generate().unwrap();
        let again = ClientKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(again.spki_der(), key.spki_der());
        assert_eq!(*again.to_pkcs8(), *key.to_pkcs8());
    }

    #[test]
    fn every_cut_of_a_key_is_refused() {
        let der = ClientKey::generate().unwrap().to_pkcs8();
        for end in 0..der.len() {
            assert_eq!(ClientKey::from_pkcs8(&der[..end]).unwrap_err(), KeyError::Pkcs8, "cut at {end}");
        }
    }

    #[test]
    fn other_texts_and_kinds_of_key_are_refused() {
        assert_eq!(ClientKey::from_pem("").unwrap_err(), KeyError::Pem);
        let ed25519 = crate::signing::SigningKey::generate().unwrap();
        assert_eq!(ClientKey::from_pkcs8(&ed25519.to_pkcs8()).unwrap_err(), KeyError::Pkcs8);
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", ClientKey::generate().unwrap()), "ClientKey { .. }");
    }
}
