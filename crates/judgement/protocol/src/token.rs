//! The enrolment token: everything that first contact needs, in one line that a person can paste.

use core::fmt;

use data_encoding::BASE64URL_NOPAD;
use minicbor::{Decode, Encode};

use crate::cbor::{Message, WireError, message};
use crate::challenge::Bytes;
use crate::limits::MAX_ENROL_BYTES;
use crate::{Hash, NodeProfile};

/// A grant to join, signed by the owner key. Whoever holds it may enrol a TPM that meets its profile, so it is kept
/// like a password until it expires or is used up.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrolmentToken {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// Random name of the grant; uses are counted under it.
    #[n(1)]
    pub id: Hash,
    /// URL of the server, e.g. `https://verifier.example:8443`.
    #[n(2)]
    pub origin: String,
    /// SHA-256 of the SubjectPublicKeyInfo of each server CA key, one or two. The agent pins these, never a leaf.
    #[n(3)]
    pub server_ca_pins: Vec<Hash>,
    /// Ed25519 public key that signs receipts.
    #[n(4)]
    pub log_key: Hash,
    /// Witness policy, empty while there is no log.
    #[n(5)]
    pub witness_policy: String,
    /// Profile that the TPM must meet.
    #[n(6)]
    pub profile: NodeProfile,
    /// How many TPMs may enrol with it.
    #[n(7)]
    pub uses: u32,
    /// Unix seconds of server time after which it is worth nothing.
    #[n(8)]
    pub expires: u64,
    /// Ed25519 by the owner key over `"avouch/join/v1\0" ‖` this message with an empty signature.
    #[n(9)]
    pub signature: Bytes,
}

message!(EnrolmentToken, "enrolment token", MAX_ENROL_BYTES);

/// Why a pasted line is not a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It does not start with [`EnrolmentToken::PREFIX`].
    Prefix,
    /// A character that base64url does not have; usually a line that was cut or wrapped.
    Encoding {
        /// Where, counted in characters after the prefix.
        offset: usize,
    },
    /// The bytes inside are not a token.
    Message(WireError),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => write!(f, "not an enrolment token: it must start with {:?}", EnrolmentToken::PREFIX),
            Self::Encoding { offset } => {
                write!(f, "the enrolment token is damaged at character {offset}; copy the whole line again")
            }
            Self::Message(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TokenError {}

impl EnrolmentToken {
    /// How the text form starts.
    pub const PREFIX: &'static str = "avouch-join-1.";
    /// Prefix of the signed bytes.
    pub const CONTEXT: &'static [u8] = b"avouch/join/v1\0";

    /// The bytes that the owner key signs.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let unsigned = Self { signature: Bytes::from(Vec::new()), ..self.clone() };
        [Self::CONTEXT, &unsigned.to_cbor()].concat()
    }

    /// The line that people paste: prefix and base64url without padding.
    pub fn to_text(&self) -> String {
        format!("{}{}", Self::PREFIX, BASE64URL_NOPAD.encode(&self.to_cbor()))
    }

    /// Reads the line; surrounding white space is allowed.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn from_text(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix(Self::PREFIX).ok_or(TokenError::Prefix)?;
        let bytes =
            BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|error| TokenError::Encoding { offset: error.position })?;
        Self::from_cbor(&bytes).map_err(TokenError::Message)
    }
}
