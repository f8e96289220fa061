//! Detached signatures in PKCS#7 and CMS (RFC 2315, RFC 5652): kernel modules (IMA's `modsig`), Authenticode, manifests.
//!
//! Read with the reader of this crate: what a signature covers must be the very bytes that were sent, and one odd
//! certificate in the bundle must not hide the signer. DER only; at most 64 KiB, 64 certificates and 16 signers.

use core::fmt;

use avouch_tpm_wire::{HashAlg, Hasher};

use crate::certificate::oid;
use crate::file_key::FileKey;
use crate::tlv::{Elements, Fault, Tlv, only, tag};
use crate::{CryptoError, Hash};

/// Larger signatures carry something else.
const MAX_BYTES: usize = 64 * 1024;
const MAX_CERTIFICATES: usize = 64;
const MAX_SIGNERS: usize = 16;
const MAX_ATTRIBUTES: usize = 32;

/// Why a CMS signature proves nothing. Unless said otherwise whoever made or sent it is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CmsError {
    /// More bytes than any signature has.
    TooLarge {
        /// How many were given.
        got: usize,
    },
    /// Not a SignedData in DER.
    Der {
        /// Where reading stopped.
        offset: usize,
    },
    /// It carries its content, so it is no signature over anything else.
    NotDetached,
    /// It has no signer.
    NoSigner,
    /// No given key is one of the signers: none has that issuer and serial number or that key identifier.
    UnknownSigner,
    /// The hash or signature algorithm of every known signer is refused (SHA-1 included).
    Algorithm {
        /// Its identifier.
        oid: String,
    },
    /// The signed attributes lack contentType or messageDigest, or have one twice.
    Attributes,
    /// The signature is over another type of content than it carries.
    ContentType,
    /// The signed digest is another one: the content was changed, or is not the one that was signed.
    Digest,
    /// The signature is over a digest of another algorithm.
    OtherHash {
        /// The signer's.
        signed: HashAlg,
    },
    /// The signature does not hold.
    Signature(CryptoError),
}

/// A signature that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CmsSigner {
    /// Index of the key among those given.
    pub key: usize,
    /// Hash over the content.
    pub hash: HashAlg,
    /// The signature covers attributes, which cover the content; kernel modules have none.
    pub attributes: bool,
}

/// A parsed SignedData.
struct SignedData<'a> {
    /// Content of the OID.
    content_type: &'a [u8],
    detached: bool,
    certificates: Vec<&'a [u8]>,
    signers: Vec<SignerInfo<'a>>,
}

struct SignerInfo<'a> {
    id: SignerId<'a>,
    digest: &'a [u8],
    /// The whole element, tagged `[0]`.
    attributes: Option<Tlv<'a>>,
    algorithm: &'a [u8],
    signature: &'a [u8],
}

enum SignerId<'a> {
    Issued { issuer: &'a [u8], serial: &'a [u8] },
    KeyId(&'a [u8]),
}

