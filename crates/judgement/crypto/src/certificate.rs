//! Fields of X.509 certificates (RFC 5280), read with `x509-cert`; paths are verified by webpki, never here.

use core::fmt;

use der::asn1::{Any, ObjectIdentifier};
use der::pem::LineEnding;
use der::{Decode, Reader, SliceReader};
use rustls_pki_types::CertificateDer;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};

use crate::hash::sha256;

/// id-ce-extKeyUsage (RFC 5280 section 4.2.1.12).
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
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
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { got } => {
                write!(f, "{got} bytes are too many for a certificate (at most {MAX_CERTIFICATE_BYTES})")
            }
            Self::Der { offset: Some(offset) } => write!(f, "not an X.509 certificate: damaged at byte {offset}"),
            Self::Der { offset: None } => f.write_str("not an X.509 certificate"),
            Self::Pem => f.write_str("no readable CERTIFICATE block found: the text must hold certificates in PEM"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// The fields of one certificate.
pub(crate) struct Fields(CertificateInner<Raw>);

impl Fields {
    /// Decodes exactly one certificate.
    pub(crate) fn decode(der: &[u8]) -> Result<Self, CertificateError> {
        let (fields, used) = Self::decode_prefix(der)?;
        if used.len() == der.len() { Ok(fields) } else { Err(CertificateError::Der { offset: offset(used.len()) }) }
    }

    /// Decodes the certificate at the start of `bytes`; the answer says which bytes it took. The rest is not looked at.
    pub(crate) fn decode_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), CertificateError> {
        if bytes.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { got: bytes.len() });
        }
        let failed = |error: der::Error| CertificateError::Der { offset: error.position().map(u32::from) };
        let mut reader = SliceReader::new(bytes).map_err(failed)?;
        let inner = CertificateInner::<Raw>::decode(&mut reader).map_err(failed)?;
        let end = usize::try_from(u32::from(reader.position())).unwrap_or(usize::MAX);
        let used = bytes.get(..end).ok_or(CertificateError::Der { offset: None })?;
        Ok((Self(inner), used))
    }

    /// All that `x509-cert` knows.
    pub(crate) fn inner(&self) -> &CertificateInner<Raw> {
        &self.0
    }

    /// Extended key usages as OID content bytes; empty when the extension is absent or damaged.
    ///
    /// Raw bytes, because an arc of ours does not fit the 32 bits that `ObjectIdentifier` has for one.
    pub(crate) fn key_purposes(&self) -> Vec<Vec<u8>> {
        let extensions = self.0.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
        extensions
            .iter()
            .filter(|extension| extension.extn_id == EXTENDED_KEY_USAGE)
            .filter_map(|extension| Vec::<Any>::from_der(extension.extn_value.as_bytes()).ok())
            .flatten()
            .map(|oid| oid.value().to_vec())
            .collect()
    }

    /// The names in subjectAltName; empty when the extension is absent or damaged.
    pub(crate) fn alternative_names(&self) -> Vec<GeneralName> {
        match self.0.tbs_certificate().get_extension::<SubjectAltName>() {
            Ok(Some((_critical, names))) => names.0,
            _ => Vec::new(),
        }
    }

    /// The URIs in subjectAltName.
    pub(crate) fn uris(&self) -> Vec<String> {
        let names = self.alternative_names();
        names
            .iter()
            .filter_map(|name| match name {
                GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
                _ => None,
            })
            .collect()
    }

    /// basicConstraints says that this is a CA.
    pub(crate) fn is_ca(&self) -> bool {
        matches!(
            self.0.tbs_certificate().get_extension::<BasicConstraints>(),
            Ok(Some((_, BasicConstraints { ca: true, .. })))
        )
    }

    /// Unix seconds (notBefore, notAfter).
    pub(crate) fn validity(&self) -> (u64, u64) {
        let validity = self.0.tbs_certificate().validity();
        (validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs())
    }
}

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

fn offset(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}
