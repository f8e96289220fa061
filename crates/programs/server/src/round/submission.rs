//! One evidence message and everything that it is judged by.

use std::time::Instant;

use avouch_appraise::{Appraisal, Context, ProvenReports, Session};
use avouch_pairs::Observation;
use avouch_protocol::{Challenge, Evidence, Hash, MAX_REPORT_BYTES, Message, Observed, Round};
use avouch_store::{CommitRecord, EvidenceParts, ObservationBytes, ObservedReport, OpenChallenge, Standing};

use super::record::{Answered, Conclusion, record};
use crate::app::{App, store_refused};
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
        let base = self.base(app)?;
        let opinion = self.opinion(app, &challenge, base.as_ref())?;
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
        let (verdict, session, reports, keeps_verdict) = match opinion {
            Opinion::Rejected(verdict) => (verdict, None, None, true),
            Opinion::Judged(appraisal) => {
                let Appraisal { verdict, session, reports, .. } = *appraisal;
                (Box::new(verdict), session, reports, false)
            }
            Opinion::Broken(verdict) => (verdict, None, None, false),
            Opinion::Unfinished(error) => return Err(Refused::internal(&error)),
        };
        let conclusion = Conclusion::of(&verdict)?;
        let shared: Vec<&[u8]> = self.message.boot_log.iter().map(|log| log.as_slice()).collect();
        Ok(CommitRecord {
            node: self.caller.standing.tag,
            record: record(app, &answered, &conclusion),
            evidence: EvidenceParts::sharing(self.body, &shared),
            reset_count: session.as_ref().map(Session::reset_count),
            observed: reports.and_then(|reports| observed(app, reports, base.as_ref())),
            session: session.map(|session| session.to_cbor()),
            verdict: (!keeps_verdict).then(|| conclusion.verdict(&answered)),
        })
    }

    /// What the differences of this message begin from. Nothing is read for a message without a report.
    fn base(&self, app: &App) -> Result<Option<(Hash, Observation)>, Refused> {
        let node = &self.caller.standing;
        let reports = !self.message.reports.is_empty() || self.message.report_digest != Hash::ZERO;
        let Some(report) = node.observed_report.filter(|_| reports) else { return Ok(None) };
        let newest = app.store.newest_observation(&app.cluster, &node.tag).map_err(|error| store_refused(&error))?;
        let read = |bytes: &[u8]| Observed::from_cbor(bytes).ok()?.observation().ok();
        // One that cannot be read is none: the node is then asked for a whole report by the finding that names it.
        Ok(newest.and_then(|(_, bytes)| read(&bytes)).map(|observation| (report, observation)))
    }

    fn opinion(
        &self,
        app: &App,
        challenge: &Challenge,
        base: Option<&(Hash, Observation)>,
    ) -> Result<Opinion, Refused> {
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
            base: base.map(|(report, observation)| (*report, observation)),
            context,
            seen: &app.caches.signatures,
        };
        Ok(appraise_surely(&*app.appraiser, &case))
    }
}

/// What is to be kept of the proven reports: the name of the newest, and what it shows where that is something new.
fn observed(app: &App, reports: ProvenReports, base: Option<&(Hash, Observation)>) -> Option<ObservedReport> {
    let report = reports.digest();
    let observation = reports.into_observation();
    if base.is_some_and(|(_, kept)| *kept == observation) {
        app.metrics.observed("unchanged");
        return Some(ObservedReport { report, changed: None });
    }
    match Observed::of(&observation) {
        Ok(observed) => {
            let bytes = observed.to_cbor();
            if bytes.len() > MAX_REPORT_BYTES {
                app.metrics.observed("too_large");
                return None;
            }
            app.metrics.observed("changed");
            Some(ObservedReport { report, changed: Some(ObservationBytes::new(&bytes)) })
        }
        // What cannot be kept is not a base: the next report that is a difference says that its base is missing.
        Err(error) => {
            tracing::warn!(%error, "an observation cannot be kept");
            app.metrics.observed("too_large");
            None
        }
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
