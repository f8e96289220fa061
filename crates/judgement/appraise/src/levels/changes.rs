//! What is another in the newer of two observations.

use std::collections::BTreeMap;

use avouch_pairs::{Attribute, Fact, Observation, Reading, Subject};
use serde::{Deserialize, Serialize};

use super::facts::{names, shown};
use crate::text::printable;

/// One reading that is another one now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactChange {
    /// What the fact is about, e.g. `unit:postgresql.service`.
    pub subject: String,
    /// `V1` to `V14`; empty for a change of the subject itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub level: String,
    /// The attribute's name; `subject` where the subject itself came or went, `run` where a unit was started anew.
    pub attribute: String,
    /// Whose reading it is: `systemd`, `kernel` or `second`; empty for a change of the subject itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub witness: String,
    /// What it was; absent where it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is now; absent where it is not read any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One witness's column of a fact.
type Column = fn(&Fact) -> &Reading;

/// What changed from `before` to `after`, by subject and attribute: at most `most` changes, and how many more there
/// are. Of a subject that came or went that alone is told.
pub fn changes(before: &Observation, after: &Observation, most: usize) -> (Vec<FactChange>, u64) {
    let mut told = Told { changes: Vec::new(), most, more: 0 };
    let all: BTreeMap<&String, ()> =
        before.subjects.keys().chain(after.subjects.keys()).map(|name| (name, ())).collect();
    for name in all.into_keys() {
        match (before.subjects.get(name), after.subjects.get(name)) {
            (Some(before), Some(after)) => told.subject(name, before, after),
            (was, is) => told.push(FactChange {
                before: was.map(|_| "there".into()),
                after: is.map(|_| "there".into()),
                ..FactChange::of(name, "subject")
            }),
        }
    }
    (told.changes, told.more)
}

struct Told {
    changes: Vec<FactChange>,
    most: usize,
    more: u64,
}

impl Told {
    fn push(&mut self, change: FactChange) {
        if self.changes.len() < self.most {
            self.changes.push(change);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn subject(&mut self, name: &str, before: &Subject, after: &Subject) {
        let run = |subject: &Subject| {
            let run = subject.identity.as_ref()?;
            Some(printable(format!("{} {}, run {}", run.active_state, run.sub_state, run.invocation).as_bytes()))
        };
        let (was, is) = (run(before), run(after));
        if was != is {
            self.push(FactChange { before: was, after: is, ..FactChange::of(name, "run") });
        }
        let attributes: BTreeMap<Attribute, ()> =
            before.facts.keys().chain(after.facts.keys()).map(|attribute| (*attribute, ())).collect();
        for attribute in attributes.into_keys() {
            self.fact(name, attribute, before.facts.get(&attribute), after.facts.get(&attribute));
        }
    }

    fn fact(&mut self, name: &str, attribute: Attribute, before: Option<&Fact>, after: Option<&Fact>) {
        let witnesses: [(&str, Column); 3] =
            [("systemd", |fact| &fact.orchestrator), ("kernel", |fact| &fact.kernel), ("second", |fact| &fact.second)];
        for (witness, of) in witnesses {
            let (was, is) = (before.map(of), after.map(of));
            if was.unwrap_or(&Reading::NotRead) != is.unwrap_or(&Reading::NotRead) {
                let (level, attribute) = names(attribute);
                let change = FactChange::of(name, &attribute);
                let (before, after) = (was.and_then(told), is.and_then(told));
                self.push(FactChange { level, witness: witness.into(), before, after, ..change });
            }
        }
    }
}

impl FactChange {
    fn of(subject: &str, attribute: &str) -> Self {
        Self {
            subject: printable(subject.as_bytes()),
            level: String::new(),
            attribute: attribute.into(),
            witness: String::new(),
            before: None,
            after: None,
        }
    }
}

fn told(reading: &Reading) -> Option<String> {
    match reading {
        Reading::Value(value) => Some(shown(value)),
        Reading::Absent => Some("absent".into()),
        Reading::Unreadable(why) => Some(format!("unreadable: {}", shown(why))),
        Reading::NotSupported(why) => Some(format!("not supported: {}", shown(why))),
        Reading::NotRead => None,
    }
}
