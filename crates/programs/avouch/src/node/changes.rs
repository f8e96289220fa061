//! What changed on a node between its last two observations.

use avouch_appraise::FactChange;
use avouch_server::api::Changes;

use crate::connection::{Connection, segment};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::timestamp;

pub(super) fn run(connection: &Connection, name: &str, json: bool) -> Result<Output, Failure> {
    let answer: Changes = connection.get(&format!("/v1/nodes/{}/changes", segment(name)))?;
    if json {
        return Ok(Output::json(&answer));
    }
    let after = timestamp(answer.after.time);
    let Some(before) = &answer.before else {
        return Ok(Output::lines(&[format!("one observation so far, of {after}: nothing to compare it with")]));
    };
    let mut lines = vec![format!(
        "from {} (record {}) to {after} (record {})",
        timestamp(before.time),
        before.seq,
        answer.after.seq
    )];
    for group in answer.changes.chunk_by(|a, b| a.subject == b.subject) {
        lines.push(String::new());
        lines.extend(group.first().map(|change| change.subject.clone()));
        lines.extend(group.iter().map(|change| format!("  {}", told(change))));
    }
    if answer.omitted > 0 {
        lines.push(String::new());
        lines.push(format!("{} more changes are not listed", answer.omitted));
    }
    Ok(Output::lines(&lines))
}

fn told(change: &FactChange) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    match (change.attribute.as_str(), &change.before, &change.after) {
        ("subject", None, _) => "+ is new".into(),
        ("subject", _, None) => "- is gone".into(),
        ("run", before, after) => format!("~ run: {} -> {}", value(before), value(after)),
        (name, before, after) => {
            format!("~ {} {name}, {}: {} -> {}", change.level, change.witness, value(before), value(after))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_its_witness_and_both_values() {
        let change = |attribute: &str, before: Option<&str>, after: Option<&str>| FactChange {
            subject: "unit:db.service".into(),
            level: "V4".into(),
            attribute: attribute.into(),
            witness: "kernel".into(),
            before: before.map(Into::into),
            after: after.map(Into::into),
        };
        assert_eq!(told(&change("memory.max", Some("1"), Some("max"))), "~ V4 memory.max, kernel: 1 -> max");
        assert_eq!(told(&change("memory.max", None, Some("1"))), "~ V4 memory.max, kernel: - -> 1");
        assert_eq!(told(&change("subject", None, Some("there"))), "+ is new");
        assert_eq!(told(&change("subject", Some("there"), None)), "- is gone");
    }
}
