//! Receipts: the server's signed word that it stored what this node sent.

use avouch_crypto::signing::verify_ed25519;
use avouch_protocol::{Challenge, Hash, Message, NodeTag, Receipt, RecordHeader, SignedReceipt, VERSION, WireError};
use thiserror::Error;

use crate::hash::sha256;
use crate::state::Enrolment;

/// A receipt whose signature holds and that speaks of this node. Only the checks here make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    signed: Vec<u8>,
    receipt: Receipt,
    next_in: u64,
}

/// Why an answer is no receipt for what was sent. The server, or someone between, is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The bytes are no receipt of this version.
    #[error("{0}")]
    Malformed(WireError),
    /// The log key of the enrolment token did not sign it.
    #[error("the receipt is not signed by the log key of the enrolment token")]
    Signature,
    /// It speaks of another node.
    #[error("the receipt is for node {got}, this node is {wanted}")]
    OtherNode {
        /// This node.
        wanted: NodeTag,
        /// The receipt's node.
        got: NodeTag,
    },
    /// It speaks of other evidence.
    #[error("the receipt is for evidence {got}, what was sent is {wanted}")]
    OtherEvidence {
        /// SHA-256 of what was sent.
        wanted: Hash,
        /// What the receipt names.
        got: Hash,
    },
    /// It speaks of another challenge.
    #[error(
        "the receipt is for record {got_seq} of round {got_round}, the challenge was for record {seq} of round {round}"
    )]
    OtherChallenge {
        /// Sequence number of the challenge.
        seq: u64,
        /// Round of the challenge.
        round: u64,
        /// Sequence number of the receipt.
        got_seq: u64,
        /// Round of the receipt.
        got_round: u64,
    },
    /// The record that it names does not follow from challenge, evidence and the record before.
    #[error("the receipt names record {got}, but challenge, evidence and chain give {wanted}")]
    OtherRecord {
        /// SHA-256 of the header that this node computes.
        wanted: Hash,
        /// What the receipt names.
        got: Hash,
    },
}

// === impl VerifiedReceipt ===

impl VerifiedReceipt {
    /// Checks the answer to `evidence`, which answers `challenge`.
    ///
    /// The record header holds nothing that the node does not know but the time, which the receipt tells; so the node
    /// computes the record hash itself, and a receipt cannot promise a record that holds something else.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(
        signed: Vec<u8>,
        enrolment: &Enrolment,
        challenge: &[u8],
        evidence: &[u8],
    ) -> Result<Self, ReceiptError> {
        let verified = Self::signed_for(signed, enrolment)?;
        let asked = Challenge::from_cbor(challenge).map_err(ReceiptError::Malformed)?;
        let receipt = &verified.receipt;
        let wanted = sha256(&[evidence]);
        if receipt.evidence != wanted {
            return Err(ReceiptError::OtherEvidence { wanted, got: receipt.evidence });
        }
        // Late evidence becomes a record of its own behind the one that says it did not come in time.
        if receipt.seq < asked.seq || receipt.round != asked.round {
            let (seq, round) = (asked.seq, asked.round);
            return Err(ReceiptError::OtherChallenge { seq, round, got_seq: receipt.seq, got_round: receipt.round });
        }
        if receipt.seq == asked.seq {
            let wanted = record_hash(receipt, &asked, challenge);
            if receipt.record_hash != wanted {
                return Err(ReceiptError::OtherRecord { wanted, got: receipt.record_hash });
            }
        }
        Ok(verified)
    }

    /// Reads a receipt that was verified and kept earlier; its signature is checked again.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn kept(signed: Vec<u8>, enrolment: &Enrolment) -> Result<Self, ReceiptError> {
        Self::signed_for(signed, enrolment)
    }

    /// What the server says.
    pub fn message(&self) -> &Receipt {
        &self.receipt
    }

    /// The signed receipt's bytes, as they are kept.
    pub fn signed(&self) -> &[u8] {
        &self.signed
    }

    /// Seconds until this node's next slot: advice, not signed.
    pub fn next_in(&self) -> u64 {
        self.next_in
    }

    fn signed_for(signed: Vec<u8>, enrolment: &Enrolment) -> Result<Self, ReceiptError> {
        let envelope = SignedReceipt::from_cbor(&signed).map_err(ReceiptError::Malformed)?;
        let message = [SignedReceipt::CONTEXT, envelope.receipt.as_slice()].concat();
        verify_ed25519(&enrolment.log_key.0, &message, &envelope.signature).map_err(|_| ReceiptError::Signature)?;
        let receipt = Receipt::from_cbor(&envelope.receipt).map_err(ReceiptError::Malformed)?;
        let wanted = enrolment.membership.node_tag;
        if receipt.node_tag != wanted {
            return Err(ReceiptError::OtherNode { wanted, got: receipt.node_tag });
        }
        Ok(Self { signed, receipt, next_in: envelope.next_in })
    }
}

fn record_hash(receipt: &Receipt, asked: &Challenge, challenge: &[u8]) -> Hash {
    let header = RecordHeader {
        v: VERSION,
        node_tag: receipt.node_tag,
        seq: receipt.seq,
        prev: asked.prev,
        challenge: challenge.to_vec().into(),
        evidence: receipt.evidence,
        time: receipt.time,
    };
    sha256(&[&header.to_cbor()])
}
