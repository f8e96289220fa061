//! What both forms are read into: values with the lines that they stand on.

use super::SettingsError;

/// A value as it stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Flag(bool),
    Number(i64),
    Text(String),
    List(Vec<Node>),
    Section(Vec<Entry>),
    /// What no key takes: a float, a date, a number that is too large.
    Other(String),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: Node,
}

impl Node {
    /// The refusal of this value for `key`.
    pub(super) fn refused(&self, key: &str, wanted: &'static str) -> SettingsError {
        SettingsError::Value { line: self.line, key: key.into(), wanted, got: self.shown() }
    }

    /// The value as a message shows it.
    pub(super) fn shown(&self) -> String {
        let text = match &self.kind {
            Kind::Flag(flag) => flag.to_string(),
            Kind::Number(number) => number.to_string(),
            Kind::Text(text) => format!("{text:?}"),
            Kind::List(_) => "a list".into(),
            Kind::Section(_) => "a section".into(),
            Kind::Other(text) => text.clone(),
        };
        text.chars().take(80).collect()
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, SettingsError> {
        match self.kind {
            Kind::Flag(flag) => Ok(flag),
            _ => Err(self.refused(key, "true or false")),
        }
    }

    pub(super) fn text(&self, key: &str, wanted: &'static str) -> Result<&str, SettingsError> {
        match &self.kind {
            Kind::Text(text) => Ok(text),
            _ => Err(self.refused(key, wanted)),
        }
    }

    pub(super) fn list(&self, key: &str, wanted: &'static str) -> Result<&[Node], SettingsError> {
        match &self.kind {
            Kind::List(values) => Ok(values),
            _ => Err(self.refused(key, wanted)),
        }
    }

    pub(super) fn section(&self, key: &str, wanted: &'static str) -> Result<&[Entry], SettingsError> {
        match &self.kind {
            Kind::Section(entries) => Ok(entries),
            _ => Err(self.refused(key, wanted)),
        }
    }
}
