//! Why a rule is not run, or what it says is not taken.

use core::fmt;

use crate::cost::MAX_COST;
use crate::extent::MAX_VALUE_BYTES;
use crate::module::{MAX_NESTING, MAX_SOURCE_BYTES};
use crate::rule::{MAX_FINDINGS, MAX_INPUT_BYTES, MAX_TEXT_BYTES};

/// Why a rule is refused. All but [`RuleError::Watchdog`] and [`RuleError::Evaluation`] follow from module and input
/// alone, so every machine refuses alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// More than [`MAX_SOURCE_BYTES`].
    SourceTooLong {
        /// How many bytes came.
        got: usize,
    },
    /// Brackets nested deeper than [`MAX_NESTING`].
    Nesting {
        /// Line, from 1.
        line: u64,
    },
    /// Not Rego.
    Syntax {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// Another package than `avouch`.
    Package {
        /// Which.
        got: String,
    },
    /// Something that Rego has and a rule may not use.
    Forbidden {
        /// Line, from 1; zero where the parser gives none.
        line: u64,
        /// What.
        what: String,
    },
    /// There is no rule `findings`, so the module could never say anything.
    NoFindings,
    /// A verdict of more than [`MAX_INPUT_BYTES`].
    InputTooLong {
        /// How many bytes came.
        got: usize,
    },
    /// More than [`MAX_COST`] steps would be possible with this input.
    Cost {
        /// The upper bound that came out.
        got: u128,
    },
    /// A value of more than [`MAX_VALUE_BYTES`] would be possible with this input.
    ValueSize {
        /// Line of the expression, from 1.
        line: u64,
    },
    /// Running it failed, e.g. two values for one rule.
    Evaluation {
        /// The evaluator's words.
        reason: String,
    },
    /// It ran longer than the watchdog's time although its cost is bounded: a fault of this machine or of this crate.
    Watchdog,
    /// What it found is not a set of findings.
    Finding {
        /// What is wrong.
        reason: String,
    },
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceTooLong { got } => {
                write!(f, "the Rego module has {got} bytes, at most {MAX_SOURCE_BYTES} are read")
            }
            Self::Nesting { line } => {
                write!(f, "the Rego module nests brackets deeper than {MAX_NESTING} at line {line}")
            }
            Self::Syntax { reason } => write!(f, "the Rego module is not understood: {reason}"),
            Self::Package { got } => write!(f, "the Rego module is in package {got:?}; write `package avouch`"),
            Self::Forbidden { line, what } => write!(f, "line {line} of the Rego module uses {what}"),
            Self::NoFindings => f.write_str(
                "the Rego module has no rule `findings`; write `findings contains {\"code\": …, \"effect\": …, \
                 \"evidence\": …} if { … }`",
            ),
            Self::InputTooLong { got } => {
                write!(f, "the verdict has {got} bytes, a rule reads at most {MAX_INPUT_BYTES}")
            }
            Self::Cost { got } => write!(
                f,
                "the Rego module could take {got} steps on this verdict, at most {MAX_COST} are run; iterate over fewer \
                 collections inside one another"
            ),
            Self::ValueSize { line } => write!(
                f,
                "line {line} of the Rego module could make a value of more than {MAX_VALUE_BYTES} bytes from this verdict"
            ),
            Self::Evaluation { reason } => write!(f, "the Rego module failed: {reason}"),
            Self::Watchdog => f.write_str("the Rego module ran longer than its watchdog allows; nothing was recorded"),
            Self::Finding { reason } => write!(
                f,
                "what the Rego module found is not taken: {reason} (at most {MAX_FINDINGS} findings with texts of \
                 {MAX_TEXT_BYTES} bytes)"
            ),
        }
    }
}

impl std::error::Error for RuleError {}
