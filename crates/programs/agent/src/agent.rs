//! The agent as a library: enrolment and rounds over a state directory, a TPM and the kernel's logs.

use std::time::Duration;

use avouch_collect::Securityfs;
use avouch_protocol::{ChallengeRequest, EnrolmentToken, Evidence, Hash, KeyLost, Message, Offsets, Status, VERSION};
use avouch_tpm::{AttestationSession, Error as TpmError, KeyLost as LostKey, Tpm, Transport};
use avouch_tpm_wire::{Attest, EkTemplate};

use crate::challenge::{ChallengeError, CheckedChallenge};
use crate::clock::wall_clock;
use crate::enrol::{Enrolled, Enroller};
use crate::error::AgentError;
use crate::evidence::build_reported_evidence;
use crate::http::{Client, HttpError};
use crate::receipt::VerifiedReceipt;
use crate::report_key::{KeptReportKey, Signing};
use crate::reporter::{Reported, Reporter};
use crate::state::{Enrolment, Fork, Outcome, Spooled, StateDir, StateError, StateLock};

/// The finding that a fresh look may heal: the kernel measured something between the TPM's answer and the log's end.
const LOG_MISMATCH: &str = "LOG_MISMATCH";
/// The finding that a report which stands by itself heals.
const REPORT_BASE_MISSING: &str = "REPORT_BASE_MISSING";

/// One node's agent.
#[derive(Debug)]
pub struct Agent {
    state: StateDir,
    securityfs: Securityfs,
    reporter: Option<Reporter>,
    link: Option<Link>,
}

/// The connection to the server, kept from round to round: TLS sessions are resumed on it.
#[derive(Clone, Debug)]
struct Link {
    enrolment: String,
    client: Client,
}

/// How a node joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnrolAs {
    /// A name that a person gave.
    pub label: Option<String>,
    /// The endorsement key that is to name the node; `None` for the one of the enrolment before or, at first, the
    /// protocol's choice.
    pub ek: Option<EkTemplate>,
    /// An enrolment that exists gives way; otherwise it stays.
    pub replace: bool,
}

/// One round's work on one enrolment.
struct Session<'a> {
    state: &'a StateDir,
    securityfs: &'a Securityfs,
    reporter: Option<&'a mut Reporter>,
    lock: &'a StateLock,
    enrolment: &'a Enrolment,
    client: &'a Client,
}

// === impl Agent ===

impl Agent {
    /// An agent over these.
    pub fn new(state: StateDir, securityfs: Securityfs) -> Self {
        Self { state, securityfs, reporter: None, link: None }
    }

    /// The same, with reports of what both witnesses say.
    #[must_use]
    pub fn with_reporter(self, reporter: Reporter) -> Self {
        Self { reporter: Some(reporter), ..self }
    }

    /// Who makes reports.
    pub fn reporter(&self) -> Option<&Reporter> {
        self.reporter.as_ref()
    }

    /// A report between two rounds, because something happened. False where none is due, or enough of them wait.
    ///
    /// # Errors
    /// [`AgentError`]; the next round settles what was left half-way.
    pub fn report_event<T: Transport>(&mut self, lock: &StateLock, tpm: &mut Tpm<T>) -> Result<bool, AgentError> {
        match &mut self.reporter {
            Some(reporter) => reporter.report_event(&self.state, lock, tpm),
            None => Ok(false),
        }
    }

    /// Where it keeps its state.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// Becomes the only process that works with this state and its TPM. Take it before the TPM is opened.
    ///
    /// # Errors
    /// [`StateError::Busy`] when another process keeps it longer than `patience`.
    pub fn lock(&self, patience: Duration) -> Result<StateLock, AgentError> {
        let lock = self.state.lock(patience)?;
        self.tidy(&lock);
        Ok(lock)
    }

    /// The connection to the server under the present enrolment.
    ///
    /// # Errors
    /// [`AgentError::NotEnrolled`], and whatever keeps the stored keys from being used.
    pub fn client(&mut self) -> Result<Client, AgentError> {
        let enrolment = self.enrolment()?;
        Ok(self.link(&enrolment)?.client)
    }

    /// Time between rounds under the present enrolment.
    ///
    /// # Errors
    /// [`AgentError::NotEnrolled`], [`AgentError::State`].
    pub fn interval(&self) -> Result<Duration, AgentError> {
        Ok(Duration::from_secs(self.enrolment()?.membership.interval))
    }

