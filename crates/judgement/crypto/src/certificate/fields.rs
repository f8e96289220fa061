//! The fields of one certificate (RFC 5280 section 4.1), as the bytes have them.

use super::oid::{self, ext};
use super::{CertificateError, MAX_CERTIFICATE_BYTES, name, time};
use crate::tlv::{Elements, Fault, Tlv, only, tag};

/// Most extensions, purposes or alternative names that are read; real certificates have a dozen.
const MAX_ITEMS: usize = 128;

/// The fields of one certificate; every slice is exactly what stands there.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    /// What the signature covers.
    pub(crate) signed: &'a [u8],
    /// 1, 2 or 3.
    pub(crate) version: u8,
    /// Content of the INTEGER; may be negative or longer than 20 bytes.
    pub(crate) serial: &'a [u8],
    /// A Name, tag and length included.
    pub(crate) issuer: &'a [u8],
    /// A Name, tag and length included.
    pub(crate) subject: &'a [u8],
    /// Unix seconds; before 1970 negative.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) spki: Spki<'a>,
    pub(crate) extensions: Vec<Extension<'a>>,
    /// AlgorithmIdentifier of the signature, tag and length included.
    pub(crate) signature_algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

/// A SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spki<'a> {
    /// Tag and length included.
    pub(crate) whole: &'a [u8],
    pub(crate) algorithm: &'a [u8],
    pub(crate) parameters: Option<Tlv<'a>>,
    /// Content of the BIT STRING.
    pub(crate) key: &'a [u8],
}

/// An extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension<'a> {
    pub(crate) oid: &'a [u8],
    pub(crate) critical: bool,
    pub(crate) value: &'a [u8],
}

/// One of the GeneralNames that Avouch looks at.
#[derive(Clone, Debug)]
pub(crate) enum AlternativeName<'a> {
    Dns(String),
    Uri(String),
    Directory(Vec<name::Attribute<'a>>),
    /// An otherName: its identifier and its value in DER.
    Named(&'a [u8], &'a [u8]),
    /// The number of another kind.
    Other(u8),
}

impl<'a> Fields<'a> {
    /// Decodes exactly one certificate.
    pub(crate) fn decode(der: &'a [u8]) -> Result<Self, CertificateError> {
        let (fields, used) = Self::decode_prefix(der)?;
        if used.len() == der.len() { Ok(fields) } else { Err(Fault(used.len()).into()) }
    }

