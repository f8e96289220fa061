//! `POST /v1/evidence`.

use std::sync::Arc;

use avouch_crypto::sha256;
use avouch_protocol::{Evidence, Hash, Message, NodeTag};
use avouch_store::{Change, CommitRecord, OpenChallenge, Outcome, Refused as StoreRefused, StoreError};
use axum::http::StatusCode;

use super::expiry::expire;
use super::late;
use super::record::give_receipt;
use super::submission::Submission;
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// Evidence above this size is read and appraised on the pool for blocking work; for less, the way there costs more
/// than it saves.
const INLINE_BYTES: usize = 128 * 1024;

/// Takes the answer to a challenge: durable, then receipted. The same bytes get the same receipt at any time.
pub(crate) async fn evidence(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    match prepare(&app, &call).await? {
        Prepared::Overdue { now, node, open } => {
            expire(&app, now, node, &open).await?;
            finish(&app, prepare(&app, &call).await?).await
        }
        prepared => finish(&app, prepared).await,
    }
}

/// What is to be done about a message.
enum Prepared {
    /// It was stored before: give this again.
    Again(Reply),
    /// Store this.
    Commit { now: u64, commit: Box<CommitRecord> },
    /// The open challenge ran out; make it a record first.
    Overdue { now: u64, node: NodeTag, open: OpenChallenge },
}

async fn prepare(app: &Arc<App>, call: &Call) -> Result<Prepared, Refused> {
    if call.body.len() <= INLINE_BYTES {
        return prepare_here(app, call);
    }
    let (app, call) = (app.clone(), call.clone());
    let work = tokio::task::spawn_blocking(move || prepare_here(&app, &call));
    work.await.map_err(|error| Refused::internal(&error))?
}

fn prepare_here(app: &App, call: &Call) -> Result<Prepared, Refused> {
    let now = app.now()?;
    let caller = app.caller(call)?;
    let node = &caller.standing;
    let body: &[u8] = &call.body;
    let digest = Hash(sha256(&[body]));
    let message = Evidence::from_cbor(body);
    let commit = |commit| Ok(Prepared::Commit { now, commit: Box::new(commit) });
    // A message that names the open challenge cannot have been stored before: that would have closed the challenge.
    if let (Ok(message), Some(open)) = (&message, &node.open)
        && now <= open.deadline
        && answers(open, message.seq, &message.challenge)
    {
        return commit(Submission { now, caller: &caller, open, message, body, digest }.judge(app)?);
    }
    let stored = app.store.record_of_evidence(&app.cluster, &node.tag, &digest);
    if let Some(stored) = stored.map_err(|error| store_refused(&error))? {
        return give_receipt(app, now, &stored, node.last_reset_count).map(Prepared::Again);
    }
    let message = message.map_err(|error| Refused::malformed(&error))?;
    match &node.open {
        Some(open) if now > open.deadline => Ok(Prepared::Overdue { now, node: node.tag, open: open.clone() }),
        open => commit(late::commit(app, now, &caller, open.as_ref(), &message, body, digest)?),
    }
}

async fn finish(app: &App, prepared: Prepared) -> Result<Reply, Refused> {
    match prepared {
        Prepared::Again(reply) => Ok(reply),
        Prepared::Commit { now, commit } => store(app, now, commit).await,
        Prepared::Overdue { .. } => Err(spent()),
    }
}

/// Whether a message speaks of this challenge; only then may it consume it.
pub(super) fn answers(open: &OpenChallenge, seq: u64, challenge: &Hash) -> bool {
    open.seq == seq && Hash(sha256(&[&open.bytes])) == *challenge
}

/// Commits, and gives the receipt of what is stored then.
pub(super) async fn store(app: &App, now: u64, commit: Box<CommitRecord>) -> Result<Reply, Refused> {
    let (record, reset_count) = (commit.record.clone(), commit.reset_count);
    let node = commit.node;
    match app.apply(now, Change::CommitRecord(commit)).await {
        Ok(Outcome::Committed) => {
            app.metrics.record(record.status);
            tracing::info!(node = %node.short(), seq = record.seq, status = record.status.word(), code = record.code, "record");
            give_receipt(app, now, &record, reset_count)
        }
        Ok(Outcome::AlreadyStored(stored)) => give_receipt(app, now, &stored, reset_count),
        Ok(Outcome::Spent(_)) => Err(spent()),
        Ok(other) => Err(Refused::internal(&format!("a record was committed as {other:?}"))),
        Err(StoreError::Refused(StoreRefused::ChallengeUnknown { .. } | StoreRefused::TooLate { .. })) => Err(spent()),
        Err(StoreError::Refused(StoreRefused::NotNext { .. } | StoreRefused::ChallengeOpen { .. })) => {
            let what = "Another request of this node was faster.";
            Err(Refused::new(StatusCode::CONFLICT, "NODE_BUSY", what, "Run one agent per node, and try again.")
                .retry(1))
        }
        Err(error) => Err(store_refused(&error)),
    }
}

pub(super) fn spent() -> Refused {
    let what = "This challenge is spent: other evidence came for it, or it ran out.";
    Refused::new(StatusCode::CONFLICT, "CHALLENGE_SPENT", what, "Ask for a new challenge and answer that one.")
}
