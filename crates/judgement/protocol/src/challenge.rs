//! What the server asks of a node in a round.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::cbor::message;
use crate::limits::MAX_CHALLENGE_REQUEST_BYTES;
use crate::{Hash, NodeTag};

/// The agent asks for a challenge; `POST /v1/challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChallengeRequest {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// Sequence number of the last record that the agent holds a receipt for; 0 when it holds none.
    #[n(1)]
    pub last_seq: u64,
    /// Hash of that record; zero when it holds none.
    #[n(2)]
    pub last_record: Hash,
}

/// The challenge; its exact bytes are hashed into the quote's qualifyingData and stored in the record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Challenge {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The server's public URL: evidence for one cluster says nothing to another.
    #[n(1)]
    pub origin: String,
    /// The node that is asked.
    #[n(2)]
    pub node_tag: NodeTag,
    /// Round = floor(server time / interval).
    #[n(3)]
    pub round: u64,
    /// Sequence number of the record that this challenge will become.
    #[n(4)]
    pub seq: u64,
    /// Hash of the node's previous record; zero for the first.
    #[n(5)]
    pub prev: Hash,
    /// SHA-256 of the newest cosigned checkpoint; zero while there is no log (`freshness=operator-asserted`).
    #[n(6)]
    pub base: Hash,
    /// HMAC-SHA-256(round secret, node_tag ‖ seq).
    #[n(7)]
    pub server_nonce: Hash,
    /// The PCR selection that the quote must carry, exactly: TPM algorithm id of the bank.
    #[n(8)]
    pub pcr_bank: u16,
    /// The selected PCRs: bit i is PCR i, 0–23.
    #[n(9)]
    pub pcr_mask: u32,
    /// SHA-256 of the policy that will judge; zero when none is assigned (the verdict is then unverifiable).
    #[n(10)]
    pub policy_ref: Hash,
    /// What the server has already proven of this node's logs.
    #[n(11)]
    pub offsets: Offsets,
    /// Unix seconds of server time after which the challenge is spent unanswered.
    #[n(12)]
    pub deadline: u64,
    /// The PCR that reports are chained in, 0–23; absent as long as no report is due from this node. Agents that make
    /// no reports never see it: it is set only for a node that has shown a report key.
    #[n(13)]
    pub chain_pcr: Option<u8>,
    /// The PCR that the agent extends with [`crate::cap_event`] on the findings that its configuration names, 0–23;
    /// absent while the policy knows no cap.
    #[n(14)]
    pub cap_pcr: Option<u8>,
}

/// What the server holds proven. It applies only while the quote shows the same `reset_count`; in another boot
/// session everything is owed from the start.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Default)]
#[cbor(map)]
pub struct Offsets {
    /// TPM resetCount of the boot session that the rest speaks of; absent when nothing is proven.
    #[n(0)]
    pub reset_count: Option<u32>,
    /// IMA entries proven.
    #[n(1)]
    pub ima_count: u64,
    /// Bytes of the binary IMA list that these entries fill.
    #[n(2)]
    pub ima_bytes: u64,
    /// True when the boot log of this session is proven and need not be sent again.
    #[n(3)]
    pub boot_log_proven: bool,
    /// Reports of this boot session's chain that are proven. At zero the report key is owed too.
    #[cbor(n(4), default, skip_if = "no_reports")]
    pub reports: u64,
    /// SHA-256 of the newest of them; zero for none.
    #[cbor(n(5), default, skip_if = "no_digest")]
    pub report_head: Hash,
}

fn no_reports(count: &u64) -> bool {
    *count == 0
}

fn no_digest(digest: &Hash) -> bool {
    *digest == Hash::ZERO
}

message!(ChallengeRequest, "challenge request", MAX_CHALLENGE_REQUEST_BYTES);
message!(Challenge, "challenge", MAX_CHALLENGE_REQUEST_BYTES);

/// Kept so that byte-string fields read the same everywhere in this crate.
pub(crate) type Bytes = ByteVec;