/// Checks that `pkcs7` is a detached signature by one of `keys` over a content with this digest.
///
/// Signers are found by issuer and serial number or by subjectKeyIdentifier; a bare key, which has neither, is tried
/// for every signer. Certificates inside are never trusted. One good signature by a given key is enough.
///
/// # Errors
/// [`CmsError`]; of several signers, the reason of the last one that a key was found for.
pub fn verify_detached(pkcs7: &[u8], alg: HashAlg, digest: &[u8], keys: &[FileKey]) -> Result<CmsSigner, CmsError> {
    let data = SignedData::parse(pkcs7)?;
    if !data.detached {
        return Err(CmsError::NotDetached);
    }
    if data.signers.is_empty() {
        return Err(CmsError::NoSigner);
    }
    let mut last = CmsError::UnknownSigner;
    for signer in &data.signers {
        for (index, key) in keys.iter().enumerate().filter(|(_, key)| signer.may_be(key)) {
            match signer.verify(data.content_type, alg, digest, key) {
                Ok((hash, attributes)) => return Ok(CmsSigner { key: index, hash, attributes }),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

/// The hash over the content that the first signer used: what to digest the content with before
/// [`verify_detached`].
///
/// # Errors
/// [`CmsError`].
pub fn content_hash(pkcs7: &[u8]) -> Result<HashAlg, CmsError> {
    let data = SignedData::parse(pkcs7)?;
    hash_alg(data.signers.first().ok_or(CmsError::NoSigner)?.digest)
}

/// The certificates of a SignedData, in order, each in DER and unread.
///
/// # Errors
/// [`CmsError::TooLarge`], [`CmsError::Der`].
pub fn certificates(pkcs7: &[u8]) -> Result<Vec<&[u8]>, CmsError> {
    SignedData::parse(pkcs7).map(|data| data.certificates)
}

impl<'a> SignedData<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, CmsError> {
        if bytes.len() > MAX_BYTES {
            return Err(CmsError::TooLarge { got: bytes.len() });
        }
        Self::read(bytes).map_err(|fault| CmsError::Der { offset: fault.0 })
    }

    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let outer = only(bytes)?;
        let mut data = match unwrap(outer)? {
            Some(data) => data.inside(),
            // UEFI's authenticated variables carry the SignedData without its wrapping.
            None => outer.inside_of(tag::SEQUENCE)?,
        };
        data.expect(tag::INTEGER)?;
        data.expect(tag::SET)?;
        let mut content = data.expect(tag::SEQUENCE)?.inside();
        let content_type = content.expect(tag::OID)?.value;
        let detached = content.is_empty();
        content.optional(tag::constructed(0))?;
        content.finish()?;
        let certificates = match data.optional(tag::constructed(0))? {
            Some(set) => set.inside().all(MAX_CERTIFICATES)?.iter().map(|element| element.whole).collect(),
            None => Vec::new(),
        };
        data.optional(tag::constructed(1))?;
        let signers = data.expect(tag::SET)?.inside().all(MAX_SIGNERS)?;
        data.finish()?;
        let signers = signers.into_iter().map(SignerInfo::read).collect::<Result<_, _>>()?;
        Ok(Self { content_type, detached, certificates, signers })
    }
}

/// The SignedData inside a ContentInfo; `None` when there is no ContentInfo.
fn unwrap(outer: Tlv<'_>) -> Result<Option<Tlv<'_>>, Fault> {
    let mut info = outer.inside_of(tag::SEQUENCE)?;
    let Some(kind) = info.optional(tag::OID)? else { return Ok(None) };
    if kind.value != oid::cms::SIGNED_DATA {
        return Err(kind.fault());
    }
    let mut wrapped = info.expect(tag::constructed(0))?.inside();
    info.finish()?;
    let data = wrapped.expect(tag::SEQUENCE)?;
    wrapped.finish()?;
    Ok(Some(data))
}

impl<'a> SignerInfo<'a> {
    fn read(element: Tlv<'a>) -> Result<Self, Fault> {
        let mut fields = element.inside_of(tag::SEQUENCE)?;
        fields.expect(tag::INTEGER)?;
        let id = fields.next()?;
        let id = match id.tag {
            tag::SEQUENCE => {
                let mut issued = id.inside();
                let (issuer, serial) = (issued.expect(tag::SEQUENCE)?, issued.expect(tag::INTEGER)?);
                issued.finish()?;
                SignerId::Issued { issuer: issuer.whole, serial: serial.value }
            }
            tag if tag == self::tag::primitive(0) => SignerId::KeyId(id.value),
            _ => return Err(id.fault()),
        };
        let digest = algorithm(fields.expect(tag::SEQUENCE)?)?;
        let attributes = fields.optional(tag::constructed(0))?;
        let algorithm = algorithm(fields.expect(tag::SEQUENCE)?)?;
        let signature = fields.expect(tag::OCTET_STRING)?.value;
        fields.optional(tag::constructed(1))?;
        fields.finish()?;
        Ok(Self { id, digest, attributes, algorithm, signature })
    }

    fn may_be(&self, key: &FileKey) -> bool {
        match self.id {
            SignerId::Issued { issuer, serial } => key.is_bare() || key.is_issued(issuer, serial),
            SignerId::KeyId(id) => key.is_bare() || key.has_subject_key_id(id),
        }
    }

    fn verify(
        &self,
        content_type: &[u8],
        alg: HashAlg,
        digest: &[u8],
        key: &FileKey,
    ) -> Result<(HashAlg, bool), CmsError> {
        let signed = hash_alg(self.digest)?;
        if signed != alg {
            return Err(CmsError::OtherHash { signed });
        }
        self.check_algorithm(signed)?;
        let over = match self.attributes {
            None => digest.to_vec(),
            Some(attributes) => {
                check_attributes(attributes, content_type, digest)?;
                // RFC 5652 section 5.4: the signature covers a SET, whatever tag stands in the message.
                let rest = attributes.whole.get(1..).unwrap_or_default();
                Hash.hash(signed, &[&[tag::SET], rest]).as_bytes().to_vec()
            }
        };
        key.verify_digest(signed, &over, self.signature).map_err(CmsError::Signature)?;
        Ok((signed, self.attributes.is_some()))
    }

    /// The signature algorithm is a bare key type, or one with the hash of the content.
    fn check_algorithm(&self, hash: HashAlg) -> Result<(), CmsError> {
        let named = match self.algorithm {
            oid::key::RSA | oid::key::EC => Some(hash),
            oid::signature::RSA_SHA256 | oid::signature::ECDSA_SHA256 => Some(HashAlg::Sha256),
            oid::signature::RSA_SHA384 | oid::signature::ECDSA_SHA384 => Some(HashAlg::Sha384),
            oid::signature::RSA_SHA512 | oid::signature::ECDSA_SHA512 => Some(HashAlg::Sha512),
            _ => None,
        };
        if named == Some(hash) { Ok(()) } else { Err(CmsError::Algorithm { oid: oid::dotted(self.algorithm) }) }
    }
}

/// RFC 5652 section 11: contentType and messageDigest, once each, with one value each.
fn check_attributes(attributes: Tlv<'_>, content_type: &[u8], digest: &[u8]) -> Result<(), CmsError> {
    let found = attributes.inside().all(MAX_ATTRIBUTES).map_err(|_| CmsError::Attributes)?;
    let value = |wanted: &[u8]| {
        let mut values = found.iter().filter_map(|attribute| {
            let mut fields = attribute.inside_of(tag::SEQUENCE).ok()?;
            (fields.expect(tag::OID).ok()?.value == wanted).then_some(fields)
        });
        let mut fields: Elements<'_> = values.next()?;
        let mut set = fields.expect(tag::SET).ok()?.inside();
        let value = set.next().ok()?;
        (fields.is_empty() && set.is_empty() && values.next().is_none()).then_some(value)
    };
    let kind = value(oid::cms::CONTENT_TYPE).filter(|kind| kind.tag == tag::OID).ok_or(CmsError::Attributes)?;
    if kind.value != content_type {
        return Err(CmsError::ContentType);
    }
    let signed = value(oid::cms::MESSAGE_DIGEST).filter(|digest| digest.tag == tag::OCTET_STRING);
    if signed.ok_or(CmsError::Attributes)?.value == digest { Ok(()) } else { Err(CmsError::Digest) }
}

/// The OID of an AlgorithmIdentifier.
fn algorithm(identifier: Tlv<'_>) -> Result<&[u8], Fault> {
    identifier.inside().expect(tag::OID).map(|oid| oid.value)
}

fn hash_alg(oid: &[u8]) -> Result<HashAlg, CmsError> {
    match oid {
        oid::hash::SHA256 => Ok(HashAlg::Sha256),
        oid::hash::SHA384 => Ok(HashAlg::Sha384),
        oid::hash::SHA512 => Ok(HashAlg::Sha512),
        other => Err(CmsError::Algorithm { oid: oid::dotted(other) }),
    }
}

impl fmt::Display for CmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { got } => write!(f, "{got} bytes are too many for a signature (at most {MAX_BYTES})"),
            Self::Der { offset } => write!(f, "not a PKCS#7 signature: damaged at byte {offset}"),
            Self::NotDetached => f.write_str("the PKCS#7 carries its content, so it is no detached signature"),
            Self::NoSigner => f.write_str("the PKCS#7 has no signer"),
            Self::UnknownSigner => f.write_str("none of the known keys is the signer that the PKCS#7 names"),
            Self::Algorithm { oid } => write!(f, "the signature uses {oid}, which is not accepted"),
            Self::Attributes => f.write_str("the signed attributes lack contentType or messageDigest"),
            Self::ContentType => f.write_str("the signature is over another type of content"),
            Self::Digest => f.write_str("the signature is over other content"),
            Self::OtherHash { signed } => write!(f, "the signature is over a {signed} digest"),
            Self::Signature(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CmsError {}
