//! Levels and pairs as a verdict shows them.

use avouch_pairs::{Attribute, Level, LevelResult, LevelVerdict, Pair, PairFinding};
use serde::{Deserialize, Serialize};

use crate::policy::Demand;
use crate::text::{CUT, printable};
use crate::verdict::{ClaimResult, Node};

/// Characters of a value in a sentence; the whole value stands beside it.
const SHORT: usize = 80;

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

// === impl LevelFacts ===

impl LevelFacts {
    pub(crate) fn of(told: &LevelVerdict, demand: Option<&Demand>) -> Self {
        Self {
            level: told.level.to_string(),
            result: told.result.word().into(),
            pairs: told.pairs,
            discrepant: told.discrepant,
            inconclusive: told.inconclusive,
            required: demand.is_some_and(|demand| demand.requires(told.level)),
        }
    }

    /// The line that people read.
    pub(crate) fn tree(&self) -> Node {
        let is = |result: LevelResult| self.result == result.word();
        let result = if is(LevelResult::Pass) {
            ClaimResult::Pass
        } else if is(LevelResult::Fail) {
            ClaimResult::Fail
        } else if is(LevelResult::Inconclusive) {
            ClaimResult::Unverifiable
        } else {
            ClaimResult::NotDemanded
        };
        Node { result: Some(result), ..Node::leaf(self.sentence()) }
    }

    /// `V4 Resource limits: fail (1 of 61 pairs), demanded`.
    pub fn sentence(&self) -> String {
        let counted = match (self.discrepant, self.inconclusive) {
            _ if self.pairs == 0 => String::new(),
            (0, 0) => format!(" ({} pairs)", self.pairs),
            (0, unknown) => format!(" ({unknown} of {} pairs not told)", self.pairs),
            (bad, 0) => format!(" ({bad} of {} pairs)", self.pairs),
            (bad, unknown) => format!(" ({bad} of {} pairs, {unknown} not told)", self.pairs),
        };
        let demanded = if self.required { ", demanded" } else { "" };
        format!("{} {}: {}{counted}{demanded}", self.level, self.title(), self.result.replace('_', " "))
    }

    /// What the level is about.
    pub fn title(&self) -> &'static str {
        Level::ALL.into_iter().find(|level| level.to_string() == self.level).map_or("", Level::title)
    }

    /// True for `pass` and `not_applicable`.
    pub fn holds(&self) -> bool {
        [LevelResult::Pass, LevelResult::NotApplicable].iter().any(|result| result.word() == self.result)
    }
}

// === impl PairFacts ===

impl PairFacts {
    /// A pair without a finding.
    pub fn of(pair: &Pair) -> Self {
        let shown = |text: &Option<String>| text.as_deref().map(shown);
        let (level, attribute) = names(pair.attribute);
        Self {
            code: String::new(),
            level,
            subject: printable(pair.subject.as_bytes()),
            attribute,
            intent: shown(&pair.intent),
            orchestrator: shown(&pair.orchestrator),
            kernel: shown(&pair.kernel),
            second: shown(&pair.second),
            verdict: pair.verdict.word().into(),
            cause: pair.cause.map(|cause| cause.word().into()),
            note: shown(&pair.note),
        }
    }

    /// A finding with the pair that it is about, where there is one.
    pub(crate) fn of_finding(finding: &PairFinding, pair: Option<&Pair>) -> Self {
        let (_, attribute) = names(finding.attribute);
        Self {
            code: printable(finding.code.as_bytes()),
            level: finding.level.to_string(),
            subject: printable(finding.subject.as_bytes()),
            attribute,
            verdict: finding.verdict.word().into(),
            cause: finding.cause.map(|cause| cause.word().into()),
            ..pair.map(Self::of).unwrap_or_default()
        }
    }

    /// `unit:postgresql.service memory.max`: what the pair is about.
    pub fn name(&self) -> String {
        format!("{} {}", self.subject, self.attribute)
    }

    /// The columns, a line each: what was intended, what systemd says, what the kernel shows.
    pub fn columns(&self) -> Vec<String> {
        let line = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}: {value}"));
        let nothing = |name: &str| Some(format!("{name}: -"));
        let lines = [
            line("intended", &self.intent),
            line("systemd", &self.orchestrator).or_else(|| nothing("systemd")),
            line("kernel", &self.kernel).or_else(|| nothing("kernel")),
            line("kernel, other view", &self.second),
            line("note", &self.note),
        ];
        lines.into_iter().flatten().collect()
    }

    /// Both columns in one line.
    pub(crate) fn sentence(&self) -> String {
        let said = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".into(), short);
        let also = |word: &str, value: &Option<String>| match value {
            Some(value) => format!(", {word} {}", short(value)),
            None => String::new(),
        };
        let (intent, second) = (also("intended", &self.intent), also("by its other view", &self.second));
        let (orchestrator, kernel) = (said(&self.orchestrator), said(&self.kernel));
        format!("{}: systemd {orchestrator}, kernel {kernel}{second}{intent}", self.name())
    }
}

/// A value of several lines or fields in one line, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    printable(text.replace('\n', "; ").replace('\t', " ").as_bytes())
}

/// The beginning of a value, where it is told in a sentence.
fn short(value: &str) -> String {
    match value.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}{CUT}", value.get(..end).unwrap_or(value)),
        None => value.into(),
    }
}

/// Level and name of an attribute; of one of a later release its number.
pub(super) fn names(attribute: Attribute) -> (String, String) {
    match attribute.spec() {
        Some(spec) => (spec.level.to_string(), spec.name.into()),
        None => (format!("V{}", attribute.0 / 100), attribute.0.to_string()),
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}