    /// Joins the server that `token` names.
    ///
    /// All or nothing: the enrolment is one file that is put in place when everything else is done. Receipts of an
    /// earlier enrolment are not carried over: enrolling again is how a person accepts the server's chain after a fork.
    ///
    /// # Errors
    /// [`AgentError::AlreadyEnrolled`], or whatever failed; then everything is as before.
    pub fn enroll<T: Transport>(
        &mut self,
        lock: &StateLock,
        tpm: &mut Tpm<T>,
        token: EnrolmentToken,
        request: EnrolAs,
    ) -> Result<Enrolment, AgentError> {
        let before = self.replaceable(request.replace)?;
        let ek = request.ek.or(before.as_ref().map(Enrolment::ek));
        let Enrolled { enrolment, report_key } = Enroller::new(token, request.label)?.with_ek(ek).run(tpm)?;
        // Before the enrolment, whose id it carries and without which it is a leftover.
        if let Some(key) = report_key {
            self.state.keep_report_key(lock, &enrolment, &KeptReportKey::new(key))?;
        }
        self.state.keep_enrolment(lock, &enrolment)?;
        self.tidy(lock);
        self.link = None;
        Ok(enrolment)
    }

    /// One round: what has no receipt is sent first, then a new challenge is answered.
    ///
    /// # Errors
    /// [`AgentError`]; the state is such that the next call goes on where this one stopped.
    pub fn round<T: Transport>(&mut self, lock: &StateLock, tpm: &mut Tpm<T>) -> Result<VerifiedReceipt, AgentError> {
        let enrolment = self.enrolment()?;
        let client = self.link(&enrolment)?.client;
        let mut session = Session {
            state: &self.state,
            securityfs: &self.securityfs,
            reporter: self.reporter.as_mut(),
            lock,
            enrolment: &enrolment,
            client: &client,
        };
        session.send_spooled()?;
        let before = session.newest_receipt()?.is_some_and(|receipt| is_log_mismatch(&receipt));
        let receipt = session.answer_challenge(tpm)?;
        // A mismatch that was there a round ago is no race between the TPM and the log.
        if is_log_mismatch(&receipt) && !before {
            tracing::warn!(seq = receipt.message().seq, "the logs did not reproduce the quote; one more look");
            return session.answer_challenge(tpm);
        }
        Ok(receipt)
    }

    /// Writes down what came of an attempt, for `status`. A disk that takes nothing is told in the log only.
    pub fn note(&self, lock: &StateLock, trouble: Option<&AgentError>, next_in: Option<Duration>) {
        let trouble = trouble.map(AgentError::trouble);
        let outcome = Outcome { at: wall_clock(), next_in: next_in.map(|wait| wait.as_secs()), trouble };
        if let Err(error) = self.state.keep_outcome(lock, &outcome) {
            tracing::warn!("{error}; {}", error.remedy());
        }
    }

    fn enrolment(&self) -> Result<Enrolment, AgentError> {
        self.state.enrolment()?.ok_or(AgentError::NotEnrolled)
    }

    fn link(&mut self, enrolment: &Enrolment) -> Result<Link, AgentError> {
        let id = enrolment.id();
        if let Some(link) = self.link.as_ref().filter(|link| link.enrolment == id) {
            return Ok(link.clone());
        }
        let identity = enrolment.identity()?;
        let tls = avouch_crypto::tls::agent_config(&enrolment.pins(), Some(&identity)).map_err(AgentError::Tls)?;
        let link = Link { enrolment: id, client: Client::new(&enrolment.origin, tls) };
        self.link = Some(link.clone());
        Ok(link)
    }

    /// The enrolment that may be replaced, if there is one. A damaged one may be replaced, too: that is what enrolling again is for.
    fn replaceable(&self, replace: bool) -> Result<Option<Enrolment>, AgentError> {
        match self.state.enrolment() {
            Ok(Some(before)) if !replace => {
                Err(AgentError::AlreadyEnrolled { node: before.membership.node_tag, origin: before.origin.clone() })
            }
            Err(StateError::Damaged { .. }) if replace => Ok(None),
            found => Ok(found?),
        }
    }

