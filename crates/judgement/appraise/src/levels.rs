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

use avouch_pairs::{
    Judged, Level, LevelResult, LevelVerdict, Observation, Pair, PairFinding, Reading, attribute, subject,
};

pub use self::changes::{FactChange, changes};
pub use self::comparison::{Comparison, PairFilter};
pub use self::facts::{LevelFacts, PairFacts};
use crate::chain::ProvenReports;
use crate::code::{ClaimName, Effect, FindingCode};
use crate::finding::Finding;
use crate::policy::Demand;
use crate::text::printable;
use crate::verdict::{Claim, ClaimResult, Verdict};

/// What the proven reports of an evidence show.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The newest.
    newest: &'a Observation,
    /// Those since the last evidence: what came and went between two rounds counts.
    earlier: &'a [Observation],
}

impl<'a> Seen<'a> {
    pub(crate) fn of(reports: &'a ProvenReports) -> Self {
        Self { newest: reports.observation(), earlier: reports.earlier() }
    }
}

/// Judges what was observed and tells it in a verdict whose other claims are concluded; `seen` is `None` where no report
/// came, or none was proven.
pub(crate) fn judge(seen: Option<Seen<'_>>, demand: Option<&Demand>, verdict: &mut Verdict) {
    match (seen, demand) {
        (Some(seen), demand) => compared(seen, demand, verdict),
        (None, Some(_)) => missing(verdict),
        (None, None) => {
            let what = "no paired report came: what systemd states and what the kernel does was not compared";
            verdict.coverage.hole("NO_REPORT", what);
            undemanded(verdict);
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

fn compared(seen: Seen<'_>, demand: Option<&Demand>, verdict: &mut Verdict) {
    let observation = seen.newest;
    let mut judged = avouch_pairs::judge(observation, demand.map(Demand::intent));
    seen.earlier.iter().for_each(|earlier| {
        take_over(&mut judged, avouch_pairs::judge(earlier, demand.map(Demand::intent)));
    });
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
    undemanded(verdict);
}

/// What was found against the reports themselves is shown, too, where nobody demands them.
fn undemanded(verdict: &mut Verdict) {
    if verdict.claim(ClaimName::Report).is_some() {
        verdict.on_claim(ClaimName::Report, |claim| {
            claim.result = ClaimResult::NotDemanded;
            claim.findings.iter_mut().for_each(|finding| finding.effect = Effect::None);
        });
    }
}

/// Adds what an earlier report of the same round showed against the node and the newest does not.
fn take_over(judged: &mut Judged, earlier: Judged) {
    let same = |a: &PairFinding, b: &PairFinding| {
        a.attribute == b.attribute && a.verdict == b.verdict && a.subject == b.subject
    };
    for finding in earlier.findings {
        if judged.findings.iter().any(|known| same(known, &finding)) {
            continue;
        }
        let of = |pair: &&Pair| findings::is_of(pair, &finding);
        if let Some(pair) = earlier.pairs.iter().find(of) {
            let note = Some("seen between two rounds, in an earlier report than the newest".to_owned());
            judged.pairs.push(Pair { note, ..pair.clone() });
        }
        let fails = |told: &&LevelVerdict| told.level == finding.level && told.result == LevelResult::Fail;
        if earlier.levels.iter().any(|told| fails(&told)) {
            judged.set(finding.level, LevelResult::Fail);
            if let Some(told) = judged.levels.iter_mut().find(|told| told.level == finding.level) {
                told.discrepant = told.discrepant.saturating_add(1);
                told.pairs = told.pairs.saturating_add(1);
            }
        }
        judged.findings.push(finding);
    }
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
