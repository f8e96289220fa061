//! Why bytes are not a boot log.

use core::fmt;

/// Why bytes are not the boot log they were taken for. The likely cause is a log that was cut or changed on its way,
/// or firmware that does not follow the profile; every variant tells the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogError {
    /// A digest of an algorithm that the header does not declare; its length is unknown, so nothing after it can be
    /// read.
    Algorithm {
        /// Byte of the algorithm identifier.
        offset: usize,
        /// The TPM_ALG_ID that came.
        got: u16,
    },
    /// The header declares an algorithm with another digest size than the algorithm has.
    AlgorithmSize {
        /// Byte of the declared size.
        offset: usize,
        /// The algorithm.
        algorithm: u16,
        /// Its digest size.
        wanted: usize,
        /// The declared size.
        got: u16,
    },
    /// The log ends inside a field.
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
    /// Two digests of one algorithm in one event, or one algorithm declared twice.
    Duplicate {
        /// Byte of the second one.
        offset: usize,
        /// The TPM_ALG_ID.
        algorithm: u16,
    },
    /// No event at all. An empty log is never a log of an uneventful boot.
    Empty,
    /// The PCR index is neither a PCR of a PC Client TPM nor 0xFFFFFFFF.
    Pcr {
        /// Byte of the index.
        offset: usize,
        /// The index that came.
        got: u32,
    },
    /// More of something than this parser takes.
    TooMany {
        /// Byte where the count is exceeded or stated.
        offset: usize,
        /// What there are too many of.
        field: &'static str,
        /// The limit.
        wanted: usize,
        /// The count that came.
        got: u64,
    },
    /// Bytes after the end of a structure that must fill its field.
    Trailing {
        /// First byte too many.
        offset: usize,
        /// The structure.
        field: &'static str,
        /// Bytes too many.
        got: usize,
    },
    /// A field with a value that it cannot have.
    Value {
        /// Byte of the field.
        offset: usize,
        /// The field.
        field: &'static str,
    },
}

impl LogError {
    /// Byte of the log at which reading stopped.
    pub fn offset(&self) -> usize {
        match *self {
            Self::Empty => 0,
            Self::Algorithm { offset, .. }
            | Self::AlgorithmSize { offset, .. }
            | Self::Cut { offset, .. }
            | Self::Duplicate { offset, .. }
            | Self::Pcr { offset, .. }
            | Self::TooMany { offset, .. }
            | Self::Trailing { offset, .. }
            | Self::Value { offset, .. } => offset,
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Algorithm { offset, got } => {
                write!(
                    f,
                    "boot log byte {offset}: digest of algorithm 0x{got:04x}, which the log's header does not declare"
                )
            }
            Self::AlgorithmSize { offset, algorithm, wanted, got } => write!(
                f,
                "boot log byte {offset}: header gives algorithm 0x{algorithm:04x} digests of {got} bytes, wanted {wanted}"
            ),
            Self::Cut { offset, field, wanted, got } => {
                write!(f, "boot log byte {offset}: ends inside {field}, wanted {wanted} bytes, got {got}")
            }
            Self::Duplicate { offset, algorithm } => {
                write!(f, "boot log byte {offset}: algorithm 0x{algorithm:04x} appears twice")
            }
            Self::Empty => f.write_str("boot log is empty, wanted at least one event"),
            Self::Pcr { offset, got } => {
                write!(f, "boot log byte {offset}: PCR index {got}, wanted 0 to 23 or 0xffffffff")
            }
            Self::TooMany { offset, field, wanted, got } => {
                write!(f, "boot log byte {offset}: {got} {field}, at most {wanted} are taken")
            }
            Self::Trailing { offset, field, got } => {
                write!(f, "boot log byte {offset}: {got} bytes after the end of {field}")
            }
            Self::Value { offset, field } => write!(f, "boot log byte {offset}: impossible {field}"),
        }
    }
}

impl core::error::Error for LogError {}
