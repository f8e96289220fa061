//! Why a report cannot be made or read.

use core::fmt;

/// Why a report cannot be made of an observation, or an observation read from a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportError {
    /// The report is a difference to an earlier one, and that one is not at hand.
    BaseMissing,
    /// The report is whole and takes no earlier one.
    BaseUnwanted,
    /// More of something than a report may have.
    TooMany {
        /// Of what.
        what: &'static str,
        /// Most that are taken.
        wanted: usize,
        /// How many there are.
        got: usize,
    },
    /// A number that points behind the end of its table.
    Index {
        /// Which table.
        what: &'static str,
        /// How many it has.
        wanted: usize,
        /// The number.
        got: u64,
    },
    /// Not in ascending order, or twice.
    Order {
        /// What.
        what: &'static str,
        /// Number of the subject in the report, from 0.
        subject: usize,
    },
    /// A removal of what was not there.
    NothingToRemove {
        /// Name of the subject.
        subject: String,
    },
    /// A list of numbers whose length is no multiple of four, or an attribute beyond 65535.
    Facts {
        /// Number of the subject in the report, from 0.
        subject: usize,
    },
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BaseMissing => f.write_str("the report is a difference to an earlier report that is not at hand"),
            Self::BaseUnwanted => f.write_str("the report is whole and cannot be applied to an earlier one"),
            Self::TooMany { what, wanted, got } => write!(f, "the report has {got} {what}, at most {wanted} are taken"),
            Self::Index { what, wanted, got } => {
                write!(f, "the report names number {got} of {wanted} {what}")
            }
            Self::Order { what, subject } => {
                write!(f, "{what} of subject {subject} of the report are not in ascending order")
            }
            Self::NothingToRemove { subject } => {
                write!(f, "the report removes {subject:?} or a fact of it, which the earlier report does not have")
            }
            Self::Facts { subject } => write!(f, "the facts of subject {subject} of the report cannot be read"),
        }
    }
}

impl std::error::Error for ReportError {}
