//! Challenges that ran out become records: Unanswered.

use std::sync::Arc;

use avouch_crypto::sha256;
use avouch_protocol::{Challenge, Hash, Message, NodeTag, RecordHeader, Status, VERSION};
use avouch_store::{Change, OpenChallenge, Outcome, Record, Refused as StoreRefused, StoreError};

use crate::app::{App, store_refused};
use crate::http::refusal::Refused;

/// Code of the record of a challenge that nobody answered.
const NO_ANSWER: &str = "NO_ANSWER";
/// Challenges expired in one step of the background task.
const BATCH: usize = 256;

/// Turns one challenge that ran out into its record. That it was answered or expired by somebody else meanwhile is
/// fine: the caller looks again.
pub(super) async fn expire(app: &App, now: u64, node: NodeTag, open: &OpenChallenge) -> Result<(), Refused> {
    let record = Box::new(unanswered(now, open)?);
    match app.apply(now, Change::ExpireChallenge { node, record }).await {
        Ok(Outcome::Spent(_) | Outcome::AlreadyStored(_)) => Ok(()),
        Err(StoreError::Refused(StoreRefused::ChallengeUnknown { .. } | StoreRefused::NotNext { .. })) => Ok(()),
        Ok(_) => {
            app.metrics.record(Status::Unanswered);
            tracing::info!(node = %node.short(), seq = open.seq, "challenge ran out unanswered");
            Ok(())
        }
        Err(error) => Err(store_refused(&error)),
    }
}

/// Expires what is overdue, whether or not its node ever comes back.
pub(crate) async fn expire_overdue(app: &Arc<App>, now: u64) -> Result<(), Refused> {
    let overdue = app.store.overdue(&app.cluster, now, BATCH).map_err(|error| store_refused(&error))?;
    for (node, open) in overdue {
        expire(app, now, node, &open).await?;
    }
    Ok(())
}

fn unanswered(now: u64, open: &OpenChallenge) -> Result<Record, Refused> {
    let challenge = Challenge::from_cbor(&open.bytes).map_err(|error| Refused::internal(&error))?;
    let header = RecordHeader {
        v: VERSION,
        node_tag: challenge.node_tag,
        seq: challenge.seq,
        prev: challenge.prev,
        challenge: open.bytes.clone().into(),
        evidence: Hash::ZERO,
        time: now,
    };
    let header = header.to_cbor();
    Ok(Record {
        seq: open.seq,
        hash: Hash(sha256(&[&header])),
        header,
        challenge: Hash(sha256(&[&open.bytes])),
        evidence: None,
        round: open.round,
        status: Status::Unanswered,
        code: NO_ANSWER.into(),
        verdict: "{}".into(),
        receipt: None,
        time: now,
        late: false,
    })
}
