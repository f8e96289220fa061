//! A finding: one coded deviation with what was seen, the rule, what it means and what to do.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::code::{ClaimName, Effect, FindingCode, Severity};
use crate::fix::Fix;
use crate::levels::PairFacts;
use crate::text::printable;

/// One deviation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Machine code.
    pub code: FindingCode,
    /// The claim that it speaks about.
    pub claim: ClaimName,
    /// How soon a person should look.
    pub severity: Severity,
    /// What it does to the verdict.
    pub effect: Effect,
    /// What was seen, with escapes for everything that could deceive a reader.
    pub evidence: String,
    /// Where exactly, for programs.
    #[serde(default, skip_serializing_if = "Place::is_empty")]
    pub place: Place,
    /// The rule that was broken.
    pub rule: Cow<'static, str>,
    /// What it means.
    pub implication: Cow<'static, str>,
    /// What to do.
    pub remedy: Cow<'static, str>,
    /// Why it probably came about, likeliest first; empty where nothing can be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// The smallest addition to the policy that allows it; absent for what no policy may allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// The pair that it is about, for [`FindingCode::Pair`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<Box<PairFacts>>,
}

/// Where a finding was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Entry of the IMA list or event of the boot log, from zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The PCR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcr: Option<u32>,
    /// Path or buffer name, escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Digest in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Code of the policy's own rule, for [`FindingCode::Rule`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

// === impl Finding ===

impl Finding {
    /// A finding with the fixed texts of its code.
    pub fn new(code: FindingCode, evidence: impl Into<String>) -> Self {
        let facts = code.facts();
        Self {
            code,
            claim: facts.claim,
            severity: facts.severity,
            effect: facts.effect,
            evidence: evidence.into(),
            place: Place::default(),
            rule: facts.rule.into(),
            implication: facts.implication.into(),
            remedy: facts.remedy.into(),
            causes: Vec::new(),
            fix: None,
            pair: None,
        }
    }

    /// The same finding with what it probably came from, likeliest first.
    pub(crate) fn because(self, causes: Vec<Cause>) -> Self {
        Self { causes, ..self }
    }

    /// The same finding with the addition to the policy that would allow it.
    pub(crate) fn fixed_by(self, fix: Option<Fix>) -> Self {
        Self { fix, ..self }
    }

    /// The same finding about a pair.
    pub(crate) fn about(self, pair: PairFacts) -> Self {
        Self { pair: Some(Box::new(pair)), ..self }
    }

    /// The machine code; for a finding of the policy's own rule, the rule's; for one of a pair, the pair's, e.g.
    /// `V4.memory.max.kernel_weaker`.
    pub fn name(&self) -> &str {
        let pair = self.pair.as_deref().map(|pair| pair.code.as_str());
        self.place.rule.as_deref().or(pair).unwrap_or(self.code.as_str())
    }

    /// The same finding with its place.
    pub(crate) fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

// === impl Place ===

impl Place {
    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn entry(index: u64, pcr: u32, path: &[u8], digest: &[u8]) -> Self {
        let digest = Some(crate::text::hex(digest));
        Self { index: Some(index), pcr: Some(pcr), path: Some(printable(path)), digest, rule: None }
    }
}

/// By [`ClaimName::COUNTED`].
pub(crate) type Tallies = [Tally; ClaimName::COUNTED.len()];

/// Findings as they are gathered: every one is counted, a bounded number is kept, and a failure is never crowded out
/// by lesser ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    tallies: Tallies,
}

/// How many findings of a claim there were, kept or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub(crate) struct Tally {
    /// That fail.
    #[n(0)]
    pub(crate) failed: u64,
    /// That leave the claim unverifiable.
    #[n(1)]
    pub(crate) unverifiable: u64,
    /// Notes.
    #[n(2)]
    pub(crate) notes: u64,
}

// === impl Findings ===

impl Findings {
    /// Findings that a verdict lists; more are only counted.
    pub(crate) const KEPT: usize = 1_024;

    /// Takes up what a session kept.
    pub(crate) fn resume(kept: Vec<Finding>, tallies: Tallies) -> Self {
        Self { kept, tallies }
    }