    /// Decodes the certificate at the start of `bytes`; the answer says which bytes it took. The rest is not looked at.
    pub(crate) fn decode_prefix(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CertificateError> {
        if bytes.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { got: bytes.len() });
        }
        let outer = Elements::new(bytes).expect(tag::SEQUENCE)?;
        if is_attribute_certificate(outer) {
            return Err(CertificateError::AttributeCertificate);
        }
        Ok((Self::read(outer)?, outer.whole))
    }

    fn read(outer: Tlv<'a>) -> Result<Self, Fault> {
        let mut certificate = outer.inside();
        let signed = certificate.expect(tag::SEQUENCE)?;
        let algorithm = certificate.expect(tag::SEQUENCE)?;
        let signature = bits(certificate.expect(tag::BIT_STRING)?)?;
        certificate.finish()?;

        let mut body = signed.inside();
        let version = match body.optional(tag::constructed(0))? {
            Some(version) => version_of(version)?,
            None => 1,
        };
        let serial = body.expect(tag::INTEGER)?;
        if serial.value.is_empty() {
            return Err(serial.fault());
        }
        let inner_algorithm = body.expect(tag::SEQUENCE)?;
        if inner_algorithm.whole != algorithm.whole {
            return Err(inner_algorithm.fault());
        }
        let issuer = body.expect(tag::SEQUENCE)?;
        let validity = body.expect(tag::SEQUENCE)?;
        let subject = body.expect(tag::SEQUENCE)?;
        let spki = Spki::read(body.expect(tag::SEQUENCE)?)?;
        for unique_id in [1, 2] {
            body.optional(tag::primitive(unique_id))?;
        }
        let extensions = match body.optional(tag::constructed(3))? {
            Some(wrapped) => extensions(wrapped)?,
            None => Vec::new(),
        };
        body.finish()?;
        name::attributes(issuer.inside())?;
        name::attributes(subject.inside())?;

        let mut dates = validity.inside();
        let (not_before, not_after) = (time::read(dates.next()?)?, time::read(dates.next()?)?);
        dates.finish()?;
        Ok(Self {
            signed: signed.whole,
            version,
            serial: serial.value,
            issuer: issuer.whole,
            subject: subject.whole,
            not_before,
            not_after,
            spki,
            extensions,
            signature_algorithm: algorithm.whole,
            signature,
        })
    }

    /// The extension with this identifier.
    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// Extended key usages as OID content bytes; empty when the extension is absent or damaged.
    pub(crate) fn key_purposes(&self) -> Vec<&'a [u8]> {
        let purposes = |extension: &Extension<'a>| {
            let list = only(extension.value)?.inside_of(tag::SEQUENCE)?.all(MAX_ITEMS)?;
            Ok::<_, Fault>(list.iter().filter(|item| item.tag == tag::OID).map(|item| item.value).collect())
        };
        self.extension(ext::EXTENDED_KEY_USAGE).and_then(|found| purposes(found).ok()).unwrap_or_default()
    }

    /// The names in subjectAltName; empty when the extension is absent or damaged.
    pub(crate) fn alternative_names(&self) -> Vec<AlternativeName<'a>> {
        let names = |extension: &Extension<'a>| {
            let list = only(extension.value)?.inside_of(tag::SEQUENCE)?.all(MAX_ITEMS)?;
            list.iter().map(AlternativeName::read).collect::<Result<Vec<_>, Fault>>()
        };
        self.extension(ext::SUBJECT_ALT_NAME).and_then(|found| names(found).ok()).unwrap_or_default()
    }

    /// The attributes of the directory names in subjectAltName.
    pub(crate) fn directory_attributes(&self) -> Vec<name::Attribute<'a>> {
        let directories = self.alternative_names().into_iter().filter_map(|name| match name {
            AlternativeName::Directory(attributes) => Some(attributes),
            _ => None,
        });
        directories.flatten().collect()
    }

    /// The URIs in subjectAltName.
    pub(crate) fn uris(&self) -> Vec<String> {
        let names = self.alternative_names().into_iter();
        names.filter_map(|name| if let AlternativeName::Uri(uri) = name { Some(uri) } else { None }).collect()
    }

    /// basicConstraints says that this is a CA; `None` without that extension. A damaged one says no.
    pub(crate) fn basic_constraints(&self) -> Option<BasicConstraints> {
        let extension = self.extension(ext::BASIC_CONSTRAINTS)?;
        Some(BasicConstraints::read(extension.value).unwrap_or_default())
    }

    /// basicConstraints says that this is a CA.
    pub(crate) fn is_ca(&self) -> bool {
        self.basic_constraints().is_some_and(|constraints| constraints.ca)
    }

    /// The bits of keyUsage, first bit highest; `None` without that extension.
    pub(crate) fn key_usage(&self) -> Option<u16> {
        let extension = self.extension(ext::KEY_USAGE)?;
        let bits = only(extension.value).ok().filter(|tlv| tlv.tag == tag::BIT_STRING)?;
        let (_unused, bits) = bits.value.split_first()?;
        let at = |index: usize| u16::from(bits.get(index).copied().unwrap_or_default());
        Some(at(0) << 8 | at(1))
    }

    /// subjectKeyIdentifier.
    pub(crate) fn subject_key_id(&self) -> Option<&'a [u8]> {
        let extension = self.extension(ext::SUBJECT_KEY_ID)?;
        let found = only(extension.value).ok()?;
        (found.tag == tag::OCTET_STRING && !found.value.is_empty()).then_some(found.value)
    }

    /// Unix seconds (notBefore, notAfter); what lies before 1970 is 0.
    pub(crate) fn validity(&self) -> (u64, u64) {
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        (seconds(self.not_before), seconds(self.not_after))
    }

    /// The OID of the signature algorithm.
    pub(crate) fn signature_oid(&self) -> &'a [u8] {
        let algorithm = only(self.signature_algorithm).and_then(|whole| whole.inside().expect(tag::OID));
        algorithm.map(|oid| oid.value).unwrap_or_default()
    }

    /// The purposes contain this one.
    pub(crate) fn has_purpose(&self, purpose: &[u8]) -> bool {
        self.key_purposes().contains(&purpose)
    }
}

