//! Endorsement key certificates: who made the TPM (TCG EK Credential Profile for TPM Family 2.0).
//!
//! The ways in which real certificates differ from RFC 5280 and from what webpki takes, each with a test:
//!
//! | quirk | seen with | what is done |
//! |---|---|---|
//! | NV index larger than the certificate, filled with 00 or FF | many | the filling is cut off; other bytes are refused |
//! | TCG PC Client header `10 01 00 length`, with or without `10 02` | STM, Infineon | unwrapped |
//! | SET members out of order in subject and issuer | Nuvoton, Nationz | read as they stand; names are compared byte for byte |
//! | SubjectPublicKeyInfo labelled id-RSAES-OAEP | STM, old Infineon | an RSA key like any other; it must be the TPM's |
//! | notAfter 9999-12-31, empty subject, critical subjectAltName with nothing but a directoryName | most | accepted |
//! | negative serial numbers, or of more than 20 bytes | some | accepted |
//! | critical certificatePolicies | STM, Infineon, Intel CAs | accepted: no policy is asked for |
//! | CAs without the EK purpose | most | the purpose is demanded of the leaf, and of a CA that has any |
//! | CAs signed with SHA-1 | old Infineon | accepted in a bundle, whose bytes somebody chose; never for a leaf |
//! | the EK purpose on an attestation key | Google | refused as an EK ([`EkError::SigningKey`]) |
//! | attribute certificates under the same file names | platform vendors | refused, typed |
//!
//! Chains whose intermediates must be fetched by AIA (Intel) need those in the bundle or from the node
//! ([`EkRoots::verify_with`]): nothing is fetched.

pub mod bundle;
mod identity;
mod nv;
mod path;
mod roots;
mod weak;

pub use identity::EkIdentity;
pub use roots::EkRoots;
pub use weak::is_roca;

pub(crate) use identity::same_key;
pub(crate) use nv::unwrap as unwrap_nv;
pub(crate) use path::Wanted;

use core::fmt;

use crate::CryptoError;
use crate::certificate::CertificateError;
use crate::verify_key::KeyRefusal;

/// The root on which a verified certificate rests; a verdict names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Root {
    /// Subject (RFC 4514).
    pub subject: String,
    /// SHA-256 of the certificate.
    pub sha256: [u8; 32],
    /// Unix seconds of notAfter. A self-signed root is trusted beyond it, as its key is.
    pub not_after: u64,
    /// Who chose it.
    pub source: RootSource,
}

/// Who chose a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootSource {
    /// It came with Avouch ([`bundle`]).
    Bundled {
        /// Whose it is.
        vendor: &'static str,
    },
    /// The operator gave it.
    Given,
}

/// What is wrong with one certificate of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkFault {
    /// Its signature is not by its issuer.
    Signature,
    /// It is signed with SHA-1, which proves nothing for a certificate that nobody chose beforehand.
    Sha1,
    /// Its signature algorithm is not one that is verified.
    Algorithm {
        /// Its identifier.
        oid: String,
    },
    /// The key of its issuer is not accepted.
    IssuerKey(KeyRefusal),
    /// A CA certificate where one for a TPM's key must stand.
    CaAsLeaf,
    /// It issued a certificate and is no CA.
    NotCa,
    /// It issued a certificate and its keyUsage does not allow that.
    NotForSigning,
    /// It issued certificates, but none for TPM keys are its purpose.
    Purpose,
    /// More CAs stand below it than it allows, or than any vendor has.
    PathLength,
    /// It is not valid at this time.
    Time {
        /// Unix seconds of notBefore.
        not_before: u64,
        /// Unix seconds of notAfter.
        not_after: u64,
    },
    /// It constrains names, which no TPM vendor does and Avouch does not evaluate.
    NameConstraints,
    /// A critical extension that Avouch does not know.
    CriticalExtension {
        /// Its identifier.
        oid: String,
    },
    /// The bundle offers too many issuers of one name.
    TooManySignatures,
}

