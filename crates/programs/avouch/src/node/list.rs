//! Every node in a table.

use avouch_server::api::Nodes;

use super::{reason, short, with_sign};
use crate::connection::Connection;
use crate::duration::relative;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;

pub(super) fn run(connection: &Connection, json: bool) -> Result<Output, Failure> {
    let mut all = all_nodes(connection)?;
    all.nodes.sort_by(|a, b| (rank(&a.verdict), &a.label, &a.node).cmp(&(rank(&b.verdict), &b.label, &b.node)));
    if json {
        return Ok(Output::json(&all));
    }
    if all.nodes.is_empty() {
        return Ok(Output::lines(&[
            "No node has enrolled yet. Make a token with `avouch enroll token`; then on the node, as root:".into(),
            "  avouch-agent enroll TOKEN".into(),
        ]));
    }
    let mut table = Table::new(&["node", "label", "verdict", "seq", "seen", "expires", "why"]);
    for node in &all.nodes {
        table.row([
            short(&node.node),
            node.label.clone().unwrap_or_default(),
            with_sign(&node.verdict),
            node.head_seq.to_string(),
            node.time.map_or_else(|| "never".into(), |time| relative(all.now, time)),
            node.expires.filter(|at| *at > 0).map_or_else(String::new, |at| relative(all.now, at)),
            reason(node).to_owned(),
        ]);
    }
    Ok(Output::lines(&table.lines()))
}

/// The nodes of every page.
pub(crate) fn all_nodes(connection: &Connection) -> Result<Nodes, Failure> {
    let mut all: Nodes = connection.get("/v1/nodes")?;
    while let Some(after) = all.next.take() {
        let page: Nodes = connection.get(&format!("/v1/nodes?after={after}"))?;
        all.nodes.extend(page.nodes);
        all.next = page.next;
    }
    Ok(all)
}

/// Worst first.
fn rank(verdict: &str) -> u8 {
    match verdict {
        "fail" => 0,
        "unverifiable" => 1,
        "stale" => 2,
        _ => 3,
    }
}
