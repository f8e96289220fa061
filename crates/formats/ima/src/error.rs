//! Why bytes are not an IMA list.

use core::fmt;

/// Why reading a list stopped. Every entry before it was read and stays usable: a list may be cut inside an entry
/// because the kernel goes on writing while it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImaError {
    /// Number of the entry, counted as [`crate::Entry::index`].
    pub index: u64,
    /// Byte in the text or the binary list that was given.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with an entry. Most often the list was cut, or was not what it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The numbers have the other byte order: the list of a big-endian machine that was booted without
    /// `ima_canonical_fmt`. Its template hashes cover numbers in that order too.
    ByteOrder,
    /// The list ends inside a field.
    Cut {
        /// The field.
        field: &'static str,
        /// Bytes it has or says to have.
        wanted: usize,
        /// Bytes left.
        got: usize,
    },
    /// The digest has another length than its algorithm.
    DigestSize {
        /// Bytes of the algorithm.
        wanted: usize,
        /// Bytes that came.
        got: usize,
    },
    /// A field does not have the form that its template gives it.
    Field {
        /// The field.
        field: &'static str,
        /// Its form.
        wanted: &'static str,
        /// Bytes of the field.
        got: usize,
    },
    /// The entry belongs to another PCR than the list is read for. Such an entry would be carried along unproven.
    Pcr {
        /// The PCR the list is read for.
        wanted: u32,
        /// The PCR that came.
        got: u32,
    },
    /// An ASCII line of a template whose data cannot be rebuilt from text, so it cannot be replayed.
    Template {
        /// Bytes of the name.
        got: usize,
    },
    /// A length beyond what the kernel can write.
    TooLong {
        /// The field.
        field: &'static str,
        /// The limit in bytes.
        wanted: usize,
        /// The length that came.
        got: usize,
    },
    /// Bytes after the last field of a template.
    Trailing {
        /// Bytes too many.
        got: usize,
    },
}

impl ImaError {
    /// True when more bytes could make this a good list: it ends inside an entry, and nothing before that is wrong.
    /// A cut ASCII line can also read as a whole but shorter one; replay tells.
    pub fn is_cut(&self) -> bool {
        matches!(self.fault, Fault::Cut { .. })
    }
}

impl fmt::Display for ImaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IMA list entry {} at byte {}: {}", self.index, self.offset, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ByteOrder => f.write_str("numbers are big-endian, wanted little-endian (ima_canonical_fmt)"),
            Self::Cut { field, wanted, got } => write!(f, "ends inside {field}, wanted {wanted} bytes, got {got}"),
            Self::DigestSize { wanted, got } => write!(f, "digest has {got} bytes, its algorithm {wanted}"),
            Self::Field { field, wanted, got } => write!(f, "{field} of {got} bytes is not {wanted}"),
            Self::Pcr { wanted, got } => write!(f, "belongs to PCR {got}, wanted PCR {wanted}"),
            Self::Template { got } => {
                write!(f, "template name of {got} bytes names no template that can be rebuilt from text")
            }
            Self::TooLong { field, wanted, got } => write!(f, "{field} has {got} bytes, at most {wanted} are taken"),
            Self::Trailing { got } => write!(f, "{got} bytes after the template's last field"),
        }
    }
}

impl core::error::Error for ImaError {}
