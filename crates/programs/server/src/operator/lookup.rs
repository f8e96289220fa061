//! Finding what a path names.

use avouch_protocol::{Hash, NodeTag};
use avouch_store::{Node, Record};
use axum::http::StatusCode;

use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;

/// Shortest prefix of a tag that names a node; shorter ones are labels.
const SHORTEST_PREFIX: usize = 4;

/// The node that the path names: by its whole tag, by its label, or by a prefix of its tag that no other node shares.
pub(super) fn named_node(app: &App, call: &Call) -> Result<Node, Refused> {
    let text = call.param("node");
    let tag = match NodeTag::from_hex(text) {
        Some(tag) => tag,
        None => find(app, text)?,
    };
    let node = app.store.node(&app.cluster, &tag).map_err(|error| store_refused(&error))?;
    node.ok_or_else(|| no_such_node(text))
}

fn find(app: &App, text: &str) -> Result<NodeTag, Refused> {
    let found = app.store.find_nodes(&app.cluster, text, 3).map_err(|error| store_refused(&error))?;
    let labelled: Vec<_> = found.iter().filter(|node| node.label.as_deref() == Some(text)).collect();
    let prefixed: Vec<_> = found.iter().filter(|_| text.len() >= SHORTEST_PREFIX).collect();
    match (labelled.as_slice(), prefixed.as_slice()) {
        ([one], _) | ([], [one]) => Ok(one.tag),
        ([], []) => Err(no_such_node(text)),
        _ => {
            let what = format!("More than one node is called {text:?}.");
            let remedy = "Write more characters of the node's tag; `avouch node list` shows them.";
            Err(Refused::new(StatusCode::CONFLICT, "NODE_AMBIGUOUS", what, remedy))
        }
    }
}

/// The record that the path names.
pub(super) fn named_record(app: &App, call: &Call) -> Result<Record, Refused> {
    let node = named_node(app, call)?;
    let text = call.param("seq");
    let seq: u64 = text.parse().map_err(|_| no_such_record(text))?;
    let record = app.store.record(&app.cluster, &node.tag, seq).map_err(|error| store_refused(&error))?;
    record.ok_or_else(|| no_such_record(text))
}

/// A policy reference as people write it.
pub(super) fn policy_ref(text: &str) -> Result<Hash, Refused> {
    Hash::from_hex(text).ok_or_else(|| no_such_policy(text))
}

pub(super) fn no_such_policy(text: &str) -> Refused {
    let what = format!("There is no policy {text:?}.");
    let remedy = "Name a policy by the 64 hexadecimal digits that `avouch policy apply` printed.";
    Refused::new(StatusCode::NOT_FOUND, "POLICY_UNKNOWN", what, remedy)
}

fn no_such_node(text: &str) -> Refused {
    let what = format!("There is no node {text:?}.");
    let remedy =
        "Name a node by its label, its tag, or at least 4 characters of its tag; `avouch node list` shows them.";
    Refused::new(StatusCode::NOT_FOUND, "NODE_UNKNOWN", what, remedy)
}

fn no_such_record(text: &str) -> Refused {
    let what = format!("The node has no record {text:?}.");
    Refused::new(StatusCode::NOT_FOUND, "RECORD_UNKNOWN", what, "Records are numbered from 1 to the head of the chain.")
}
