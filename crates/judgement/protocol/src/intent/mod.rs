//! The intent as a file that people read and sign: what each unit should have.

mod error;
mod signed;
mod unique;

use std::collections::{BTreeMap, BTreeSet};

use avouch_pairs::{Attribute, Intent, Level, subject};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::error::IntentError;
pub use self::signed::{SignedIntent, VerifyEd25519};
use crate::limits::{MAX_INTENT_BYTES, MAX_LABEL_BYTES, VERSION};

/// What a unit's name ends in (systemd.unit(5)).
const UNIT_TYPES: [&str; 11] = [
    ".automount",
    ".device",
    ".mount",
    ".path",
    ".scope",
    ".service",
    ".slice",
    ".socket",
    ".swap",
    ".target",
    ".timer",
];

/// An [`Intent`] as it is written, in JSON. Read is not yet checked: [`IntentFile::intent`] does that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentFile {
    /// Version, [`crate::VERSION`].
    pub v: u64,
    /// For people.
    pub name: String,
    /// When it was made, as its maker wrote it; decides nothing.
    pub created: String,
    /// Units that must be active, e.g. `postgresql.service`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Listeners that are declared, e.g. `listener:tcp:0.0.0.0:443`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<String>,
    /// Levels that do not apply to this machine, e.g. `V1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_applicable: Vec<String>,
    /// Whether a level passes although some of its pairs could not be decided.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub tolerate_inconclusive: bool,
    /// By subject, e.g. `unit:postgresql.service`, and attribute, e.g. `memory.max`: the value that it must have, as
    /// the normal form of the orchestrator column.
    #[serde(default, deserialize_with = "unique::subjects", skip_serializing_if = "BTreeMap::is_empty")]
    pub subjects: BTreeMap<String, BTreeMap<String, String>>,
}

impl IntentFile {
    /// The file that says this.
    pub fn of(name: &str, created: &str, intent: &Intent) -> Self {
        let attributes = |values: &BTreeMap<Attribute, String>| {
            let named =
                values.iter().filter_map(|(attribute, value)| Some((attribute.spec()?.name.into(), value.clone())));
            named.collect()
        };
        Self {
            v: VERSION,
            name: name.into(),
            created: created.into(),
            units: intent.units.iter().cloned().collect(),
            listeners: intent.listeners.iter().cloned().collect(),
            not_applicable: intent.not_applicable.iter().map(Level::to_string).collect(),
            tolerate_inconclusive: intent.tolerate_inconclusive,
            subjects: intent.subjects.iter().map(|(name, values)| (name.clone(), attributes(values))).collect(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`IntentError::Json`], [`IntentError::TooLong`]; the rest is checked by [`IntentFile::intent`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, IntentError> {
        read(bytes, MAX_INTENT_BYTES)
    }

    /// The file's text, in lines for people, with a line break at its end.
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with text keys always serialise.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// What the file says.
    ///
    /// # Errors
    /// [`IntentError`], which names the key that is wrong and what to write there.
    pub fn intent(&self) -> Result<Intent, IntentError> {
        if self.v != VERSION {
            return Err(IntentError::Version { got: self.v });
        }
        if self.name.is_empty() || self.name.len() > MAX_LABEL_BYTES {
            return Err(IntentError::Name { got: self.name.len() });
        }
        let mut subjects = BTreeMap::new();
        for (name, values) in &self.subjects {
            subjects.insert(subject_name(name)?, attributes(name, values)?);
        }
        Ok(Intent {
            subjects,
            units: each(&self.units, unit)?,
            listeners: each(&self.listeners, listener)?,
            not_applicable: each(&self.not_applicable, level)?,
            tolerate_inconclusive: self.tolerate_inconclusive,
        })
    }
}

fn each<T: Ord>(texts: &[String], read: fn(&str) -> Result<T, IntentError>) -> Result<BTreeSet<T>, IntentError> {
    texts.iter().map(|text| read(text)).collect()
}

fn unit(text: &str) -> Result<String, IntentError> {
    let typed = UNIT_TYPES.iter().any(|end| text.strip_suffix(end).is_some_and(|name| !name.is_empty()));
    // Names of units may hold colons; what stands in front of them elsewhere is a kind of subject.
    let plain = !text.contains(['/', '\n', '\t', ' ']) && !text.starts_with(subject::UNIT);
    match typed && plain {
        true => Ok(text.into()),
        false => Err(IntentError::Unit { got: text.into() }),
    }
}

/// JSON of at most `limit` bytes.
fn read<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, IntentError> {
    if bytes.len() > limit {
        return Err(IntentError::TooLong { got: bytes.len() });
    }
    serde_json::from_slice(bytes).map_err(|error| IntentError::Json {
        line: error.line(),
        column: error.column(),
        reason: error.to_string(),
    })
}

fn listener(text: &str) -> Result<String, IntentError> {
    match text.strip_prefix(subject::LISTENER) {
        Some(address) if address.contains(':') => Ok(text.into()),
        _ => Err(IntentError::Listener { got: text.into() }),
    }
}

fn level(text: &str) -> Result<Level, IntentError> {
    let level = Level::ALL.into_iter().find(|level| level.to_string() == text);
    level.ok_or_else(|| IntentError::Level { got: text.into() })
}

fn subject_name(text: &str) -> Result<String, IntentError> {
    let kinds = [subject::UNIT, subject::LISTENER, subject::SYSCTL, subject::DM, subject::PATH];
    let named = kinds.iter().any(|kind| text.strip_prefix(kind).is_some_and(|name| !name.is_empty()));
    match named || text == subject::HOST {
        true => Ok(text.into()),
        false => Err(IntentError::Subject { got: text.into() }),
    }
}

fn attributes(subject: &str, values: &BTreeMap<String, String>) -> Result<BTreeMap<Attribute, String>, IntentError> {
    let read = |(name, value): (&String, &String)| match Attribute::named(name) {
        Some(spec) => Ok((spec.attribute, value.clone())),
        None => Err(IntentError::Attribute { subject: subject.into(), got: name.clone(), near: near(name) }),
    };
    values.iter().map(read).collect()
}

/// The attribute whose name begins most like this one.
fn near(name: &str) -> Option<&'static str> {
    let shared = |other: &str| name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let best = Attribute::all().map(|spec| (shared(spec.name), spec.name)).max_by_key(|(shared, _)| *shared)?;
    (best.0 >= 3).then_some(best.1)
}
