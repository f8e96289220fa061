//! Why bytes are not the structure they were taken for.

use core::fmt;

/// Bytes that are not what was wanted; nothing is taken from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    /// Byte at which the offending field starts, counted from the start of the parsed bytes.
    pub offset: usize,
    /// What has to stand there.
    pub wanted: Wanted,
    /// What stands there: the field's value, or a number of bytes where [`Wanted`] speaks of bytes.
    pub got: u64,
}

/// What a parser wanted where it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// So many more bytes; `got` is how many are left.
    Bytes(u64),
    /// No more bytes; `got` is how many are left.
    End,
    /// TPM_GENERATED_VALUE: without it the bytes were not made inside a TPM.
    Magic,
    /// TPM_ST_ATTEST_QUOTE, TPM_ST_ATTEST_TIME or TPM_ST_ATTEST_CERTIFY.
    AttestType,
    /// This value and no other.
    Exactly(u64),
    /// A value from `min` to `max`.
    Range {
        /// Smallest value that is taken.
        min: u64,
        /// Largest value that is taken.
        max: u64,
    },
    /// A value that this release knows, of the named kind.
    Known(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, wanted, got } = *self;
        match wanted {
            Wanted::Bytes(count) => write!(f, "at byte {offset}: {count} more bytes wanted, {got} are left"),
            Wanted::End => write!(f, "at byte {offset}: the end wanted, {got} bytes are left over"),
            Wanted::Magic => write!(f, "at byte {offset}: TPM_GENERATED_VALUE (0xff544347) wanted, got {got:#x}"),
            Wanted::AttestType => {
                write!(f, "at byte {offset}: the type of a quote, a time or a certification wanted, got {got:#x}")
            }
            Wanted::Exactly(value) => write!(f, "at byte {offset}: {value:#x} wanted, got {got:#x}"),
            Wanted::Range { min, max } => write!(f, "at byte {offset}: {min} to {max} wanted, got {got}"),
            Wanted::Known(kind) => write!(f, "at byte {offset}: a known {kind} wanted, got {got:#x}"),
        }
    }
}

impl core::error::Error for WireError {}
