//! The JSON that operators read and write, as types that a client can use as well.
//!
//! Hashes and node tags are lower-case hexadecimal; times are unix seconds of server time.

use avouch_appraise::{FactChange, Finding, IdentityFacts, PairFacts};
use avouch_protocol::intent::IntentFile;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One node; in lists without `detail`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// The node's tag.
    pub node: String,
    /// A name for people.
    pub label: Option<String>,
    /// `pass`, `fail`, `unverifiable` or `stale`, judged at the moment of asking.
    pub verdict: String,
    /// Why it is stale, when it is.
    pub stale_because: Option<String>,
    /// Machine code of the gravest finding of the last verdict; empty when there is none.
    pub code: String,
    /// Status of the last verdict, whatever its age; absent before the first evidence.
    pub last_status: Option<String>,
    /// Round that the last verdict counts for.
    pub round: Option<u64>,
    /// Record that it rests on.
    pub seq: Option<u64>,
    /// When it was given.
    pub time: Option<u64>,
    /// When it ends, or ended.
    pub expires: Option<u64>,
    /// Records in the node's chain.
    pub head_seq: u64,
    /// Hash of the last one.
    pub head_record: String,
    /// resetCount of the last authentic quote: the number of the boot session.
    pub reset_count: Option<u32>,
    /// 1 at first enrolment, one more for each re-enrolment.
    pub generation: u32,
    /// When the present generation was enrolled.
    pub enrolled_at: u64,
    /// The policy that judges the node.
    pub policy_ref: Option<String>,
    /// Where it comes from.
    pub policy_from: PolicyFrom,
    /// What the EK certificate says of the TPM.
    pub tpm: Value,
    /// Who vouches for the TPM.
    pub identity: IdentityFacts,
    /// Template of the endorsement key that names the node, e.g. `L-1`.
    pub ek_template: String,
    /// The whole last verdict: claims, findings, coverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

/// Where a node's policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyFrom {
    /// Assigned to the node.
    Node,
    /// The cluster's default.
    Default,
    /// There is none: every verdict is unverifiable.
    None,
}

/// Answer to `GET /v1/nodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nodes {
    /// Server time of the answer.
    pub now: u64,
    /// Seconds between rounds.
    pub interval: u64,
    /// The nodes, by tag.
    pub nodes: Vec<NodeView>,
    /// Ask again with `?after=` this for more; absent at the end.
    pub next: Option<String>,
}

/// One record; in lists without `verdict`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    /// Position in the chain, from 1.
    pub seq: u64,
    /// SHA-256 of the record header.
    pub hash: String,
    /// Round of its challenge.
    pub round: u64,
    /// What it counts as.
    pub status: String,
    /// Machine code; empty when there is none.
    pub code: String,
    /// When the evidence came, or the challenge ran out.
    pub time: u64,
    /// The evidence came after its challenge had run out.
    pub late: bool,
    /// SHA-256 of the challenge.
    pub challenge: String,
    /// SHA-256 of the evidence; absent when none came.
    pub evidence: Option<String>,
    /// The verdict on this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Value>,
    /// The record header's exact bytes (CBOR), hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// Answer to `GET /v1/nodes/{node}/records`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// The node.
    pub node: String,
    /// Newest first.
    pub records: Vec<RecordView>,
    /// Ask again with `?before=` this for older ones; absent at the end.
    pub next: Option<u64>,
}

/// One round of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundView {
    /// Its number: floor(server time / interval).
    pub round: u64,
    /// First second.
    pub start: u64,
    /// First second after it.
    pub end: u64,
    /// The one status; `open` while the round can still get another.
    pub status: String,
    /// Machine code of the record that decided; empty when there is none.
    pub code: String,
    /// The record that decided.
    pub seq: Option<u64>,
}

/// Answer to `GET /v1/nodes/{node}/rounds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounds {
    /// The node.
    pub node: String,
    /// Server time of the answer.
    pub now: u64,
    /// Oldest first, without a hole, from the round after enrolment at the earliest.
    pub rounds: Vec<RoundView>,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// SHA-256 of its bytes.
    pub policy_ref: String,
    /// A name for people.
    pub name: String,
    /// When it was stored first.
    pub created: u64,
    /// When it was last assigned; absent when never.
    pub applied: Option<u64>,
}

/// Answer to `GET /v1/policies`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// Newest first.
    pub policies: Vec<PolicyView>,
    /// The one that judges nodes without their own.
    pub default: Option<String>,
}

/// Body of `POST /v1/nodes/{node}/policy` and `POST /v1/default-policy`, and answer to both and to
/// `POST /v1/policies`. `null` takes an assignment away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// SHA-256 of the policy's bytes.
    pub policy_ref: Option<String>,
}

/// One observation that is kept of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservationView {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// The record that first showed it.
    pub seq: u64,
    /// When that record came.
    pub time: u64,
    /// Length of its bytes.
    pub size: u64,
}

/// Answer to `GET /v1/nodes/{node}/pairs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs {
    /// The node.
    pub node: String,
    /// The policy that applies now.
    pub policy_ref: Option<String>,
    /// True when the policy demands levels, so that an intent was compared with.
    pub intent: bool,
    /// What the pairs are of.
    pub observation: ObservationView,
    /// The pairs, by subject and attribute.
    pub pairs: Vec<PairFacts>,
    /// What somebody should look at among them, worst first.
    pub findings: Vec<Finding>,
    /// Pairs that were asked for and are not listed: ask for a level or a unit.
    #[serde(default)]
    pub omitted: u64,
}

/// Answer to `GET /v1/nodes/{node}/changes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The node.
    pub node: String,
    /// The observation before; absent where there was only one so far.
    pub before: Option<ObservationView>,
    /// The newest.
    pub after: ObservationView,
    /// Readings that are others now, by subject and attribute.
    pub changes: Vec<FactChange>,
    /// Changes that are not listed.
    #[serde(default)]
    pub omitted: u64,
}

/// Answer to `GET /v1/nodes/{node}/intent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandView {
    /// The node.
    pub node: String,
    /// The policy that applies now.
    pub policy_ref: Option<String>,
    /// Levels that must hold.
    pub required: Vec<String>,
    /// What was intended; absent where the policy demands no level.
    pub intent: Option<IntentFile>,
}
