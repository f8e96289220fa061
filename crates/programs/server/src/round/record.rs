//! Records of answered challenges, and the receipts that nodes get for them.

use avouch_appraise::Verdict as Appraised;
use avouch_crypto::sha256;
use avouch_protocol::{
    Challenge, Hash, Interval, Message, Receipt, RecordHeader, SignedReceipt, Slot, Status, VERSION,
};
use avouch_store::{Record, StoredReceipt, Verdict};

use crate::app::App;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// The answered challenge and where its record stands in the chain.
#[derive(Clone, Copy)]
pub(super) struct Answered<'a> {
    pub(super) challenge: &'a Challenge,
    pub(super) challenge_bytes: &'a [u8],
    /// SHA-256 of the evidence bytes.
    pub(super) evidence: Hash,
    pub(super) seq: u64,
    pub(super) prev: Hash,
    /// Server time at which the evidence came.
    pub(super) time: u64,
    /// The challenge had run out.
    pub(super) late: bool,
}

/// What the record counts as.
#[derive(Clone, Debug)]
pub(super) struct Conclusion {
    pub(super) status: Status,
    pub(super) code: String,
    /// The verdict as JSON.
    pub(super) json: String,
    /// When the verdict ends; 0 when the record gives none.
    pub(super) expires: u64,
}

impl Conclusion {
    pub(super) fn of(verdict: &Appraised) -> Result<Self, Refused> {
        let json = serde_json::to_string(verdict).map_err(|error| Refused::internal(&error))?;
        Ok(Self { status: verdict.status, code: verdict.code.clone(), json, expires: verdict.expires })
    }

    /// The node's verdict from now on.
    pub(super) fn verdict(&self, answered: &Answered<'_>) -> Verdict {
        Verdict {
            status: self.status,
            code: self.code.clone(),
            round: answered.challenge.round,
            seq: answered.seq,
            time: answered.time,
            expires: self.expires,
        }
    }
}

/// The record, with its receipt signed: the receipt is stored with it and leaves the server only after the commit.
pub(super) fn record(app: &App, answered: &Answered<'_>, conclusion: &Conclusion) -> Record {
    let header = RecordHeader {
        v: VERSION,
        node_tag: answered.challenge.node_tag,
        seq: answered.seq,
        prev: answered.prev,
        challenge: answered.challenge_bytes.to_vec().into(),
        evidence: answered.evidence,
        time: answered.time,
    };
    let header = header.to_cbor();
    let hash = Hash(sha256(&[&header]));
    Record {
        seq: answered.seq,
        header,
        hash,
        challenge: Hash(sha256(&[answered.challenge_bytes])),
        evidence: Some(answered.evidence),
        round: answered.challenge.round,
        status: conclusion.status,
        code: conclusion.code.clone(),
        verdict: conclusion.json.clone(),
        receipt: Some(receipt(app, answered, conclusion, hash)),
        time: answered.time,
        late: answered.late,
    }
}

fn receipt(app: &App, answered: &Answered<'_>, conclusion: &Conclusion, record_hash: Hash) -> StoredReceipt {
    let receipt = Receipt {
        v: VERSION,
        node_tag: answered.challenge.node_tag,
        seq: answered.seq,
        record_hash,
        evidence: answered.evidence,
        round: answered.challenge.round,
        status: conclusion.status,
        code: conclusion.code.clone(),
        time: answered.time,
        expires: conclusion.expires,
    };
    let bytes = receipt.to_cbor();
    let signature = app.log_key.sign(&[SignedReceipt::CONTEXT, &bytes].concat()).to_vec();
    StoredReceipt { bytes, signature }
}

/// Gives out the receipt of a stored record. Callers hold the record because the store said that it is durable.
pub(super) fn give_receipt(app: &App, now: u64, record: &Record, reset_count: Option<u32>) -> Result<Reply, Refused> {
    let missing = || Refused::internal(&"a record of evidence has no receipt");
    let stored = record.receipt.as_ref().ok_or_else(missing)?;
    let receipt = Receipt::from_cbor(&stored.bytes).map_err(|error| Refused::internal(&error))?;
    let signed = SignedReceipt {
        v: VERSION,
        receipt: stored.bytes.clone().into(),
        signature: stored.signature.clone().into(),
        next_in: next_in(&receipt, now, reset_count.unwrap_or(0), app.interval),
    };
    Ok(Reply::cbor(signed.to_cbor()))
}

fn next_in(receipt: &Receipt, now: u64, reset_count: u32, interval: Interval) -> u64 {
    let slot = Slot::of(&receipt.node_tag, reset_count, interval, |parts| Hash(sha256(parts)));
    slot.next_in(now, interval)
}