    /// Leftovers do no harm: that they cannot be removed is told and nothing more.
    fn tidy(&self, lock: &StateLock) {
        let tidied = match self.state.enrolment() {
            Ok(present) => self.state.tidy(lock, present.as_ref()),
            // Whoever asks for the enrolment meets this error and tells it.
            Err(_) => Ok(()),
        };
        if let Err(error) = tidied {
            tracing::warn!("{error}; {}", error.remedy());
        }
    }
}

// === impl Session ===

impl Session<'_> {
    /// Evidence of an earlier attempt: the server gives its receipt (perhaps once more), or will never take it. Either
    /// way the round goes on; evidence that the server may take later stays in the way of newer evidence.
    fn send_spooled(&self) -> Result<(), AgentError> {
        let Some(spooled) = self.state.spool(self.enrolment)? else { return Ok(()) };
        match self.deliver(&spooled) {
            Ok(receipt) => {
                tracing::info!(seq = receipt.message().seq, "evidence of an earlier attempt has its receipt");
                Ok(())
            }
            Err(AgentError::Http(HttpError::Refused(refusal))) if refusal.retry_in.is_none() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn answer_challenge<T: Transport>(&mut self, tpm: &mut Tpm<T>) -> Result<VerifiedReceipt, AgentError> {
        let newest = self.newest_receipt()?;
        let challenge = self.challenge(newest.as_ref())?;
        let lacks_base = newest.is_some_and(|receipt| receipt.message().code == REPORT_BASE_MISSING);
        if let Some(reporter) = self.reporter.as_mut().filter(|_| lacks_base) {
            reporter.begin_anew();
        }
        let reported = self.report(tpm, &challenge)?;
        let evidence = match tpm.load_attestation_key(&self.enrolment.ak_blob()) {
            Ok(mut key) => self.evidence(&mut key, &challenge, reported)?,
            Err(TpmError::KeyLost(lost)) => return Err(self.key_lost(&challenge, lost)?),
            Err(error) => return Err(error.into()),
        };
        let spooled =
            Spooled { v: VERSION, challenge: challenge.bytes().to_vec().into(), evidence: evidence.to_cbor().into() };
        self.state.keep_spool(self.lock, self.enrolment, &spooled)?;
        self.deliver(&spooled)
    }

    /// The reports that the challenge asks for. They are chained before anything is signed: the quote covers them.
    fn report<T: Transport>(
        &mut self,
        tpm: &mut Tpm<T>,
        challenge: &CheckedChallenge,
    ) -> Result<Option<Reported>, AgentError> {
        match &mut self.reporter {
            Some(reporter) => reporter.report(self.state, self.lock, tpm, challenge.message(), challenge.offsets()),
            None => Ok(None),
        }
    }

    fn evidence<T: Transport>(
        &self,
        key: &mut AttestationSession<'_, T>,
        challenge: &CheckedChallenge,
        reported: Option<Reported>,
    ) -> Result<Evidence, AgentError> {
        let client_spki = self.enrolment.client_spki()?;
        let signs = reported.is_some() || self.reporter.as_ref().is_some_and(|reporter| reporter.is_able());
        let reported = reported.unwrap_or_default();
        let mut evidence = build_reported_evidence(key, challenge, &client_spki, self.securityfs, reported)?;
        if signs {
            let signing = Signing {
                state: self.state,
                lock: self.lock,
                enrolment: self.enrolment,
                challenge: challenge.digest(),
                client_spki,
                owed: owes_report_key(challenge.offsets(), &evidence),
            };
            signing.sign(key, &mut evidence)?;
        }
        Ok(evidence)
    }

    /// Asks for a challenge and checks it against the newest receipt.
    fn challenge(&self, newest: Option<&VerifiedReceipt>) -> Result<CheckedChallenge, AgentError> {
        let (last_seq, last_record) =
            newest.map_or((0, Hash::ZERO), |newest| (newest.message().seq, newest.message().record_hash));
        let request = ChallengeRequest { v: VERSION, last_seq, last_record };
        let (_, bytes) = self.client.exchange::<avouch_protocol::Challenge>("/v1/challenge", &request.to_cbor())?;
        match CheckedChallenge::check(bytes.clone(), self.enrolment, newest) {
            Ok(challenge) => {
                if challenge.unshown() > 0 {
                    tracing::warn!(
                        records = challenge.unshown(),
                        "the server holds records of this node that it has no receipt for: rounds it did not answer, \
                         or answered without hearing back"
                    );
                }
                // Without a receipt of this enrolment nothing that the challenge says is proven can be this one's.
                Ok(if newest.is_some() { challenge } else { challenge.owing_everything() })
            }
            Err(error) => Err(self.refused_challenge(error, bytes, newest)?),
        }
    }

    fn newest_receipt(&self) -> Result<Option<VerifiedReceipt>, AgentError> {
        let signed = self.state.receipt(self.enrolment)?;
        Ok(signed.map(|signed| VerifiedReceipt::kept(signed, self.enrolment)).transpose()?)
    }

    /// Keeps both sides of a fork; returns the error to report.
    fn refused_challenge(
        &self,
        error: ChallengeError,
        challenge: Vec<u8>,
        newest: Option<&VerifiedReceipt>,
    ) -> Result<AgentError, AgentError> {
        if let (ChallengeError::Fork { .. }, Some(newest)) = (&error, newest) {
            let fork = Fork { v: VERSION, receipt: newest.signed().to_vec().into(), challenge: challenge.into() };
            self.state.keep_fork(self.lock, self.enrolment, &fork)?;
        }
        Ok(error.into())
    }

    /// Tells the server that this node cannot quote any more; returns the error to report. The notice becomes a record
    /// like any other, so its receipt continues the chain.
    fn key_lost(&self, challenge: &CheckedChallenge, lost: LostKey) -> Result<AgentError, AgentError> {
        let tpm_rc = match lost {
            LostKey::DoesNotLoad { rc } => rc.0,
            LostKey::OtherParent => 0,
        };
        let notice = KeyLost { v: VERSION, seq: challenge.message().seq, challenge: challenge.digest(), tpm_rc };
        let notice = notice.to_cbor();
        let (_, signed) = self.client.exchange::<avouch_protocol::SignedReceipt>("/v1/key-lost", &notice)?;
        let receipt = VerifiedReceipt::verify(signed, self.enrolment, challenge.bytes(), &notice)?;
        self.state.keep_receipt(self.lock, self.enrolment, receipt.signed())?;
        Ok(AgentError::KeyLost { lost, next_in: receipt.next_in() })
    }

    /// Sends evidence that is in the spool; its receipt is durable before the spool is empty.
    ///
    /// A refusal that names no time for another try is final: the same bytes would be refused for ever, and are dropped.
    fn deliver(&self, spooled: &Spooled) -> Result<VerifiedReceipt, AgentError> {
        let answer = self.client.exchange::<avouch_protocol::SignedReceipt>("/v1/evidence", &spooled.evidence);
        if let Err(HttpError::Refused(refusal)) = &answer
            && refusal.retry_in.is_none()
        {
            tracing::warn!(code = refusal.code, "evidence is dropped, the server will not take it: {}", refusal.what);
            self.state.drop_spool(self.lock, self.enrolment)?;
        }
        let (_, signed) = answer?;
        let receipt = VerifiedReceipt::verify(signed, self.enrolment, &spooled.challenge, &spooled.evidence)?;
        self.state.keep_receipt(self.lock, self.enrolment, receipt.signed())?;
        self.settle_report_key(&spooled.evidence)?;
        self.state.settle_spool(self.lock, self.enrolment)?;
        Ok(receipt)
    }

    /// The server has seen the report key that this evidence showed.
    fn settle_report_key(&self, evidence: &[u8]) -> Result<(), AgentError> {
        let Some(mut kept) = self.state.report_key(self.enrolment)?.filter(|kept| !kept.shown) else { return Ok(()) };
        let shown = Evidence::from_cbor(evidence)?.report_key;
        if shown.is_some_and(|shown| shown.public == kept.public) {
            kept.shown = true;
            self.state.keep_report_key(self.lock, self.enrolment, &kept)?;
        }
        Ok(())
    }
}

/// As long as the server holds no report of the boot session that the evidence is of, it wants to see the key.
fn owes_report_key(offsets: &Offsets, evidence: &Evidence) -> bool {
    let session = Attest::parse(&evidence.quote).map(|attest| attest.clock.reset_count);
    offsets.reports == 0 || session.ok() != offsets.reset_count
}

fn is_log_mismatch(receipt: &VerifiedReceipt) -> bool {
    receipt.message().status == Status::Unverifiable && receipt.message().code == LOG_MISMATCH
}
