//! One spelling per message: decode, re-encode, compare.

use core::fmt;

use minicbor::{Decode, Encode};

use crate::limits::VERSION;

/// A versioned message in deterministic CBOR.
pub trait Message: Sized + Encode<()> + for<'b> Decode<'b, ()> {
    /// The name that errors use, e.g. `"challenge"`.
    const NAME: &'static str;
    /// Largest encoding that is looked at, in bytes.
    const MAX_BYTES: usize;

    /// The version under key 0.
    fn version(&self) -> u64;

    /// The only encoding of this message.
    fn to_cbor(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Encoding into a Vec has no failing writer, and no field type here can fail to encode.
        let _ = minicbor::encode(self, &mut out);
        out
    }

    /// Reads exactly one message that fills `bytes`.
    ///
    /// # Errors
    /// [`WireError`] when the bytes are too many, are not this message, carry another version, or spell the message
    /// in a way that [`Message::to_cbor`] would not (unknown or repeated keys, other key order, longer lengths,
    /// trailing bytes).
    fn from_cbor(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(WireError::TooLong { message: Self::NAME, wanted: Self::MAX_BYTES, got: bytes.len() });
        }
        let mut decoder = minicbor::Decoder::new(bytes);
        let value: Self = decoder.decode().map_err(|error| WireError::Malformed {
            message: Self::NAME,
            offset: error.position().unwrap_or_else(|| decoder.position()),
            reason: error.to_string(),
        })?;
        if value.version() != VERSION {
            return Err(WireError::Version { message: Self::NAME, wanted: VERSION, got: value.version() });
        }
        let canonical = value.to_cbor();
        if canonical != bytes {
            let offset = canonical.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            return Err(WireError::NotDeterministic { message: Self::NAME, offset });
        }
        Ok(value)
    }
}

/// Why bytes are not the message they were taken for. Most often: another release on the other side, or a client
/// that is not Avouch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// The CBOR item is not this message: wrong type, missing field, cut short.
    Malformed {
        /// Which message was wanted.
        message: &'static str,
        /// Byte at which decoding stopped.
        offset: usize,
        /// What was wanted there, in the decoder's words.
        reason: String,
    },
    /// The bytes decode, but are not the one deterministic encoding; also the answer to unknown fields.
    NotDeterministic {
        /// Which message was wanted.
        message: &'static str,
        /// First byte that differs from the deterministic encoding.
        offset: usize,
    },
    /// More bytes than the message may have.
    TooLong {
        /// Which message was wanted.
        message: &'static str,
        /// The limit in bytes.
        wanted: usize,
        /// The length that came.
        got: usize,
    },
    /// The message has a version that this release does not speak.
    Version {
        /// Which message was wanted.
        message: &'static str,
        /// The version spoken here.
        wanted: u64,
        /// The version that came.
        got: u64,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { message, offset, reason } => {
                write!(f, "{message} is malformed at byte {offset}: {reason}")
            }
            Self::NotDeterministic { message, offset } => write!(
                f,
                "{message} is not in deterministic encoding from byte {offset} on (unknown field, key order or length form)"
            ),
            Self::TooLong { message, wanted, got } => {
                write!(f, "{message} has {got} bytes, at most {wanted} are taken")
            }
            Self::Version { message, wanted, got } => {
                write!(f, "{message} has version {got}, this release speaks version {wanted}")
            }
        }
    }
}

impl std::error::Error for WireError {}

/// Implements [`Message`] for a struct whose field `v` is the version.
macro_rules! message {
    ($type:ty, $name:literal, $max:expr) => {
        impl $crate::Message for $type {
            const NAME: &'static str = $name;
            const MAX_BYTES: usize = $max;

            fn version(&self) -> u64 {
                self.v
            }
        }
    };
}
pub(crate) use message;
