//! What a certificate says, for people: nothing here is verified.

use core::fmt;

use data_encoding::HEXLOWER;

use super::fields::{AlternativeName, Fields, Spki, usage};
use super::oid::{self, dotted, tcg};
use super::{CertificateError, name};
use crate::hash::sha256;

/// What the bytes of one certificate say. Nothing is verified: signature, dates and purpose are only reported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFacts {
    /// 1, 2 or 3.
    pub version: u8,
    /// Subject (RFC 4514), often empty for endorsement keys.
    pub subject: String,
    /// Issuer (RFC 4514).
    pub issuer: String,
    /// Serial number, hexadecimal without leading zeros; with a minus sign when negative.
    pub serial: String,
    /// The public key.
    pub key: KeyFacts,
    /// Unix seconds; negative before 1970.
    pub not_before: i64,
    /// Unix seconds.
    pub not_after: i64,
    /// Signature algorithm by name, or its identifier.
    pub signature: String,
    /// Identifiers of all extensions, in order.
    pub extensions: Vec<String>,
    /// Identifiers of the critical extensions, in order.
    pub critical_extensions: Vec<String>,
    /// What basicConstraints says; `None` without that extension.
    pub ca: Option<bool>,
    /// Names of the keyUsage bits; empty without that extension.
    pub key_usage: Vec<&'static str>,
    /// Identifiers of the extended key usages.
    pub purposes: Vec<String>,
    /// The purposes contain that of an EK certificate (2.23.133.8.1). A CA may carry it to limit what it issues.
    pub is_ek: bool,
    /// The purposes contain that of an AK certificate (2.23.133.8.3).
    pub is_ak: bool,
    /// The names in subjectAltName.
    pub alternative_names: Vec<String>,
    /// TPM manufacturer, model and version in subjectAltName.
    pub tpm: Option<TpmFacts>,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<Vec<u8>>,
    /// Issuer and subject are the same name.
    pub self_issued: bool,
    /// SHA-256 of the certificate.
    pub sha256: [u8; 32],
    /// Its length.
    pub bytes: usize,
    /// In which known ways it departs from the rules.
    pub quirks: Vec<Quirk>,
}

/// The public key of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFacts {
    /// RSA.
    Rsa {
        /// Bits in the modulus.
        bits: usize,
    },
    /// A point of a named curve.
    Ec {
        /// `secp256r1`, `secp384r1`, `secp521r1`, or the identifier.
        curve: String,
    },
    /// Something else.
    Other {
        /// Its identifier.
        algorithm: String,
    },
}

/// What a TPM's vendor wrote into subjectAltName (TCG EK Credential Profile section 3.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TpmFacts {
    /// e.g. `id:494E5443`.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Firmware version at manufacture.
    pub version: Option<String>,
}

/// A known way in which real certificates depart from RFC 5280 or the TCG's profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirk {
    /// The members of a SET stand in the wrong order.
    SetOrder,
    /// The key is labelled id-RSAES-OAEP.
    OaepKey,
    /// The serial number is negative.
    NegativeSerial,
    /// The serial number has more than 20 bytes.
    LongSerial,
    /// A date before 1970.
    DateBefore1970,
    /// A critical subjectAltName with nothing but a directoryName.
    DirectoryNameOnly,
    /// Signed with SHA-1.
    Sha1Signature,
    /// The purpose of an EK certificate on a key that only signs.
    EkPurposeOnSigningKey,
    /// A critical certificatePolicies, which most verifiers refuse.
    CriticalPolicies,
}

/// Reads one certificate, whatever quirks it has.
///
/// # Errors
/// [`CertificateError`] when the bytes are not exactly one certificate.
pub fn describe(der: &[u8]) -> Result<CertificateFacts, CertificateError> {
    let fields = Fields::decode(der)?;
    let names = fields.alternative_names();
    Ok(CertificateFacts {
        version: fields.version,
        subject: name::text_of(fields.subject),
        issuer: name::text_of(fields.issuer),
        serial: serial(fields.serial),
        key: KeyFacts::of(&fields.spki),
        not_before: fields.not_before,
        not_after: fields.not_after,
        signature: oid::signature_name(fields.signature_oid()),
        extensions: fields.extensions.iter().map(|extension| dotted(extension.oid)).collect(),
        critical_extensions: fields.extensions.iter().filter(|e| e.critical).map(|e| dotted(e.oid)).collect(),
        ca: fields.basic_constraints().map(|constraints| constraints.ca),
        key_usage: key_usage(&fields),
        purposes: fields.key_purposes().into_iter().map(dotted).collect(),
        is_ek: fields.has_purpose(tcg::EK_PURPOSE),
        is_ak: fields.has_purpose(tcg::AK_PURPOSE),
        alternative_names: names.iter().map(alternative_name).collect(),
        tpm: TpmFacts::of(&fields),
        subject_key_id: fields.subject_key_id().map(<[u8]>::to_vec),
        self_issued: fields.issuer == fields.subject,
        sha256: sha256(&[der]),
        bytes: der.len(),
        quirks: quirks(&fields),
    })
}

