//! `GET /v1/nodes`, `GET /v1/nodes/{node}`.

use std::sync::Arc;

use avouch_appraise::Identity;
use avouch_protocol::{Hash, NodeTag};
use avouch_store::{Node, NodeSummary};
use axum::http::StatusCode;
use serde_json::Value;

use super::lookup::named_node;
use crate::api::{NodeView, Nodes, PolicyFrom};
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;
use crate::standing::Validity;

/// Nodes in one answer.
const PAGE: usize = 1_000;

/// The nodes of the cluster, by tag; `?after=` goes on where the last answer ended.
pub(crate) async fn nodes(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let after = match call.text("after") {
        None => None,
        Some(text) => Some(NodeTag::from_hex(text).ok_or_else(|| {
            Refused::new(
                StatusCode::BAD_REQUEST,
                "QUERY",
                "`after` is not a node's tag.",
                "Write the `next` of the last answer.",
            )
        })?),
    };
    let page = app.store.nodes(&app.cluster, after.as_ref(), PAGE).map_err(|error| store_refused(&error))?;
    let default = app.store.default_policy(&app.cluster).map_err(|error| store_refused(&error))?;
    let validity = app.validity();
    let next = page.last().filter(|_| page.len() == PAGE).map(|node| node.tag.to_hex());
    let nodes = page.into_iter().map(|node| view(node, default, &validity)).collect();
    Ok(Reply::json(&Nodes { now: validity.now, interval: app.interval.seconds(), nodes, next }))
}

/// One node with its whole last verdict.
pub(crate) async fn node(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let node = named_node(&app, &call)?;
    let default = app.store.default_policy(&app.cluster).map_err(|error| store_refused(&error))?;
    let record = match &node.verdict {
        Some(verdict) => {
            app.store.record(&app.cluster, &node.tag, verdict.seq).map_err(|error| store_refused(&error))?
        }
        None => None,
    };
    let detail = record.and_then(|record| serde_json::from_str(&record.verdict).ok());
    Ok(Reply::json(&NodeView { detail, ..view(summary(node), default, &app.validity()) }))
}

fn view(node: NodeSummary, default: Option<Hash>, validity: &Validity) -> NodeView {
    let verdict = node.verdict.as_ref();
    let (policy, policy_from) = match (node.policy, default) {
        (Some(policy), _) => (Some(policy), PolicyFrom::Node),
        (None, Some(policy)) => (Some(policy), PolicyFrom::Default),
        (None, None) => (None, PolicyFrom::None),
    };
    NodeView {
        node: node.tag.to_hex(),
        label: node.label,
        verdict: validity.word(verdict).into(),
        stale_because: validity.stale_because(verdict).map(Into::into),
        code: verdict.map(|verdict| verdict.code.clone()).unwrap_or_default(),
        last_status: verdict.map(|verdict| verdict.status.word().into()),
        round: verdict.map(|verdict| verdict.round),
        seq: verdict.map(|verdict| verdict.seq),
        time: verdict.map(|verdict| verdict.time),
        expires: verdict.map(|verdict| verdict.expires),
        head_seq: node.head.seq,
        head_record: node.head.record.to_hex(),
        reset_count: node.last_reset_count,
        generation: node.generation,
        enrolled_at: node.enrolled_at,
        policy_ref: policy.map(|policy| policy.to_hex()),
        policy_from,
        tpm: serde_json::from_str(&node.ek_identity).unwrap_or(Value::Null),
        identity: Identity { profile: node.profile, vouched_by: &node.vouched_by, manufacturer: None }.facts(),
        ek_template: node.ek_template,
        detail: None,
    }
}

fn summary(node: Node) -> NodeSummary {
    NodeSummary {
        tag: node.tag,
        label: node.label,
        ek_identity: node.keys.ek_identity,
        profile: node.keys.profile,
        vouched_by: node.keys.vouched_by,
        ek_template: node.keys.ek_template,
        generation: node.generation,
        enrolled_at: node.enrolled_at,
        policy: node.policy,
        head: node.head,
        verdict: node.verdict,
        last_reset_count: node.last_reset_count,
    }
}
