//! `security.ima` as lists carry it (`struct signature_v2_hdr` and `evm_ima_xattr_type` in `integrity.h`,
//! `xattr_verify` in `ima_appraise.c`), and the digest that its signature signs.
//!
//! ```
//! use avouch_ima::signature::{FileSignature, SignatureVersion};
//! let xattr = [&[3, 2, 4, 0x8c, 0xa9, 0xe4, 0xf1, 0, 2][..], &[7, 7]].concat();
//! let signature = FileSignature::parse(&xattr).unwrap();
//! assert_eq!((signature.version, signature.key_id), (SignatureVersion::V2, [0x8c, 0xa9, 0xe4, 0xf1]));
//! ```

use core::fmt;

use avouch_tpm_wire::{Digest, Hasher};

use crate::{Body, DigestAlg};

const IMA_XATTR_DIGEST: u8 = 1;
const EVM_XATTR_HMAC: u8 = 2;
const EVM_IMA_XATTR_DIGSIG: u8 = 3;
const IMA_XATTR_DIGEST_NG: u8 = 4;
const EVM_XATTR_PORTABLE_DIGSIG: u8 = 5;
const IMA_VERITY_DIGSIG: u8 = 6;

/// Bytes before the signature: type, version, hash, key identifier, size.
const HEADER_BYTES: usize = 9;

/// The value of `security.ima` or `security.evm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Xattr<'a> {
    /// A signature.
    Signature(FileSignature<'a>),
    /// A bare digest: it protects nothing by itself and has no signer.
    Digest {
        /// Its algorithm.
        alg: DigestAlg,
        /// The digest.
        digest: &'a [u8],
    },
    /// An HMAC with a key of the machine.
    EvmHmac(&'a [u8]),
}

/// A signature with its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSignature<'a> {
    /// What is signed.
    pub subject: Subject,
    /// How the signed digest comes about.
    pub version: SignatureVersion,
    /// Algorithm of the signed digest and of the file's digest.
    pub hash: DigestAlg,
    /// The last four bytes of the signing key's subject key identifier. A hint: keys collide in it on purpose.
    pub key_id: [u8; 4],
    /// The signature: RSASSA-PKCS1-v1_5, or ECDSA as DER.
    pub signature: &'a [u8],
}

/// What a signature vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The digest of the file's content (EVM_IMA_XATTR_DIGSIG).
    File,
    /// The file's fs-verity digest (IMA_VERITY_DIGSIG).
    Verity,
    /// Metadata and other attributes of the file (EVM_XATTR_PORTABLE_DIGSIG). Lists carry it in the same field when the
    /// file has no signature of its own; the digest of the content is one of the attributes that it covers.
    Evm,
}

/// Format of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureVersion {
    /// The file's digest is signed as it is.
    V2,
    /// The digest of `struct ima_file_id` is signed: the attribute's type, the hash's number, the file's digest.
    V3,
}

/// Why a value is no signature that can be checked. The file's owner wrote it, so most often it was damaged or never
/// was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignatureError {
    /// Byte in the value.
    pub offset: usize,
    /// What is wrong there.
    pub fault: SignatureFault,
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The value ends inside the header or has no signature behind it.
    Cut {
        /// Bytes that must be there.
        wanted: usize,
        /// Bytes that are.
        got: usize,
    },
    /// A type that the kernel does not have.
    Type {
        /// The type.
        got: u8,
    },
    /// Format 1 (its key identifier and padding are of the GnuPG kind; the kernel's support is off by default), or one
    /// that the type does not have.
    Version {
        /// The format.
        got: u8,
    },
    /// A hash that the kernel does not have.
    Hash {
        /// Its number.
        got: u8,
    },
    /// The header states another size than the signature has.
    Size {
        /// Bytes that the header states.
        wanted: usize,
        /// Bytes behind the header.
        got: usize,
    },
    /// A digest or an HMAC, no signature.
    Unsigned,
    /// The signature is over a digest of another algorithm than the list has, so the list does not prove it.
    OtherDigest {
        /// The algorithm that was signed.
        wanted: DigestAlg,
        /// The algorithm in the list.
        got: DigestAlg,
    },
    /// The signed digest is not the one that the list carries: fs-verity against content, or the digest of metadata.
    OtherSubject {
        /// What is signed.
        signed: Subject,
    },
    /// The signature's hash is not computed here.
    NotComputed {
        /// The algorithm.
        got: DigestAlg,
    },
}

