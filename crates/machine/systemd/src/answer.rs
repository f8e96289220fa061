//! Properties as they came, and the facts they make.

use std::collections::BTreeMap;

use avouch_pairs::{Attribute, Fact, Reading};
use zbus::{OwnedVariant, Variant};

use crate::dbus::{Answer, Failure, Message};
use crate::property::{self, On, Row};

/// A property of a unit.
pub(crate) type Key = (On, &'static str);

/// The error of a property that the interface does not have.
const UNKNOWN: [&str; 2] =
    ["org.freedesktop.DBus.Error.UnknownProperty", "org.freedesktop.DBus.Error.UnknownInterface"];

/// What came of asking for one property.
#[derive(Debug)]
enum Got {
    Value(OwnedVariant),
    Unknown,
    Failed(String),
}

/// The answers to one exchange.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    by_key: BTreeMap<Key, Got>,
}

// === impl Got ===

impl From<Answer> for Got {
    fn from(answer: Answer) -> Self {
        match answer {
            Ok(message) => variant(&message).map_or_else(Self::Failed, Self::Value),
            Err(Failure { name, .. }) if UNKNOWN.contains(&name.as_str()) => Self::Unknown,
            Err(Failure { name, .. }) => Self::Failed(format!("systemd answered with {name}")),
        }
    }
}

/// The value that an answer to `Get` carries.
fn variant(message: &Message) -> Result<OwnedVariant, String> {
    if let Some(basic) = message.basic() {
        return basic.try_into().map_err(|error: zbus::Error| error.to_string());
    }
    let body = message.body("v")?;
    let (value, _) = body.deserialize::<Variant<'_>>().map_err(|error| error.to_string())?;
    value.try_to_owned().map_err(|error| error.to_string())
}

// === impl Answers ===

impl Answers {
    pub(crate) fn of(answers: Vec<(Key, Answer)>) -> Self {
        Self { by_key: answers.into_iter().map(|(key, answer)| (key, answer.into())).collect() }
    }

    /// Properties that this systemd does not have.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = Key> {
        self.by_key.iter().filter(|(_, got)| matches!(got, Got::Unknown)).map(|(key, _)| *key)
    }

    /// The facts of some rows; `version` names systemd for people.
    pub(crate) fn facts(&self, rows: impl Iterator<Item = &'static Row>, version: &str) -> BTreeMap<Attribute, Fact> {
        rows.map(|row| (row.attribute, Fact::orchestrator(self.reading(row, version)))).collect()
    }

    /// A property's text, if it is one.
    pub(crate) fn text(&self, key: Key) -> Option<String> {
        self.value(key).and_then(property::string).map(str::to_owned)
    }

    /// A property's number, if it is one.
    pub(crate) fn number(&self, key: Key) -> Option<u64> {
        match self.value(key)? {
            Variant::U64(number) => Some(*number),
            Variant::U32(number) => Some(u64::from(*number)),
            _ => None,
        }
    }

    /// A property's items, where it is an array of strings.
    pub(crate) fn strings(&self, key: Key) -> Vec<String> {
        let items = self.value(key).and_then(property::strings).unwrap_or_default();
        items.into_iter().map(str::to_owned).collect()
    }

    /// A property's items, where it is an array of pairs of strings.
    pub(crate) fn pairs(&self, key: Key) -> Vec<(String, String)> {
        let rows = self.value(key).and_then(property::rows).unwrap_or_default();
        let pair = |row: &[Variant<'_>]| {
            let (first, second) = (property::string(row.first()?)?, property::string(row.get(1)?)?);
            Some((first.to_owned(), second.to_owned()))
        };
        rows.into_iter().filter_map(pair).collect()
    }

    /// A property's bytes in hexadecimal; empty for no bytes and for zeros alone.
    pub(crate) fn hexadecimal(&self, key: Key) -> Option<String> {
        let bytes = property::bytes(self.value(key)?)?;
        Some(if bytes.iter().all(|byte| *byte == 0) { String::new() } else { property::hexadecimal(&bytes) })
    }

    fn value(&self, key: Key) -> Option<&Variant<'static>> {
        match self.by_key.get(&key)? {
            Got::Value(value) => Some(value),
            _ => None,
        }
    }

    fn reading(&self, row: &Row, version: &str) -> Reading {
        if let Some(value) = row.newer.and_then(|name| self.value((row.on, name)))
            && let Some(spelled) = (row.spell)(&[value])
        {
            return spelled.into();
        }
        let mut values = Vec::with_capacity(row.properties.len());
        for name in row.properties {
            match self.by_key.get(&(row.on, *name)) {
                Some(Got::Value(value)) => values.push(&**value),
                // What is unknown is asked once a connection, and then missing here.
                Some(Got::Unknown) | None => return Reading::NotSupported(format!("{version} has no {name}")),
                Some(Got::Failed(reason)) => return Reading::Unreadable(format!("{name}: {reason}")),
            }
        }
        match (row.spell)(&values) {
            Some(spelled) => spelled.into(),
            None => {
                let names = row.properties.join(", ");
                Reading::Unreadable(format!("{names}: another type than systemd's interface states"))
            }
        }
    }
}