/// Why an EK certificate vouches for nothing. Unless said otherwise the node, or whoever speaks for it, is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EkError {
    /// The bundle of roots (the operator's) cannot be read.
    Bundle {
        /// Which certificate of the bundle, from 0.
        index: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// The bundle of roots (the operator's) has no self-signed certificate, so nothing could ever be trusted.
    NoRoots,
    /// There is no certificate: empty bytes, or nothing but filling.
    Missing,
    /// The TCG header speaks of more bytes than follow.
    Header {
        /// Bytes that it announces.
        wanted: usize,
        /// Bytes there are.
        got: usize,
    },
    /// After the certificate stand bytes that are no filling.
    Trailing {
        /// Where.
        offset: usize,
    },
    /// Not a certificate.
    Certificate(CertificateError),
    /// The certificate is not valid at this time.
    Time {
        /// Unix seconds of the appraisal.
        now: u64,
        /// Unix seconds of notBefore.
        not_before: u64,
        /// Unix seconds of notAfter.
        not_after: u64,
    },
    /// No path to a root of the bundle: a certificate is missing.
    UnknownIssuer {
        /// The subject of the missing certificate.
        issuer: String,
    },
    /// One certificate of the path does not hold.
    Link {
        /// Its subject, often empty for the EK certificate itself.
        subject: String,
        /// What is wrong.
        fault: LinkFault,
    },
    /// The certificate is for a key that signs: an attestation key, although it carries the purpose of an EK.
    SigningKey,
    /// The key was made by Infineon's faulty library ("ROCA", CVE-2017-15361): anybody can compute the private key.
    Roca,
    /// The certificate does not say that it is for an endorsement key (extended key usage 2.23.133.8.1).
    Purpose,
    /// The certificate is for another key than the endorsement key that the TPM shows.
    OtherKey,
    /// The endorsement key is of a kind that is not on the allow-list.
    Key(CryptoError),
}

impl fmt::Display for EkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle { index, error } => write!(f, "certificate {index} of the EK root bundle: {error}"),
            Self::NoRoots => f.write_str(
                "the EK root bundle has no self-signed certificate: add the root certificates of your TPM vendors",
            ),
            Self::Missing => f.write_str("the TPM has no EK certificate"),
            Self::Header { wanted, got } => {
                write!(f, "the EK certificate is cut: its header speaks of {wanted} bytes, {got} follow")
            }
            Self::Trailing { offset } => write!(f, "bytes that are no filling follow the EK certificate at {offset}"),
            Self::Certificate(error) => write!(f, "EK certificate: {error}"),
            Self::Time { now, not_before, not_after } => {
                write!(f, "the EK certificate is valid from {not_before} to {not_after}; now is {now} (Unix seconds)")
            }
            Self::UnknownIssuer { issuer } => write!(
                f,
                "no path from the EK certificate to a root: the certificate of {issuer:?} is missing; add it, and its \
                 own issuers, to the bundle if you trust that vendor"
            ),
            Self::Link { subject, fault } if subject.is_empty() => write!(f, "the EK certificate {fault}"),
            Self::Link { subject, fault } => write!(f, "the certificate of {subject:?} {fault}"),
            Self::SigningKey => f.write_str(
                "the certificate is for an attestation key, although it carries the purpose of an EK certificate",
            ),
            Self::Roca => f.write_str(
                "the endorsement key is weak (ROCA, CVE-2017-15361): update the TPM's firmware, which makes a new key",
            ),
            Self::Purpose => f.write_str("the certificate is not one for an endorsement key (2.23.133.8.1 is missing)"),
            Self::OtherKey => f.write_str("the EK certificate is for another key than the one that the TPM shows"),
            Self::Key(error) => write!(f, "endorsement key: {error}"),
        }
    }
}

impl std::error::Error for EkError {}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature => f.write_str("is not signed by its issuer"),
            Self::Sha1 => f.write_str("is signed with SHA-1, which proves nothing any more: list the key instead"),
            Self::Algorithm { oid } => write!(f, "is signed with {oid}, which is not accepted"),
            Self::IssuerKey(refusal) => write!(f, "is signed by a key that is not accepted: {refusal}"),
            Self::CaAsLeaf => f.write_str("is that of a CA, not of a TPM's key"),
            Self::NotCa => f.write_str("issued a certificate although it is no CA"),
            Self::NotForSigning => f.write_str("issued a certificate although its keyUsage does not allow that"),
            Self::Purpose => f.write_str("issued a certificate for a TPM's key, which is not its purpose"),
            Self::PathLength => f.write_str("has more CAs below it than allowed"),
            Self::Time { not_before, not_after } => {
                write!(f, "is valid from {not_before} to {not_after} only (Unix seconds)")
            }
            Self::NameConstraints => f.write_str("constrains names, which is not evaluated"),
            Self::CriticalExtension { oid } => write!(f, "has the critical extension {oid}, which is not known"),
            Self::TooManySignatures => f.write_str("has too many possible issuers of one name in the bundle"),
        }
    }
}

/// The certificate inside the contents of an NV index, when it is wrapped or filled up.
pub(crate) fn stored_certificate(bytes: &[u8]) -> Option<&[u8]> {
    nv::unwrap(bytes).ok().map(|(_, der)| der)
}
