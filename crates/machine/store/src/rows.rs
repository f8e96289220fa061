//! The rows, as readers see them. Bytes that belong to another crate's format are kept as they came.
//!
//! Every time is unix seconds of server time.

use avouch_protocol::{Hash, NodeProfile, NodeTag, Status};

/// The keys and certificates of one generation of a node. Earlier generations stay readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeKeys {
    /// Name of the endorsement key (TPM 2.0 Part 1, "Names"); one node per Name.
    pub ek_name: Vec<u8>,
    /// TPMT_PUBLIC of the endorsement key.
    pub ek_public: Vec<u8>,
    /// DER of the endorsement key's certificate.
    pub ek_certificate: Vec<u8>,
    /// What the certificate says of the TPM, as JSON: manufacturer, model, version, whether it is a software TPM.
    pub ek_identity: String,
    /// TPMT_PUBLIC of the attestation key's parent.
    pub parent_public: Vec<u8>,
    /// TPMT_PUBLIC of the attestation key.
    pub ak_public: Vec<u8>,
    /// Name of the attestation key.
    pub ak_name: Vec<u8>,
    /// TPM2B_PRIVATE of the attestation key, wrapped by its parent; useless outside its TPM.
    pub ak_private: Vec<u8>,
    /// SHA-256 of the client key's DER SubjectPublicKeyInfo.
    pub client_spki: Hash,
    /// DER of the client certificate issued for that key.
    pub client_certificate: Vec<u8>,
    /// How the TPM was vouched for.
    pub profile: NodeProfile,
    /// Who vouched for it, for people; empty when nobody did, and for nodes of releases that did not keep it.
    pub vouched_by: String,
    /// Name of the template that the endorsement key is made from, e.g. `L-1`.
    pub ek_template: String,
    /// The TPM's other endorsement keys that were opened in the same attempt.
    pub further_eks: Vec<FurtherEk>,
}

/// An endorsement key beside the one that names the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherEk {
    /// Its Name; it belongs to this node alone, too.
    pub name: Vec<u8>,
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// Certificate as found in NV; empty when there is none.
    pub certificate: Vec<u8>,
}

/// The end of a node's chain of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Sequence number of the last record; 0 when there is none.
    pub seq: u64,
    /// SHA-256 of its header; zero when there is none.
    pub record: Hash,
}

/// What was last concluded about a node. It is worth nothing after `expires`, whatever `status` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The conclusion.
    pub status: Status,
    /// Machine code of the gravest finding; empty when there is none.
    pub code: String,
    /// Round that it counts for.
    pub round: u64,
    /// Sequence number of the record it rests on, which holds the whole verdict as JSON.
    pub seq: u64,
    /// When it was given.
    pub time: u64,
    /// When it ends.
    pub expires: u64,
}

/// Everything about one node but its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The node's name.
    pub tag: NodeTag,
    /// A name for people.
    pub label: Option<String>,
    /// Keys and certificates of the present generation.
    pub keys: NodeKeys,
    /// 1 at first enrolment, one more for each re-enrolment.
    pub generation: u32,
    /// When the present generation was enrolled.
    pub enrolled_at: u64,
    /// SHA-256 of the policy assigned to this node; `None` = the cluster's default applies.
    pub policy: Option<Hash>,
    /// End of the chain.
    pub head: Head,
    /// What the appraiser carries from round to round, in its own encoding.
    pub session: Option<Vec<u8>>,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    /// TPM resetCount seen in the last authentic quote.
    pub last_reset_count: Option<u32>,
}

/// What a round looks at: what changes from round to round, and which keys the node has. Read at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The node's name.
    pub tag: NodeTag,
    /// Generation of its keys; [`crate::Store::key_history`] has the keys, which never change under their generation.
    pub generation: u32,
    /// The policy that applies: the node's own, or else the cluster's default.
    pub policy: Option<Hash>,
    /// End of the chain.
    pub head: Head,
    /// What the appraiser carries from round to round, in its own encoding.
    pub session: Option<Vec<u8>>,
    /// TPM resetCount seen in the last authentic quote.
    pub last_reset_count: Option<u32>,
    /// SHA-256 of the report that the newest observation was last seen in; `None` where nothing was observed.
    pub observed_report: Option<Hash>,
    /// The challenge that waits for evidence.
    pub open: Option<OpenChallenge>,
}

