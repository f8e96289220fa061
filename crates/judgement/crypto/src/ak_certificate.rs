//! Certificates of attestation keys that a cloud issues to the vTPMs it runs.
//!
//! | cloud | where | what real ones carry |
//! |---|---|---|
//! | Azure | NV 0x01C101D0, for the key at 0x81000003 | purpose 2.23.133.8.3; under Microsoft's virtual TPM CAs |
//! | Google Cloud | NV 0x01C10000 (RSA), 0x01C10002 (ECC) | purpose of an *EK* certificate on a key that only signs; older ones share the CA of EK certificates |
//!
//! The cloud vouches for its own virtual machine: host and cloud can change what such a TPM measures.

use core::fmt;

use avouch_tpm_wire::PublicArea;
use rustls_pki_types::CertificateDer;

use crate::certificate::{DECRYPTS, Fields, oid, serial, text_of, usage};
use crate::ek::{EkError, EkRoots, Root, Wanted};
use crate::hash::sha256;

/// A cloud's certificate for an attestation key, verified. Only [`AkCertificate::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AkCertificate {
    /// Subject (RFC 4514): Azure names the virtual machine in it.
    pub subject: String,
    /// Issuer (RFC 4514).
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate without filling.
    pub sha256: [u8; 32],
    /// Unix seconds of notAfter.
    pub not_after: u64,
    /// The root that vouches.
    pub root: Root,
}

/// Why a certificate vouches for no attestation key. Unless said otherwise the node is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AkCertificateError {
    /// Bytes, dates, path: as for an EK certificate.
    Path(EkError),
    /// The certificate does not say that it is for an attestation key (2.23.133.8.3, or Google's 2.23.133.8.1 with
    /// digitalSignature and nothing that decrypts).
    Purpose,
    /// The certificate is for another key than the one shown.
    OtherKey,
}

impl AkCertificate {
    /// Checks that `certificate` (contents of the NV index, filling allowed) chains to one of `roots` at `now` (Unix
    /// seconds), is for an attestation key, and that this key is `ak_public`.
    ///
    /// `intermediates` are what the node sent along, each in DER: they help to build the path and are trusted for
    /// nothing. That the key is a restricted signing key of a TPM, [`crate::AttestationKey`] checks on its public area.
    ///
    /// # Errors
    /// [`AkCertificateError`].
    pub fn verify(
        certificate: &[u8],
        intermediates: &[&[u8]],
        roots: &EkRoots,
        ak_public: &PublicArea<'_>,
        now: u64,
    ) -> Result<Self, AkCertificateError> {
        let (fields, der) = crate::ek::unwrap_nv(certificate).map_err(AkCertificateError::Path)?;
        let sent: Vec<CertificateDer<'_>> = intermediates.iter().map(|der| CertificateDer::from(*der)).collect();
        let root = roots.path(&fields, &sent, Wanted::AttestationKey, now).map_err(AkCertificateError::Path)?;
        if !is_for_attestation(&fields) {
            return Err(AkCertificateError::Purpose);
        }
        crate::ek::same_key(&fields, ak_public).map_err(|error| match error {
            EkError::OtherKey => AkCertificateError::OtherKey,
            other => AkCertificateError::Path(other),
        })?;
        Ok(Self {
            subject: text_of(fields.subject),
            issuer: text_of(fields.issuer),
            serial: serial(fields.serial),
            sha256: sha256(&[der]),
            not_after: fields.validity().1,
            root,
        })
    }
}

fn is_for_attestation(fields: &Fields<'_>) -> bool {
    let usage = fields.key_usage();
    let signs_only = usage.is_some_and(|bits| bits & usage::DIGITAL_SIGNATURE != 0 && bits & DECRYPTS == 0);
    let says_ak = fields.has_purpose(oid::tcg::AK_PURPOSE) && usage.is_none_or(|_| signs_only);
    !fields.is_ca() && (says_ak || (fields.has_purpose(oid::tcg::EK_PURPOSE) && signs_only))
}

impl fmt::Display for AkCertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(error) => write!(f, "AK certificate: {error}"),
            Self::Purpose => f.write_str("the certificate is not one for an attestation key (2.23.133.8.3)"),
            Self::OtherKey => f.write_str("the AK certificate is for another key than the one that the TPM shows"),
        }
    }
}

impl std::error::Error for AkCertificateError {}
