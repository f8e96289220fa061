//! What the policy demands of the paired report: the levels that must hold, and what was intended.

use std::collections::BTreeSet;

use avouch_pairs::{Intent, Level};
use avouch_protocol::intent::IntentFile;
use serde::{Deserialize, Serialize};

use super::PolicyError;

/// The levels that a section demands where its maker does not say which: those that reports speak of.
const REPORTED: core::ops::RangeInclusive<u8> = 4..=14;
/// PCRs that may be the cap: static ones that only a TPM reset clears, and that neither firmware, loader nor IMA
/// writes (TCG PC Client Platform TPM Profile, PCR attributes).
const CAP_PCRS: [u8; 4] = [8, 13, 14, 15];
/// Longest pattern of finding codes.
const MAX_PATTERN: usize = 128;

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObservationSection {
    /// Levels that must hold, e.g. `V4`.
    pub(super) required: Vec<String>,
    /// Levels that do not apply to these machines; what the intent lists is added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) not_applicable: Vec<String>,
    /// A level holds although some of its pairs could not be told.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) tolerate_inconclusive: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) intent: Option<IntentFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cap: Option<CapSection>,
}

/// Which findings end every pass until the next boot session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CapSection {
    pub(super) pcr: u8,
    /// Codes of findings; `*` at the end stands for anything.
    pub(super) on: Vec<String>,
}

/// A change of what a policy demands of the paired report. What is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ObservationChange {
    /// What was intended.
    pub intent: Option<IntentFile>,
    /// Levels that must hold; in a new section, where it is `None`, V4 to V14 without those that do not apply.
    pub required: Option<Vec<Level>>,
    /// Levels that do not apply.
    pub not_applicable: Option<Vec<Level>>,
    /// Whether a level holds although some of its pairs could not be told.
    pub tolerate_inconclusive: Option<bool>,
}

/// What a policy demands of the paired report. There is none in a policy without the section.
#[derive(Debug)]
pub(crate) struct Demand {
    required: BTreeSet<Level>,
    intent: Intent,
    cap: Option<u8>,
}

// === impl Demand ===

impl Demand {
    pub(super) fn from_file(section: &ObservationSection) -> Result<Self, PolicyError> {
        let required = levels("observation.required", &section.required)?;
        if required.is_empty() {
            return Err(PolicyError::Missing { section: "observation.required" });
        }
        let mut intent = match &section.intent {
            Some(file) => file.intent().map_err(|error| PolicyError::Intent { reason: error.to_string() })?,
            None => Intent::default(),
        };
        intent.not_applicable.extend(levels("observation.not_applicable", &section.not_applicable)?);
        intent.tolerate_inconclusive |= section.tolerate_inconclusive;
        if let Some(both) = required.intersection(&intent.not_applicable).next() {
            return Err(PolicyError::Level { section: "observation.not_applicable", got: both.to_string() });
        }
        Ok(Self { required, intent, cap: section.cap.as_ref().map(CapSection::checked).transpose()? })
    }

    /// The demand of a new section.
    #[cfg(test)]
    pub(crate) fn of(change: ObservationChange) -> Result<Self, PolicyError> {
        Self::from_file(&change.over(None))
    }

    /// The levels that must hold, lowest first.
    pub(crate) fn required(&self) -> impl Iterator<Item = Level> + '_ {
        self.required.iter().copied()
    }

    /// True for a level that must hold.
    pub(crate) fn requires(&self, level: Level) -> bool {
        self.required.contains(&level)
    }

    /// What the pairs are compared with.
    pub(crate) fn intent(&self) -> &Intent {
        &self.intent
    }

    /// The PCR of the cap.
    pub(crate) fn cap_pcr(&self) -> Option<u8> {
        self.cap
    }
}

// === impl ObservationChange ===

impl ObservationChange {
    /// The section after the change.
    pub(super) fn over(self, before: Option<&ObservationSection>) -> ObservationSection {
        let written = |levels: Vec<Level>| levels.iter().map(Level::to_string).collect::<Vec<_>>();
        let intent = self.intent.or_else(|| before.and_then(|before| before.intent.clone()));
        let stay = |of: fn(&ObservationSection) -> &Vec<String>| before.map(|before| of(before).clone());
        let not_applicable = self.not_applicable.map(written).or_else(|| stay(|before| &before.not_applicable));
        let not_applicable = not_applicable.unwrap_or_default();
        let out = intent.iter().flat_map(|intent| &intent.not_applicable).chain(&not_applicable).collect::<Vec<_>>();
        let reported = || {
            let levels = Level::ALL.into_iter().filter(|level| REPORTED.contains(&level.number()));
            levels.map(|level| level.to_string()).filter(|level| !out.contains(&level)).collect()
        };
        let required = self.required.map(written).or_else(|| stay(|before| &before.required)).unwrap_or_else(reported);
        let tolerated = before.is_some_and(|before| before.tolerate_inconclusive);
        ObservationSection {
            required,
            tolerate_inconclusive: self.tolerate_inconclusive.unwrap_or(tolerated),
            cap: before.and_then(|before| before.cap.clone()),
            not_applicable,
            intent,
        }
    }
}

// === impl ObservationSection ===

impl ObservationSection {
    /// One order, so that the same section gives the same bytes.
    pub(super) fn sort(&mut self) {
        let number = |text: &String| text.get(1..).and_then(|number| number.parse::<u8>().ok());
        self.required.sort_by_key(number);
        self.not_applicable.sort_by_key(number);
        if let Some(intent) = &mut self.intent {
            intent.units.sort();
            intent.listeners.sort();
            intent.not_applicable.sort_by_key(number);
        }
        self.cap.iter_mut().for_each(|cap| cap.on.sort());
    }
}

// === impl CapSection ===

impl CapSection {
    fn checked(&self) -> Result<u8, PolicyError> {
        if !CAP_PCRS.contains(&self.pcr) {
            return Err(PolicyError::Pcr { section: "observation.cap.pcr", got: self.pcr.to_string() });
        }
        if self.on.is_empty() {
            return Err(PolicyError::Missing { section: "observation.cap.on" });
        }
        match self.on.iter().find(|pattern| !is_pattern(pattern)) {
            Some(bad) => Err(PolicyError::Word { section: "observation.cap.on", got: bad.chars().take(64).collect() }),
            None => Ok(self.pcr),
        }
    }
}

/// A finding's code, or the beginning of one and `*`.
fn is_pattern(text: &str) -> bool {
    let stem = text.strip_suffix('*').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !stem.is_empty() && text.len() <= MAX_PATTERN && stem.bytes().all(plain)
}

/// Levels in their one spelling, each once.
fn levels(section: &'static str, written: &[String]) -> Result<BTreeSet<Level>, PolicyError> {
    let mut levels = BTreeSet::new();
    for text in written {
        let level = Level::ALL.into_iter().find(|level| level.to_string() == *text);
        if !level.is_some_and(|level| levels.insert(level)) {
            return Err(PolicyError::Level { section, got: text.chars().take(64).collect() });
        }
    }
    Ok(levels)
}

fn is_false(flag: &bool) -> bool {
    !*flag
}
