//! From an observation to pairs, findings and levels.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::{LISTENER, MANAGER, PROCESSES};
use crate::compare::{self, Case, Of, Outcome, World};
use crate::text::{implication, remedy, severity};
use crate::{
    Attribute, CauseHint, Fact, Intent, Judged, Level, LevelResult, LevelVerdict, Observation, Pair, PairFinding,
    PairVerdict, Reading, Severity, Subject, code, subject,
};

/// Compares the witnesses of every fact, beside the intent where there is one.
pub fn judge(observation: &Observation, intent: Option<&Intent>) -> Judged {
    let world = World::new(observation, intent);
    let mut court = Court::new();
    for (name, subject) in &observation.subjects {
        for (&attribute, fact) in &subject.facts {
            let demanded = demanded(intent, name, attribute);
            court.hear(&Case { world: &world, name, subject, attribute, fact, intent: demanded });
        }
    }
    if let Some(intent) = intent {
        court.unobserved(&world, intent);
        court.absent(observation, intent);
    }
    court.close(intent)
}

fn demanded<'a>(intent: Option<&'a Intent>, name: &str, attribute: Attribute) -> Option<&'a str> {
    intent?.subjects.get(name)?.get(&attribute).map(String::as_str)
}

/// Pairs so far, and what they count for.
struct Court {
    pairs: Vec<Pair>,
    findings: Vec<PairFinding>,
    levels: [LevelVerdict; 14],
    /// How many pairs of each level are in order.
    green: [u32; 14],
}

impl Court {
    fn new() -> Self {
        let nothing =
            |level| LevelVerdict { level, result: LevelResult::NotEvaluated, pairs: 0, discrepant: 0, inconclusive: 0 };
        Self { pairs: Vec::new(), findings: Vec::new(), levels: Level::ALL.map(nothing), green: [0; 14] }
    }

    /// Compares one fact.
    fn hear(&mut self, case: &Case<'_>) {
        let Some(outcome) = compare::examine(case) else { return };
        let racing = case.subject.identity.as_ref().is_some_and(|identity| !identity.steady);
        let racing = racing || case.attribute == LISTENER && compare::is_racing(case);
        let disagree = compare::views_disagree(case) && !racing;
        let verdict = settled(case, &outcome, racing, disagree);
        let cause = verdict.is_discrepant().then(|| cause(case.attribute, &outcome, verdict));
        let severity = outcome.severity.unwrap_or_else(|| severity(case.attribute, verdict));
        let pair = Pair {
            subject: case.name.to_owned(),
            attribute: case.attribute,
            intent: case.intent.map(ToOwned::to_owned),
            orchestrator: outcome.orchestrator,
            kernel: outcome.kernel,
            second: case.fact.second.value().map(compare::lines),
            verdict,
            cause,
            note: outcome.note,
            views_disagree: disagree,
        };
        self.enter(pair, severity, outcome.weighs);
    }

    /// Attributes that the intent names and nobody read, of levels that were read.
    fn unobserved(&mut self, world: &World<'_>, intent: &Intent) {
        let nothing = Subject::default();
        for (name, attributes) in &intent.subjects {
            let subject = world.observation.subjects.get(name);
            // A unit that is not loaded is absent as a whole: the list of units says whether it should be there.
            if subject.is_none() && name.starts_with(subject::UNIT) {
                continue;
            }
            for (&attribute, demanded) in attributes {
                let Some(spec) = attribute.spec() else { continue };
                let known = subject.unwrap_or(&nothing);
                let read = |fact: &Attribute| fact.spec().is_some_and(|other| other.level == spec.level);
                let level_read = match subject {
                    Some(subject) => subject.facts.keys().any(read),
                    None => world.observation.subjects.values().any(|subject| subject.facts.keys().any(read)),
                };
                if known.facts.contains_key(&attribute) || !level_read {
                    continue;
                }
                let why = "the intent demands it and nobody read it".to_owned();
                let fact = Fact::kernel(Reading::Unreadable(why.clone()));
                let case = Case { world, name, subject: known, attribute, fact: &fact, intent: Some(demanded) };
                if compare::is_due(&case) {
                    let pair = Pair { note: Some(why), ..blank(name, attribute, PairVerdict::Unreadable) };
                    self.enter(Pair { intent: Some(demanded.clone()), ..pair }, Severity::Notice, true);
                }
            }
        }
        self.silent_listeners(world.observation, intent);
    }

    /// Listeners that the intent declares and the kernel does not have, where listeners were read at all.
    fn silent_listeners(&mut self, observation: &Observation, intent: &Intent) {
        let shown = |subject: &Subject| subject.facts.get(&LISTENER).is_some_and(|fact| fact.kernel.value().is_some());
        let read = observation.subjects.values().any(shown);
        let silent = |name: &&String| !observation.subjects.get(*name).is_some_and(shown);
        for name in intent.listeners.iter().filter(|name| read && silent(name)) {
            let pair = Pair {
                intent: Some("listening".to_owned()),
                cause: Some(CauseHint::Unknown),
                note: Some("the intent declares it, and nobody listens there".to_owned()),
                ..blank(name, LISTENER, PairVerdict::KernelMissing)
            };
            self.enter(pair, Severity::Medium, true);
        }
    }

