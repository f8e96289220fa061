//! What came of the last attempt, for people.

use serde::{Deserialize, Serialize};

/// Written after every attempt; it decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Unix seconds of this machine's wall clock when the attempt ended.
    pub at: u64,
    /// Seconds from then until the next attempt; `null` when this attempt does not know of one.
    pub next_in: Option<u64>,
    /// What went wrong; `null` when the server gave a receipt.
    pub trouble: Option<Trouble>,
}

/// What went wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// Machine code, e.g. `SERVER_UNREACHABLE`.
    pub code: String,
    /// What happened and why.
    pub what: String,
    /// What to do.
    pub remedy: String,
}
