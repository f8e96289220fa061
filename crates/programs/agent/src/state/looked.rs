//! What the newest report came to on this node, for people.

use avouch_pairs::{Judged, LevelResult};
use serde::{Deserialize, Serialize};

/// Written after every report; it decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Looked {
    /// Unix seconds of this machine's wall clock.
    pub at: u64,
    /// Reports of this boot session.
    pub reports: u64,
    /// How many of them the server did not hold when the newest was made, that one included.
    pub waiting: u64,
    /// The highest level up to which every level passes; V1 to V3 only a server can tell.
    pub attained: Option<String>,
    /// Findings.
    pub findings: usize,
    /// Levels that were evaluated, with what they came to.
    pub levels: Vec<LevelLooked>,
}

/// A level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelLooked {
    /// `V4` to `V14`.
    pub id: String,
    /// `pass`, `fail`, `inconclusive`, `not_applicable`.
    pub verdict: String,
}

// === impl Looked ===

impl Looked {
    /// Of a judgement.
    pub fn of(judged: &Judged, at: u64, reports: u64, waiting: u64) -> Self {
        let evaluated = judged.levels.iter().filter(|level| level.result != LevelResult::NotEvaluated);
        let level = |level: &avouch_pairs::LevelVerdict| LevelLooked {
            id: level.level.to_string(),
            verdict: level.result.word().to_owned(),
        };
        Self {
            at,
            reports,
            waiting,
            attained: judged.attained().map(|level| level.to_string()),
            findings: judged.findings.len(),
            levels: evaluated.map(level).collect(),
        }
    }
}
