//! Why there is no baseline to compare with.

use core::fmt;

use super::MAX_BASELINE_BYTES;

/// Why there is no baseline to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BaselineError {
    /// The file is not there. Whoever reads it says so.
    Missing,
    /// The file cannot be read: why, and what to do. Whoever reads it says so.
    Unreadable(String),
    /// More bytes than are read.
    TooLong {
        /// How many.
        got: usize,
    },
    /// Not the JSON that is wanted, a key that this release does not know, or a key or path that stands twice.
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was wanted there.
        reason: String,
    },
    /// Another version of the file.
    Version {
        /// Which.
        got: u64,
    },
    /// A path that is not absolute, or that has `.`, `..`, `//` or a slash at its end.
    Path {
        /// It.
        got: String,
    },
    /// Text that is not hexadecimal of the right length.
    Digest {
        /// Of which path or field.
        of: String,
    },
    /// A key or signature of the envelope that is not base64 of the right length.
    Envelope {
        /// Which field.
        field: &'static str,
    },
    /// Signed by another key than the pinned one.
    Key {
        /// It, in base64.
        got: String,
    },
    /// The signature does not hold.
    Signature,
    /// A baseline that names nothing, so nothing could differ from it.
    Empty,
}

impl BaselineError {
    /// Whether there is nothing to read, as opposed to something that is not believed.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing | Self::Unreadable(_))
    }
}

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the file is not there"),
            Self::Unreadable(why) => f.write_str(why),
            Self::TooLong { got } => write!(f, "it has {got} bytes, at most {MAX_BASELINE_BYTES} are read"),
            Self::Json { line, column, reason } => write!(f, "line {line}, column {column}: {reason}"),
            Self::Version { got } => write!(f, "\"v\" is {got}, this release reads version 1"),
            Self::Path { got } => write!(f, "{got:?} is no absolute path in its shortest form"),
            Self::Digest { of } => write!(f, "the digest of {of:?} is not hexadecimal of the right length"),
            Self::Envelope { field } => write!(f, "{field:?} of the signed baseline is damaged; sign it again"),
            Self::Key { got } => write!(f, "it is signed by the key {got}, which is not the pinned one"),
            Self::Signature => f.write_str("its signature does not hold: it was changed after it was signed"),
            Self::Empty => f.write_str("it names no file, no deployment and no registry, so it says nothing"),
        }
    }
}

impl std::error::Error for BaselineError {}
