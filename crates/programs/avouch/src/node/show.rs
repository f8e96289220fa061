//! One node: who it is, how it stands, what was seen of it.

use avouch_appraise::{Coverage, CoverageItem};
use avouch_server::api::{NodeView, PolicyFrom, Records};
use serde_json::{Value, json};

use super::{reason, with_sign};
use crate::connection::{Connection, segment};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::timestamp;
use crate::table::Table;

/// Records that are listed.
const SHOWN_RECORDS: usize = 10;

pub(super) fn run(connection: &Connection, name: &str, json: bool) -> Result<Output, Failure> {
    let node: NodeView = connection.get(&format!("/v1/nodes/{}", segment(name)))?;
    let records: Records = connection.get(&format!("/v1/nodes/{}/records?limit={SHOWN_RECORDS}", node.node))?;
    if json {
        return Ok(Output::json(&json!({ "node": node, "records": records.records })));
    }
    let mut lines = facts(&node);
    lines.push(String::new());
    lines.extend(if records.records.is_empty() {
        vec!["No record yet: the first comes with the first round.".into()]
    } else {
        table(&records).lines()
    });
    Ok(Output::lines(&lines))
}

fn facts(node: &NodeView) -> Vec<String> {
    let policy = match (&node.policy_ref, node.policy_from) {
        (Some(policy), PolicyFrom::Default) => format!("{policy} (the default)"),
        (Some(policy), _) => policy.clone(),
        (None, _) => "none, so every verdict is unverifiable: `avouch policy build`".into(),
    };
    let coverage = node.detail.as_ref().and_then(|detail| detail.get("coverage"));
    let coverage: Coverage = coverage.and_then(|items| serde_json::from_value(items.clone()).ok()).unwrap_or_default();
    [
        ("node", node.node.clone()),
        ("label", node.label.clone().unwrap_or_else(|| "none".into())),
        ("verdict", format!("{} {}", with_sign(&node.verdict), reason(node))),
        ("given", node.time.map_or_else(|| "never: no evidence came yet".into(), timestamp)),
        ("expires", node.expires.filter(|at| *at > 0).map_or_else(|| "-".into(), timestamp)),
        ("covered", codes(&coverage.covered)),
        ("not covered", codes(&coverage.holes)),
        ("policy", policy),
        ("boot session", node.reset_count.map_or_else(|| "none seen".into(), |n| format!("TPM reset {n}"))),
        ("enrolled", format!("{}, generation {}", timestamp(node.enrolled_at), node.generation)),
        ("identity", node.identity.text.clone()),
        ("EK", format!("template {}", node.ek_template)),
        ("TPM", tpm(&node.tpm)),
    ]
    .map(|(name, value)| format!("{name:<14}{value}").trim_end().to_owned())
    .into()
}

fn table(records: &Records) -> Table {
    let mut table = Table::new(&["seq", "round", "status", "time", "code"]);
    for record in &records.records {
        let late = if record.late { ", late" } else { "" };
        table.row([
            record.seq.to_string(),
            record.round.to_string(),
            format!("{}{late}", with_sign(&record.status)),
            timestamp(record.time),
            record.code.clone(),
        ]);
    }
    table
}

/// The codes alone, each once; `why` has the sentences.
fn codes(items: &[CoverageItem]) -> String {
    if items.is_empty() {
        return "-".into();
    }
    let mut codes: Vec<_> = items.iter().map(|item| item.code.as_str()).collect();
    codes.dedup();
    codes.join(", ")
}

/// What the EK certificate says of the TPM.
fn tpm(identity: &Value) -> String {
    let words = ["manufacturer", "model", "version"].into_iter().filter_map(|key| identity.get(key)?.as_str());
    let mut text = words.collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        text.push_str("its certificate says nothing about it");
    }
    if identity.get("software").and_then(Value::as_bool) == Some(true) {
        text.push_str(" (software TPM: evaluation only)");
    }
    text
}
