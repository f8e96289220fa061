//! One evidence message and everything that it is judged by.

use std::time::Instant;

use avouch_appraise::{Context, Session};
use avouch_protocol::{Challenge, Evidence, Hash, Message, Round};
use avouch_store::{CommitRecord, EvidenceParts, OpenChallenge, Standing};

use super::record::{Answered, Conclusion, record};
use crate::app::App;
use crate::appraisal::{Case, Opinion, appraise_surely, unjudged};
use crate::caller::Caller;
use crate::http::refusal::Refused;

/// What every verdict says of a TPM that is software.
const SOFTWARE_TPM: &str = "software TPM: evaluation only";
/// What every verdict says of a TPM that a cloud runs.
const VIRTUAL_TPM: &str = "virtual TPM: its cloud can change what it measures";

/// Evidence that speaks of the node's open challenge, before its deadline.
pub(super) struct Submission<'a> {
    pub(super) now: u64,
    pub(super) caller: &'a Caller,
    pub(super) open: &'a OpenChallenge,
    pub(super) message: &'a Evidence,
    pub(super) body: &'a [u8],
    pub(super) digest: Hash,
}

impl Submission<'_> {
    /// Appraises, and makes what is to be stored.
    pub(super) fn judge(self, app: &App) -> Result<CommitRecord, Refused> {
        let started = Instant::now();
        let challenge = Challenge::from_cbor(&self.open.bytes).map_err(|error| Refused::internal(&error))?;
        let opinion = self.opinion(app, &challenge)?;
        app.metrics.appraised(started.elapsed());
        let answered = Answered {
            challenge: &challenge,
            challenge_bytes: &self.open.bytes,
            evidence: self.digest,
            seq: challenge.seq,
            prev: challenge.prev,
            time: self.now,
            late: false,
        };
        // A rejected message leaves verdict, session and counters as they are: nothing in it was believed.
        let (verdict, session, keeps_verdict) = match opinion {
            Opinion::Rejected(verdict) => (verdict, None, true),
            Opinion::Judged(appraisal) => (Box::new(appraisal.verdict), appraisal.session, false),
            Opinion::Broken(verdict) => (verdict, None, false),
            Opinion::Unfinished(error) => return Err(Refused::internal(&error)),
        };
        let conclusion = Conclusion::of(&verdict)?;
        let shared: Vec<&[u8]> = self.message.boot_log.iter().map(|log| log.as_slice()).collect();
        Ok(CommitRecord {
            node: self.caller.standing.tag,
            record: record(app, &answered, &conclusion),
            evidence: EvidenceParts::sharing(self.body, &shared),
            reset_count: session.as_ref().map(Session::reset_count),
            observed: None,
            session: session.map(|session| session.to_cbor()),
            verdict: (!keeps_verdict).then(|| conclusion.verdict(&answered)),
        })
    }

    fn opinion(&self, app: &App, challenge: &Challenge) -> Result<Opinion, Refused> {
        let context = context(app, self.caller, challenge, self.now);
        let session = match session(&self.caller.standing) {
            Ok(session) => session,
            // Going on without it would forget the order of quotes that it proves.
            Err(why) => {
                tracing::error!(node = %self.caller.standing.tag.short(), why, "a stored session cannot be read");
                let what = "what the server kept of this node cannot be read; enrol the node again";
                return Ok(Opinion::Broken(Box::new(unjudged(challenge, &context, "SESSION_UNREADABLE", what))));
            }
        };
        let policy = app.policy(&challenge.policy_ref)?;
        let case = Case {
            evidence: self.message,
            challenge,
            challenge_bytes: &self.open.bytes,
            client_spki: self.caller.keys.client_spki,
            keys: &self.caller.keys.checked,
            session: session.as_ref(),
            policy: policy.as_deref(),
            context,
            seen: &app.caches.signatures,
        };
        Ok(appraise_surely(&*app.appraiser, &case))
    }
}

/// What a verdict on this node depends on beside evidence and policy.
pub(super) fn context<'a>(app: &App, caller: &'a Caller, challenge: &Challenge, now: u64) -> Context<'a> {
    Context {
        now,
        expires: Round(challenge.round).verdict_expires(app.interval),
        ek: caller.keys.ek,
        tpm: match (caller.keys.software, caller.keys.profile.is_cloud()) {
            (true, _) => Some(SOFTWARE_TPM),
            (false, true) => Some(VIRTUAL_TPM),
            (false, false) => None,
        },
        identity: caller.keys.identity(),
    }
}

/// The appraiser's state of the node.
pub(super) fn session(node: &Standing) -> Result<Option<Session>, String> {
    node.session.as_deref().map(Session::from_cbor).transpose().map_err(|error| error.to_string())
}