impl<'a> Xattr<'a> {
    /// Reads a whole value.
    ///
    /// # Errors
    /// [`SignatureError`] for anything that no kernel writes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SignatureError> {
        let (kind, rest) = bytes.split_first().ok_or(fault(0, SignatureFault::Cut { wanted: 1, got: 0 }))?;
        match *kind {
            EVM_IMA_XATTR_DIGSIG => signature(Subject::File, bytes).map(Self::Signature),
            IMA_VERITY_DIGSIG => signature(Subject::Verity, bytes).map(Self::Signature),
            EVM_XATTR_PORTABLE_DIGSIG => signature(Subject::Evm, bytes).map(Self::Signature),
            IMA_XATTR_DIGEST => old_digest(rest),
            IMA_XATTR_DIGEST_NG => digest_ng(rest),
            EVM_XATTR_HMAC if rest.len() == DigestAlg::Sha1.size() => Ok(Self::EvmHmac(rest)),
            EVM_XATTR_HMAC => Err(size(1, DigestAlg::Sha1.size(), rest.len())),
            got => Err(fault(0, SignatureFault::Type { got })),
        }
    }
}

impl<'a> FileSignature<'a> {
    /// Reads a value that must be a signature.
    ///
    /// # Errors
    /// [`SignatureError`] as [`Xattr::parse`], and [`SignatureFault::Unsigned`] for a digest or an HMAC.
    pub fn parse(xattr: &'a [u8]) -> Result<Self, SignatureError> {
        match Xattr::parse(xattr)? {
            Xattr::Signature(signature) => Ok(signature),
            _ => Err(fault(0, SignatureFault::Unsigned)),
        }
    }

    /// The digest that the signature is over, when the file has this digest.
    ///
    /// `verity` tells whether `digest` is the file's fs-verity digest. SHA-1 is computed like the others: whether it is
    /// taken is the caller's rule.
    ///
    /// # Errors
    /// [`SignatureError`] when the signature is over something that these arguments do not say.
    pub fn signed_digest(
        &self,
        alg: DigestAlg,
        digest: &[u8],
        verity: bool,
        hasher: &impl Hasher,
    ) -> Result<Digest, SignatureError> {
        let kind = match (self.subject, verity) {
            (Subject::File, false) => EVM_IMA_XATTR_DIGSIG,
            (Subject::Verity, true) => IMA_VERITY_DIGSIG,
            (signed, _) => return Err(fault(0, SignatureFault::OtherSubject { signed })),
        };
        if alg != self.hash {
            return Err(fault(2, SignatureFault::OtherDigest { wanted: self.hash, got: alg }));
        }
        let not_computed = fault(2, SignatureFault::NotComputed { got: alg });
        let hash = alg.hash_alg().ok_or(not_computed)?;
        let file = Digest::new(hash, digest).ok_or(size(2, hash.size(), digest.len()))?;
        match self.version {
            SignatureVersion::V2 => Ok(file),
            SignatureVersion::V3 => {
                let id = alg.id().ok_or(not_computed)?;
                Ok(hasher.hash(hash, &[&[kind, id], digest]))
            }
        }
    }

    /// [`FileSignature::signed_digest`] of the file that an entry is about.
    ///
    /// # Errors
    /// As [`FileSignature::signed_digest`]; an entry that is about no file has another subject.
    pub fn signed_digest_of(&self, body: &Body<'_>, hasher: &impl Hasher) -> Result<Digest, SignatureError> {
        match *body {
            Body::File { digest_alg, digest, verity, .. } => self.signed_digest(digest_alg, digest, verity, hasher),
            _ => Err(fault(0, SignatureFault::OtherSubject { signed: self.subject })),
        }
    }
}

