//! `POST /v1/challenge`.

use std::sync::Arc;

use avouch_appraise::Session;
use avouch_protocol::{Challenge, ChallengeRequest, Hash, Message, NodeTag, VERSION};
use avouch_store::{Change, Event, OpenChallenge, Outcome, Refused as StoreRefused, Standing, StoreError};
use avouch_tpm_wire::HashAlg;
use axum::http::StatusCode;

use super::expiry::expire;
use super::secret::server_nonce;
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// Tries to open a challenge when other requests of the same node change its chain meanwhile.
const TRIES: usize = 4;

/// Gives the node its one open challenge: the same bytes until it is answered or runs out.
pub(crate) async fn challenge(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let now = app.now()?;
    let request = ChallengeRequest::from_cbor(&call.body).map_err(|error| Refused::malformed(&error))?;
    let mut node = app.caller(&call)?.standing;
    check_chain(&app, now, &node, &request)?;
    for _ in 0..TRIES {
        if let Some(open) = node.open.take() {
            if now <= open.deadline {
                return Ok(Reply::cbor(open.bytes));
            }
            expire(&app, now, node.tag, &open).await?;
            node = app.caller(&call)?.standing;
        }
        match open_new(&app, now, &node).await? {
            Some(bytes) => return Ok(Reply::cbor(bytes)),
            // The chain grew between reading and writing.
            None => node = app.caller(&call)?.standing,
        }
    }
    let what = "Other requests of this node changed its chain while a challenge was made.";
    Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "NODE_BUSY", what, "Run one agent per node.").retry(1))
}

/// `None` when the chain has another end by now.
async fn open_new(app: &Arc<App>, now: u64, node: &Standing) -> Result<Option<Vec<u8>>, Refused> {
    let made = make(app, now, node).await?;
    let bytes = made.bytes.clone();
    match app.apply(now, Change::OpenChallenge { node: node.tag, challenge: made }).await {
        Ok(Outcome::Opened) => Ok(Some(bytes)),
        Ok(Outcome::AlreadyOpen(first)) if now <= first.deadline => Ok(Some(first.bytes)),
        Ok(Outcome::AlreadyOpen(_)) | Err(StoreError::Refused(StoreRefused::NotNext { .. })) => Ok(None),
        Ok(other) => Err(Refused::internal(&format!("a challenge was opened as {other:?}"))),
        Err(error) => Err(store_refused(&error)),
    }
}

async fn make(app: &Arc<App>, now: u64, node: &Standing) -> Result<OpenChallenge, Refused> {
    let round = app.interval.round_at(now);
    let seq = node.head.seq.saturating_add(1);
    let policy_ref = node.policy.unwrap_or(Hash::ZERO);
    // A session that cannot be read proves nothing: everything is owed, and the appraisal says why.
    let session = node.session.as_deref().and_then(|bytes| Session::from_cbor(bytes).ok());
    let bank = HashAlg::from_id(app.pcrs.bank);
    let challenge = Challenge {
        v: VERSION,
        origin: app.origin.clone(),
        node_tag: node.tag,
        round: round.0,
        seq,
        prev: node.head.record,
        base: Hash::ZERO,
        server_nonce: server_nonce(app, now, round.0, &node.tag, seq).await?,
        pcr_bank: app.pcrs.bank,
        pcr_mask: app.pcrs.mask,
        policy_ref,
        offsets: session.as_ref().map(|session| session.offsets(&policy_ref)).unwrap_or_default(),
        deadline: round.closes(app.interval),
        chain_pcr: session.as_ref().zip(bank).and_then(|(session, bank)| session.chain_pcr(bank, app.pcrs.mask)),
        cap_pcr: cap_pcr(app, policy_ref).await?,
    };
    Ok(OpenChallenge { seq, round: round.0, bytes: challenge.to_cbor(), deadline: challenge.deadline })
}

/// The PCR that the policy names for the cap. To parse a large policy takes a while, and all who want it meanwhile wait
/// for the one that does: not on threads that serve others.
async fn cap_pcr(app: &Arc<App>, reference: Hash) -> Result<Option<u8>, Refused> {
    let policy = match app.caches.policies.held(&reference) {
        None if reference != Hash::ZERO => {
            let app = app.clone();
            let parsing = tokio::task::spawn_blocking(move || app.policy(&reference));
            parsing.await.map_err(|error| Refused::internal(&error))??
        }
        held => held,
    };
    Ok(policy.and_then(|policy| policy.policy().cap_pcr()))
}

/// Both sides hold one chain: what the agent has a receipt for must be in the server's chain.
fn check_chain(app: &App, now: u64, node: &Standing, request: &ChallengeRequest) -> Result<(), Refused> {
    let held = match request.last_seq {
        0 => Some(Hash::ZERO),
        seq if seq == node.head.seq => Some(node.head.record),
        seq if seq < node.head.seq => {
            let record = app.store.record(&app.cluster, &node.tag, seq).map_err(|error| store_refused(&error))?;
            record.map(|record| record.hash)
        }
        _ => None,
    };
    if held == Some(request.last_record) { Ok(()) } else { Err(fork(app, now, node.tag, node.head.seq, request)) }
}

fn fork(app: &App, now: u64, node: NodeTag, head: u64, request: &ChallengeRequest) -> Refused {
    let what = format!(
        "The agent has a receipt for record {} with hash {}, and the server's chain of {head} records does not hold it.",
        request.last_seq, request.last_record
    );
    let detail = serde_json::json!({ "agent_seq": request.last_seq, "agent_record": request.last_record.to_hex(), "head": head });
    tracing::error!(node = %node.short(), agent = request.last_seq, head, "chain fork");
    app.note(now, Event { kind: "CHAIN_FORK".into(), node: Some(node), detail: detail.to_string() });
    let remedy = "The server lost records (an old backup was restored), or two servers serve this node. A person decides; enrolling the node again starts from the server's chain.";
    Refused::new(StatusCode::CONFLICT, "CHAIN_FORK", what, remedy)
}
