//! What proven reports say.

use std::collections::VecDeque;

use avouch_pairs::Observation;
use avouch_protocol::{Hash, Report, ReportError};

use super::SentReport;

/// Observations of reports before the newest that are kept beside it, at most.
const EARLIER: usize = 32;
/// Facts of those, at most: each takes some hundred bytes.
const EARLIER_FACTS: usize = 500_000;

/// What the reports of an evidence say, once the quote shows all of them in the chain PCR. Only an appraisal makes one.
///
/// Whether they were signed while the boot state was approved is the verdict's claim `report`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenReports {
    digest: Hash,
    observation: Observation,
    earlier: Vec<Observation>,
}

impl ProvenReports {
    /// SHA-256 of the newest report.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// What the newest report shows.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// What the reports since the last evidence showed before the newest, oldest first; the last 32 at most. A
    /// divergence that came and went between two rounds stands in them.
    pub fn earlier(&self) -> &[Observation] {
        &self.earlier
    }

    /// The observation, for whoever stores it.
    pub fn into_observation(self) -> Observation {
        self.observation
    }

    /// The newest report that was sent before and is bound anew.
    pub(super) fn unchanged(digest: Hash, observation: Observation) -> Self {
        Self { digest, observation, earlier: Vec::new() }
    }

    /// Unfolds reports one after the other, the first from `base`.
    pub(super) fn of(reports: &[SentReport], base: Option<(Hash, &Observation)>) -> Result<Option<Self>, Unread> {
        let mut newest: Option<(Hash, Result<Observation, Unread>)> = None;
        let mut earlier = VecDeque::new();
        let mut facts = 0usize;
        for sent in reports {
            let before = match &newest {
                Some((digest, Ok(observation))) => Some((*digest, observation)),
                Some((_, Err(_))) => None,
                None => base,
            };
            let read = sent.read.as_ref().map_err(|error| Unread::Malformed(error.to_string()));
            let observation = read.and_then(|report| unfolded(report, before));
            if let Some((_, Ok(observation))) = newest.replace((sent.digest, observation)) {
                facts = facts.saturating_add(count(&observation));
                earlier.push_back(observation);
            }
            while earlier.len() > EARLIER || facts > EARLIER_FACTS {
                let Some(oldest) = earlier.pop_front() else { break };
                facts = facts.saturating_sub(count(&oldest));
            }
        }
        match newest {
            None => Ok(None),
            Some((digest, observation)) => {
                Ok(Some(Self { digest, observation: observation?, earlier: earlier.into() }))
            }
        }
    }
}

fn count(observation: &Observation) -> usize {
    observation.subjects.values().map(|subject| subject.facts.len()).fold(0, usize::saturating_add)
}

/// Why the newest report says nothing.
#[derive(Clone, Debug)]
pub(super) enum Unread {
    /// It is no report, or contradicts itself.
    Malformed(String),
    /// It is a difference to a report that is not at hand.
    Base(Hash),
}

fn unfolded(report: &Report, before: Option<(Hash, &Observation)>) -> Result<Observation, Unread> {
    let base = match report.base {
        None => None,
        Some(wanted) => match before {
            Some((digest, observation)) if digest == wanted => Some(observation),
            _ => return Err(Unread::Base(wanted)),
        },
    };
    report.observation(base).map_err(|error: ReportError| Unread::Malformed(error.to_string()))
}
