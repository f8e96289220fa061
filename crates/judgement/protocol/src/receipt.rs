//! What the server signs once a record is durable.

use minicbor::{Decode, Encode};

use crate::cbor::message;
use crate::challenge::Bytes;
use crate::limits::MAX_ENROL_BYTES;
use crate::{Hash, NodeTag, Status};

/// The server has stored this record; signed by the log key after the commit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The node.
    #[n(1)]
    pub node_tag: NodeTag,
    /// Sequence number of the record.
    #[n(2)]
    pub seq: u64,
    /// SHA-256 of the record header's bytes.
    #[n(3)]
    pub record_hash: Hash,
    /// SHA-256 of the evidence bytes that were stored.
    #[n(4)]
    pub evidence: Hash,
    /// Round of the challenge.
    #[n(5)]
    pub round: u64,
    /// What the record counts as.
    #[n(6)]
    pub status: Status,
    /// Machine code of the gravest finding; empty when there is none.
    #[n(7)]
    pub code: String,
    /// Unix seconds of server time at which the record became durable.
    #[n(8)]
    pub time: u64,
    /// Unix seconds at which the verdict expires; zero when this record gives none.
    #[n(9)]
    pub expires: u64,
}

/// A receipt with its signature, and when to come again. `next_in` is advice and stands outside the signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedReceipt {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The [`Receipt`]'s bytes.
    #[n(1)]
    pub receipt: Bytes,
    /// Ed25519 by the log key over `"avouch/receipt/v1\0" ‖ receipt`.
    #[n(2)]
    pub signature: Bytes,
    /// Seconds, on the agent's monotonic clock, until its slot in the next round.
    #[n(3)]
    pub next_in: u64,
}

impl SignedReceipt {
    /// Prefix of the signed bytes: a receipt signature can be taken for nothing else.
    pub const CONTEXT: &'static [u8] = b"avouch/receipt/v1\0";
}

message!(Receipt, "receipt", MAX_ENROL_BYTES);
message!(SignedReceipt, "signed receipt", MAX_ENROL_BYTES);