    /// Units that the intent names and that are not active.
    fn absent(&mut self, observation: &Observation, intent: &Intent) {
        let manager = observation.subjects.get(subject::HOST).and_then(|host| host.facts.get(&MANAGER));
        let unknown = manager.and_then(|fact| match &fact.orchestrator {
            Reading::Unreadable(why) => Some(why.clone()),
            _ => None,
        });
        for unit in &intent.units {
            let name = format!("{}{}", subject::UNIT, unit.strip_prefix(subject::UNIT).unwrap_or(unit));
            let identity = observation.subjects.get(&name).and_then(|subject| subject.identity.as_ref());
            let state = identity.map(|identity| &*identity.active_state);
            if matches!(state, Some("active" | "reloading" | "refreshing" | "activating")) {
                continue;
            }
            let pair = Pair {
                intent: Some("active".to_owned()),
                orchestrator: state.map(ToOwned::to_owned),
                cause: Some(CauseHint::Unknown),
                note: Some("the intent names it, and it is not active".to_owned()),
                ..blank(&name, PROCESSES, PairVerdict::KernelMissing)
            };
            match &unknown {
                Some(why) if state.is_none() => {
                    let pair = Pair { note: Some(why.clone()), cause: None, ..pair };
                    self.enter(Pair { verdict: PairVerdict::Unreadable, ..pair }, Severity::Notice, true);
                }
                _ => {
                    self.enter(pair, Severity::High, true);
                    if let Some(finding) = self.findings.last_mut() {
                        finding.code = code::UNIT_ABSENT.to_owned();
                        finding.implication = crate::text::UNIT_ABSENT;
                    }
                }
            }
        }
    }

    /// Counts a pair, and reports it where it is a discrepancy.
    fn enter(&mut self, pair: Pair, severity: Severity, weighs: bool) {
        let Some(spec) = pair.attribute.spec() else { return };
        let counters = self.levels.iter_mut().zip(&mut self.green);
        if let Some((level, green)) = counters.into_iter().find(|(level, _)| level.level == spec.level) {
            *green = green.saturating_add(u32::from(pair.verdict.is_green()));
            level.pairs = level.pairs.saturating_add(1);
            level.discrepant = level.discrepant.saturating_add(u32::from(pair.verdict.is_discrepant()));
            let open = weighs && pair.verdict.is_inconclusive();
            level.inconclusive = level.inconclusive.saturating_add(u32::from(open));
        }
        if pair.verdict.is_discrepant() {
            let code = match pair.views_disagree {
                true => code::KERNEL_VIEWS_DISAGREE.to_owned(),
                false => format!("{}.{}.{}", spec.level, spec.name, pair.verdict.word()),
            };
            self.findings.push(PairFinding {
                code,
                level: spec.level,
                subject: pair.subject.clone(),
                attribute: pair.attribute,
                verdict: pair.verdict,
                severity: if pair.views_disagree { Severity::Critical } else { severity },
                cause: pair.cause,
                implication: implication(&pair),
                remedy: remedy(&pair),
            });
        }
        self.pairs.push(pair);
    }

    fn close(mut self, intent: Option<&Intent>) -> Judged {
        let tolerate = intent.is_some_and(|intent| intent.tolerate_inconclusive);
        for (level, green) in self.levels.iter_mut().zip(self.green) {
            level.result = match () {
                () if intent.is_some_and(|intent| intent.not_applicable.contains(&level.level)) => {
                    LevelResult::NotApplicable
                }
                () if level.discrepant > 0 => LevelResult::Fail,
                () if level.pairs == 0 => LevelResult::NotEvaluated,
                () if level.inconclusive > 0 && !tolerate => LevelResult::Inconclusive,
                () if green == 0 => LevelResult::Inconclusive,
                () => LevelResult::Pass,
            };
        }
        Judged { pairs: self.pairs, findings: self.findings, levels: self.levels }
    }
}

fn blank(name: &str, attribute: Attribute, verdict: PairVerdict) -> Pair {
    Pair {
        subject: name.to_owned(),
        attribute,
        intent: None,
        orchestrator: None,
        kernel: None,
        second: None,
        verdict,
        cause: None,
        note: None,
        views_disagree: false,
    }
}

/// The verdict after everything that does not depend on the values: contradicting views, a unit that did not stand
/// still, files that are newer than the processes.
fn settled(case: &Case<'_>, outcome: &Outcome, racing: bool, disagree: bool) -> PairVerdict {
    let verdict = outcome.verdict;
    if disagree {
        return PairVerdict::KernelWeaker;
    }
    if racing && (verdict.is_discrepant() || verdict == PairVerdict::Unreadable) {
        return PairVerdict::Racing;
    }
    let weak = matches!(verdict, PairVerdict::KernelWeaker | PairVerdict::KernelMissing);
    let at_start = outcome.of == Of::Process && compare::is_settled_at_start(case.attribute);
    if weak && at_start && !outcome.beside_main && compare::changed_since_start(case) {
        return PairVerdict::PendingRestart;
    }
    verdict
}

fn cause(attribute: Attribute, outcome: &Outcome, verdict: PairVerdict) -> CauseHint {
    if verdict == PairVerdict::PendingRestart {
        return CauseHint::PendingRestart;
    }
    // Limits, places and mounts can be changed from outside while a process runs; what it may do cannot be given back.
    let changeable = attribute.spec().is_some_and(|spec| matches!(spec.level, Level::V4 | Level::V6));
    let written = (outcome.of == Of::Cgroup || changeable) && verdict != PairVerdict::IntentDrift;
    outcome.cause.unwrap_or(if written { CauseHint::DirectWrite } else { CauseHint::Unknown })
}
