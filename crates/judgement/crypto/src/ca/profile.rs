//! What goes into a certificate: purposes, names, times, serial numbers.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType, SerialNumber,
};

use crate::certificate::CertificateError;
use crate::client_key::KeyError;
use crate::random;

/// How the name of a node starts in its certificate.
pub(crate) const NODE_URI: &str = "avouch:node:";
/// How the name of an operator starts in its certificate.
pub(crate) const OPERATOR_URI: &str = "avouch:operator:";

const DAY: u64 = 86_400;
/// Times in a certificate start this many seconds before the issuer's clock says, so that a peer whose clock is a
/// little behind can use it at once: a node boots with a clock that nobody has set yet.
const BACKDATE: u64 = 3_600;
/// CAs live 20 years. They end by being replaced, a new key announced under the old one, not by running out.
pub(super) const CA_DAYS: u64 = 7_305;
/// Node certificates live as long as a machine does: the server refuses a retired node by its records, and a node that
/// is cut off because a date has passed would be a gap that no attacker had to make.
pub(super) const NODE_DAYS: u64 = 3_653;
/// Operators come back for a new certificate every year.
pub(super) const OPERATOR_DAYS: u64 = 365;
/// 9999-12-31T23:59:59Z, the last instant that a certificate can name (RFC 5280 section 4.1.2.5).
const END_OF_TIME: u64 = 253_402_300_799;
/// RFC 5280, ub-common-name.
const MAX_COMMON_NAME: usize = 64;
/// A server has a handful of names.
const MAX_SERVER_NAMES: usize = 64;

/// Whom an authority issues to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Node,
    Operator,
}

/// Why an authority cannot be made or read, or does not issue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaError {
    /// Its key.
    Key(KeyError),
    /// Its certificate.
    Certificate(CertificateError),
    /// The certificate belongs to another key.
    OtherKey,
    /// The certificate is not that of a CA of this kind, e.g. the node CA's where the operator CA's was wanted.
    OtherRole,
    /// A name that cannot stand in a certificate.
    Name {
        /// The name as given.
        given: String,
        /// What a name must look like.
        wanted: &'static str,
    },
    /// The public key to certify is not an ECDSA P-256 SubjectPublicKeyInfo.
    PublicKey,
    /// The library made no certificate.
    Issue(String),
}

impl fmt::Display for CaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => write!(f, "CA key: {error}"),
            Self::Certificate(error) => write!(f, "CA certificate: {error}"),
            Self::OtherKey => {
                f.write_str("the CA certificate and the CA key do not belong together; restore both from one backup")
            }
            Self::OtherRole => {
                f.write_str("this is the certificate of another CA; check which file is configured for which")
            }
            Self::Name { given, wanted } => write!(f, "{given:?} cannot stand in a certificate: {wanted}"),
            Self::PublicKey => {
                f.write_str("the key to certify is not an ECDSA P-256 public key (SubjectPublicKeyInfo)")
            }
            Self::Issue(reason) => write!(f, "no certificate was made: {reason}"),
        }
    }
}

impl std::error::Error for CaError {}

impl From<rcgen::Error> for CaError {
    fn from(error: rcgen::Error) -> Self {
        Self::Issue(error.to_string())
    }
}

// === impl Role ===

impl Role {
    /// Content bytes of 2.25.7363940821146091937.1 and .2 (X.690 section 8.19); a test compares them with rcgen's.
    const NODE_PURPOSE: &'static [u8] = &[0x69, 0xe6, 0x98, 0xfe, 0xa5, 0x93, 0xbb, 0xa5, 0x83, 0x21, 0x01];
    const OPERATOR_PURPOSE: &'static [u8] = &[0x69, 0xe6, 0x98, 0xfe, 0xa5, 0x93, 0xbb, 0xa5, 0x83, 0x21, 0x02];
    /// id-kp-serverAuth, 1.3.6.1.5.5.7.3.1.
    const SERVER_AUTH: &'static [u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

