//! The fourteen levels of a node's last verdict.

use avouch_appraise::{LevelFacts, Verdict};
use avouch_server::api::NodeView;
use serde_json::json;

use super::{short, with_sign};
use crate::connection::{Connection, segment, unexpected};
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;

pub(super) fn run(connection: &Connection, name: &str, json: bool) -> Result<Output, Failure> {
    let node: NodeView = connection.get(&format!("/v1/nodes/{}", segment(name)))?;
    let verdict: Option<Verdict> = match &node.detail {
        Some(detail) => {
            Some(serde_json::from_value(detail.clone()).map_err(|error| unexpected("a stored verdict", error))?)
        }
        None => None,
    };
    let levels = verdict.as_ref().map(|verdict| verdict.levels.clone()).unwrap_or_default();
    let attained = verdict.as_ref().and_then(|verdict| verdict.attained_level.clone());
    if json {
        return Ok(Output::json(&json!({
            "node": node.node,
            "label": node.label,
            "verdict": node.verdict,
            "seq": node.seq,
            "attained_level": attained,
            "levels": levels,
        })));
    }
    let subject = node.label.clone().unwrap_or_else(|| short(&node.node));
    if levels.is_empty() {
        let what = "no level was judged: no paired report came with its last evidence";
        return Ok(Output::lines(&[format!("{subject}: {what}"), "  to do: see `avouch node why`".into()]));
    }
    let attained = attained.unwrap_or_else(|| "none".into());
    let mut lines = vec![format!("{subject}: {}, attained level {attained}", with_sign(&node.verdict)), String::new()];
    lines.extend(table(&levels).lines());
    Ok(Output::lines(&lines))
}

fn table(levels: &[LevelFacts]) -> Table {
    let mut table = Table::new(&["level", "title", "result", "pairs", "differ", "not told", "demanded"]);
    for level in levels {
        table.row([
            level.level.clone(),
            level.title().into(),
            format!("{} {}", sign(level), level.result.replace('_', " ")),
            level.pairs.to_string(),
            level.discrepant.to_string(),
            level.inconclusive.to_string(),
            if level.required { "yes".into() } else { String::new() },
        ]);
    }
    table
}

fn sign(level: &LevelFacts) -> char {
    match level.result.as_str() {
        _ if level.holds() => '✓',
        "fail" => '✗',
        "not_evaluated" => '-',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_a_sign_a_word_and_its_counts() {
        let level = |level: &str, result: &str, discrepant| LevelFacts {
            level: level.into(),
            result: result.into(),
            pairs: 61,
            discrepant,
            inconclusive: 0,
            required: discrepant > 0,
        };
        let lines = table(&[level("V3", "pass", 0), level("V4", "fail", 1), level("V2", "not_evaluated", 0)]).lines();
        assert_eq!(lines[1], "V3     Measured boot    ✓ pass              61       0         0");
        assert_eq!(lines[2], "V4     Resource limits  ✗ fail              61       1         0  yes");
        assert!(lines[3].contains("- not evaluated"), "{lines:?}");
    }
}