/// What a list of nodes shows; no blob is read for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSummary {
    /// The node's name.
    pub tag: NodeTag,
    /// A name for people.
    pub label: Option<String>,
    /// What the EK certificate says of the TPM, as JSON.
    pub ek_identity: String,
    /// How the TPM was vouched for.
    pub profile: NodeProfile,
    /// Who vouched for it, for people.
    pub vouched_by: String,
    /// Name of the template of the endorsement key.
    pub ek_template: String,
    /// Generation of its keys.
    pub generation: u32,
    /// When that generation was enrolled.
    pub enrolled_at: u64,
    /// Assigned policy; `None` = the cluster's default.
    pub policy: Option<Hash>,
    /// End of the chain.
    pub head: Head,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    /// TPM resetCount of the last authentic quote.
    pub last_reset_count: Option<u32>,
}

/// A permission to join, under which joined TPMs are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Name of the grant, from the enrolment token.
    pub id: Hash,
    /// How many TPMs may join with it.
    pub uses: u32,
    /// How many have. The same TPM joining again is not counted again.
    pub used: u32,
    /// After this it is worth nothing.
    pub expires: u64,
}

/// A credential challenge that waits for its one activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Random name of the attempt.
    pub id: Hash,
    /// The enrolment request's exact bytes.
    pub request: Vec<u8>,
    /// The credential challenge's exact bytes.
    pub challenge: Vec<u8>,
    /// The proof that only the right TPM can compute.
    pub expected_proof: Hash,
    /// After this it is worth nothing.
    pub expires: u64,
}

/// A challenge that waits for evidence; a node has at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenChallenge {
    /// Sequence number of the record it will become.
    pub seq: u64,
    /// Round it belongs to.
    pub round: u64,
    /// The challenge's exact bytes.
    pub bytes: Vec<u8>,
    /// Last second at which evidence for it is in time.
    pub deadline: u64,
}

/// One link of a node's chain, with the opinion on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Position in the chain, from 1.
    pub seq: u64,
    /// The record header's exact bytes.
    pub header: Vec<u8>,
    /// SHA-256 of the header.
    pub hash: Hash,
    /// SHA-256 of the challenge's bytes.
    pub challenge: Hash,
    /// SHA-256 of the evidence message; `None` when none came.
    pub evidence: Option<Hash>,
    /// Round of the challenge.
    pub round: u64,
    /// What it counts as.
    pub status: Status,
    /// Machine code of the gravest finding; empty when there is none.
    pub code: String,
    /// The verdict on this record as JSON.
    pub verdict: String,
    /// The signed answer, ready to be given again; `None` when nobody asked for one.
    pub receipt: Option<StoredReceipt>,
    /// When the evidence came, or the challenge ran out.
    pub time: u64,
    /// True when the evidence came for a challenge that had already become an Unanswered record.
    pub late: bool,
}

/// A receipt and its signature, as given to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    /// The receipt's exact bytes.
    pub bytes: Vec<u8>,
    /// The log key's signature over them.
    pub signature: Vec<u8>,
}

/// One observation that is kept of a node, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptObservation {
    /// SHA-256 of its bytes.
    pub digest: Hash,
    /// The record that first showed it; it was the same in every report since, until the next one.
    pub seq: u64,
    /// When that record came.
    pub time: u64,
    /// Length of its bytes.
    pub size: u64,
}

/// A policy (reference values and rules), named by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// SHA-256 of `bytes`.
    pub reference: Hash,
    /// The policy's exact bytes.
    pub bytes: Vec<u8>,
    /// A name for people.
    pub name: String,
    /// When it was stored first.
    pub created: u64,
    /// When it was last assigned to a node or made the default; `None` = never.
    pub applied: Option<u64>,
}

/// A stretch of time about which the server's clock proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Last second before it.
    pub from: u64,
    /// First second after it.
    pub to: u64,
    /// Why, for people.
    pub reason: String,
}

/// Something that an operator will want to find again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Machine code of the kind.
    pub kind: String,
    /// The node it concerns.
    pub node: Option<NodeTag>,
    /// Details as JSON.
    pub detail: String,
}

/// An [`Event`] with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Grows with every event of the store.
    pub id: u64,
    /// When it was noted.
    pub time: u64,
    /// What was noted.
    pub event: Event,
}
