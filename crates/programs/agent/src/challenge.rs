//! What the agent checks of a challenge before its TPM signs anything.

use avouch_protocol::{Challenge, Hash, Message, Offsets, WireError};
use avouch_tpm_wire::{HashAlg, PcrSelection};
use thiserror::Error;

use crate::hash::sha256;
use crate::receipt::VerifiedReceipt;
use crate::state::Enrolment;

/// PCRs 0–23: what a PC client TPM has.
const ALL_PCRS: u32 = 0x00FF_FFFF;

/// A challenge that is for this node, from its server, and continues its chain. Only [`CheckedChallenge::check`]
/// makes one.
#[derive(Clone, Debug)]
pub struct CheckedChallenge {
    bytes: Vec<u8>,
    challenge: Challenge,
    selection: PcrSelection,
    offsets: Offsets,
    unshown: u64,
}

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// The bytes are no challenge of this version.
    #[error("{0}")]
    Malformed(WireError),
    /// It asks another node.
    #[error("the challenge asks node {got}, this node is {wanted}")]
    OtherNode {
        /// This node.
        wanted: String,
        /// Whom it asks.
        got: String,
    },
    /// It speaks for another cluster.
    #[error("the challenge speaks for {got:?}, this node belongs to {wanted:?}")]
    OtherOrigin {
        /// The URL of the enrolment.
        wanted: String,
        /// The URL in the challenge.
        got: String,
    },
    /// It selects no PCR, one that does not exist, or a bank of an unknown algorithm.
    #[error("the challenge selects PCRs {mask:#x} of bank {bank:#06x}, which no TPM can quote")]
    Selection {
        /// TPM algorithm id of the bank.
        bank: u16,
        /// Bit i is PCR i.
        mask: u32,
    },
    /// It does not continue the chain that this node has receipts for: the server lost or denies a record.
    #[error(
        "the challenge puts record {seq} after {prev}, but this node holds the server's receipt for record \
         {held_seq} ({held})"
    )]
    Fork {
        /// Sequence number in the challenge.
        seq: u64,
        /// The record before, as the challenge has it.
        prev: Hash,
        /// Sequence number of the newest receipt.
        held_seq: u64,
        /// The record that it names.
        held: Hash,
    },
}

// === impl CheckedChallenge ===

impl CheckedChallenge {
    /// Checks `bytes` as they came against the enrolment and the newest receipt.
    ///
    /// Records between the receipt and the challenge are rounds that this node did not answer, or answered without
    /// getting the receipt. The server shows no headers for them in this version; [`CheckedChallenge::unshown`]
    /// counts them, so that they are told instead of passed over.
    ///
    /// # Errors
    /// [`ChallengeError`].
    pub fn check(
        bytes: Vec<u8>,
        enrolment: &Enrolment,
        newest: Option<&VerifiedReceipt>,
    ) -> Result<Self, ChallengeError> {
        let challenge = Challenge::from_cbor(&bytes).map_err(ChallengeError::Malformed)?;
        addressed(&challenge, enrolment)?;
        let selection = selection(&challenge)?;
        let unshown = newest.map_or(Ok(0), |newest| continues(&challenge, newest))?;
        let offsets = challenge.offsets.clone();
        Ok(Self { bytes, challenge, selection, offsets, unshown })
    }

    /// The same challenge, answered from the start of every log. A challenge that was open when this node enrolled
    /// anew still speaks of what the enrolment before had proven, and the server has forgotten that.
    #[must_use]
    pub fn owing_everything(self) -> Self {
        Self { offsets: Offsets::default(), ..self }
    }

    /// The message.
    pub fn message(&self) -> &Challenge {
        &self.challenge
    }

    /// Its bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> Hash {
        sha256(&[&self.bytes])
    }

    /// What the quote must cover.
    pub fn selection(&self) -> PcrSelection {
        self.selection
    }

    /// Where the logs of the answer begin.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Records between the newest receipt and this challenge that this node has no receipt for.
    pub fn unshown(&self) -> u64 {
        self.unshown
    }
}

fn addressed(challenge: &Challenge, enrolment: &Enrolment) -> Result<(), ChallengeError> {
    let wanted = enrolment.membership.node_tag;
    if challenge.node_tag != wanted {
        return Err(ChallengeError::OtherNode { wanted: wanted.to_hex(), got: challenge.node_tag.to_hex() });
    }
    if challenge.origin != enrolment.origin {
        let (wanted, got) = (enrolment.origin.clone(), challenge.origin.clone());
        return Err(ChallengeError::OtherOrigin { wanted, got });
    }
    Ok(())
}

fn selection(challenge: &Challenge) -> Result<PcrSelection, ChallengeError> {
    let (bank, mask) = (challenge.pcr_bank, challenge.pcr_mask);
    let refused = ChallengeError::Selection { bank, mask };
    if mask == 0 || mask & !ALL_PCRS != 0 {
        return Err(refused);
    }
    let bank = HashAlg::from_id(bank).ok_or(refused)?;
    Ok(PcrSelection { bank, mask })
}

/// How many records lie between; a fork otherwise.
fn continues(challenge: &Challenge, newest: &VerifiedReceipt) -> Result<u64, ChallengeError> {
    let (held_seq, held) = (newest.message().seq, newest.message().record_hash);
    let fork = ChallengeError::Fork { seq: challenge.seq, prev: challenge.prev, held_seq, held };
    match challenge.seq.checked_sub(held_seq) {
        None | Some(0) => Err(fork),
        Some(1) if challenge.prev != held => Err(fork),
        // Another record in between cannot have the hash of the one that this node holds.
        Some(2..) if challenge.prev == held => Err(fork),
        Some(step) => Ok(step - 1),
    }
}