/// keyUsage bits (RFC 5280 section 4.2.1.3) as [`Fields::key_usage`] gives them.
pub(crate) mod usage {
    pub(crate) const DIGITAL_SIGNATURE: u16 = 0x8000;
    pub(crate) const KEY_ENCIPHERMENT: u16 = 0x2000;
    pub(crate) const DATA_ENCIPHERMENT: u16 = 0x1000;
    pub(crate) const KEY_AGREEMENT: u16 = 0x0800;
    pub(crate) const KEY_CERT_SIGN: u16 = 0x0400;
}

/// RFC 5280 section 4.2.1.9.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<usize>,
}

impl BasicConstraints {
    fn read(value: &[u8]) -> Result<Self, Fault> {
        let mut fields = only(value)?.inside_of(tag::SEQUENCE)?;
        let ca = fields.optional(tag::BOOLEAN)?.is_some_and(|flag| flag.value != [0]);
        let path_length = fields.optional(tag::INTEGER)?;
        let bytes = path_length.map(|number| number.value);
        let path_length =
            bytes.map(|bytes| bytes.iter().fold(0_usize, |n, byte| n.saturating_mul(0x100) | usize::from(*byte)));
        fields.finish()?;
        Ok(Self { ca, path_length })
    }
}

impl<'a> Spki<'a> {
    /// Decodes exactly one SubjectPublicKeyInfo.
    pub(crate) fn decode(der: &'a [u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { got: der.len() });
        }
        let whole = only(der)?;
        if whole.tag == tag::SEQUENCE { Ok(Self::read(whole)?) } else { Err(whole.fault().into()) }
    }

    fn read(outer: Tlv<'a>) -> Result<Self, Fault> {
        let mut fields = outer.inside();
        let mut algorithm = fields.expect(tag::SEQUENCE)?.inside();
        let key = bits(fields.expect(tag::BIT_STRING)?)?;
        fields.finish()?;
        let oid = algorithm.expect(tag::OID)?;
        let parameters = if algorithm.is_empty() { None } else { Some(algorithm.next()?) };
        algorithm.finish()?;
        Ok(Self { whole: outer.whole, algorithm: oid.value, parameters, key })
    }

    /// The modulus and the exponent, without leading zeros; `None` unless the key is an RSA key of any label.
    pub(crate) fn rsa(&self) -> Option<(&'a [u8], &'a [u8])> {
        if !matches!(self.algorithm, oid::key::RSA | oid::key::RSAES_OAEP | oid::key::RSASSA_PSS) {
            return None;
        }
        rsa_components(self.key)
    }

    /// The OID of the named curve.
    pub(crate) fn curve(&self) -> Option<&'a [u8]> {
        let named = self.parameters.filter(|parameters| parameters.tag == tag::OID)?;
        (self.algorithm == oid::key::EC).then_some(named.value)
    }
}

