//! The third column: what a person signed for.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use crate::{Attribute, Level, Observation};

/// What the machine should be, in normal forms of the orchestrator column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// Attributes of subjects and the normal form that they must have.
    pub subjects: BTreeMap<String, BTreeMap<Attribute, String>>,
    /// Units that must be active.
    pub units: BTreeSet<String>,
    /// Names of listeners that are declared.
    pub listeners: BTreeSet<String>,
    /// Levels that do not apply to this machine.
    pub not_applicable: BTreeSet<Level>,
    /// Whether a level passes although some of its pairs could not be decided.
    pub tolerate_inconclusive: bool,
}

/// What an intent would be that this observation satisfies, for a person to confirm: the orchestrator's normal forms
/// of the pairs that are green and configured, the active services, and the listeners.
pub fn learn(observation: &Observation) -> Intent {
    let _ = observation;
    Intent::default()
}
