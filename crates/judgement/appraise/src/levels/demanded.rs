//! What the policy demands of the levels.

use avouch_pairs::{Judged, Level, LevelResult, LevelVerdict};

use super::findings;
use crate::code::{ClaimName, Effect, FindingCode};
use crate::finding::Finding;
use crate::policy::Demand;
use crate::verdict::{ClaimResult, Verdict};

/// Concludes the claim `levels`: every level that the policy demands holds, or a finding says why it does not.
pub(super) fn conclude(judged: &Judged, demand: &Demand, mut found: Vec<Finding>, verdict: &mut Verdict) {
    let unsaid: Vec<_> = demand.required().filter_map(|level| unsaid(&judged.level(level), &found)).collect();
    found.extend(unsaid);
    verdict.on_claim(ClaimName::Levels, |claim| {
        claim.result = ClaimResult::Pass;
        findings::list(claim, found);
    });
}

/// The finding of a level that does not hold, unless one of its pairs says so already.
fn unsaid(told: &LevelVerdict, found: &[Finding]) -> Option<Finding> {
    let (code, wanted) = match told.result {
        LevelResult::Pass | LevelResult::NotApplicable => return None,
        LevelResult::Fail => (FindingCode::LevelFailed, Effect::Fail),
        LevelResult::Inconclusive => (FindingCode::LevelInconclusive, Effect::Unverifiable),
        LevelResult::NotEvaluated => (FindingCode::LevelNotEvaluated, Effect::Unverifiable),
    };
    let level = told.level.to_string();
    let of_level = |finding: &Finding| finding.pair.as_ref().is_some_and(|pair| pair.level == level);
    let said = found.iter().any(|finding| of_level(finding) && finding.effect == wanted);
    (!said).then(|| Finding::new(code, evidence(told)))
}

fn evidence(told: &LevelVerdict) -> String {
    let (level, title) = (told.level, told.level.title());
    let why = match (told.result, level) {
        (LevelResult::NotEvaluated, _) => "nothing of it was observed".into(),
        (LevelResult::Fail, Level::V3) => "the claims quote, logs and boot do not all hold".into(),
        (LevelResult::Fail, Level::V14) => "the claim report does not hold".into(),
        (_, Level::V3 | Level::V14) => "what it rests on could not be judged".into(),
        _ => format!("{} of its {} pairs could not be told", told.inconclusive, told.pairs),
    };
    format!("{level}, {title}: {why}")
}