fn signature(subject: Subject, bytes: &[u8]) -> Result<FileSignature<'_>, SignatureError> {
    let cut = fault(bytes.len(), SignatureFault::Cut { wanted: HEADER_BYTES, got: bytes.len() });
    // The version decides how the rest is laid out, so it is judged first.
    let version = match (subject, bytes.get(1).copied().ok_or(cut)?) {
        (Subject::File | Subject::Evm, 2) => SignatureVersion::V2,
        (_, 3) => SignatureVersion::V3,
        (_, got) => return Err(fault(1, SignatureFault::Version { got })),
    };
    let Some((&[_, _, hash, a, b, c, d, high, low], signature)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(cut);
    };
    let hash = DigestAlg::from_id(hash).ok_or(fault(2, SignatureFault::Hash { got: hash }))?;
    let wanted = usize::from(u16::from_be_bytes([high, low]));
    match signature.len() {
        0 => Err(fault(bytes.len(), SignatureFault::Cut { wanted: HEADER_BYTES.saturating_add(1), got: bytes.len() })),
        got if got != wanted => Err(size(7, wanted, got)),
        _ => Ok(FileSignature { subject, version, hash, key_id: [a, b, c, d], signature }),
    }
}

/// IMA_XATTR_DIGEST: SHA-1, or MD5 in 16 bytes or padded with zeros to 20.
fn old_digest(digest: &[u8]) -> Result<Xattr<'_>, SignatureError> {
    match (digest.len(), digest.split_last_chunk::<4>()) {
        (16, _) => Ok(Xattr::Digest { alg: DigestAlg::Md5, digest }),
        (20, Some((digest, [0, 0, 0, 0]))) => Ok(Xattr::Digest { alg: DigestAlg::Md5, digest }),
        (20, _) => Ok(Xattr::Digest { alg: DigestAlg::Sha1, digest }),
        (got, _) => Err(size(1, DigestAlg::Sha1.size(), got)),
    }
}

fn digest_ng(bytes: &[u8]) -> Result<Xattr<'_>, SignatureError> {
    let (id, digest) = bytes.split_first().ok_or(fault(1, SignatureFault::Cut { wanted: 1, got: 0 }))?;
    let alg = DigestAlg::from_id(*id).ok_or(fault(1, SignatureFault::Hash { got: *id }))?;
    match digest.len() {
        got if got == alg.size() => Ok(Xattr::Digest { alg, digest }),
        got => Err(size(2, alg.size(), got)),
    }
}

fn fault(offset: usize, fault: SignatureFault) -> SignatureError {
    SignatureError { offset, fault }
}

fn size(offset: usize, wanted: usize, got: usize) -> SignatureError {
    fault(offset, SignatureFault::Size { wanted, got })
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "security.ima at byte {}: {}", self.offset, self.fault)
    }
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { wanted, got } => write!(f, "wanted {wanted} bytes, got {got}"),
            Self::Type { got } => write!(f, "attribute type {got} is not known"),
            Self::Version { got } => write!(f, "signature format {got} is not taken here"),
            Self::Hash { got } => write!(f, "hash number {got} is not known"),
            Self::Size { wanted, got } => write!(f, "wanted {wanted} bytes of signature or digest, got {got}"),
            Self::Unsigned => f.write_str("a digest or an HMAC, not a signature"),
            Self::OtherDigest { wanted, got } => {
                write!(f, "signs a {wanted} digest, and the list carries the file's {got} digest")
            }
            Self::OtherSubject { signed } => write!(f, "signs {signed}, which the list does not carry here"),
            Self::NotComputed { got } => write!(f, "signs a {got} digest, which is not computed here"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "the file's content",
            Self::Verity => "the file's fs-verity digest",
            Self::Evm => "the file's metadata",
        })
    }
}

impl core::error::Error for SignatureError {}
