//! Why bytes are not what they were taken for.

use core::fmt;

/// Why bytes are not the image, list or variable they were taken for. The likely cause is a file that was cut or is of
/// another kind; a variable read from a node may also have been written by an attacker. Every variant tells the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeError {
    /// The input ends inside a field.
    Cut {
        /// Byte where the field begins.
        offset: usize,
        /// The field.
        field: &'static str,
        /// Bytes the field has or says to have.
        wanted: usize,
        /// Bytes that are left.
        got: usize,
    },
    /// A part lies, or ends, outside the whole that holds it.
    Outside {
        /// Byte of the field that places the part.
        offset: usize,
        /// The part.
        field: &'static str,
        /// Where the whole ends.
        wanted: u64,
        /// Where the part ends.
        got: u64,
    },
    /// A needed part is not there.
    Missing {
        /// Byte where the whole begins.
        offset: usize,
        /// The part.
        field: &'static str,
    },
    /// A field has a value that the format does not allow.
    Value {
        /// Byte of the field.
        offset: usize,
        /// The field.
        field: &'static str,
        /// What the format allows there.
        wanted: &'static str,
        /// The value that came.
        got: u64,
    },
    /// Bytes after the end of a structure that must fill its room.
    Trailing {
        /// First byte too many.
        offset: usize,
        /// The structure.
        field: &'static str,
        /// Bytes too many.
        got: usize,
    },
    /// More of something than this parser takes.
    TooMany {
        /// Byte where the count is stated or exceeded.
        offset: usize,
        /// What there are too many of.
        field: &'static str,
        /// The limit.
        wanted: u64,
        /// The count that came.
        got: u64,
    },
}

impl PeError {
    /// Byte of the input at which reading stopped.
    pub fn offset(&self) -> usize {
        match *self {
            Self::Cut { offset, .. }
            | Self::Outside { offset, .. }
            | Self::Missing { offset, .. }
            | Self::Value { offset, .. }
            | Self::Trailing { offset, .. }
            | Self::TooMany { offset, .. } => offset,
        }
    }
}

impl fmt::Display for PeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Cut { offset, field, wanted, got } => {
                write!(f, "byte {offset}: ends inside {field}, wanted {wanted} bytes, got {got}")
            }
            Self::Outside { offset, field, wanted, got } => {
                write!(f, "byte {offset}: {field} ends at byte {got}, wanted at most {wanted}")
            }
            Self::Missing { offset, field } => write!(f, "byte {offset}: there is no {field}"),
            Self::Value { offset, field, wanted, got } => {
                write!(f, "byte {offset}: {field} is 0x{got:x}, wanted {wanted}")
            }
            Self::Trailing { offset, field, got } => write!(f, "byte {offset}: {got} bytes after the end of {field}"),
            Self::TooMany { offset, field, wanted, got } => {
                write!(f, "byte {offset}: {got} {field}, at most {wanted} are taken")
            }
        }
    }
}

impl core::error::Error for PeError {}
