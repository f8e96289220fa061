//! A fact under comparison, and what a rule may know beside it.

use super::{Demand, Of, credentials};
use crate::attribute::{CAP_LAST_CAP, CGROUP_HIERARCHY, CGROUP_ID, CGROUP_MAIN, DELEGATE, PROCESSES};
use crate::{Attribute, Fact, Intent, Observation, Reading, Subject, subject};

/// What all cases of one judgement share.
pub(crate) struct World<'a> {
    pub(crate) observation: &'a Observation,
    pub(crate) intent: Option<&'a Intent>,
    /// Every capability that this kernel knows.
    pub(crate) capabilities: u64,
    /// False on a host whose units have no cgroup v2 files.
    pub(crate) unified: bool,
}

/// A fact under comparison, and what else is known of its subject.
pub(crate) struct Case<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) name: &'a str,
    pub(crate) subject: &'a Subject,
    pub(crate) attribute: Attribute,
    pub(crate) fact: &'a Fact,
    /// What the intent demands of it.
    pub(crate) intent: Option<&'a str>,
}

// === impl World ===

impl<'a> World<'a> {
    pub(crate) fn new(observation: &'a Observation, intent: Option<&'a Intent>) -> Self {
        let host = observation.subjects.get(subject::HOST);
        let fact = |attribute| host.and_then(|host| host.facts.get(&attribute)).and_then(|fact| fact.kernel.value());
        let last = fact(CAP_LAST_CAP).and_then(|last| last.trim().parse::<u32>().ok());
        let unknown_above = last.and_then(|last| last.checked_add(1)).and_then(|bits| u64::MAX.checked_shl(bits));
        Self {
            observation,
            intent,
            capabilities: if last.is_some() { !unknown_above.unwrap_or(0) } else { credentials::KNOWN },
            unified: fact(CGROUP_HIERARCHY).is_none_or(|kind| kind == "unified"),
        }
    }

    /// What the kernel shows of the host.
    pub(crate) fn host(&self, attribute: Attribute) -> Option<&'a str> {
        self.observation.subjects.get(subject::HOST)?.facts.get(&attribute)?.kernel.value()
    }
}

// === impl Case ===

impl<'a> Case<'a> {
    /// The subject's name without its kind.
    pub(crate) fn bare_name(&self) -> &'a str {
        self.name.split_once(':').map_or(self.name, |(_, name)| name)
    }

    /// What systemd states of another attribute of the subject.
    pub(crate) fn stated(&self, attribute: Attribute) -> Option<&'a str> {
        self.subject.facts.get(&attribute)?.orchestrator.value()
    }

    /// What the kernel shows of another attribute of the subject.
    pub(crate) fn seen(&self, attribute: Attribute) -> Option<&'a str> {
        self.reading(attribute).value()
    }

    pub(crate) fn yes(&self, attribute: Attribute) -> bool {
        self.stated(attribute) == Some("yes")
    }

    pub(super) fn reading(&self, attribute: Attribute) -> &'a Reading {
        self.subject.facts.get(&attribute).map_or(&Reading::NotRead, |fact| &fact.kernel)
    }

    /// What systemd states of the attribute, where `read` understands it.
    pub(crate) fn demand(&self, read: impl Fn(&str) -> Option<Demand>) -> Demand {
        match &self.fact.orchestrator {
            Reading::Value(raw) => read(raw).unwrap_or_else(|| {
                Demand::unknown("systemd's value is spelled in a way that this release does not know")
            }),
            Reading::Unreadable(why) => Demand::unknown(why),
            Reading::Absent | Reading::NotSupported(_) | Reading::NotRead => Demand::default(),
        }
    }

    pub(crate) fn main_pid(&self) -> u32 {
        self.subject.identity.as_ref().map_or(0, |identity| identity.main_pid)
    }

    /// Whether the unit hands its cgroup to a program that manages processes of its own.
    pub(crate) fn is_delegated(&self) -> bool {
        self.yes(DELEGATE)
    }

    /// Whether the unit is between states, when control processes with settings of their own run in it.
    pub(crate) fn is_changing(&self) -> bool {
        self.subject.identity.as_ref().is_some_and(|identity| {
            matches!(
                &*identity.active_state,
                "activating" | "deactivating" | "reloading" | "refreshing" | "maintenance"
            )
        })
    }

    fn is_inactive(&self) -> bool {
        self.subject.identity.as_ref().is_some_and(|identity| matches!(&*identity.active_state, "inactive" | "failed"))
    }

    /// Whether there is something whose evidence could be compared. A unit that does not run, or whose processes are
    /// through, has nothing that the kernel could enforce on.
    pub(super) fn is_due(&self, of: Of) -> bool {
        let gone = matches!(self.reading(CGROUP_ID), Reading::Absent);
        match of {
            Of::Anything => true,
            Of::Cgroup => !self.is_inactive() && (!gone || self.main_pid() != 0),
            Of::Process if self.attribute == CGROUP_MAIN => !self.is_inactive() && self.main_pid() != 0,
            Of::Process => !self.is_inactive() && self.has_processes(),
        }
    }

    /// Whether the kernel shows processes in the unit's cgroup; by the main process where nobody looked.
    fn has_processes(&self) -> bool {
        match self.reading(PROCESSES) {
            Reading::Value(pids) => !pids.is_empty(),
            Reading::Absent => false,
            Reading::NotRead | Reading::NotSupported(_) | Reading::Unreadable(_) => self.main_pid() != 0,
        }
    }
}