    /// Counts a finding, and makes it only when there is room to keep it.
    pub(crate) fn push(&mut self, code: FindingCode, make: impl FnOnce() -> Finding) {
        let facts = code.facts();
        self.tally_mut(facts.claim).count(facts.effect);
        if self.kept.len() < Self::KEPT {
            self.kept.push(make());
        } else if facts.effect == Effect::Fail && !self.kept.iter().any(|f| f.effect == Effect::Fail) {
            self.kept.pop();
            self.kept.push(make());
        }
    }

    /// Takes over everything of `other`.
    pub(crate) fn append(&mut self, other: &Findings) {
        for (mine, theirs) in self.tallies.iter_mut().zip(&other.tallies) {
            mine.add(*theirs);
        }
        self.kept.extend(other.kept.iter().cloned());
    }

    /// True when every finding that was counted is kept.
    pub(crate) fn is_complete(&self) -> bool {
        let counted = self.tallies.iter().fold(0_u64, |sum, tally| sum.saturating_add(tally.total()));
        u64::try_from(self.kept.len()) == Ok(counted)
    }

    pub(crate) fn kept(&self) -> &[Finding] {
        &self.kept
    }

    pub(crate) fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    pub(crate) fn tally(&self, claim: ClaimName) -> Tally {
        ClaimName::COUNTED
            .iter()
            .zip(&self.tallies)
            .find(|(name, _)| **name == claim)
            .map_or_else(Tally::default, |(_, t)| *t)
    }

    fn tally_mut(&mut self, claim: ClaimName) -> &mut Tally {
        let [quote, session, logs, boot, ima_policy, ima, report, levels] = &mut self.tallies;
        match claim {
            ClaimName::Quote => quote,
            ClaimName::Session => session,
            ClaimName::Logs => logs,
            ClaimName::Boot => boot,
            ClaimName::ImaPolicy => ima_policy,
            ClaimName::Report => report,
            ClaimName::Levels => levels,
            // Rules are judged after the findings are gathered ([`crate::Verdict::with_rules`]).
            ClaimName::Ima | ClaimName::Rules => ima,
        }
    }

    /// What goes into the next round: every count, and at most `most` findings.
    pub(crate) fn carried(&self, most: usize) -> Self {
        Self { kept: self.gravest(most), tallies: self.tallies }
    }

    /// The findings to carry into the next round: at most `most`, failures first.
    pub(crate) fn gravest(&self, most: usize) -> Vec<Finding> {
        let worst_first = [Effect::Fail, Effect::Unverifiable, Effect::None];
        let mut chosen = worst_first
            .iter()
            .flat_map(|effect| self.kept.iter().enumerate().filter(move |(_, f)| f.effect == *effect))
            .take(most)
            .collect::<Vec<_>>();
        chosen.sort_by_key(|(position, _)| *position);
        chosen.into_iter().map(|(_, finding)| finding.clone()).collect()
    }
}

// === impl Tally ===

impl Tally {
    fn count(&mut self, effect: Effect) {
        let number = match effect {
            Effect::Fail => &mut self.failed,
            Effect::Unverifiable => &mut self.unverifiable,
            Effect::None => &mut self.notes,
        };
        *number = number.saturating_add(1);
    }

    fn add(&mut self, other: Tally) {
        self.failed = self.failed.saturating_add(other.failed);
        self.unverifiable = self.unverifiable.saturating_add(other.unverifiable);
        self.notes = self.notes.saturating_add(other.notes);
    }

    pub(crate) fn total(self) -> u64 {
        self.failed.saturating_add(self.unverifiable).saturating_add(self.notes)
    }

    pub(crate) fn effect(self) -> Effect {
        if self.failed > 0 {
            Effect::Fail
        } else if self.unverifiable > 0 {
            Effect::Unverifiable
        } else {
            Effect::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_never_crowded_out_by_lesser_findings() {
        let mut findings = Findings::default();
        for _ in 0..2 * Findings::KEPT {
            findings.push(FindingCode::ImaTemplate, || Finding::new(FindingCode::ImaTemplate, "x"));
        }
        findings.push(FindingCode::ImaUnknownDigest, || Finding::new(FindingCode::ImaUnknownDigest, "y"));
        assert_eq!(findings.kept().len(), Findings::KEPT);
        assert_eq!(findings.tally(ClaimName::Ima), Tally { failed: 1, unverifiable: 2_048, notes: 0 });
        let carried = findings.gravest(256);
        assert_eq!(carried.len(), 256);
        assert!(carried.iter().any(|f| f.code == FindingCode::ImaUnknownDigest));
    }
}
