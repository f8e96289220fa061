//! Levels and pairs as a verdict shows them.

use serde::{Deserialize, Serialize};

/// One level and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelFacts {
    /// `V1` to `V14`.
    pub level: String,
    /// `pass`, `fail`, `inconclusive`, `not_applicable` or `not_evaluated`.
    pub result: String,
    /// Pairs that were compared.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pairs: u32,
    /// Those of them that do not agree.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discrepant: u32,
    /// Those of them that could not be told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inconclusive: u32,
    /// True when the policy demands it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
}

/// One pair: a fact from two witnesses beside what was intended. Values are normal forms, escaped and cut for people;
/// the raw strings are in the stored observation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairFacts {
    /// Machine code of the finding, e.g. `V4.memory.max.kernel_weaker`; empty for a pair without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// `V1` to `V14`.
    pub level: String,
    /// What the fact is about, e.g. `unit:postgresql.service`.
    pub subject: String,
    /// The attribute's name within its level, e.g. `memory.max`.
    pub attribute: String,
    /// What the signed intent wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// What systemd says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orchestrator: Option<String>,
    /// What the kernel shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// What a second interface of the kernel shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// The pair's verdict, e.g. `match` or `kernel_weaker`.
    pub verdict: String,
    /// Why it probably came about: `pending_restart`, `direct_write`, `swallowed_error` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// A remark on how it was compared, or why it could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}
