//! A node that keeps what it must, in memory, and lets its test see every receipt.

use avouch_agent::challenge::CheckedChallenge;
use avouch_agent::http::HttpError;
use avouch_agent::receipt::VerifiedReceipt;
use avouch_agent::state::Enrolment;
use avouch_agent::{AgentError, Client, Enroller, build_evidence};
use avouch_crypto::sha256;
use avouch_crypto::tls::agent_config;
use avouch_protocol::{Challenge, ChallengeRequest, EnrolmentToken, Hash, Message, NodeTag, SignedReceipt, VERSION};
use avouch_testkit::Machine;

/// What a receipt acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) seq: u64,
    pub(crate) record: Hash,
    pub(crate) evidence: Hash,
}

/// Evidence on its way.
struct Spooled {
    challenge: Vec<u8>,
    evidence: Vec<u8>,
}

/// A machine and its membership.
pub(crate) struct Member {
    machine: Machine,
    label: String,
    token: EnrolmentToken,
    joined: Option<(Enrolment, Client)>,
    newest: Option<VerifiedReceipt>,
    spool: Option<Spooled>,
    /// Path of the request that was sent last.
    pub(crate) asked: &'static str,
    /// Every receipt that came, in order.
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Every generation whose membership came.
    pub(crate) generations: Vec<u32>,
    measured: u32,
}

impl Member {
    pub(crate) fn new(machine: Machine, label: &str, token: EnrolmentToken) -> Self {
        Self {
            machine,
            label: label.to_owned(),
            token,
            joined: None,
            newest: None,
            spool: None,
            asked: "",
            acknowledged: Vec::new(),
            generations: Vec::new(),
            measured: 0,
        }
    }

    /// The node's tag, once it has joined.
    pub(crate) fn tag(&self) -> Option<NodeTag> {
        self.joined.as_ref().map(|(enrolment, _)| enrolment.membership.node_tag)
    }

    /// Drops its membership; the next step enrols with new keys.
    pub(crate) fn enrol_again(&mut self) {
        assert!(self.spool.is_none(), "evidence of the old key would be lost");
        (self.joined, self.newest) = (None, None);
    }

    /// The next thing to do, up to one receipt: enrol, send what has no receipt, or answer a challenge. After an error
    /// the next step goes on where this one stopped.
    pub(crate) fn step(&mut self) -> Result<(), AgentError> {
        if self.joined.is_none() {
            return self.enrol();
        }
        if self.spool.is_none() {
            self.answer_challenge()?;
        }
        self.deliver()
    }

    fn enrol(&mut self) -> Result<(), AgentError> {
        self.asked = "/v1/enroll";
        let enroller = Enroller::new(self.token.clone(), Some(self.label.clone()))?;
        let mut tpm = self.machine.tpm().unwrap();
        let enrolment = enroller.run(&mut tpm)?.enrolment;
        let tls = agent_config(&enrolment.pins(), Some(&enrolment.identity()?)).map_err(AgentError::Tls)?;
        self.generations.push(enrolment.membership.generation);
        self.joined = Some((enrolment.clone(), Client::new(&enrolment.origin, tls)));
        Ok(())
    }

    fn answer_challenge(&mut self) -> Result<(), AgentError> {
        let Some((enrolment, client)) = &self.joined else { unreachable!() };
        self.asked = "/v1/challenge";
        let newest = self.newest.as_ref().map(VerifiedReceipt::message);
        let (last_seq, last_record) = newest.map_or((0, Hash::ZERO), |receipt| (receipt.seq, receipt.record_hash));
        let request = ChallengeRequest { v: VERSION, last_seq, last_record };
        let (_, bytes) = client.exchange::<Challenge>("/v1/challenge", &request.to_cbor())?;
        let challenge = CheckedChallenge::check(bytes, enrolment, self.newest.as_ref())?;
        // Something new in most rounds, so that logs grow and sessions are resumed.
        self.measured += 1;
        if !self.measured.is_multiple_of(4) {
            let name = format!("/usr/bin/program-{}", self.measured);
            self.machine.run(&name, &sha256(&[name.as_bytes()])).unwrap();
        }
        let mut tpm = self.machine.tpm().unwrap();
        let mut key = tpm.load_attestation_key(&enrolment.ak_blob())?;
        let evidence = build_evidence(&mut key, &challenge, &enrolment.client_spki()?, &self.machine.securityfs())?;
        self.spool = Some(Spooled { challenge: challenge.bytes().to_vec(), evidence: evidence.to_cbor() });
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), AgentError> {
        let (Some((enrolment, client)), Some(spooled)) = (&self.joined, &self.spool) else { unreachable!() };
        self.asked = "/v1/evidence";
        let answer = client.exchange::<SignedReceipt>("/v1/evidence", &spooled.evidence);
        if matches!(&answer, Err(HttpError::Refused(refusal)) if refusal.retry_in.is_none()) {
            self.spool = None;
        }
        let (_, signed) = answer?;
        let spooled = self.spool.as_ref().unwrap();
        let receipt = VerifiedReceipt::verify(signed, enrolment, &spooled.challenge, &spooled.evidence)?;
        let told = receipt.message();
        let evidence = Hash(sha256(&[&spooled.evidence]));
        self.acknowledged.push(Acknowledged { seq: told.seq, record: told.record_hash, evidence });
        self.newest = Some(receipt);
        self.spool = None;
        Ok(())
    }
}