    /// The purpose that tells this role's certificates from those of the others, as OID content bytes.
    pub(crate) const fn purpose(self) -> &'static [u8] {
        match self {
            Self::Server => Self::SERVER_AUTH,
            Self::Node => Self::NODE_PURPOSE,
            Self::Operator => Self::OPERATOR_PURPOSE,
        }
    }

    pub(super) fn purposes(self) -> Vec<ExtendedKeyUsagePurpose> {
        let own = |last| ExtendedKeyUsagePurpose::Other(vec![2, 25, 7_363_940_821_146_091_937, last]);
        match self {
            Self::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Self::Node => vec![ExtendedKeyUsagePurpose::ClientAuth, own(1)],
            Self::Operator => vec![ExtendedKeyUsagePurpose::ClientAuth, own(2)],
        }
    }

    pub(super) const fn ca_name(self) -> &'static str {
        match self {
            Self::Server => "Avouch server CA",
            Self::Node => "Avouch node CA",
            Self::Operator => "Avouch operator CA",
        }
    }
}

/// Parameters of a CA certificate; `key_id` keeps the names of successive CAs apart.
pub(super) fn ca_params(role: Role, key_id: &str, now: u64) -> CertificateParams {
    let mut params = base(&format!("{} {key_id}", role.ca_name()), now, CA_DAYS, END_OF_TIME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = role.purposes();
    params
}

/// Parameters of a leaf that ends with its CA at the latest.
pub(super) fn leaf_params(role: Role, common_name: &str, now: u64, days: u64, ca_end: u64) -> CertificateParams {
    let mut params = base(common_name, now, days, ca_end);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = role.purposes();
    params.use_authority_key_identifier_extension = true;
    params
}

/// The subjectAltName of a server: DNS names and IP addresses.
pub(super) fn server_names(names: &[String]) -> Result<Vec<SanType>, CaError> {
    let wanted = "1 to 64 names are wanted, each a DNS name or an IP address";
    if names.is_empty() || names.len() > MAX_SERVER_NAMES {
        return Err(CaError::Name { given: format!("{} names", names.len()), wanted });
    }
    names.iter().map(|name| server_name(name).ok_or(CaError::Name { given: name.clone(), wanted })).collect()
}

/// A URI name.
pub(super) fn uri(text: String) -> Result<SanType, CaError> {
    let wanted = "ASCII characters are wanted";
    text.as_str().try_into().map(SanType::URI).map_err(|_| CaError::Name { given: text, wanted })
}

/// 64 lower-case hexadecimal digits.
pub(crate) fn is_node_tag(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// 1 to 64 letters, digits, `.`, `_`, `-`, `@`.
pub(crate) fn is_operator_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    (1..=MAX_COMMON_NAME).contains(&text.len()) && text.bytes().all(allowed)
}

fn server_name(name: &str) -> Option<SanType> {
    if let Ok(address) = IpAddr::from_str(name) {
        return Some(SanType::IpAddress(address));
    }
    rustls_pki_types::DnsName::try_from(name).ok()?;
    name.try_into().ok().map(SanType::DnsName)
}

fn base(common_name: &str, now: u64, days: u64, end: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let start = now.saturating_sub(BACKDATE).min(END_OF_TIME);
    let last = now.saturating_add(days.saturating_mul(DAY)).min(end).min(END_OF_TIME);
    // Both are bounded by END_OF_TIME, so the sums stay inside what the type can hold.
    params.not_before = epoch + Duration::from_secs(start);
    params.not_after = epoch + Duration::from_secs(last);
    params.serial_number = Some(serial_number());
    params
}

/// 126 random bits (CA/Browser Forum Baseline Requirements 7.1 ask for 64): positive in 16 bytes and never zero.
fn serial_number() -> SerialNumber {
    let mut bytes = random::<16>();
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7F) | 0x40;
    }
    SerialNumber::from_slice(&bytes)
}
