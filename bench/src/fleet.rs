//! Simulated nodes that enrol and attest over HTTPS as agents do.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use avouch_crypto::ca::Identity;
use avouch_crypto::client_key::ClientKey;
use avouch_crypto::hmac_sha256;
use avouch_crypto::tls::agent_config;
use avouch_https::Https;
use avouch_protocol::{
    ActivateRequest, ActivateResponse, ChallengeRequest, CredentialChallenge, EnrolRequest, EnrolmentToken, Hash,
    Message, Purpose, Receipt, Refusal, SignedReceipt, Status, VERSION, enrolment_proof_input, qualifying_data,
};
use rustls::ClientConfig;

use crate::logs::{Entry, ROUND_ENTRIES, hash};
use crate::node::Machine;
use crate::tpm::{Attester, Endorsement, Vendor};

const CBOR: &str = "application/cbor";
const USER_AGENT: &str = concat!("avouch-bench/", env!("CARGO_PKG_VERSION"));
/// Largest answer that is read; receipts and challenges have under 1 KiB.
const MAX_ANSWER: u64 = 64 * 1024;

/// How a node comes to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// One, kept from round to round.
    Kept,
    /// A new one for every round, with the TLS session of an earlier one.
    Resumed,
    /// A new one for every round, with a full handshake.
    Full,
}

/// An enrolled node.
pub(crate) struct Member {
    machine: Machine,
    identity: Identity,
    spki: Hash,
    pins: Vec<[u8; 32]>,
    tls: Arc<ClientConfig>,
    client: Https,
    last: (u64, Hash),
    stock: Arc<Vec<Entry>>,
    next: usize,
}

/// What the nodes saw in some time.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From asking to challenge, connecting included.
    pub(crate) challenge: Vec<Duration>,
    /// From sending evidence to receipt.
    pub(crate) evidence: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

impl Member {
    /// Joins with a new TPM. `stock` is what the machine will measure later, over and over.
    pub(crate) fn enrol(
        vendor: &Vendor,
        token: &EnrolmentToken,
        boot_log: &Arc<Vec<u8>>,
        stock: &Arc<Vec<Entry>>,
    ) -> Result<Self> {
        let endorsement = Endorsement::new(vendor)?;
        let mut machine = Machine::new(Attester::p256()?, boot_log)?;
        let key = ClientKey::generate()?;
        let spki = hash(&[key.spki_der()]);
        let pins: Vec<[u8; 32]> = token.server_ca_pins.iter().map(|pin| pin.0).collect();
        let anonymous = Https::new(&token.origin, agent_config(&pins, None)?, USER_AGENT, MAX_ANSWER);
        let request = request(token, &endorsement, &machine.attester, &key);
        let credential = taken(&anonymous, "/v1/enroll", &request)?;
        let activation = activate(&endorsement, &mut machine.attester, &request, &credential, &spki)?;
        let answer = taken(&anonymous, "/v1/enroll/activate", &activation.to_cbor())?;
        let membership = ActivateResponse::from_cbor(&answer)?.membership;
        let identity = Identity::new(&[membership.client_certificate.to_vec()], key)?;
        let tls = agent_config(&pins, Some(&identity))?;
        let client = Https::new(&token.origin, tls.clone(), USER_AGENT, MAX_ANSWER);
        let (last, stock) = ((0, Hash::ZERO), stock.clone());
        Ok(Self { machine, identity, spki, pins, tls, client, last, stock, next: 0 })
    }

    pub(crate) fn measure(&mut self, entries: &[Entry]) {
        self.machine.measure(entries);
    }

