//! Signature lists: what PK, KEK, db, dbx, MokList and their updates hold (UEFI 2.10 section 32.4.1).

use alloc::vec::Vec;
use core::fmt;

use crate::cursor::{Cursor, length, wide};
use crate::update::Time;
use crate::{Guid, PeError};

/// `EFI_SIGNATURE_LIST`: signatures of one kind and one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureList<'a> {
    /// Byte where the list begins.
    pub offset: usize,
    /// What its signatures are.
    pub kind: SignatureKind,
    /// SignatureHeader, empty for every kind that the specification defines.
    pub header: &'a [u8],
    /// Bytes of one signature, owner included.
    pub signature_size: usize,
    /// Byte where the signatures begin.
    first: usize,
    /// Whole signatures, one after the other.
    signatures: &'a [u8],
}

/// `EFI_SIGNATURE_DATA`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Byte where it begins.
    pub offset: usize,
    /// Who put it there; any value, covered by nothing.
    pub owner: Guid,
    /// The signature itself.
    pub value: Value<'a>,
    /// Owner and data as they stand in the list: what an EV_EFI_VARIABLE_AUTHORITY event holds.
    pub bytes: &'a [u8],
}

/// What a signature says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// An X.509 certificate, DER.
    Certificate(&'a [u8]),
    /// The digest of a certificate's to-be-signed part: it is revoked from this time on; a time of zeros means always.
    CertificateDigest {
        /// The digest.
        digest: &'a [u8],
        /// From when on.
        from: Time,
    },
    /// The digest of an image: Authenticode for a PE image, else of the whole file.
    Digest(&'a [u8]),
    /// An RSA-2048 modulus (exponent 65537), or an RSA-2048 signature of a digest.
    Rsa(&'a [u8]),
    /// Of a kind that is not known here.
    Other(&'a [u8]),
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $name:literal, $size:expr, $guid:expr;)*) => {
        /// What the signatures of a list are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SignatureKind {
            $($(#[$doc])* $kind,)*
            /// Any other type.
            Other(Guid),
        }

        impl SignatureKind {
            /// The kind of a list with this type.
            pub fn of(guid: Guid) -> Self {
                match guid {
                    $(guid if guid == $guid => Self::$kind,)*
                    other => Self::Other(other),
                }
            }

            /// The type that stands in the list.
            pub fn guid(self) -> Guid {
                match self {
                    $(Self::$kind => $guid,)*
                    Self::Other(guid) => guid,
                }
            }

            /// Bytes of one signature without its owner; `None` where it has no fixed size.
            fn size(self) -> Option<usize> {
                match self {
                    $(Self::$kind => $size,)*
                    Self::Other(_) => None,
                }
            }
        }

        /// The specification's name without EFI_CERT_ and _GUID; the GUID of another type.
        impl fmt::Display for SignatureKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$kind => f.write_str($name),)*
                    Self::Other(guid) => write!(f, "{guid}"),
                }
            }
        }
    };
}

kinds! {
    /// SHA-1 of an image.
    Sha1, "SHA1", Some(20), Guid::of(0x826C_A512, 0xCF10, 0x4AC9, [0xB1, 0x87, 0xBE, 0x01, 0x49, 0x66, 0x31, 0xBD]);
    /// SHA-224 of an image.
    Sha224, "SHA224", Some(28), Guid::of(0x0B6E_5233, 0xA65C, 0x44C9, [0x94, 0x07, 0xD9, 0xAB, 0x83, 0xBF, 0xC8, 0xBD]);
    /// SHA-256 of an image.
    Sha256, "SHA256", Some(32), Guid::of(0xC1C4_1626, 0x504C, 0x4092, [0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28]);
    /// SHA-384 of an image.
    Sha384, "SHA384", Some(48), Guid::of(0xFF3E_5307, 0x9FD0, 0x48C9, [0x85, 0xF1, 0x8A, 0xD5, 0x6C, 0x70, 0x1E, 0x01]);
    /// SHA-512 of an image.
    Sha512, "SHA512", Some(64), Guid::of(0x093E_0FAE, 0xA6C4, 0x4F50, [0x9F, 0x1B, 0xD4, 0x1E, 0x2B, 0x89, 0xC1, 0x9A]);
    /// An RSA-2048 key.
    Rsa2048, "RSA2048", Some(256), Guid::of(0x3C57_66E8, 0x269C, 0x4E34, [0xAA, 0x14, 0xED, 0x77, 0x6E, 0x85, 0xB3, 0xB6]);
    /// An RSA-2048 signature of a SHA-1 digest.
    Rsa2048Sha1, "RSA2048_SHA1", Some(256), Guid::of(0x67F8_444F, 0x8743, 0x48F1, [0xA3, 0x28, 0x1E, 0xAA, 0xB8, 0x73, 0x60, 0x80]);
    /// An RSA-2048 signature of a SHA-256 digest.
    Rsa2048Sha256, "RSA2048_SHA256", Some(256), Guid::of(0xE2B3_6190, 0x879B, 0x4A3D, [0xAD, 0x8D, 0xF2, 0xE7, 0xBB, 0xA3, 0x27, 0x84]);
    /// A certificate.
    X509, "X509", None, Guid::of(0xA5C0_59A1, 0x94E4, 0x4AA7, [0x87, 0xB5, 0xAB, 0x15, 0x5C, 0x2B, 0xF0, 0x72]);
    /// SHA-256 of a revoked certificate.
    X509Sha256, "X509_SHA256", Some(48), Guid::of(0x3BD2_A492, 0x96C0, 0x4079, [0xB4, 0x20, 0xFC, 0xF9, 0x8E, 0xF1, 0x03, 0xED]);
    /// SHA-384 of a revoked certificate.
    X509Sha384, "X509_SHA384", Some(64), Guid::of(0x7076_876E, 0x80C2, 0x4EE6, [0xAA, 0xD2, 0x28, 0xB3, 0x49, 0xA6, 0x86, 0x5B]);
    /// SHA-512 of a revoked certificate.
    X509Sha512, "X509_SHA512", Some(80), Guid::of(0x446D_BF63, 0x2502, 0x4CDA, [0xBC, 0xFA, 0x24, 0x65, 0xD2, 0xB0, 0xFE, 0x9D]);
    /// One byte that says a platform is managed from outside; no signature.
    ExternalManagement, "EXTERNAL_MANAGEMENT", Some(1), Guid::of(0x452E_8CED, 0xDFFF, 0x4B8C, [0xAE, 0x01, 0x51, 0x18, 0x86, 0x2E, 0x68, 0x2C]);
}

