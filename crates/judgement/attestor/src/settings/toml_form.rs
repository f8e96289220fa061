//! The native form.

use toml::de::{DeTable, DeValue};

use super::node::{Entry, Kind, Node};
use super::{MAX_SETTINGS_BYTES, SettingsError};

pub(super) fn read(text: &str) -> Result<Vec<Entry>, SettingsError> {
    if text.len() > MAX_SETTINGS_BYTES {
        return Err(SettingsError::TooLong { got: text.len() });
    }
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| {
        let line = lines.at(error.span().map_or(0, |span| span.start));
        SettingsError::Syntax { line, reason: error.message().to_owned() }
    })?;
    Ok(entries(table.get_ref(), &lines))
}

// The parser bounds the depth (80 levels).
fn entries(table: &DeTable<'_>, lines: &Lines) -> Vec<Entry> {
    let entry = |key: &toml::Spanned<_>, value: &toml::Spanned<DeValue<'_>>| Entry {
        line: lines.at(key.span().start),
        key: String::from(std::borrow::Cow::as_ref(key.get_ref())),
        value: node(value, lines),
    };
    let mut entries: Vec<Entry> = table.iter().map(|(key, value)| entry(key, value)).collect();
    // The table is sorted by key; what is refused first should be what stands first.
    entries.sort_by_key(|entry| entry.line);
    entries
}

fn node(value: &toml::Spanned<DeValue<'_>>, lines: &Lines) -> Node {
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Boolean(flag) => Kind::Flag(*flag),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Kind::Number(number),
            Err(_) => Kind::Other(number.to_string()),
        },
        DeValue::Array(values) => Kind::List(values.iter().map(|value| node(value, lines)).collect()),
        DeValue::Table(table) => Kind::Section(entries(table, lines)),
        DeValue::Float(number) => Kind::Other(number.to_string()),
        DeValue::Datetime(time) => Kind::Other(time.to_string()),
    };
    Node { line: lines.at(value.span().start), kind }
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte).saturating_add(1)
    }
}