/// RSAPublicKey (RFC 8017 appendix A.1.1): modulus and exponent without leading zeros.
fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = only(der).ok()?.inside_of(tag::SEQUENCE).ok()?;
    let (modulus, exponent) = (fields.expect(tag::INTEGER).ok()?, fields.expect(tag::INTEGER).ok()?);
    fields.finish().ok()?;
    Some((unsigned(modulus.value)?, unsigned(exponent.value)?))
}

/// A positive INTEGER without its leading zero.
fn unsigned(content: &[u8]) -> Option<&[u8]> {
    match content.split_first()? {
        (0, rest) => (!rest.is_empty()).then_some(rest),
        (first, _) => (*first < 0x80).then_some(content),
    }
}

impl<'a> AlternativeName<'a> {
    fn read(tlv: &Tlv<'a>) -> Result<Self, Fault> {
        let text = || String::from_utf8_lossy(tlv.value).into_owned();
        Ok(match tlv.tag {
            0x82 => Self::Dns(text()),
            0x86 => Self::Uri(text()),
            0xA4 => {
                let mut inside = tlv.inside();
                let name = inside.expect(tag::SEQUENCE)?;
                inside.finish()?;
                Self::Directory(name::attributes(name.inside())?)
            }
            0xA0 => {
                let mut inside = tlv.inside();
                let (oid, wrapped) = (inside.expect(tag::OID)?, inside.expect(tag::constructed(0))?);
                inside.finish()?;
                Self::Named(oid.value, wrapped.value)
            }
            other => Self::Other(other & 0x1F),
        })
    }
}

fn extensions(wrapped: Tlv<'_>) -> Result<Vec<Extension<'_>>, Fault> {
    let mut wrapper = wrapped.inside();
    let list = wrapper.expect(tag::SEQUENCE)?;
    wrapper.finish()?;
    let mut found: Vec<Extension<'_>> = Vec::new();
    for item in list.inside().all(MAX_ITEMS)? {
        let mut fields = item.inside_of(tag::SEQUENCE)?;
        let oid = fields.expect(tag::OID)?.value;
        let critical = fields.optional(tag::BOOLEAN)?.is_some_and(|flag| flag.value != [0]);
        let value = fields.expect(tag::OCTET_STRING)?.value;
        fields.finish()?;
        // RFC 5280 section 4.2: one of each. Two of one kind would let two readers read two certificates.
        if found.iter().any(|other| other.oid == oid) {
            return Err(item.fault());
        }
        found.push(Extension { oid, critical, value });
    }
    Ok(found)
}

fn version_of(wrapped: Tlv<'_>) -> Result<u8, Fault> {
    let mut inside = wrapped.inside();
    let version = inside.expect(tag::INTEGER)?;
    inside.finish()?;
    match version.value {
        [version @ 0..=2] => Ok(version + 1),
        _ => Err(version.fault()),
    }
}

/// The content of a BIT STRING of whole bytes.
fn bits(tlv: Tlv<'_>) -> Result<&[u8], Fault> {
    match tlv.value.split_first() {
        Some((0, bits)) => Ok(bits),
        _ => Err(tlv.fault()),
    }
}

/// An attribute certificate (RFC 5755) has, behind a version that is not wrapped in `[0]`, its holder.
fn is_attribute_certificate(outer: Tlv<'_>) -> bool {
    let first = |mut elements: Elements<'_>| {
        let (version, holder) = (elements.next()?, elements.next()?);
        Ok::<_, Fault>(version.tag == tag::INTEGER && version.value == [1] && holder.tag == tag::SEQUENCE)
    };
    let info = outer.inside().expect(tag::SEQUENCE);
    let Ok(info) = info else { return false };
    let holder = |mut elements: Elements<'_>| {
        elements.next()?;
        let holder = elements.next()?;
        let kind = holder.inside().next()?;
        Ok::<_, Fault>((0xA0..=0xA2).contains(&kind.tag))
    };
    first(info.inside()).unwrap_or(false) && holder(info.inside()).unwrap_or(false)
}
