//! The foreign form, `attestation.yaml`: its seven keys and `version`.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::node::{Entry, Kind, Node};
use super::{MAX_SETTINGS_BYTES, SettingsError, SettingsWarning};

/// Reads the keys that exist in this form; the others are warned of.
pub(super) fn read(text: &str) -> Result<(Vec<Entry>, Vec<SettingsWarning>), SettingsError> {
    if text.len() > MAX_SETTINGS_BYTES {
        return Err(SettingsError::TooLong { got: text.len() });
    }
    // An empty file says nothing, as does one of comments.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok((Vec::new(), Vec::new()));
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let Foreign(entries, warnings) = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(1, |location| line(location.line()));
        SettingsError::Syntax { line, reason: error.to_string() }
    })?;
    Ok((entries, warnings))
}

struct Foreign(Vec<Entry>, Vec<SettingsWarning>);

impl<'de> Deserialize<'de> for Foreign {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ForeignVisitor)
    }
}

struct ForeignVisitor;

impl<'de> Visitor<'de> for ForeignVisitor {
    type Value = Foreign;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Foreign, A::Error> {
        let (mut entries, mut warnings) = (Vec::new(), Vec::new());
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let at = line(key.referenced.line());
            // Each key is read as what it must be: an unquoted digest of digits alone would else become a number.
            let value = match key.value.as_str() {
                "version" => map.next_value::<Option<Spanned<i64>>>()?.map(|value| node(&value, |n| Kind::Number(*n))),
                "require_tpm" | "require_secure_boot" => {
                    map.next_value::<Option<Spanned<bool>>>()?.map(|value| node(&value, |flag| Kind::Flag(*flag)))
                }
                "refresh_interval" | "hmac_key_path" => map.next_value::<Option<Spanned<String>>>()?.map(|v| text(&v)),
                "policy_files" => map
                    .next_value::<Option<Spanned<Vec<Spanned<String>>>>>()?
                    .map(|value| node(&value, |files| Kind::List(files.iter().map(text).collect()))),
                "expected_pcrs" | "service_binaries" => map
                    .next_value::<Option<Spanned<Pairs>>>()?
                    .map(|value| node(&value, |Pairs(pairs)| Kind::Section(pairs.clone()))),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    warnings.push(unknown(at, &key.value));
                    continue;
                }
            };
            // Null is the default, as if the key were not there.
            entries.extend(value.map(|value| Entry { line: at, key: key.value, value }));
        }
        Ok(Foreign(entries, warnings))
    }
}

/// Texts by key, each once.
struct Pairs(Vec<Entry>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys with a text each")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs: Vec<Entry> = Vec::new();
                while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<String>>()? {
                    if pairs.iter().any(|pair| pair.key == key.value) {
                        return Err(A::Error::custom(format!("{:?} stands twice", key.value)));
                    }
                    pairs.push(Entry { line: line(key.referenced.line()), value: text(&value), key: key.value });
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

fn node<T>(value: &Spanned<T>, kind: impl FnOnce(&T) -> Kind) -> Node {
    Node { line: line(value.referenced.line()), kind: kind(&value.value) }
}

fn text(value: &Spanned<String>) -> Node {
    node(value, |text| Kind::Text(text.clone()))
}

fn unknown(line: usize, key: &str) -> SettingsWarning {
    let text = format!(
        "there is no key `{}` in this form, and it changes nothing; take it out, or use the native form",
        key.escape_debug()
    );
    SettingsWarning { line, key: key.chars().take(80).collect(), text }
}

fn line(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}
