//! Why a TPM's key or signature is not accepted.

use core::fmt;

use avouch_tpm_wire::WireError;

/// Why a TPM's key or signature is not accepted. Unless said otherwise the TPM, or whoever speaks for it, is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CryptoError {
    /// The bytes are not the TPM structure they should be.
    Wire(WireError),
    /// The key's type, size, curve, exponent, scheme or hash is not on the allow-list.
    Unsupported {
        /// Which property.
        property: &'static str,
        /// Its value, as the TPM encodes it where that is a number.
        got: u64,
    },
    /// The object attributes are not those of an attestation key.
    Attributes {
        /// TPMA_OBJECT.
        got: u32,
    },
    /// The public area holds no usable key: a point off its curve, a modulus of another length.
    MalformedKey,
    /// The signature names another scheme or hash than the key has.
    OtherScheme,
    /// A part of the signature is empty or longer than the key allows, or an RSA signature is not as long as its modulus.
    SignatureLength {
        /// Bytes that the key has.
        wanted: usize,
        /// Bytes given.
        got: usize,
    },
    /// The digest is not as long as its algorithm says.
    DigestLength {
        /// Bytes that the algorithm has.
        wanted: usize,
        /// Bytes given.
        got: usize,
    },
    /// The signature does not hold.
    BadSignature,
    /// The Name is not as long as its algorithm says, or its algorithm is unknown.
    Name,
    /// The crypto library failed where only it can be at fault.
    Library,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => write!(f, "malformed TPM structure: {error:?}"),
            Self::Unsupported { property, got } => {
                write!(f, "the key's {property} ({got:#x}) is not on the allow-list")
            }
            Self::Attributes { got } => write!(f, "object attributes {got:#010x} are not those of an attestation key"),
            Self::MalformedKey => f.write_str("the public area holds no valid public key"),
            Self::OtherScheme => f.write_str("the signature was made with another scheme or hash than the key's"),
            Self::SignatureLength { wanted, got } => {
                write!(f, "a part of the signature has {got} bytes; this key wants {wanted}")
            }
            Self::DigestLength { wanted, got } => write!(f, "a digest of {got} bytes; its algorithm has {wanted}"),
            Self::BadSignature => f.write_str("the signature does not hold: other key, other bytes, or damaged"),
            Self::Name => f.write_str("not the Name of a TPM object"),
            Self::Library => f.write_str("the crypto library failed"),
        }
    }
}

impl std::error::Error for CryptoError {}
