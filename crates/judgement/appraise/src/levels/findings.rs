//! Findings of pairs: each with both columns, what it means and what to do.

use avouch_pairs::{Attribute, CauseHint, Judged, Pair, PairFinding, Severity as Weight, attribute, code};

use super::PairFacts;
use crate::cause::{Cause, CauseKind};
use crate::code::{Effect, FindingCode, Severity};
use crate::finding::Finding;
use crate::policy::Demand;
use crate::verdict::Claim;

/// Findings that a verdict lists, worst first; all of them can be had from the observation at any time.
const LISTED: usize = 64;

/// The findings of the pairs, each with what it does to the verdict, worst first.
pub(super) fn of(judged: &Judged, demand: Option<&Demand>) -> Vec<Finding> {
    let mut found: Vec<Finding> = judged.findings.iter().map(|finding| one(judged, finding, demand)).collect();
    found.sort_by_key(|finding| std::cmp::Reverse((finding.effect, finding.severity)));
    found
}

fn one(judged: &Judged, finding: &PairFinding, demand: Option<&Demand>) -> Finding {
    let pair = judged.pairs.iter().find(|pair| is_of(pair, finding));
    let facts = PairFacts::of_finding(finding, pair);
    Finding {
        severity: severity(finding.severity),
        effect: effect(finding, demand),
        implication: finding.implication.into(),
        remedy: crate::text::printable(finding.remedy.as_bytes()).into(),
        causes: finding.cause.and_then(cause).into_iter().collect(),
        ..Finding::new(FindingCode::Pair, facts.sentence()).about(facts)
    }
}

pub(super) fn is_of(pair: &Pair, finding: &PairFinding) -> bool {
    pair.attribute == finding.attribute && pair.verdict == finding.verdict && pair.subject == finding.subject
}

/// Two views of one kernel that contradict each other speak against everything that was read of it, whichever level is
/// demanded.
fn effect(finding: &PairFinding, demand: Option<&Demand>) -> Effect {
    let Some(demand) = demand else { return Effect::None };
    let against_all = finding.code == code::KERNEL_VIEWS_DISAGREE || is_view(finding.attribute);
    match finding.verdict {
        _ if against_all => Effect::Fail,
        _ if !demand.requires(finding.level) => Effect::None,
        verdict if verdict.is_inconclusive() && demand.intent().tolerate_inconclusive => Effect::None,
        verdict if verdict.is_inconclusive() => Effect::Unverifiable,
        verdict if verdict.is_discrepant() || finding.code == code::UNIT_ABSENT => Effect::Fail,
        _ => Effect::None,
    }
}

fn is_view(attribute: Attribute) -> bool {
    attribute == attribute::VIEW
}

/// What stood over the files of the kernel, where no pair says so.
pub(super) fn obstructed(found: &mut Vec<Finding>, evidence: String, demand: Option<&Demand>) {
    let view = attribute::VIEW.spec().map_or("", |spec| spec.name);
    if found.iter().any(|finding| finding.pair.as_ref().is_some_and(|pair| pair.attribute == view)) {
        return;
    }
    let effect = if demand.is_some() { Effect::Fail } else { Effect::None };
    found.insert(0, Finding { effect, ..Finding::new(FindingCode::ViewObstructed, evidence) });
}

/// Puts the findings, worst first, into their claim; more than [`LISTED`] are counted.
pub(super) fn list(claim: &mut Claim, mut found: Vec<Finding>) {
    found.sort_by_key(|finding| std::cmp::Reverse(finding.effect));
    let more = found.split_off(found.len().min(LISTED));
    found.into_iter().for_each(|finding| claim.add(finding));
    claim.omitted = claim.omitted.saturating_add(u64::try_from(more.len()).unwrap_or(u64::MAX));
}

fn severity(weight: Weight) -> Severity {
    match weight {
        Weight::Critical => Severity::Critical,
        Weight::High => Severity::High,
        Weight::Medium => Severity::Medium,
        Weight::Low => Severity::Low,
        Weight::Notice => Severity::Note,
    }
}

fn cause(hint: CauseHint) -> Option<Cause> {
    let (kind, what) = match hint {
        CauseHint::PendingRestart => {
            (CauseKind::PendingRestart, "the unit's files are newer than its start, so what they say is not in force")
        }
        CauseHint::DirectWrite => {
            (CauseKind::DirectWrite, "somebody wrote to the kernel behind systemd's back: no job of systemd did this")
        }
        CauseHint::SwallowedError => {
            (CauseKind::SwallowedError, "systemd tried to set it, and the kernel refused or has no such control")
        }
        CauseHint::Unknown => return None,
    };
    Some(Cause::new(kind, what))
}
