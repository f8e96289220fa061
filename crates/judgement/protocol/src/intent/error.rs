//! Why a text is not an intent.

use core::fmt;

use crate::limits::{MAX_INTENT_BYTES, MAX_LABEL_BYTES, VERSION};

/// Why a text is not an intent. Most often: a hand edit went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntentError {
    /// Not the JSON that is wanted, a key that this release does not know, or a key that stands twice.
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was wanted there.
        reason: String,
    },
    /// More than [`MAX_INTENT_BYTES`].
    TooLong {
        /// How many.
        got: usize,
    },
    /// Another version of the file.
    Version {
        /// Which.
        got: u64,
    },
    /// No name, or a long one.
    Name {
        /// Its length in bytes.
        got: usize,
    },
    /// Not the name of a unit.
    Unit {
        /// The text that stands there.
        got: String,
    },
    /// Not the name of a listener.
    Listener {
        /// The text that stands there.
        got: String,
    },
    /// Not a level.
    Level {
        /// The text that stands there.
        got: String,
    },
    /// Not the name of something that facts are about.
    Subject {
        /// The text that stands there.
        got: String,
    },
    /// Not the name of an attribute.
    Attribute {
        /// Of which subject.
        subject: String,
        /// The text that stands there.
        got: String,
        /// A name that begins alike.
        near: Option<&'static str>,
    },
    /// A key or signature of the envelope that is not base64 of the right length.
    Envelope {
        /// Which field.
        field: &'static str,
    },
    /// Signed by a key that is not trusted here.
    Key {
        /// It, in base64.
        got: String,
    },
    /// The signature does not hold: other bytes than were signed, or damage.
    Signature,
}

impl fmt::Display for IntentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { line, column, reason } => {
                write!(f, "the intent is not understood at line {line}, column {column}: {reason}")
            }
            Self::TooLong { got } => write!(f, "the intent has {got} bytes, at most {MAX_INTENT_BYTES} are read"),
            Self::Version { got } => {
                write!(f, "\"v\" is {got}, this release reads version {VERSION}; write \"v\": {VERSION}")
            }
            Self::Name { got } => {
                write!(f, "\"name\" has {got} bytes; write a name of 1 to {MAX_LABEL_BYTES} bytes")
            }
            Self::Unit { got } => {
                write!(f, "\"units\" holds {got:?}; write a unit's full name, e.g. \"postgresql.service\"")
            }
            Self::Listener { got } => {
                write!(f, "\"listeners\" holds {got:?}; write it as reports name it, e.g. \"listener:tcp:0.0.0.0:443\"")
            }
            Self::Level { got } => {
                write!(f, "\"not_applicable\" holds {got:?}; write a level, \"V1\" to \"V14\"")
            }
            Self::Subject { got } => write!(
                f,
                "\"subjects\" holds {got:?}; write \"host\", or a kind and a name, e.g. \"unit:postgresql.service\", \"sysctl:kernel.kptr_restrict\" or \"path:/etc/shadow\""
            ),
            Self::Attribute { subject, got, near } => {
                write!(f, "\"subjects\" holds the attribute {got:?} of {subject:?}, which does not exist; ")?;
                match near {
                    Some(near) => write!(f, "write it as reports name it, perhaps {near:?}"),
                    None => f.write_str("write it as reports name it, e.g. \"memory.max\""),
                }
            }
            Self::Envelope { field } => {
                write!(f, "{field:?} of the signed intent is damaged; sign the intent again")
            }
            Self::Key { got } => write!(
                f,
                "the intent is signed by the key {got}, which is not trusted here; add it as intent_key, or sign again"
            ),
            Self::Signature => f.write_str(
                "the signature of the intent does not hold: it was changed after it was signed; sign it again",
            ),
        }
    }
}

impl std::error::Error for IntentError {}
