//! An enrolled machine, one step of the protocol at a time.

use anyhow::{Context, Result, bail};
use avouch_agent::challenge::CheckedChallenge;
use avouch_agent::state::Enrolment;
use avouch_agent::{Client, Enroller, build_evidence};
use avouch_crypto::tls::agent_config;
use avouch_protocol::{
    ChallengeRequest, Evidence, Hash, Message, NodeProfile, Receipt, Refusal, SignedReceipt, VERSION,
};

use crate::{Machine, Site};

/// A member of a site. It holds keys and a connection, and no memory of earlier rounds.
#[derive(Debug)]
pub struct Node {
    /// All that enrolment gave.
    pub enrolment: Enrolment,
    client: Client,
}

/// What the server answered to posted evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// HTTP status.
    pub status: u16,
    /// The receipt, or why there is none.
    pub outcome: Result<Receipt, Refusal>,
}

impl Node {
    /// Enrols the machine with a new token.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn enrol(site: &Site, machine: &Machine, label: &str) -> Result<Self> {
        Self::enrol_by(site, machine, label, NodeProfile::EkCert)
    }

    /// Enrols the machine with a new token of this profile.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn enrol_by(site: &Site, machine: &Machine, label: &str, profile: NodeProfile) -> Result<Self> {
        let enroller = Enroller::new(site.token_for(profile, 1)?, Some(label.into()))?;
        let enrolment = enroller.run(&mut machine.tpm()?)?.enrolment;
        Self::of(enrolment, site)
    }

    /// A node with this enrolment, connected to `site`.
    ///
    /// # Errors
    /// When the enrolment's keys are unusable.
    pub fn of(enrolment: Enrolment, site: &Site) -> Result<Self> {
        let tls = agent_config(&enrolment.pins(), Some(&enrolment.identity()?))?;
        Ok(Self { client: Client::new(&site.address(), tls), enrolment })
    }

    /// The same node, connected to another socket, such as that of a [`Site::copy`].
    ///
    /// # Errors
    /// As [`Node::of`].
    pub fn at(&self, site: &Site) -> Result<Self> {
        Self::of(self.enrolment.clone(), site)
    }

    /// The node's tag, as operators write it.
    pub fn tag(&self) -> String {
        self.enrolment.membership.node_tag.to_hex()
    }

    /// The node's connection; bytes that are posted here go out as they are.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks for a challenge as a node that holds no receipt.
    ///
    /// # Errors
    /// When the server refuses, or the challenge is not for this node.
    pub fn challenge(&self) -> Result<CheckedChallenge> {
        let request = ChallengeRequest { v: VERSION, last_seq: 0, last_record: Hash::ZERO };
        let answer = self.client.accepted("/v1/challenge", &request.to_cbor())?;
        Ok(CheckedChallenge::check(answer.body, &self.enrolment, None)?)
    }

    /// Answers a challenge as the agent does: quote, attested time when it is owed, then the logs.
    ///
    /// # Errors
    /// When the TPM or a log fails.
    pub fn answer(&self, machine: &Machine, challenge: &CheckedChallenge) -> Result<Evidence> {
        self.answer_as(machine, challenge, &self.enrolment.client_spki()?)
    }

    /// [`Node::answer`] for a connection with another client key.
    ///
    /// # Errors
    /// As `answer`.
    pub fn answer_as(&self, machine: &Machine, challenge: &CheckedChallenge, client_spki: &Hash) -> Result<Evidence> {
        let mut tpm = machine.tpm()?;
        let mut key = tpm.load_attestation_key(&self.enrolment.ak_blob())?;
        Ok(build_evidence(&mut key, challenge, client_spki, &machine.securityfs())?)
    }

    /// Asks and answers.
    ///
    /// # Errors
    /// As [`Node::challenge`] and [`Node::answer`].
    pub fn evidence(&self, machine: &Machine) -> Result<Evidence> {
        self.answer(machine, &self.challenge()?)
    }

    /// Evidence as it is sent.
    pub fn encode(evidence: &Evidence) -> Vec<u8> {
        evidence.to_cbor()
    }

    /// Posts bytes as evidence.
    ///
    /// # Errors
    /// When the answer is neither a receipt nor a refusal.
    pub fn post(&self, bytes: &[u8]) -> Result<Posted> {
        let answer = self.client.post("/v1/evidence", bytes)?;
        let outcome = match answer.status {
            200 => Ok(Receipt::from_cbor(&SignedReceipt::from_cbor(&answer.body)?.receipt)?),
            _ => Err(Refusal::from_cbor(&answer.body)?),
        };
        Ok(Posted { status: answer.status, outcome })
    }

    /// A whole round: ask, answer, post.
    ///
    /// # Errors
    /// When any step fails, a refusal included.
    pub fn round(&self, machine: &Machine) -> Result<Receipt> {
        match self.post(&Self::encode(&self.evidence(machine)?))?.outcome {
            Ok(receipt) => Ok(receipt),
            Err(refusal) => bail!("{}: {}", refusal.code, refusal.what),
        }
    }
}

impl Posted {
    /// Status and code: of the record where there is a receipt (`pass`, `fail` …), else `refused` and the refusal's.
    pub fn told(&self) -> (u16, &str, &str) {
        match &self.outcome {
            Ok(receipt) => (self.status, receipt.status.word(), &receipt.code),
            Err(refusal) => (self.status, "refused", &refusal.code),
        }
    }

    /// The receipt.
    ///
    /// # Errors
    /// When the request was refused.
    pub fn receipt(&self) -> Result<&Receipt> {
        self.outcome.as_ref().ok().with_context(|| format!("the evidence was refused: {:?}", self.told()))
    }
}
