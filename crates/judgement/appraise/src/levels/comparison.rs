//! An observation as pairs that people and programs read.

use std::collections::BTreeMap;

use avouch_pairs::{Attribute, Intent, Level, Observation, Pair, judge, subject};
use serde::{Deserialize, Serialize};

use super::{LevelFacts, PairFacts, findings};
use crate::finding::Finding;

/// Which pairs are wanted.
#[derive(Clone, Debug, Default)]
pub struct PairFilter {
    /// Only these levels; empty means all.
    pub levels: Vec<Level>,
    /// Only this subject: a unit's name, or a subject as observations name it.
    pub subject: Option<String>,
    /// Only pairs that somebody should look at.
    pub findings: bool,
    /// At most so many; more are counted.
    pub most: usize,
}

/// What an observation comes to beside an intent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// V1 to V14 as the pairs alone tell them: V3 and V14 rest on a verifier's claims, too.
    pub levels: Vec<LevelFacts>,
    /// The pairs that were wanted, by subject and attribute.
    pub pairs: Vec<PairFacts>,
    /// What somebody should look at among them.
    pub findings: Vec<Finding>,
    /// Pairs that were wanted and are not listed.
    #[serde(default)]
    pub omitted: u64,
}

// === impl Comparison ===

impl Comparison {
    /// Compares the two witnesses of every fact, beside the intent where there is one. What is demanded and what the
    /// logs prove is for a verdict to say.
    pub fn of(observation: &Observation, intent: Option<&Intent>, filter: &PairFilter) -> Self {
        let judged = judge(observation, intent);
        let codes: BTreeMap<(&str, Attribute), &str> = judged
            .findings
            .iter()
            .map(|finding| ((finding.subject.as_str(), finding.attribute), finding.code.as_str()))
            .collect();
        let mut comparison =
            Self { levels: judged.levels.iter().map(|level| LevelFacts::of(level, None)).collect(), ..Self::default() };
        for pair in judged.pairs.iter().filter(|pair| filter.takes(pair)) {
            let code = codes.get(&(pair.subject.as_str(), pair.attribute));
            if filter.findings && code.is_none() {
                continue;
            }
            if comparison.pairs.len() >= filter.most {
                comparison.omitted = comparison.omitted.saturating_add(1);
                continue;
            }
            let facts = PairFacts::of(pair);
            comparison.pairs.push(PairFacts { code: code.map_or_else(String::new, |code| (*code).into()), ..facts });
        }
        comparison.findings = findings::of(&judged, None);
        comparison.findings.retain(|finding| finding.pair.as_ref().is_some_and(|pair| filter.takes_facts(pair)));
        comparison.findings.truncate(filter.most);
        comparison
    }
}

// === impl PairFilter ===

impl PairFilter {
    fn takes(&self, pair: &Pair) -> bool {
        let level = pair.attribute.spec().map(|spec| spec.level);
        (self.levels.is_empty() || level.is_some_and(|level| self.levels.contains(&level))) && self.names(&pair.subject)
    }

    fn takes_facts(&self, pair: &PairFacts) -> bool {
        (self.levels.is_empty() || self.levels.iter().any(|level| level.to_string() == pair.level))
            && self.names(&pair.subject)
    }

    fn names(&self, named: &str) -> bool {
        let Some(wanted) = &self.subject else { return true };
        let unit = named.strip_prefix(subject::UNIT);
        named == wanted
            || unit == Some(wanted)
            || (!wanted.contains('.') && unit.and_then(|unit| unit.strip_suffix(".service")) == Some(wanted))
    }
}
