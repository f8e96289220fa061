//! X.509 certificates (RFC 5280): what they say, for everything in this crate and for people ([`describe`]).
//!
//! Reading is own and takes what real vendors issue; it verifies nothing. Paths are verified by webpki, and for
//! endorsement keys by [`crate::ek`] where webpki refuses what vendors do.

mod facts;
mod fields;
mod file;
mod name;
pub(crate) mod oid;
pub(crate) mod pem;
mod time;

pub use facts::{CertificateFacts, KeyFacts, Quirk, TpmFacts, describe};
pub use file::{CertificateFile, Container, Item, read_file};

pub(crate) use facts::{DECRYPTS, serial};
pub(crate) use fields::{Fields, Spki, usage};
pub(crate) use name::text_of;

use core::fmt;

use der::pem::LineEnding;
use rustls_pki_types::CertificateDer;

use crate::hash::sha256;
use crate::tlv::Fault;

/// No certificate of this field is larger; a bound on what is parsed and kept.
pub(crate) const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// Bytes that are not a certificate, or not one that can be used for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// More bytes than any certificate has.
    TooLarge {
        /// How many were given.
        got: usize,
    },
    /// Not a DER X.509 certificate, or bytes follow it.
    Der {
        /// Where decoding stopped, when known.
        offset: Option<u32>,
    },
    /// The text holds no `CERTIFICATE` block, or a damaged one.
    Pem,
    /// An attribute certificate (RFC 5755), e.g. a platform certificate: it names a key and holds none.
    AttributeCertificate,
}

impl From<Fault> for CertificateError {
    fn from(fault: Fault) -> Self {
        Self::Der { offset: u32::try_from(fault.0).ok() }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { got } => {
                write!(f, "{got} bytes are too many for a certificate (at most {MAX_CERTIFICATE_BYTES})")
            }
            Self::Der { offset: Some(offset) } => write!(f, "not an X.509 certificate: damaged at byte {offset}"),
            Self::Der { offset: None } => f.write_str("not an X.509 certificate"),
            Self::AttributeCertificate => f.write_str(
                "an attribute certificate (a platform certificate?), not an X.509 certificate: it holds no public key",
            ),
            Self::Pem => f.write_str("no readable CERTIFICATE block found: the text must hold certificates in PEM"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// The SubjectPublicKeyInfo, byte for byte as it stands in the certificate.
pub(crate) fn spki_of(der: &CertificateDer<'_>) -> Result<Vec<u8>, CertificateError> {
    let parsed = webpki::EndEntityCert::try_from(der).map_err(|_| CertificateError::Der { offset: None })?;
    Ok(parsed.subject_public_key_info().as_ref().to_vec())
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo: what a pin is.
///
/// # Errors
/// [`CertificateError`] when the bytes are not exactly one certificate.
pub fn spki_sha256(certificate_der: &[u8]) -> Result<[u8; 32], CertificateError> {
    if certificate_der.len() > MAX_CERTIFICATE_BYTES {
        return Err(CertificateError::TooLarge { got: certificate_der.len() });
    }
    spki_of(&CertificateDer::from(certificate_der)).map(|spki| sha256(&[&spki]))
}

/// One PEM block (RFC 7468) with line feeds.
pub(crate) fn pem_encode(label: &str, der: &[u8]) -> String {
    // Fails only for a label that is not printable ASCII or an output beyond memory; ours are constants.
    der::pem::encode_string(label, LineEnding::LF, der).unwrap_or_default()
}