    /// One round; how long the two exchanges took. The connection is made within the first.
    pub(crate) fn round(&mut self, connections: Connections) -> Result<(Duration, Duration)> {
        match connections {
            Connections::Kept => {}
            Connections::Resumed => self.client = self.connect(self.tls.clone()),
            Connections::Full => self.client = self.connect(agent_config(&self.pins, Some(&self.identity))?),
        }
        let (last_seq, last_record) = self.last;
        let request = ChallengeRequest { v: VERSION, last_seq, last_record }.to_cbor();
        let start = Instant::now();
        let challenge = taken(&self.client, "/v1/challenge", &request)?;
        let challenge_time = start.elapsed();
        let evidence = self.machine.answer(&challenge, &self.spki)?.to_cbor();
        let start = Instant::now();
        let answer = taken(&self.client, "/v1/evidence", &evidence)?;
        let evidence_time = start.elapsed();
        let receipt = Receipt::from_cbor(&SignedReceipt::from_cbor(&answer)?.receipt)?;
        ensure!(receipt.status == Status::Pass, "a round came to {receipt:?}");
        self.last = (receipt.seq, receipt.record_hash);
        self.machine.proven();
        self.work();
        Ok((challenge_time, evidence_time))
    }

    /// The machine runs some programs between two rounds.
    fn work(&mut self) {
        let stock = self.stock.clone();
        self.machine.measure(stock.iter().cycle().skip(self.next).take(ROUND_ENTRIES));
        self.next = (self.next + ROUND_ENTRIES) % stock.len().max(1);
    }

    fn connect(&self, tls: Arc<ClientConfig>) -> Https {
        Https::new(self.client.origin(), tls, USER_AGENT, MAX_ANSWER)
    }
}

/// Lets every member attest, each on a thread of its own and as fast as it can, for at least `slice` and one round.
pub(crate) fn attest(members: &mut [Member], slice: Duration, connections: Connections) -> Result<Seen> {
    let start = Instant::now();
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = members
            .iter_mut()
            .map(|member| {
                scope.spawn(move || {
                    let mut seen = Seen::default();
                    loop {
                        let (challenge, evidence) = member.round(connections)?;
                        seen.challenge.push(challenge);
                        seen.evidence.push(evidence);
                        if start.elapsed() >= slice {
                            return anyhow::Ok(seen);
                        }
                    }
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a node panicked"))?);
        joined.collect::<Result<Vec<Seen>>>()
    })?;
    let mut whole = Seen { elapsed: start.elapsed(), ..Seen::default() };
    for part in parts {
        whole.challenge.extend(part.challenge);
        whole.evidence.extend(part.evidence);
    }
    Ok(whole)
}

fn request(token: &EnrolmentToken, endorsement: &Endorsement, attester: &Attester, key: &ClientKey) -> Vec<u8> {
    let request = EnrolRequest {
        v: VERSION,
        token: token.to_cbor().into(),
        client_spki: key.spki_der().to_vec().into(),
        ek_public: endorsement.public.clone().into(),
        ek_certificate: endorsement.certificate.clone().into(),
        parent_public: attester.parent_public.clone().into(),
        ak_public: attester.ak_public.clone().into(),
        // Only a TPM could read it, and this one has its key at hand.
        ak_private: vec![0; 126].into(),
        label: None,
        further_eks: Vec::new(),
        cloud_key: None,
        ek_chain: None,
    };
    request.to_cbor()
}

fn activate(
    endorsement: &Endorsement,
    attester: &mut Attester,
    request: &[u8],
    credential: &[u8],
    spki: &Hash,
) -> Result<ActivateRequest> {
    let challenge = CredentialChallenge::from_cbor(credential)?;
    let secret = endorsement.activate(&challenge.credential_blob, &challenge.encrypted_secret, &attester.ak_name)?;
    let digest = hash(&[credential]);
    let proof = hmac_sha256(&secret, &[&enrolment_proof_input(&hash(&[request]), &digest)]);
    let qualifying = qualifying_data(hash, Purpose::Certify, &digest, spki, &Hash::ZERO);
    let certified = attester.certify_parent(&qualifying.0)?;
    Ok(ActivateRequest {
        v: VERSION,
        attempt: challenge.attempt,
        proof: Hash(proof),
        parent_certify: certified.attest.into(),
        parent_certify_signature: certified.signature.into(),
        cloud_certify: None,
        report_key: None,
    })
}

/// The body of an answer that is no refusal.
fn taken(client: &Https, path: &str, body: &[u8]) -> Result<Vec<u8>> {
    let answer = client.post(path, CBOR, body).with_context(|| format!("POST {path}"))?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let Refusal { code, what, .. } = Refusal::from_cbor(&answer.body)?;
    bail!("POST {path} was refused with {}: {code}: {what}", answer.status)
}
