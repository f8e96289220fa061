//! A server's keys and a node's enrolment under them.

use avouch_agent::state::{Enrolment, Trust};
use avouch_crypto::ca::NodeCa;
use avouch_crypto::client_key::ClientKey;
use avouch_crypto::sha256;
use avouch_crypto::signing::SigningKey;
use avouch_protocol::{
    Challenge, Hash, Membership, Message, NodeTag, Offsets, Receipt, RecordHeader, SignedReceipt, Status, VERSION,
};
use avouch_tpm::AkBlob;
use avouch_tpm_wire::EkTemplate;

pub(crate) const ORIGIN: &str = "https://verifier.example:8443";
pub(crate) const NODE: NodeTag = NodeTag([7; 32]);
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) struct World {
    pub(crate) log_key: SigningKey,
    pub(crate) node_ca: NodeCa,
    pub(crate) enrolment: Enrolment,
}

impl World {
    pub(crate) fn new() -> Self {
        let log_key = SigningKey::generate().unwrap();
        let node_ca = NodeCa::create(NOW).unwrap();
        let enrolment = enrolment(&log_key, &node_ca, ORIGIN, vec![Hash([9; 32])]);
        Self { log_key, node_ca, enrolment }
    }

    /// An enrolment whose attestation key some TPM has.
    pub(crate) fn with_key(key: AkBlob) -> Self {
        let mut world = Self::new();
        world.enrolment.parent_public = key.parent_public.into();
        world.enrolment.ak_public = key.public.into();
        world.enrolment.ak_private = key.private.into();
        world
    }

    /// A receipt for `evidence` over `challenge`, changed by `alter` before it is signed.
    pub(crate) fn receipt(&self, challenge: &Challenge, evidence: &[u8], alter: impl FnOnce(&mut Receipt)) -> Vec<u8> {
        let evidence = Hash(sha256(&[evidence]));
        let header = RecordHeader {
            v: VERSION,
            node_tag: challenge.node_tag,
            seq: challenge.seq,
            prev: challenge.prev,
            challenge: challenge.to_cbor().into(),
            evidence,
            time: NOW,
        };
        let mut receipt = Receipt {
            v: VERSION,
            node_tag: challenge.node_tag,
            seq: challenge.seq,
            record_hash: Hash(sha256(&[&header.to_cbor()])),
            evidence,
            round: challenge.round,
            status: Status::Pass,
            code: String::new(),
            time: NOW,
            expires: NOW + 60,
        };
        alter(&mut receipt);
        sign(&self.log_key, &receipt)
    }
}

pub(crate) fn sign(key: &SigningKey, receipt: &Receipt) -> Vec<u8> {
    let bytes = receipt.to_cbor();
    let signature = key.sign(&[SignedReceipt::CONTEXT, &bytes].concat()).to_vec();
    SignedReceipt { v: VERSION, receipt: bytes.into(), signature: signature.into(), next_in: 10 }.to_cbor()
}

pub(crate) fn enrolment(log_key: &SigningKey, node_ca: &NodeCa, origin: &str, pins: Vec<Hash>) -> Enrolment {
    let client_key = ClientKey::generate().unwrap();
    let certificate = node_ca.issue_node(client_key.spki_der(), &NODE.to_hex(), NOW).unwrap();
    let trust = Trust { origin: origin.into(), server_ca_pins: pins, log_key: Hash(log_key.public()) };
    let keys = AkBlob { parent_public: vec![1], public: vec![2], private: vec![3] };
    let membership = Membership {
        node_tag: NODE,
        client_certificate: certificate.into(),
        node_ca: node_ca.certificate().der().to_vec().into(),
        generation: 1,
        interval: 10,
    };
    Enrolment::new(trust, keys, EkTemplate::L1, &client_key, membership, Some("a label".into()))
}

pub(crate) fn challenge(seq: u64, prev: Hash) -> Challenge {
    Challenge {
        v: VERSION,
        origin: ORIGIN.into(),
        node_tag: NODE,
        round: 180_000_000,
        seq,
        prev,
        base: Hash::ZERO,
        server_nonce: Hash([5; 32]),
        pcr_bank: 0x000B,
        pcr_mask: 0x07FF,
        policy_ref: Hash::ZERO,
        offsets: Offsets::default(),
        deadline: NOW + 40,
        chain_pcr: None,
        cap_pcr: None,
    }
}
