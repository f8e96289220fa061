//! Endorsement key certificates: who made the TPM (TCG EK Credential Profile for TPM Family 2.0).
//!
//! The path is webpki's. Around it stand the ways in which real certificates differ from what webpki takes, each with
//! a test:
//!
//! | quirk | what is done |
//! |---|---|
//! | NV index larger than the certificate, filled with 00 or FF | the filling is cut off; other bytes are refused |
//! | TCG PC Client header `10 01 00 length` in front | unwrapped |
//! | intermediate CAs without the EK purpose | the purpose is demanded of the leaf only, by us |
//! | notAfter 9999-12-31, empty subject, critical subjectAltName with nothing but a directoryName | accepted |
//! | serial numbers of more than 20 bytes or negative | accepted where webpki does |
//!
//! Not handled, refused with a typed error: SubjectPublicKeyInfo with id-RSAES-OAEP (old Infineon), and chains whose
//! intermediates must be fetched by AIA (Intel): put those intermediates into the bundle.

mod identity;
mod nv;
mod roots;

pub use identity::EkIdentity;
pub use roots::EkRoots;

use core::fmt;

use crate::CryptoError;
use crate::certificate::CertificateError;

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
    /// No path to a root of the bundle.
    UnknownIssuer {
        /// Whom the certificate names as its issuer.
        issuer: String,
    },
    /// The path fails otherwise; webpki's reason.
    Path(webpki::Error),
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
                "no path from the EK certificate to a root: its issuer is {issuer:?}; add the vendor's root and \
                 intermediate certificates to the bundle if you trust that vendor"
            ),
            Self::Path(error) => write!(f, "the EK certificate's path does not hold: {error}"),
            Self::Purpose => f.write_str("the certificate is not one for an endorsement key (2.23.133.8.1 is missing)"),
            Self::OtherKey => f.write_str("the EK certificate is for another key than the one that the TPM shows"),
            Self::Key(error) => write!(f, "endorsement key: {error}"),
        }
    }
}

impl std::error::Error for EkError {}
