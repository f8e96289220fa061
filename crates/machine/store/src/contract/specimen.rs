//! Well-formed rows for checks and measurements: the messages are real, the keys are digests of a number.

use avouch_crypto::sha256;
use avouch_protocol::{
    Challenge, Hash, Message, NodeProfile, NodeTag, Offsets, Receipt, RecordHeader, Status, VERSION,
};

use crate::{
    Change, Cluster, CommitRecord, EvidenceParts, FurtherEk, Grant, Head, NodeKeys, OpenChallenge, Outcome, Record,
    Store, StoreError, StoredReceipt, Verdict,
};

/// Server time at which specimens begin, unix seconds.
pub const START: u64 = 1_800_000_000;
/// Seconds that a specimen's challenge can be answered.
pub const PATIENCE: u64 = 30;

/// The cluster of most specimens.
pub fn cluster() -> Cluster {
    named("fleet")
}

/// Another cluster.
pub fn other_cluster() -> Cluster {
    named("other")
}

fn named(name: &str) -> Cluster {
    match Cluster::new(name) {
        Ok(cluster) => cluster,
        Err(error) => unreachable!("{error}"),
    }
}

/// A digest that stands for `what` number `n`.
pub fn hash(what: &str, n: u64) -> Hash {
    Hash(sha256(&[what.as_bytes(), &n.to_be_bytes()]))
}

/// The tag of node `n`.
pub fn tag(n: u64) -> NodeTag {
    NodeTag(hash("node", n).0)
}

/// A grant that outlives every specimen.
pub fn grant() -> Grant {
    Grant { id: hash("grant", 0), uses: 1_000_000, used: 0, expires: START + 1_000_000 }
}

/// Keys of node `n` in its `generation`-th enrolment; the endorsement key stays.
pub fn keys(n: u64, generation: u64) -> NodeKeys {
    let name = |what: &str, of: u64| [&[0, 0x0b], hash(what, of).0.as_slice()].concat();
    let of = n * 1_000 + generation;
    NodeKeys {
        ek_name: name("ek", n),
        ek_public: vec![1; 314],
        ek_certificate: vec![2; 1_200],
        ek_identity: r#"{"manufacturer":"id:00001014","model":"swtpm","version":"id:20191023","software":true}"#.into(),
        parent_public: vec![3; 90],
        ak_public: vec![4; 88],
        ak_name: name("ak", of),
        ak_private: vec![5; 158],
        client_spki: hash("spki", of),
        client_certificate: vec![6; 420],
        profile: NodeProfile::EkCert,
        vouched_by: "CN=swtpm-localca-rootca".into(),
        ek_template: "L-1".into(),
        further_eks: vec![FurtherEk { name: name("further ek", n), public: vec![7; 122], certificate: vec![8; 900] }],
    }
}

/// Makes node `n` a member, unless it is one.
///
/// # Errors
/// What the store says.
pub fn join(store: &dyn Store, cluster: &Cluster, n: u64) -> Result<NodeTag, StoreError> {
    if store.node(cluster, &tag(n))?.is_none() {
        store.apply(cluster, START, Change::PutGrant(grant()))?;
        store.apply(cluster, START, enrolment(n, 1))?;
    }
    Ok(tag(n))
}

/// The enrolment of node `n` with its keys of `generation`.
pub fn enrolment(n: u64, generation: u64) -> Change {
    let label = Some(format!("web-{n}"));
    Change::Enrol { node: tag(n), grant: grant().id, label, keys: Box::new(keys(n, generation)) }
}

/// The challenge that continues the chain at `head`, asked at `now`.
pub fn challenge(node: &NodeTag, head: Head, now: u64) -> OpenChallenge {
    let (seq, round, deadline) = (head.seq + 1, now / 10, now + PATIENCE);
    let message = Challenge {
        v: VERSION,
        origin: "https://verifier.example:8443".into(),
        node_tag: *node,
        round,
        seq,
        prev: head.record,
        base: Hash::ZERO,
        server_nonce: hash("nonce", seq),
        pcr_bank: 0x000b,
        pcr_mask: 0x4ff,
        policy_ref: hash("policy", 0),
        offsets: Offsets {
            reset_count: Some(7),
            ima_count: 780,
            ima_bytes: 80_000,
            boot_log_proven: true,
            ..Offsets::default()
        },
        deadline,
        chain_pcr: None,
        cap_pcr: None,
    };
    OpenChallenge { seq, round, bytes: message.to_cbor(), deadline }
}

/// Opens that challenge.
///
/// # Errors
/// What the store says.
pub fn ask(store: &dyn Store, cluster: &Cluster, node: &NodeTag, now: u64) -> Result<OpenChallenge, StoreError> {
    let head = store.node(cluster, node)?.map(|node| node.head).unwrap_or_default();
    let challenge = challenge(node, head, now);
    match store.apply(cluster, now, Change::OpenChallenge { node: *node, challenge: challenge.clone() })? {
        Outcome::AlreadyOpen(open) => Ok(*open),
        _ => Ok(challenge),
    }
}

/// The record that a challenge becomes.
pub fn record(node: &NodeTag, head: Head, challenge: &[u8], round: u64, evidence: Option<Hash>, time: u64) -> Record {
    let header = RecordHeader {
        v: VERSION,
        node_tag: *node,
        seq: head.seq + 1,
        prev: head.record,
        challenge: challenge.to_vec().into(),
        evidence: evidence.unwrap_or(Hash::ZERO),
        time,
    };
    let header = header.to_cbor();
    let hash = Hash(sha256(&[&header]));
    let status = if evidence.is_some() { Status::Pass } else { Status::Unanswered };
    let receipt = Receipt {
        v: VERSION,
        node_tag: *node,
        seq: head.seq + 1,
        record_hash: hash,
        evidence: evidence.unwrap_or(Hash::ZERO),
        round,
        status,
        code: String::new(),
        time,
        expires: time + 40,
    };
    Record {
        seq: head.seq + 1,
        header,
        hash,
        challenge: Hash(sha256(&[challenge])),
        evidence,
        round,
        status,
        code: String::new(),
        verdict: verdict_json(),
        receipt: Some(StoredReceipt { bytes: receipt.to_cbor(), signature: vec![7; 64] }),
        time,
        late: false,
    }
}

/// The answer to an open challenge with `evidence` as its message, and a passing verdict.
pub fn answer(node: &NodeTag, head: Head, open: &OpenChallenge, evidence: &[u8], time: u64) -> CommitRecord {
    let evidence = EvidenceParts::whole(evidence);
    let record = record(node, head, &open.bytes, open.round, Some(evidence.digest()), time);
    let verdict = Verdict {
        status: Status::Pass,
        code: String::new(),
        round: open.round,
        seq: record.seq,
        time,
        expires: time + 40,
    };
    let session = Some(vec![8; 600]);
    let verdict = Some(verdict);
    CommitRecord { node: *node, record, evidence, session, verdict, reset_count: Some(7), observed: None }
}

/// About as long as the verdict of a steady round.
fn verdict_json() -> String {
    let claim = r#"{"name":"ima.digests","result":"pass","findings":[],"coverage":"exec, mmap-exec, modules"}"#;
    format!(r#"{{"status":"pass","claims":[{}]}}"#, [claim; 12].join(","))
}
