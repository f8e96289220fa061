//! Evidence for a challenge that is no longer open.
//!
//! When the challenge ran out unanswered, authentic evidence for it is kept as a late record: it heals coverage and
//! never gives a verdict. Everything else is refused, and nothing is stored for it.

use avouch_appraise::{AuthenticQuote, Expected, Rejection};
use avouch_protocol::{Challenge, Evidence, Hash, Message, RecordHeader, Status};
use avouch_store::{CommitRecord, Event, EvidenceParts, OpenChallenge, Record};
use axum::http::StatusCode;

use super::evidence::spent;
use super::record::{Answered, Conclusion, record};
use super::submission::context;
use crate::app::{App, store_refused};
use crate::appraisal::unjudged;
use crate::caller::Caller;
use crate::http::refusal::Refused;

/// Code of a late record.
const LATE: &str = "LATE";

/// The late record of a message that does not answer `open`, the node's open challenge.
pub(super) fn commit(
    app: &App,
    now: u64,
    caller: &Caller,
    open: Option<&OpenChallenge>,
    message: &Evidence,
    body: &[u8],
    digest: Hash,
) -> Result<CommitRecord, Refused> {
    let node = &caller.standing;
    let stored = app.store.record(&app.cluster, &node.tag, message.seq).map_err(|error| store_refused(&error))?;
    let stored = stored.filter(|record| record.challenge == message.challenge);
    let unanswered = match stored {
        Some(record) if record.evidence.is_some() => return Err(second_answer(app, now, caller, message, &record)),
        Some(record) => record,
        None => return Err(no_challenge(open, message)),
    };
    if open.is_some() {
        let what = "A later challenge of this node is open.";
        let remedy = "Answer it first, and send the late evidence then.";
        return Err(Refused::new(StatusCode::CONFLICT, "CHALLENGE_OPEN", what, remedy));
    }
    let (challenge_bytes, challenge) = challenge_of(&unanswered)?;
    authenticate(caller, message, &challenge, &challenge_bytes).map_err(|rejection| rejected(&rejection))?;
    let answered = Answered {
        challenge: &challenge,
        challenge_bytes: &challenge_bytes,
        evidence: digest,
        seq: node.head.seq.saturating_add(1),
        prev: node.head.record,
        time: now,
        late: true,
    };
    let what = "the evidence came after its challenge had run out; it counts for order and coverage, never as a pass";
    let mut verdict = unjudged(&challenge, &context(app, caller, &challenge, now), LATE, what);
    (verdict.status, verdict.expires) = (Status::Unanswered, 0);
    let shared: Vec<&[u8]> = message.boot_log.iter().map(|log| log.as_slice()).collect();
    Ok(CommitRecord {
        node: node.tag,
        record: record(app, &answered, &Conclusion::of(&verdict)?),
        evidence: EvidenceParts::sharing(body, &shared),
        session: None,
        verdict: None,
        reset_count: None,
        observed: None,
    })
}

fn challenge_of(record: &Record) -> Result<(Vec<u8>, Challenge), Refused> {
    let header = RecordHeader::from_cbor(&record.header).map_err(|error| Refused::internal(&error))?;
    let challenge = Challenge::from_cbor(&header.challenge).map_err(|error| Refused::internal(&error))?;
    Ok((header.challenge.to_vec(), challenge))
}

/// Authenticates without the node's session: late evidence is older than what the session says, and honestly so.
fn authenticate(
    caller: &Caller,
    message: &Evidence,
    challenge: &Challenge,
    challenge_bytes: &[u8],
) -> Result<AuthenticQuote, Rejection> {
    let expected = Expected {
        ak: caller.keys.checked.ak(),
        qualified_signer: caller.keys.checked.qualified_signer(),
        challenge,
        challenge_bytes,
        client_spki: caller.keys.client_spki,
        last: None,
    };
    AuthenticQuote::authenticate(message, &expected)
}

/// Other bytes for a challenge that was answered. Made by this TPM for this challenge, they are an incident: somebody
/// quoted twice and chose.
fn second_answer(app: &App, now: u64, caller: &Caller, message: &Evidence, record: &Record) -> Refused {
    let node = caller.standing.tag;
    let authentic =
        challenge_of(record).is_ok_and(|(bytes, challenge)| authenticate(caller, message, &challenge, &bytes).is_ok());
    if authentic {
        tracing::warn!(node = %node.short(), seq = record.seq, "authentic second answer to a spent challenge");
        let detail = serde_json::json!({ "seq": record.seq }).to_string();
        app.note(now, Event { kind: "CHALLENGE_SPENT".into(), node: Some(node), detail });
    }
    spent()
}

fn no_challenge(open: Option<&OpenChallenge>, message: &Evidence) -> Refused {
    let remedy = "Ask for a challenge and answer that one, over the connection of the node that asked.";
    if open.is_some() {
        let what = format!("The evidence answers challenge {}, which is not this node's open one.", message.challenge);
        return Refused::new(StatusCode::CONFLICT, "CHALLENGE_MISMATCH", what, remedy);
    }
    let what = "This node has no open challenge, and had none that this evidence answers.";
    Refused::new(StatusCode::CONFLICT, "NO_CHALLENGE", what, remedy)
}

fn rejected(rejection: &Rejection) -> Refused {
    let remedy = "Late evidence is kept only when it is authentic; ask for a new challenge.";
    Refused::new(StatusCode::FORBIDDEN, rejection.code.as_str(), rejection.detail.clone(), remedy)
}
