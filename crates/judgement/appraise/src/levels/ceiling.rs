//! How far the kernel itself can be believed: the ceiling over V4 to V11.

use avouch_pairs::{Judged, Observation, Reading, attribute, subject};

use crate::text::printable;
use crate::verdict::Coverage;

/// Says what lets root alter the running kernel, or shows that somebody did: then V4 to V11 rest on its word.
pub(super) fn tell(observation: &Observation, judged: &Judged, coverage: &mut Coverage) {
    let host = observation.subjects.get(subject::HOST);
    let reading = |attribute| host.and_then(|host| host.facts.get(&attribute)).map(|fact| &fact.kernel);
    let mut reasons = Vec::new();
    match reading(attribute::LOCKDOWN) {
        Some(Reading::Value(word)) if word == "none" => reasons.push("kernel lockdown is none".to_owned()),
        Some(Reading::Value(_)) => {}
        _ => reasons.push("kernel lockdown is not shown".into()),
    }
    if let Some(taint) = reading(attribute::TAINTED).and_then(Reading::value).filter(|taint| *taint != "0") {
        reasons.push(format!("the kernel is tainted ({})", printable(taint.as_bytes())));
    }
    if judged.pairs.iter().any(|pair| pair.views_disagree) {
        reasons.push("two views of the kernel contradict each other".into());
    }
    if !reasons.is_empty() {
        let what = format!(
            "{}: root can alter what this kernel says, so V4 to V11 are worth what its integrity is worth",
            reasons.join("; ")
        );
        coverage.hole("TRUST_CEILING", what);
    }
}
