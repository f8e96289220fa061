//! The third column: what a person signed for.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use crate::attribute::*;
use crate::{Attribute, Level, Observation, Pair, PairVerdict, judge, subject};

/// What the machine should be.
///
/// Values are normal forms of the orchestrator column, or of the kernel column where systemd states nothing of the
/// attribute. For some of these the intent is a bound and not a value: a lockdown level (at least), modules, taint
/// flags and loaded kernels (at most), a path's `MODE UID GID [FLAGS [SHA256]]` as far as it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// Attributes of subjects and the normal form that they must have.
    pub subjects: BTreeMap<String, BTreeMap<Attribute, String>>,
    /// Units that must be active.
    pub units: BTreeSet<String>,
    /// Names of listeners that are declared. Where there are none, nothing is said about listeners.
    pub listeners: BTreeSet<String>,
    /// Levels that do not apply to this machine.
    pub not_applicable: BTreeSet<Level>,
    /// Whether a level passes although some of its pairs could not be decided.
    pub tolerate_inconclusive: bool,
}

impl Intent {
    /// What it says of some subjects: for an observation that was asked for these alone, so that nothing else counts
    /// as absent.
    #[must_use]
    pub fn restricted_to(&self, keep: impl Fn(&str) -> bool) -> Self {
        let unit = |name: &String| {
            let mut subject = subject::UNIT.to_owned();
            subject.push_str(name);
            keep(&subject)
        };
        Self {
            subjects: self
                .subjects
                .iter()
                .filter(|(name, _)| keep(name))
                .map(|(name, of)| (name.clone(), of.clone()))
                .collect(),
            units: self.units.iter().filter(|name| unit(name)).cloned().collect(),
            listeners: self.listeners.iter().filter(|name| keep(name)).cloned().collect(),
            not_applicable: self.not_applicable.clone(),
            tolerate_inconclusive: self.tolerate_inconclusive,
        }
    }
}

/// What an intent would be that this observation satisfies, for a person to confirm: normal forms of the pairs that
/// are configured and in order, the active services and sockets, and the listeners that will be there tomorrow.
pub fn learn(observation: &Observation) -> Intent {
    let judged = judge(observation, None);
    let mut intent = Intent::default();
    for pair in &judged.pairs {
        learn_pair(&mut intent, observation, pair);
    }
    for (name, subject) in &observation.subjects {
        let active = subject.identity.as_ref().is_some_and(|identity| identity.active_state == "active");
        let Some(unit) = name.strip_prefix(subject::UNIT).filter(|_| active) else { continue };
        if unit.ends_with(".service") || unit.ends_with(".socket") {
            intent.units.insert(unit.to_owned());
        }
    }
    intent
}

fn learn_pair(intent: &mut Intent, observation: &Observation, pair: &Pair) {
    if !pair.verdict.is_green() {
        return;
    }
    if pair.attribute == LISTENER {
        if !crate::compare::is_passing(&pair.subject) {
            intent.listeners.insert(pair.subject.clone());
        }
        return;
    }
    let configured = matches!(pair.verdict, PairVerdict::Match | PairVerdict::KernelStricter);
    let of_kernel = is_of_kernel(pair.attribute);
    let value = if of_kernel { &pair.kernel } else { &pair.orchestrator };
    let Some(value) = value.as_ref().filter(|_| configured || of_kernel) else { return };
    if changes_by_itself(pair.attribute) || is_of_dynamic_user(observation, pair) {
        return;
    }
    intent.subjects.entry(pair.subject.clone()).or_default().insert(pair.attribute, value.clone());
}

/// What the kernel alone shows, and shows again after an update: digests of its configuration, of policies and of
/// profiles are another value then, and only a person can tell that they should be as they are.
fn is_of_kernel(attribute: Attribute) -> bool {
    matches!(attribute, LOCKDOWN | MODULE_SIG_ENFORCE | SELINUX_SETTINGS | PRIVILEGED_FILES)
}

/// What is another value at every start or every day.
fn changes_by_itself(attribute: Attribute) -> bool {
    matches!(
        attribute,
        PROCESSES
            | CGROUP_ID
            | CGROUP_FREEZE
            | UNIT_FRESHNESS
            | MANAGER
            | CGROUP_MAIN
            | MEMORY_EFFECTIVE
            | PIDS_EFFECTIVE
            | CPU_EFFECTIVE
    )
}

fn is_of_dynamic_user(observation: &Observation, pair: &Pair) -> bool {
    let facts = observation.subjects.get(&pair.subject).map(|subject| &subject.facts);
    let dynamic = facts.and_then(|facts| facts.get(&DYNAMIC_USER)).and_then(|fact| fact.orchestrator.value());
    matches!(pair.attribute, UID | GID) && dynamic == Some("yes")
}
