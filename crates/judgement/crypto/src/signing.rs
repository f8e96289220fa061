//! Ed25519 (RFC 8032): the log key, which signs receipts, and the owner key, which signs grants and policies.

use core::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use zeroize::{Zeroize, Zeroizing};

use crate::certificate::pem_encode;
use crate::client_key::KeyError;

/// An Ed25519 key pair. The private bytes are wiped when it is dropped and never printed.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: [u8; 32],
}

/// A signature that does not hold for this key and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature does not hold: other key, other bytes, or damaged")
    }
}

impl std::error::Error for BadSignature {}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
        let document = pair.to_pkcs8().map_err(|_| KeyError::Generate)?;
        Self::from_pkcs8(document.as_ref())
    }

    /// Reads PKCS#8 DER with the public key inside (RFC 8410 section 7, version 2), as [`SigningKey::to_pkcs8`]
    /// writes it.
    ///
    /// # Errors
    /// [`KeyError::Pkcs8`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| KeyError::Pkcs8)?;
        let public = <[u8; 32]>::try_from(pair.public_key().as_ref()).map_err(|_| KeyError::Pkcs8)?;
        Ok(Self { pair, pkcs8: Zeroizing::new(der.to_vec()), public })
    }

    /// Reads the first `PRIVATE KEY` block of a PEM text.
    ///
    /// # Errors
    /// [`KeyError::Pem`], [`KeyError::Pkcs8`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let mut key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Pem)?;
        let read = Self::from_pkcs8(key.secret_pkcs8_der());
        key.zeroize();
        read
    }

    /// PKCS#8 DER, version 2.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }

    /// PKCS#8 in PEM, as it is kept in a file of mode 0600.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem_encode("PRIVATE KEY", &self.pkcs8))
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Signs `message`; the caller has put a context in front, so that a signature can be taken for nothing else.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        // An Ed25519 signature is always 64 bytes.
        out.iter_mut().zip(self.pair.sign(message).as_ref()).for_each(|(to, from)| *to = *from);
        out
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Checks an Ed25519 signature.
///
/// # Errors
/// [`BadSignature`] for anything but a signature of these bytes by this key.
pub fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).map_err(|_| BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_holds_for_its_message_and_key_only() {
        let key = SigningKey::generate().unwrap();
        let message = b"avouch/receipt/v1\0 something";
        let signature = key.sign(message);
        assert_eq!(verify_ed25519(&key.public(), message, &signature), Ok(()));
        for at in 0..message.len() {
            let mut other = *message;
            other[at] ^= 1;
            assert_eq!(verify_ed25519(&key.public(), &other, &signature), Err(BadSignature));
        }
        for end in 0..signature.len() {
            assert_eq!(verify_ed25519(&key.public(), message, &signature[..end]), Err(BadSignature));
        }
        let stranger = SigningKey::generate().unwrap();
        assert_eq!(verify_ed25519(&stranger.public(), message, &signature), Err(BadSignature));
    }

    #[test]
    fn signature_equals_the_published_vector() {
        // RFC 8032 section 7.1, test 1: empty message.
        let public = *b"\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\
            \x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";
        let signature = b"\xe5\x56\x43\x00\xc3\x60\xac\x72\x90\x86\xe2\xcc\x80\x6e\x82\x8a\
            \x84\x87\x7f\x1e\xb8\xe5\xd9\x74\xd8\x73\xe0\x65\x22\x49\x01\x55\
            \x5f\xb8\x82\x15\x90\xa3\x3b\xac\xc6\x1e\x39\x70\x1c\xf9\xb4\x6b\
            \xd2\x5b\xf5\xf0\x59\x5b\xbe\x24\x65\x51\x41\x43\x8e\x7a\x10\x0b";
        assert_eq!(verify_ed25519(&public, b"", signature), Ok(()));
        assert_eq!(verify_ed25519(&public, b"x", signature), Err(BadSignature));
    }

    #[test]
    fn key_survives_its_pem_form_and_damaged_ones_are_refused() {
        let key = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::from_pem(&key.to_pem()).unwrap().public(), key.public());
        let der = key.to_pkcs8();
        for end in 0..der.len() {
            assert_eq!(SigningKey::from_pkcs8(&der[..end]).unwrap_err(), KeyError::Pkcs8, "cut at {end}");
        }
        let p256 = crate::client_key::ClientKey::generate().unwrap();
        assert_eq!(SigningKey::from_pkcs8(&p256.to_pkcs8()).unwrap_err(), KeyError::Pkcs8);
    }
}
