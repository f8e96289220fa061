//! `/v1/policies…` and the assignment of policies.

use std::sync::Arc;

use avouch_crypto::sha256;
use avouch_protocol::Hash;
use avouch_rules::{LastRule, RuledPolicy};
use avouch_store::{Assignee, Change, Refused as StoreRefused, StoreError};
use axum::http::StatusCode;

use super::lookup::{named_node, no_such_policy, policy_ref};
use crate::api::{Policies, PolicyRef, PolicyView};
use crate::app::{App, store_refused};
use crate::config::Pcrs;
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// Policies in one answer.
const PAGE: usize = 1_000;

/// All policies, newest first.
pub(crate) async fn policies(app: Arc<App>, _: Call) -> Result<Reply, Refused> {
    let stored = app.store.policies(&app.cluster, PAGE).map_err(|error| store_refused(&error))?;
    let default = app.store.default_policy(&app.cluster).map_err(|error| store_refused(&error))?;
    let policies = stored
        .into_iter()
        .map(|policy| PolicyView {
            policy_ref: policy.reference.to_hex(),
            name: policy.name,
            created: policy.created,
            applied: policy.applied,
        })
        .collect();
    Ok(Reply::json(&Policies { policies, default: default.map(|policy| policy.to_hex()) }))
}

/// Stores a policy, whose bytes are the body; what does not parse is refused.
pub(crate) async fn put_policy(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let now = app.now()?;
    let bytes = call.body.to_vec();
    let quoted = app.pcrs;
    let checked = tokio::task::spawn_blocking(move || name_of(&bytes, quoted).map(|name| (name, bytes)));
    let (name, bytes) = checked.await.map_err(|error| Refused::internal(&error))??;
    let reference = Hash(sha256(&[&bytes]));
    app.apply(now, Change::PutPolicy { name, bytes }).await.map_err(|error| store_refused(&error))?;
    Ok(answer(Some(reference)))
}

/// Name of a policy that may judge: it parses, and so does its own rule, and quotes of the PCRs `quoted` show its cap.
fn name_of(bytes: &[u8], quoted: Pcrs) -> Result<String, Refused> {
    let refused = |code, what: String, remedy| Refused::new(StatusCode::UNPROCESSABLE_ENTITY, code, what, remedy);
    let policy = RuledPolicy::parse(bytes).map_err(|error| {
        let remedy = "Build policies with `avouch policy build`; a file that was edited by hand may have a slip.";
        refused("POLICY_MALFORMED", error.to_string(), remedy)
    })?;
    if let Some(pcr) = policy.policy().cap_pcr().filter(|pcr| !quoted.show_reports_in(*pcr)) {
        let what = format!("observation.cap.pcr is {pcr}, and quotes do not cover PCR {pcr} in bank sha256");
        let remedy = "Name a PCR that is in `pcrs` of the server, or add this one there and restart the server.";
        return Err(refused("CAP_NOT_QUOTED", what, remedy));
    }
    match policy.rule() {
        LastRule::Refused(error) => {
            let remedy = "Put the rule right with `avouch policy rule`, which checks it as the server does.";
            Err(refused("RULE_REFUSED", error.to_string(), remedy))
        }
        LastRule::None | LastRule::Ready(_) => Ok(policy.policy().name().to_owned()),
    }
}

/// A policy's exact bytes.
pub(crate) async fn policy(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let text = call.param("ref");
    let stored = app.store.policy(&app.cluster, &policy_ref(text)?).map_err(|error| store_refused(&error))?;
    Ok(Reply::raw(stored.ok_or_else(|| no_such_policy(text))?.bytes))
}

/// Assigns a policy to one node. It judges from the next challenge on.
pub(crate) async fn assign_policy(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let node = named_node(&app, &call)?;
    assign(&app, &call, Assignee::Node(node.tag)).await
}

/// Makes a policy the one that judges nodes without their own.
pub(crate) async fn default_policy(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    assign(&app, &call, Assignee::Default).await
}

async fn assign(app: &App, call: &Call, to: Assignee) -> Result<Reply, Refused> {
    let now = app.now()?;
    let wanted: PolicyRef = serde_json::from_slice(&call.body).map_err(|error| {
        let remedy = "Send {\"policy_ref\": \"<64 hexadecimal digits>\"}, or null to take an assignment away.";
        Refused::new(StatusCode::BAD_REQUEST, "MALFORMED", error.to_string(), remedy)
    })?;
    let policy = wanted.policy_ref.as_deref().map(policy_ref).transpose()?;
    match app.apply(now, Change::AssignPolicy { to, policy }).await {
        Ok(_) => Ok(answer(policy)),
        Err(StoreError::Refused(StoreRefused::PolicyUnknown(unknown))) => Err(no_such_policy(&unknown.to_hex())),
        Err(error) => Err(store_refused(&error)),
    }
}

fn answer(policy: Option<Hash>) -> Reply {
    Reply::json(&PolicyRef { policy_ref: policy.map(|policy| policy.to_hex()) })
}
