//! `GET /v1/nodes/{node}/observation`, `…/pairs`, `…/changes` and `…/intent`: what the two witnesses of a node said.
//!
//! Pairs are never stored: they are compared anew from the raw strings that are kept, beside the intent of the policy
//! that applies now.

use std::sync::Arc;

use avouch_appraise::{Comparison, PairFilter, changes};
use avouch_pairs::{Intent, Level, Observation};
use avouch_protocol::intent::IntentFile;
use avouch_protocol::{Hash, Message, Observed};
use avouch_rules::RuledPolicy;
use avouch_store::{KeptObservation, Node};
use axum::http::StatusCode;

use super::lookup::named_node;
use crate::api::{Changes, DemandView, ObservationView, Pairs};
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::{CBOR, Reply};

/// Pairs in one answer; of 1,000 units a level or a unit can be asked for.
const MOST_PAIRS: usize = 20_000;
/// Changes in one answer.
const MOST_CHANGES: usize = 10_000;

/// The newest observation as it is kept: CBOR of raw strings.
pub(crate) async fn observation(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    on_pool(app, call, |app, call| {
        let node = named_node(app, call)?;
        Ok(Reply::new(CBOR, newest(app, &node)?.1))
    })
    .await
}

/// The pairs of the newest observation; `?level=V4,V5`, `?unit=NAME` and `?findings=1` narrow them.
pub(crate) async fn pairs(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    on_pool(app, call, |app, call| {
        let node = named_node(app, call)?;
        let filter = filter(call)?;
        let (newest, bytes) = newest(app, &node)?;
        let observation = observed(&bytes)?;
        let (policy_ref, policy) = policy(app, &node)?;
        let intent = policy.as_ref().and_then(|policy| policy.policy().intent());
        let Comparison { pairs, findings, omitted, .. } = Comparison::of(&observation, intent, &filter);
        Ok(Reply::json(&Pairs {
            node: node.tag.to_hex(),
            policy_ref: policy_ref.map(|policy| policy.to_hex()),
            intent: intent.is_some(),
            observation: view(&newest),
            pairs,
            findings,
            omitted,
        }))
    })
    .await
}

/// What the newest observation has that the one before it had not, and the other way round.
pub(crate) async fn changed(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    on_pool(app, call, |app, call| {
        let node = named_node(app, call)?;
        let kept = app.store.observations(&app.cluster, &node.tag).map_err(|error| store_refused(&error))?;
        let mut kept = kept.into_iter();
        let newest = kept.next().ok_or_else(nothing_observed)?;
        let before = kept.next();
        let (changes, omitted) = match &before {
            Some(before) => changes(&read(app, &node, before)?, &read(app, &node, &newest)?, MOST_CHANGES),
            None => (Vec::new(), 0),
        };
        let node = node.tag.to_hex();
        Ok(Reply::json(&Changes { node, before: before.as_ref().map(view), after: view(&newest), changes, omitted }))
    })
    .await
}

/// What the policy that applies to the node demands of its reports.
pub(crate) async fn intent(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    on_pool(app, call, |app, call| {
        let node = named_node(app, call)?;
        let (policy_ref, policy) = policy(app, &node)?;
        let policy = policy.as_ref().map(|policy| policy.policy());
        let file = |intent: &Intent| {
            let (name, created) = policy.map_or(("", ""), |policy| (policy.name(), policy.created()));
            IntentFile::of(name, created, intent)
        };
        let required = policy.map(|policy| policy.required_levels()).unwrap_or_default();
        Ok(Reply::json(&DemandView {
            node: node.tag.to_hex(),
            policy_ref: policy_ref.map(|policy| policy.to_hex()),
            required: required.iter().map(Level::to_string).collect(),
            intent: policy.and_then(|policy| policy.intent()).map(file),
        }))
    })
    .await
}

/// Large observations take milliseconds to read and compare: not on a thread that serves others.
async fn on_pool(
    app: Arc<App>,
    call: Call,
    work: impl FnOnce(&App, &Call) -> Result<Reply, Refused> + Send + 'static,
) -> Result<Reply, Refused> {
    let done = tokio::task::spawn_blocking(move || work(&app, &call));
    done.await.map_err(|error| Refused::internal(&error))?
}

fn newest(app: &App, node: &Node) -> Result<(KeptObservation, Vec<u8>), Refused> {
    let newest = app.store.newest_observation(&app.cluster, &node.tag).map_err(|error| store_refused(&error))?;
    newest.ok_or_else(nothing_observed)
}

fn read(app: &App, node: &Node, kept: &KeptObservation) -> Result<Observation, Refused> {
    let bytes = app.store.observation(&app.cluster, &node.tag, &kept.digest).map_err(|error| store_refused(&error))?;
    // A round that came between the two reads may have dropped it.
    let bytes = bytes.ok_or_else(|| {
        let what = "The node's observations changed while they were read.";
        Refused::new(StatusCode::CONFLICT, "OBSERVATION_CHANGED", what, "Ask again.").retry(1)
    })?;
    observed(&bytes)
}

fn observed(bytes: &[u8]) -> Result<Observation, Refused> {
    let observed = Observed::from_cbor(bytes).map_err(|error| Refused::internal(&error))?;
    observed.observation().map_err(|error| Refused::internal(&error))
}

/// The policy that applies to the node now.
fn policy(app: &App, node: &Node) -> Result<(Option<Hash>, Option<Arc<RuledPolicy>>), Refused> {
    let default = || app.store.default_policy(&app.cluster).map_err(|error| store_refused(&error));
    let reference = match node.policy {
        Some(policy) => Some(policy),
        None => default()?,
    };
    let policy = reference.map(|reference| app.policy(&reference)).transpose()?.flatten();
    Ok((reference, policy))
}

fn filter(call: &Call) -> Result<PairFilter, Refused> {
    let level = |text: &str| {
        let known = Level::ALL.into_iter().find(|level| level.to_string() == text);
        known.ok_or_else(|| {
            let what = format!("`level` in the query holds {text:?}, which is no level.");
            Refused::new(StatusCode::BAD_REQUEST, "QUERY", what, "Write levels V1 to V14 with commas between them.")
        })
    };
    let levels = call.text("level").filter(|text| !text.is_empty());
    Ok(PairFilter {
        levels: levels.into_iter().flat_map(|text| text.split(',')).map(level).collect::<Result<_, _>>()?,
        subject: call.decoded("unit")?.filter(|text| !text.is_empty()),
        findings: call.text("findings") == Some("1"),
        most: MOST_PAIRS,
    })
}

fn view(kept: &KeptObservation) -> ObservationView {
    ObservationView { digest: kept.digest.to_hex(), seq: kept.seq, time: kept.time, size: kept.size }
}

fn nothing_observed() -> Refused {
    let what = "No report of this node was proven yet, so nothing is known of its units.";
    let remedy = "Wait for a round with a report; an agent that enrolled before there were reports must enrol again.";
    Refused::new(StatusCode::NOT_FOUND, "NOTHING_OBSERVED", what, remedy)
}
