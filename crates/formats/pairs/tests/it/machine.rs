//! Observations written down by hand.

use avouch_pairs::{
    Attribute, Fact, Intent, Judged, Observation, Pair, PairVerdict, Reading, UnitIdentity, judge, subject,
};

/// The main process of every unit here.
pub(crate) const MAIN: u32 = 221;
/// When it started.
pub(crate) const STARTED: u64 = 1_000_000;

/// A machine, and the subject that facts are added to.
pub(crate) struct Machine {
    pub(crate) observation: Observation,
    subject: String,
}

pub(crate) fn value(raw: &str) -> Reading {
    Reading::Value(raw.to_owned())
}

impl Machine {
    /// A machine with one running service.
    pub(crate) fn running(unit: &str) -> Self {
        Self { observation: Observation::default(), subject: String::new() }.unit(unit)
    }

    /// Another running service.
    pub(crate) fn unit(mut self, unit: &str) -> Self {
        self.subject = format!("{}{unit}", subject::UNIT);
        let identity = UnitIdentity {
            invocation: "f3589999dbba4ecf926cc62ba66e4c72".to_owned(),
            main_pid: MAIN,
            main_start: 2_114,
            active_state: "active".to_owned(),
            sub_state: "running".to_owned(),
            started_usec: STARTED,
            attempts: 1,
            steady: true,
        };
        self.observation.subjects.entry(self.subject.clone()).or_default().identity = Some(identity);
        self
    }

    /// Facts are added to this subject from now on.
    pub(crate) fn subject(mut self, name: &str) -> Self {
        self.subject = name.to_owned();
        self.observation.subjects.entry(self.subject.clone()).or_default();
        self
    }

    pub(crate) fn identity(mut self, change: impl FnOnce(&mut UnitIdentity)) -> Self {
        let subject = self.observation.subjects.entry(self.subject.clone()).or_default();
        change(subject.identity.get_or_insert_default());
        self
    }

    pub(crate) fn fact(mut self, attribute: Attribute, orchestrator: Reading, kernel: Reading) -> Self {
        let fact = Fact { orchestrator, kernel, second: Reading::NotRead };
        self.observation.subjects.entry(self.subject.clone()).or_default().facts.insert(attribute, fact);
        self
    }

    /// Both witnesses speak.
    pub(crate) fn pair(self, attribute: Attribute, orchestrator: &str, kernel: &str) -> Self {
        self.fact(attribute, value(orchestrator), value(kernel))
    }

    pub(crate) fn stated(self, attribute: Attribute, orchestrator: &str) -> Self {
        self.fact(attribute, value(orchestrator), Reading::NotRead)
    }

    pub(crate) fn seen(self, attribute: Attribute, kernel: &str) -> Self {
        self.fact(attribute, Reading::NotRead, value(kernel))
    }

    pub(crate) fn second(mut self, attribute: Attribute, second: Reading) -> Self {
        let subject = self.observation.subjects.entry(self.subject.clone()).or_default();
        if let Some(fact) = subject.facts.get_mut(&attribute) {
            fact.second = second;
        }
        self
    }

    pub(crate) fn judged(&self) -> Judged {
        judge(&self.observation, None)
    }

    pub(crate) fn beside(&self, intent: &Intent) -> Judged {
        judge(&self.observation, Some(intent))
    }

    /// The pair of the subject that was added to last.
    pub(crate) fn find(&self, attribute: Attribute) -> Option<Pair> {
        of(&self.judged(), &self.subject, attribute)
    }

    pub(crate) fn verdict(&self, attribute: Attribute) -> PairVerdict {
        self.find(attribute).unwrap_or_else(|| panic!("no pair of {attribute:?}")).verdict
    }

    /// Codes of all findings.
    pub(crate) fn codes(&self) -> Vec<String> {
        codes(&self.judged())
    }
}

pub(crate) fn codes(judged: &Judged) -> Vec<String> {
    judged.findings.iter().map(|finding| format!("{} {}", finding.subject, finding.code)).collect()
}

pub(crate) fn of(judged: &Judged, subject: &str, attribute: Attribute) -> Option<Pair> {
    judged.pairs.iter().find(|pair| pair.subject == subject && pair.attribute == attribute).cloned()
}
