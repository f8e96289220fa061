//! The fourteen levels of a node: what its proven report, its logs and the policy's intent come to.
//!
//! Whoever holds the observation comes to the same pairs ([`avouch_pairs::judge`]); what they do to the verdict is said
//! here. Only what the policy's section `observation` demands can change a status.

mod ceiling;
mod changes;
mod comparison;
mod demanded;
mod facts;
mod findings;
#[cfg(test)]
mod tests;

use avouch_pairs::{Judged, Level, LevelResult, Observation, Reading, attribute, subject};

pub use self::changes::{FactChange, changes};
pub use self::comparison::{Comparison, PairFilter};
pub use self::facts::{LevelFacts, PairFacts};
use crate::code::{ClaimName, Effect, FindingCode};
use crate::finding::Finding;
use crate::policy::Demand;
use crate::text::printable;
use crate::verdict::{Claim, ClaimResult, Verdict};

/// Judges what was observed and tells it in a verdict whose other claims are concluded.
///
/// `observation` is what the newest proven report of this evidence shows; `None` where no report came, or none was
/// proven.
pub(crate) fn judge(observation: Option<&Observation>, demand: Option<&Demand>, verdict: &mut Verdict) {
    match (observation, demand) {
        (Some(observation), demand) => compared(observation, demand, verdict),
        (None, Some(_)) => missing(verdict),
        (None, None) => {
            let what = "no paired report came: what systemd states and what the kernel does was not compared";
            verdict.coverage.hole("NO_REPORT", what);
            if verdict.claim(ClaimName::Report).is_some() {
                verdict.on_claim(ClaimName::Report, |claim| claim.result = ClaimResult::NotDemanded);
            }
        }
    }
    verdict.settle();
}

/// A policy that demands levels, and nothing to judge them by.
fn missing(verdict: &mut Verdict) {
    verdict.on_claim(ClaimName::Report, |claim| {
        if claim.findings.iter().all(|finding| finding.effect == Effect::None) {
            claim.add(Finding::new(FindingCode::ReportMissing, "no paired report came with this evidence"));
        }
    });
    verdict.on_claim(ClaimName::Levels, |_| ());
}

fn compared(observation: &Observation, demand: Option<&Demand>, verdict: &mut Verdict) {
    let mut judged = avouch_pairs::judge(observation, demand.map(Demand::intent));
    let obstructed = obstructed(observation);
    beside_the_pairs(&mut judged, obstructed.is_some(), verdict);
    verdict.attained_level = judged.attained().map(|level| level.to_string());
    verdict.levels = judged.levels.iter().map(|level| LevelFacts::of(level, demand)).collect();
    ceiling::tell(observation, &judged, &mut verdict.coverage);
    let seen =
        format!("{} pairs of {} subjects, systemd beside the kernel", judged.pairs.len(), observation.subjects.len());
    verdict.coverage.cover("LEVELS", seen);

    let mut found = findings::of(&judged, demand);
    if let Some(evidence) = obstructed {
        findings::obstructed(&mut found, evidence, demand);
    }
    match demand {
        Some(demand) => demanded::conclude(&judged, demand, found, verdict),
        None => shown(found, verdict),
    }
}

/// What nobody demands is shown.
fn shown(found: Vec<Finding>, verdict: &mut Verdict) {
    let what = "the policy demands no level: what the two witnesses say is shown and decides nothing";
    verdict.coverage.hole("LEVELS_NOT_DEMANDED", what);
    verdict.on_claim(ClaimName::Levels, |claim| {
        claim.result = ClaimResult::NotDemanded;
        findings::list(claim, found);
    });
    verdict.on_claim(ClaimName::Report, |claim| claim.result = ClaimResult::NotDemanded);
}

/// Levels that are told by more than pairs, or not by this observation at all.
fn beside_the_pairs(judged: &mut Judged, obstructed: bool, verdict: &Verdict) {
    let result = |names: &[ClaimName]| {
        let results = || names.iter().map(|name| verdict.claim(*name).map(|claim| claim.result));
        if results().any(|result| result == Some(ClaimResult::Fail)) {
            LevelResult::Fail
        } else if results().all(|result| matches!(result, Some(ClaimResult::Pass | ClaimResult::NotDemanded))) {
            LevelResult::Pass
        } else {
            LevelResult::Inconclusive
        }
    };
    judged.set(Level::V3, result(&[ClaimName::Quote, ClaimName::Logs, ClaimName::Boot]));
    judged.set(Level::V14, result(&[ClaimName::Report]));
    if obstructed {
        Level::ALL.into_iter().filter(|level| *level > Level::V3).for_each(|level| {
            judged.set(level, if level == Level::V14 { LevelResult::Fail } else { LevelResult::Inconclusive });
        });
    }
}

/// What stands over the files that the witnesses were read from; `None` where nothing does.
fn obstructed(observation: &Observation) -> Option<String> {
    let fact = observation.subjects.get(subject::HOST)?.facts.get(&attribute::VIEW)?;
    match &fact.kernel {
        Reading::Value(view) if view == "none" => None,
        Reading::Value(view) => Some(printable(view.replace('\n', "; ").as_bytes())),
        _ => None,
    }
}

// === impl Verdict ===

impl Verdict {
    fn claim(&self, name: ClaimName) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.name == name)
    }

    /// Changes the claim of this name, which is made, not judged, where it was not there, in its place behind
    /// [`ClaimName::ALL`].
    fn on_claim(&mut self, name: ClaimName, change: impl FnOnce(&mut Claim)) {
        let position = self.claims.iter().position(|claim| claim.name == name);
        let mut claim = position.map_or_else(|| Claim::unjudged(name), |position| self.claims.remove(position));
        change(&mut claim);
        let place = self.claims.iter().position(|claim| claim.name > name).unwrap_or(self.claims.len());
        self.claims.insert(place, claim);
    }
}
