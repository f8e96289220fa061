//! What `avouch-agent observe --json` printed, as far as scenarios ask.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Verdicts of pairs that are no deviation.
const FINE: [&str; 4] = ["match", "kernel_stricter", "not_configured", "not_supported"];

/// A finding: subject and code.
pub(super) type Found = (String, String);

/// One report.
#[derive(Debug)]
pub(in crate::lab) struct Seen {
    value: Value,
}

impl Seen {
    /// Reads one.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes)
            .with_context(|| format!("no report: {}", String::from_utf8_lossy(bytes).trim()))?;
        ensure!(value["schema"] == "dual-attestation/v1", "its schema is {}", value["schema"]);
        ensure!(value["findings"].is_array() && value["domains"].is_object(), "the report has no findings or domains");
        Ok(Self { value })
    }

    /// The whole document.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// All findings.
    pub(super) fn findings(&self) -> BTreeSet<Found> {
        let findings = self.value["findings"].as_array().into_iter().flatten();
        findings.map(|found| (text(&found["subject"]), text(&found["code"]))).collect()
    }

    /// Codes of the findings about one subject, or about all that begin with it where it ends in `*`.
    pub(super) fn codes(&self, subject: &str) -> BTreeSet<String> {
        self.findings().into_iter().filter(|(of, _)| covers(subject, of)).map(|(_, code)| code).collect()
    }

    /// A finding as the report has it.
    pub(super) fn finding(&self, subject: &str, code: &str) -> Option<&Value> {
        let mut findings = self.value["findings"].as_array()?.iter();
        findings.find(|found| found["code"] == code && covers(subject, found["subject"].as_str().unwrap_or_default()))
    }

    /// Pairs about one subject.
    pub(super) fn pairs(&self, subject: &str) -> Vec<&Value> {
        let domains = self.value["domains"].as_object().into_iter().flat_map(|domains| domains.values());
        let pairs = domains.filter_map(Value::as_array).flatten();
        pairs
            .filter(|pair| pair["id"].as_str().and_then(|id| id.rsplit_once('#')).is_some_and(|(of, _)| of == subject))
            .collect()
    }

    /// The pair of one attribute of a subject.
    pub(super) fn pair(&self, subject: &str, attribute: &str) -> Result<&Value> {
        let id = format!("{subject}#{attribute}");
        self.pairs(subject)
            .into_iter()
            .find(|pair| pair["id"] == id.as_str())
            .with_context(|| format!("the report has no pair {id}"))
    }

    /// Checks that a subject was compared, agrees in every pair and has no finding.
    pub(in crate::lab) fn green(&self, subject: &str) -> Result<()> {
        let codes = self.codes(subject);
        ensure!(codes.is_empty(), "{subject} has findings: {codes:?}");
        let pairs = self.pairs(subject);
        let other: Vec<String> = pairs
            .iter()
            .filter(|pair| !pair["verdict"].as_str().is_some_and(|verdict| FINE.contains(&verdict)))
            .map(|pair| format!("{} {}", text(&pair["id"]), text(&pair["verdict"])))
            .collect();
        ensure!(other.is_empty(), "{}", other.join(", "));
        ensure!(pairs.iter().any(|pair| pair["verdict"] == "match"), "nothing of {subject} was compared");
        Ok(())
    }

    /// The verdict of a level, e.g. of `V4`.
    pub(super) fn level(&self, id: &str) -> Result<&str> {
        let mut levels = self.value["levels"].as_array().into_iter().flatten();
        let level = levels.find(|level| level["id"] == id).with_context(|| format!("the report has no level {id}"))?;
        level["verdict"].as_str().with_context(|| format!("level {id} has no verdict"))
    }
}

/// Whether a subject is the one that is meant.
pub(super) fn covers(meant: &str, subject: &str) -> bool {
    meant.strip_suffix('*').map_or(meant == subject, |start| subject.starts_with(start))
}

/// A string, or how JSON writes anything else.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(verdict: &str, findings: &Value) -> Seen {
        let pair = json!({"id": "unit:a.service#memory.max", "verdict": verdict});
        let whole = json!({
            "schema": "dual-attestation/v1", "domains": {"resource_limits": [pair]}, "findings": findings,
            "levels": [{"id": "V4", "verdict": "pass"}],
        });
        Seen::read(whole.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_what_was_compared_and_agrees_is_green() {
        let none = json!([]);
        assert!(report("match", &none).green("unit:a.service").is_ok());
        assert!(report("kernel_weaker", &none).green("unit:a.service").is_err());
        assert!(report("unreadable", &none).green("unit:a.service").is_err());
        assert!(report("match", &none).green("unit:b.service").is_err());
        let found = json!([{"subject": "unit:a.service", "code": "V4.memory.max.kernel_weaker"}]);
        assert!(report("match", &found).green("unit:a.service").is_err());
    }

    #[test]
    fn a_star_stands_for_what_begins_so() {
        assert!(covers("listener:tcp:0.0.0.0:1@*", "listener:tcp:0.0.0.0:1@4026532241"));
        assert!(!covers("listener:tcp:0.0.0.0:1", "listener:tcp:0.0.0.0:1@4026532241"));
    }
}
