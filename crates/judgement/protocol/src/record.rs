//! What is kept of one node's round.

use minicbor::{Decode, Encode};

use crate::cbor::message;
use crate::challenge::Bytes;
use crate::limits::MAX_ENROL_BYTES;
use crate::{Hash, NodeTag};

/// The evidence part of a record. Its SHA-256 is the record hash, which the next challenge carries as `prev`, so the
/// TPM itself signs the node's chain. The verdict is stored beside it and never enters this hash: a later opinion
/// does not change the chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RecordHeader {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The node.
    #[n(1)]
    pub node_tag: NodeTag,
    /// Position in the node's chain, from 1.
    #[n(2)]
    pub seq: u64,
    /// Hash of the record before; zero for the first.
    #[n(3)]
    pub prev: Hash,
    /// The challenge's exact bytes.
    #[n(4)]
    pub challenge: Bytes,
    /// SHA-256 of the evidence bytes; zero when none came (Unanswered).
    #[n(5)]
    pub evidence: Hash,
    /// Unix seconds of server time at which the evidence came, or the challenge ran out.
    #[n(6)]
    pub time: u64,
}

message!(RecordHeader, "record", MAX_ENROL_BYTES);
