//! `avouch node list | show | why`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use avouch_appraise::Verdict;
use avouch_server::api::{NodeView, Nodes, RecordView, Records};
use serde_json::json;

use crate::arguments::{Global, Node};
use crate::connection::Connection;
use crate::duration::relative;
use crate::settings::{now, timestamp};
use crate::table::Table;
use crate::tree;

/// Records that `show` lists.
const SHOWN_RECORDS: usize = 10;

/// Runs one of the commands.
pub(crate) fn run(global: &Global, command: &Node) -> Result<ExitCode> {
    let connection = Connection::open(global)?;
    match command {
        Node::List => list(&connection, global.json),
        Node::Show { node } => show(&connection, node, global.json),
        Node::Why { node, record } => why(&connection, node, *record, global.json),
    }
}

fn list(connection: &Connection, json: bool) -> Result<ExitCode> {
    let mut all: Nodes = connection.get("/v1/nodes")?;
    while let Some(after) = all.next.take() {
        let page: Nodes = connection.get(&format!("/v1/nodes?after={after}"))?;
        all.nodes.extend(page.nodes);
        all.next = page.next;
    }
    all.nodes.sort_by_key(|node| (rank(&node.verdict), node.label.clone(), node.node.clone()));
    if json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else if all.nodes.is_empty() {
        println!("No node has enrolled yet. Make a token with `avouch enroll token`, and give it to a node:");
        println!("  avouch-agent enroll TOKEN");
    } else {
        let mut table = Table::new(&["node", "label", "verdict", "why", "seq", "seen", "expires"]);
        for node in &all.nodes {
            table.row([
                short(&node.node),
                node.label.clone().unwrap_or_default(),
                with_sign(&node.verdict),
                reason(node),
                node.head_seq.to_string(),
                node.time.map_or_else(|| "never".into(), |time| relative(all.now, time)),
                node.expires.filter(|at| *at > 0).map_or_else(String::new, |at| relative(all.now, at)),
            ]);
        }
        table.print();
    }
    Ok(ExitCode::SUCCESS)
}

fn show(connection: &Connection, name: &str, json: bool) -> Result<ExitCode> {
    let node: NodeView = connection.get(&format!("/v1/nodes/{}", escape(name)))?;
    let records: Records = connection.get(&format!("/v1/nodes/{}/records?limit={SHOWN_RECORDS}", node.node))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&json!({ "node": node, "records": records.records }))?);
        return Ok(ExitCode::SUCCESS);
    }
    let now = now();
    let line = |name: &str, value: String| println!("{name:<14}{value}");
    line("node", node.node.clone());
    line("label", node.label.clone().unwrap_or_else(|| "none".into()));
    line("verdict", format!("{} {}", with_sign(&node.verdict), reason(&node)).trim_end().to_owned());
    line("enrolled", format!("{}, generation {}", timestamp(node.enrolled_at), node.generation));
    line("boot session", node.reset_count.map_or_else(|| "none seen".into(), |n| format!("TPM reset {n}")));
    line("policy", node.policy_ref.clone().unwrap_or_else(|| "none: every verdict is unverifiable".into()));
    line("TPM", text_of(&node.tpm));
    println!();
    let mut table = Table::new(&["seq", "round", "status", "code", "time"]);
    for record in &records.records {
        let late = if record.late { " (late)" } else { "" };
        table.row([
            record.seq.to_string(),
            record.round.to_string(),
            format!("{}{late}", record.status),
            record.code.clone(),
            relative(now, record.time),
        ]);
    }
    table.print();
    Ok(ExitCode::SUCCESS)
}

fn why(connection: &Connection, name: &str, record: Option<u64>, json: bool) -> Result<ExitCode> {
    let node: NodeView = connection.get(&format!("/v1/nodes/{}", escape(name)))?;
    let (standing, verdict) = match record {
        None => (node.verdict.clone(), node.detail.clone()),
        Some(seq) => {
            let record: RecordView = connection.get(&format!("/v1/nodes/{}/records/{seq}", node.node))?;
            (record.status, record.verdict)
        }
    };
    if json {
        let answer = json!({ "node": node.node, "label": node.label, "verdict": standing, "why": verdict });
        println!("{}", serde_json::to_string_pretty(&answer)?);
        return Ok(exit_code(&standing));
    }
    let label = node.label.clone().unwrap_or_else(|| short(&node.node));
    println!("{label}: {}", with_sign(&standing));
    if record.is_none()
        && let Some(because) = &node.stale_because
    {
        println!("stale because {because}; the last verdict was {}:", node.last_status.as_deref().unwrap_or("none"));
    }
    match verdict {
        None => println!("There is no evidence of this node yet; is its agent running? (`avouch-agent status` there)"),
        Some(value) => print_verdict(&serde_json::from_value(value).context("the stored verdict has another shape")?),
    }
    Ok(exit_code(&standing))
}

fn print_verdict(verdict: &Verdict) {
    println!(
        "record {} of round {}, freshness {}, membership {}",
        verdict.seq, verdict.round, verdict.freshness, verdict.membership
    );
    if let Some(tpm) = &verdict.tpm {
        println!("{tpm}");
    }
    tree::print(verdict);
}

/// 0 pass, 1 fail, 3 everything that is neither.
fn exit_code(verdict: &str) -> ExitCode {
    match verdict {
        "pass" => ExitCode::SUCCESS,
        "fail" => ExitCode::FAILURE,
        _ => ExitCode::from(3),
    }
}

fn rank(verdict: &str) -> u8 {
    match verdict {
        "fail" => 0,
        "unverifiable" => 1,
        "stale" => 2,
        _ => 3,
    }
}

fn with_sign(verdict: &str) -> String {
    let sign = match verdict {
        "pass" => "✓",
        "fail" => "✗",
        _ => "?",
    };
    format!("{sign} {verdict}")
}

fn reason(node: &NodeView) -> String {
    node.stale_because.clone().unwrap_or_else(|| node.code.clone())
}

fn short(tag: &str) -> String {
    tag.chars().take(12).collect()
}

fn text_of(tpm: &serde_json::Value) -> String {
    let word = |key: &str| tpm.get(key).and_then(|value| value.as_str()).unwrap_or("?").to_owned();
    let software = tpm.get("software").and_then(serde_json::Value::as_bool).unwrap_or(false);
    let label = if software { " (software TPM: evaluation only)" } else { "" };
    format!("{} {} {}{label}", word("manufacturer"), word("model"), word("version"))
}

/// A label may hold any character; a path may not.
pub(crate) fn escape(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    name.bytes().fold(String::new(), |text, byte| {
        if plain(byte) { text + &char::from(byte).to_string() } else { text + &format!("%{byte:02X}") }
    })
}