const HEADER: usize = 28;
const OWNER: usize = 16;
const TIME: usize = 16;

/// Reads signature lists to the end of `bytes`. No bytes are no lists: an empty variable.
///
/// # Errors
/// [`PeError`] at the first field that does not fit: a list that ends outside, sizes that its kind does not have, or
/// signatures that do not fill it.
pub fn parse(bytes: &[u8]) -> Result<Vec<SignatureList<'_>>, PeError> {
    parse_at(bytes, 0)
}

/// The same for lists that begin at byte `offset` of something longer.
pub(crate) fn parse_at(bytes: &[u8], offset: usize) -> Result<Vec<SignatureList<'_>>, PeError> {
    let mut cursor = Cursor::new(bytes, offset);
    let mut lists = Vec::new();
    while !cursor.is_at_end() {
        lists.push(list(&mut cursor)?);
    }
    Ok(lists)
}

fn list<'a>(cursor: &mut Cursor<'a>) -> Result<SignatureList<'a>, PeError> {
    let offset = cursor.offset();
    let kind = SignatureKind::of(cursor.guid("the type of a signature list")?);
    let at = cursor.offset();
    let size = length(cursor.u32("the size of a signature list")?);
    let Some(left) = size.checked_sub(HEADER) else {
        let (field, wanted) = ("the size of a signature list", "at least 28");
        return Err(PeError::Value { offset: at, field, wanted, got: wide(size) });
    };
    let header_at = cursor.offset();
    let header_size = cursor.u32("the size of the signature header")?;
    if header_size != 0 && !matches!(kind, SignatureKind::Other(_)) {
        let (field, wanted) = ("the size of the signature header", "0");
        return Err(PeError::Value { offset: header_at, field, wanted, got: header_size.into() });
    }
    let size_at = cursor.offset();
    let signature_size = length(cursor.u32("the size of a signature")?);
    let mut body = cursor.part(left, "a signature list")?;
    let header = body.take(length(header_size), "the signature header")?;
    check_size(kind, signature_size, size_at)?;
    let (first, signatures) = (body.offset(), body.rest());
    let over = signatures.len().checked_rem(signature_size).unwrap_or(signatures.len());
    if over != 0 {
        let offset = first.saturating_add(signatures.len().saturating_sub(over));
        return Err(PeError::Trailing { offset, field: "the last whole signature", got: over });
    }
    Ok(SignatureList { offset, kind, header, signature_size, first, signatures })
}

fn check_size(kind: SignatureKind, size: usize, offset: usize) -> Result<(), PeError> {
    let wanted = match kind.size() {
        Some(fixed) if size == fixed.saturating_add(OWNER) => return Ok(()),
        Some(_) => "the size that its kind has, and 16 for the owner",
        None if size > OWNER => return Ok(()),
        None => "more than the 16 of the owner",
    };
    Err(PeError::Value { offset, field: "the size of a signature", wanted, got: wide(size) })
}

// === impl SignatureList ===

impl<'a> SignatureList<'a> {
    /// How many signatures it has.
    pub fn len(&self) -> usize {
        self.signatures.len().checked_div(self.signature_size).unwrap_or(0)
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.signatures.is_empty()
    }

    /// The signatures in order.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'a>> + use<'a> {
        let (kind, size, first) = (self.kind, self.signature_size, self.first);
        // The parser takes no size below 17, so the chunks are never of size zero.
        self.signatures.chunks_exact(size.max(1)).enumerate().filter_map(move |(index, bytes)| {
            let (owner, data) = bytes.split_first_chunk::<OWNER>()?;
            let offset = first.saturating_add(index.saturating_mul(size));
            Some(Signature { offset, owner: Guid(*owner), value: value(kind, data), bytes })
        })
    }
}

fn value(kind: SignatureKind, data: &[u8]) -> Value<'_> {
    use SignatureKind::*;
    match kind {
        Sha1 | Sha224 | Sha256 | Sha384 | Sha512 => Value::Digest(data),
        Rsa2048 | Rsa2048Sha1 | Rsa2048Sha256 => Value::Rsa(data),
        X509 => Value::Certificate(data),
        X509Sha256 | X509Sha384 | X509Sha512 => match data.split_last_chunk::<TIME>() {
            Some((digest, time)) => Value::CertificateDigest { digest, from: Time::from_bytes(*time) },
            None => Value::Other(data),
        },
        ExternalManagement | Other(_) => Value::Other(data),
    }
}
