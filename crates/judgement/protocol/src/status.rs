//! What a round or a request came to.

use core::fmt;

use minicbor::{Decode, Encode};

use crate::cbor::message;
use crate::limits::{MAX_CHALLENGE_REQUEST_BYTES, VERSION};

/// The one status that a node has in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Authentic and good, with its coverage.
    #[n(0)]
    Pass,
    /// Authentic and bad.
    #[n(1)]
    Fail,
    /// Authentic, but cannot be judged: a log does not reproduce the quote, or no policy says what is good.
    #[n(2)]
    Unverifiable,
    /// Not authentic; it never extends an expiry and leaves the last verdict as it is.
    #[n(3)]
    Rejected,
    /// A challenge was issued and nothing valid came.
    #[n(4)]
    Unanswered,
    /// No challenge was asked for.
    #[n(5)]
    Silent,
    /// Announced absence.
    #[n(6)]
    Maintenance,
}

impl Status {
    /// The lower-case word used in JSON, metrics and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unverifiable => "unverifiable",
            Self::Rejected => "rejected",
            Self::Unanswered => "unanswered",
            Self::Silent => "silent",
            Self::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The body of every refused request: what happened, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refusal {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// Machine code, e.g. `CHALLENGE_SPENT`.
    #[n(1)]
    pub code: String,
    /// One sentence: what happened and why.
    #[n(2)]
    pub what: String,
    /// One sentence: what to do.
    #[n(3)]
    pub remedy: String,
    /// Seconds after which another try makes sense; absent when only a change helps.
    #[n(4)]
    pub retry_in: Option<u64>,
}

impl Refusal {
    /// A refusal that only a change on one side can heal.
    pub fn new(code: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { v: VERSION, code: code.into(), what: what.into(), remedy: remedy.into(), retry_in: None }
    }
}

message!(Refusal, "refusal", MAX_CHALLENGE_REQUEST_BYTES);