impl KeyFacts {
    pub(crate) fn of(spki: &Spki<'_>) -> Self {
        if let Some((modulus, _)) = spki.rsa() {
            let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
            return Self::Rsa { bits: (modulus.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or(0)) };
        }
        match spki.curve() {
            Some(oid::curve::P256) => Self::Ec { curve: "secp256r1".into() },
            Some(oid::curve::P384) => Self::Ec { curve: "secp384r1".into() },
            Some(oid::curve::P521) => Self::Ec { curve: "secp521r1".into() },
            Some(other) => Self::Ec { curve: dotted(other) },
            None => Self::Other { algorithm: dotted(spki.algorithm) },
        }
    }
}

impl fmt::Display for KeyFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::Ec { curve } => f.write_str(curve),
            Self::Other { algorithm } => write!(f, "algorithm {algorithm}"),
        }
    }
}

impl TpmFacts {
    pub(crate) fn of(fields: &Fields<'_>) -> Option<Self> {
        let attributes = fields.directory_attributes();
        let find = |oid| attributes.iter().find(|attribute| attribute.oid == oid).map(name::Attribute::printable);
        let facts =
            Self { manufacturer: find(tcg::MANUFACTURER), model: find(tcg::MODEL), version: find(tcg::VERSION) };
        let any = facts.manufacturer.is_some() || facts.model.is_some() || facts.version.is_some();
        any.then_some(facts)
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SetOrder => "the members of a SET stand in the wrong order",
            Self::OaepKey => "the key is labelled id-RSAES-OAEP",
            Self::NegativeSerial => "the serial number is negative",
            Self::LongSerial => "the serial number has more than 20 bytes",
            Self::DateBefore1970 => "a date lies before 1970",
            Self::DirectoryNameOnly => "the critical subjectAltName has nothing but a directoryName",
            Self::Sha1Signature => "signed with SHA-1",
            Self::EkPurposeOnSigningKey => "the purpose of an EK certificate, but the key only signs",
            Self::CriticalPolicies => "certificatePolicies is critical",
        })
    }
}

/// Big-endian two's complement as hexadecimal.
pub(crate) fn serial(content: &[u8]) -> String {
    let negative = content.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = content.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let digits: String = magnitude.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.trim_start_matches('0');
    format!("{}{}", if negative { "-" } else { "" }, if digits.is_empty() { "0" } else { digits })
}

fn key_usage(fields: &Fields<'_>) -> Vec<&'static str> {
    const BITS: [&str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];
    let bits = fields.key_usage().unwrap_or(0);
    BITS.iter().enumerate().filter(|(at, _)| bits & (0x8000 >> at) != 0).map(|(_, name)| *name).collect()
}

fn alternative_name(found: &AlternativeName<'_>) -> String {
    match found {
        AlternativeName::Dns(name) => format!("DNS:{}", name.escape_default()),
        AlternativeName::Uri(uri) => format!("URI:{}", uri.escape_default()),
        AlternativeName::Directory(attributes) => format!("DirName:{}", name::text(attributes)),
        AlternativeName::Named(oid, value) => format!("{}={}", dotted(oid), HEXLOWER.encode(value)),
        AlternativeName::Other(number) => format!("GeneralName [{number}]"),
    }
}

fn quirks(fields: &Fields<'_>) -> Vec<Quirk> {
    let names = fields.alternative_names();
    let san = fields.extension(oid::ext::SUBJECT_ALT_NAME);
    let directory_only =
        san.is_some_and(|extension| extension.critical) && matches!(names.as_slice(), [AlternativeName::Directory(_)]);
    let signs_only =
        fields.key_usage().is_some_and(|bits| bits & DECRYPTS == 0 && bits & usage::DIGITAL_SIGNATURE != 0);
    let policies = fields.extension(oid::ext::CERTIFICATE_POLICIES);
    let all = [
        (Quirk::SetOrder, !name::in_order(fields.issuer) || !name::in_order(fields.subject)),
        (Quirk::OaepKey, fields.spki.algorithm == oid::key::RSAES_OAEP),
        (Quirk::NegativeSerial, fields.serial.first().is_some_and(|byte| byte & 0x80 != 0)),
        (Quirk::LongSerial, fields.serial.strip_prefix(&[0]).unwrap_or(fields.serial).len() > 20),
        (Quirk::DateBefore1970, fields.not_before < 0 || fields.not_after < 0),
        (Quirk::DirectoryNameOnly, directory_only),
        (Quirk::Sha1Signature, matches!(fields.signature_oid(), oid::signature::RSA_SHA1 | oid::signature::ECDSA_SHA1)),
        (Quirk::EkPurposeOnSigningKey, fields.has_purpose(tcg::EK_PURPOSE) && !fields.is_ca() && signs_only),
        (Quirk::CriticalPolicies, policies.is_some_and(|extension| extension.critical)),
    ];
    all.into_iter().filter(|(_, applies)| *applies).map(|(quirk, _)| quirk).collect()
}

/// Any of these makes a key one that decrypts or agrees, as an endorsement key does.
pub(crate) const DECRYPTS: u16 = usage::KEY_ENCIPHERMENT | usage::DATA_ENCIPHERMENT | usage::KEY_AGREEMENT;
