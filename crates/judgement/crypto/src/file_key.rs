//! Keys that sign files and modules: the members of the kernel's `.ima` keyring.
//!
//! A signature in `security.ima` names its key by four bytes only, which anybody can make collide. So the name selects
//! candidates ([`FileKey::answers_to`]), all of them are tried, and each verification is over the whole key.

use avouch_tpm_wire::HashAlg;
use aws_lc_rs::digest;

use crate::CryptoError;
use crate::certificate::{CertificateError, Fields, Spki, pem};
use crate::hash::sha256;
use crate::verify_key::{KeyRefusal, VerifyKey};

/// A public key that signs files, with the names under which the kernel finds it.
#[derive(Debug)]
pub struct FileKey {
    key: VerifyKey,
    /// Last four bytes of the subjectKeyIdentifier of the certificate.
    certificate_id: Option<[u8; 4]>,
    /// Last four bytes of SHA-1 over the SubjectPublicKey bit string.
    key_hash_id: [u8; 4],
    fingerprint: [u8; 32],
    issued: Option<Issued>,
}

/// What a CMS signature calls the signer.
#[derive(Debug)]
struct Issued {
    issuer: Vec<u8>,
    serial: Vec<u8>,
    subject: String,
    subject_key_id: Option<Vec<u8>>,
}

/// Why bytes are no key that signs files. The operator who configured them is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKeyError {
    /// Neither a certificate nor a SubjectPublicKeyInfo.
    Bytes(CertificateError),
    /// A key that is not accepted.
    Key(KeyRefusal),
    /// The text holds no certificate and no public key.
    Empty,
}

impl FileKey {
    /// The key of an X.509 certificate in DER. Dates and issuer are not looked at: who names a key trusts it.
    ///
    /// # Errors
    /// [`FileKeyError`].
    pub fn from_certificate(der: &[u8]) -> Result<Self, FileKeyError> {
        let fields = Fields::decode(der).map_err(FileKeyError::Bytes)?;
        let mut key = Self::new(&fields.spki)?;
        let subject_key_id = fields.subject_key_id();
        key.certificate_id = subject_key_id.and_then(|id| id.last_chunk::<4>()).copied();
        key.issued = Some(Issued {
            issuer: fields.issuer.to_vec(),
            serial: fields.serial.to_vec(),
            subject: crate::certificate::text_of(fields.subject),
            subject_key_id: subject_key_id.map(<[u8]>::to_vec),
        });
        Ok(key)
    }

    /// A bare key: SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`FileKeyError`].
    pub fn from_spki(der: &[u8]) -> Result<Self, FileKeyError> {
        Self::new(&Spki::decode(der).map_err(FileKeyError::Bytes)?)
    }

    /// A certificate or a SubjectPublicKeyInfo in DER, whichever the bytes are.
    ///
    /// # Errors
    /// [`FileKeyError`].
    pub fn from_der(der: &[u8]) -> Result<Self, FileKeyError> {
        match Self::from_spki(der) {
            Err(FileKeyError::Bytes(_)) => Self::from_certificate(der),
            other => other,
        }
    }

    /// All certificates and public keys of a PEM text, in order.
    ///
    /// # Errors
    /// [`FileKeyError`] of the first block that is none, or when there is none.
    pub fn from_pem(text: &str) -> Result<Vec<Self>, FileKeyError> {
        let mut keys = Vec::new();
        for block in pem::blocks(text.as_bytes()) {
            let (label, der) = block.ok_or(FileKeyError::Bytes(CertificateError::Pem))?;
            keys.push(match label.as_str() {
                "CERTIFICATE" => Self::from_certificate(&der)?,
                "PUBLIC KEY" => Self::from_spki(&der)?,
                _ => return Err(FileKeyError::Bytes(CertificateError::Pem)),
            });
        }
        if keys.is_empty() { Err(FileKeyError::Empty) } else { Ok(keys) }
    }

    fn new(spki: &Spki<'_>) -> Result<Self, FileKeyError> {
        let key = VerifyKey::new(spki).map_err(FileKeyError::Key)?;
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, spki.key);
        let key_hash_id = sha1.as_ref().last_chunk::<4>().copied().unwrap_or_default();
        Ok(Self { key, certificate_id: None, key_hash_id, fingerprint: sha256(&[spki.whole]), issued: None })
    }

    /// The identifier that a version 2 signature by this key most likely carries: the last four bytes of the
    /// certificate's subjectKeyIdentifier, else of SHA-1 over the key.
    pub fn key_id(&self) -> [u8; 4] {
        self.certificate_id.unwrap_or(self.key_hash_id)
    }

    /// True when a version 2 signature with this identifier may be by this key: signing tools take either the
    /// certificate's identifier or the hash of the key.
    pub fn answers_to(&self, key_id: [u8; 4]) -> bool {
        self.certificate_id == Some(key_id) || self.key_hash_id == key_id
    }

    /// SHA-256 of the SubjectPublicKeyInfo: the one name of a key that cannot be made to collide.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Subject of the certificate (RFC 4514); `None` for a bare key.
    pub fn subject(&self) -> Option<&str> {
        self.issued.as_ref().map(|issued| issued.subject.as_str())
    }

    /// Checks that `signature` is by this key over `digest`, a digest of `alg`: RSASSA-PKCS1-v1_5 with the DigestInfo
    /// of `alg`, or ECDSA in DER.
    ///
    /// # Errors
    /// [`CryptoError::BadSignature`]; [`CryptoError::DigestLength`]; [`CryptoError::Unsupported`] for SHA-1, which
    /// proves nothing any more.
    pub fn verify_digest(&self, alg: HashAlg, digest: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.key.verify(alg, digest, signature)
    }

    /// The certificate is the one with this issuer (a Name in DER) and serial number (content of the INTEGER).
    pub(crate) fn is_issued(&self, issuer: &[u8], serial: &[u8]) -> bool {
        self.issued.as_ref().is_some_and(|issued| issued.issuer == issuer && issued.serial == serial)
    }

    /// The certificate has this subjectKeyIdentifier, or the key this SHA-1.
    pub(crate) fn has_subject_key_id(&self, id: &[u8]) -> bool {
        self.issued.as_ref().is_some_and(|issued| issued.subject_key_id.as_deref() == Some(id))
    }

    /// There is no certificate that could say who the key is.
    pub(crate) fn is_bare(&self) -> bool {
        self.issued.is_none()
    }
}

impl core::fmt::Display for FileKeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Bytes(error) => write!(f, "neither a certificate nor a public key: {error}"),
            Self::Key(refusal) => refusal.fmt(f),
            Self::Empty => f.write_str("no certificate and no public key found in the text"),
        }
    }
}

impl std::error::Error for FileKeyError {}
