//! `POST /v1/key-lost`: the attestation key no longer loads. It is believed only to the node's own harm.

use std::sync::Arc;

use avouch_appraise::{Appraisal, Session};
use avouch_crypto::sha256;
use avouch_protocol::{Challenge, Hash, KeyLost, Message};
use avouch_store::{CommitRecord, EvidenceParts};
use axum::http::StatusCode;

use super::evidence::{answers, store};
use super::record::{Answered, Conclusion, give_receipt, record};
use super::submission::{context, session};
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// Makes the notice the record of the open challenge: the pass ends, and nothing counts as proven any more. It is
/// idempotent like evidence, and its receipt is the same.
pub(crate) async fn key_lost(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let now = app.now()?;
    let caller = app.caller(&call)?;
    let node = &caller.standing;
    let notice = KeyLost::from_cbor(&call.body).map_err(|error| Refused::malformed(&error))?;
    let digest = Hash(sha256(&[&call.body]));
    let stored = app.store.record_of_evidence(&app.cluster, &node.tag, &digest);
    if let Some(stored) = stored.map_err(|error| store_refused(&error))? {
        return give_receipt(&app, now, &stored, node.last_reset_count);
    }
    let open = node.open.as_ref().filter(|open| now <= open.deadline && answers(open, notice.seq, &notice.challenge));
    let open = open.ok_or_else(|| {
        let what = "The notice names no open challenge of this node.";
        Refused::new(StatusCode::CONFLICT, "NO_CHALLENGE", what, "Ask for a challenge and name that one.")
    })?;
    let challenge = Challenge::from_cbor(&open.bytes).map_err(|error| Refused::internal(&error))?;
    let session = session(node).ok().flatten();
    let appraisal =
        Appraisal::key_lost(&notice, &challenge, session.as_ref(), &context(&app, &caller, &challenge, now));
    let answered = Answered {
        challenge: &challenge,
        challenge_bytes: &open.bytes,
        evidence: digest,
        seq: challenge.seq,
        prev: challenge.prev,
        time: now,
        late: false,
    };
    let conclusion = Conclusion::of(&appraisal.verdict)?;
    let commit = CommitRecord {
        node: node.tag,
        record: record(&app, &answered, &conclusion),
        evidence: EvidenceParts::whole(&call.body),
        session: appraisal.session.as_ref().map(Session::to_cbor),
        verdict: Some(conclusion.verdict(&answered)),
        reset_count: None,
        observed: None,
    };
    store(&app, now, Box::new(commit)).await
}
