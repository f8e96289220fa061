//! Between Rust's values and SQLite's columns.

use avouch_protocol::{Hash, NodeTag, Status};
use rusqlite::Row;

use crate::evidence::Codec;
use crate::{NodeKeys, Record, Refused, StoreError, StoredReceipt, Verdict};

/// SQLite's integers end at 2^63 − 1.
pub(super) fn int(value: u64, what: &'static str) -> Result<i64, Refused> {
    i64::try_from(value).map_err(|_| Refused::Range { what, got: value })
}

pub(super) fn uint(row: &Row<'_>, column: &str) -> Result<u64, StoreError> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("column {column} is negative: {value}")))
}

pub(super) fn hash(row: &Row<'_>, column: &str) -> Result<Hash, StoreError> {
    Ok(Hash(row.get(column)?))
}

pub(super) fn tag(row: &Row<'_>) -> Result<NodeTag, StoreError> {
    Ok(NodeTag(row.get("node")?))
}

/// The numbers are part of the database's format.
pub(super) fn status_number(status: Status) -> u8 {
    match status {
        Status::Pass => 0,
        Status::Fail => 1,
        Status::Unverifiable => 2,
        Status::Rejected => 3,
        Status::Unanswered => 4,
        Status::Silent => 5,
        Status::Maintenance => 6,
    }
}

fn status(number: u8) -> Result<Status, StoreError> {
    Ok(match number {
        0 => Status::Pass,
        1 => Status::Fail,
        2 => Status::Unverifiable,
        3 => Status::Rejected,
        4 => Status::Unanswered,
        5 => Status::Silent,
        6 => Status::Maintenance,
        other => return Err(StoreError::Corrupt(format!("status {other} does not exist"))),
    })
}

/// The numbers are part of the database's format.
pub(super) fn codec_number(codec: Codec) -> u8 {
    match codec {
        Codec::Plain => 0,
        Codec::Zstd => 1,
    }
}

pub(super) fn codec(row: &Row<'_>) -> Result<Codec, StoreError> {
    match row.get("codec")? {
        0_u8 => Ok(Codec::Plain),
        1 => Ok(Codec::Zstd),
        other => Err(StoreError::Corrupt(format!("evidence codec {other} does not exist"))),
    }
}

/// Columns of `nodes`, without the JSON, which lists leave out.
pub(super) fn verdict(row: &Row<'_>, json: Option<&str>) -> Result<Option<Verdict>, StoreError> {
    let Some(number) = row.get("verdict_status")? else { return Ok(None) };
    Ok(Some(Verdict {
        status: status(number)?,
        code: row.get("verdict_code")?,
        json: json.map(|column| row.get(column)).transpose()?.unwrap_or_default(),
        round: uint(row, "verdict_round")?,
        seq: uint(row, "verdict_seq")?,
        time: uint(row, "verdict_time")?,
        expires: uint(row, "verdict_expires")?,
    }))
}

/// Columns of `node_keys`.
pub(super) fn keys(row: &Row<'_>) -> Result<NodeKeys, StoreError> {
    Ok(NodeKeys {
        ek_name: row.get("ek_name")?,
        ek_public: row.get("ek_public")?,
        ek_certificate: row.get("ek_certificate")?,
        ek_identity: row.get("ek_identity")?,
        parent_public: row.get("parent_public")?,
        ak_public: row.get("ak_public")?,
        ak_name: row.get("ak_name")?,
        ak_private: row.get("ak_private")?,
        client_spki: hash(row, "client_spki")?,
        client_certificate: row.get("client_certificate")?,
    })
}

/// Columns of `records`.
pub(super) fn record(row: &Row<'_>) -> Result<Record, StoreError> {
    let receipt: Option<Vec<u8>> = row.get("receipt")?;
    let signature: Option<Vec<u8>> = row.get("receipt_signature")?;
    Ok(Record {
        seq: uint(row, "seq")?,
        header: row.get("header")?,
        hash: hash(row, "hash")?,
        challenge: hash(row, "challenge")?,
        evidence: row.get::<_, Option<[u8; 32]>>("evidence")?.map(Hash),
        round: uint(row, "round")?,
        status: status(row.get("status")?)?,
        code: row.get("code")?,
        verdict: row.get("verdict")?,
        receipt: receipt.zip(signature).map(|(bytes, signature)| StoredReceipt { bytes, signature }),
        time: uint(row, "time")?,
        late: row.get("late")?,
    })
}
