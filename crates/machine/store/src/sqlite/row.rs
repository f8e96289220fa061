//! Between Rust's values and SQLite's columns.

use avouch_protocol::{Hash, NodeProfile, NodeTag, Status};
use rusqlite::Row;
use rusqlite::types::FromSql;

use crate::evidence::Codec;
use crate::{Head, NodeKeys, Record, Refused, StoreError, StoredReceipt, Verdict};

/// SQLite's integers end at 2^63 − 1.
pub(super) fn int(value: u64, what: &'static str) -> Result<i64, Refused> {
    i64::try_from(value).map_err(|_| Refused::Range { what, got: value })
}

/// A row, read from the left to the right in the order that its statement names the columns. Looking columns up by
/// name would cost more than many of the queries do.
pub(super) struct Columns<'row, 'statement> {
    row: &'row Row<'statement>,
    next: usize,
}

// === impl Columns ===

impl<'row, 'statement> Columns<'row, 'statement> {
    pub(super) fn of(row: &'row Row<'statement>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn get<T: FromSql>(&mut self) -> Result<T, StoreError> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    pub(super) fn uint(&mut self) -> Result<u64, StoreError> {
        let value: i64 = self.get()?;
        u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("column {} is negative", self.next)))
    }

    pub(super) fn some_uint(&mut self) -> Result<Option<u64>, StoreError> {
        let value: Option<i64> = self.get()?;
        let damaged = |_| StoreError::Corrupt(format!("column {} is negative", self.next));
        value.map(u64::try_from).transpose().map_err(damaged)
    }

    pub(super) fn hash(&mut self) -> Result<Hash, StoreError> {
        Ok(Hash(self.get()?))
    }

    pub(super) fn some_hash(&mut self) -> Result<Option<Hash>, StoreError> {
        Ok(self.get::<Option<_>>()?.map(Hash))
    }

    pub(super) fn tag(&mut self) -> Result<NodeTag, StoreError> {
        Ok(NodeTag(self.get()?))
    }
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

pub(super) fn profile(number: u8) -> Result<NodeProfile, StoreError> {
    NodeProfile::from_number(number).ok_or_else(|| StoreError::Corrupt(format!("profile {number} does not exist")))
}

/// The numbers are part of the database's format.
pub(super) fn codec_number(codec: Codec) -> u8 {
    match codec {
        Codec::Plain => 0,
        Codec::Zstd => 1,
    }
}

pub(super) fn codec(number: u8) -> Result<Codec, StoreError> {
    match number {
        0 => Ok(Codec::Plain),
        1 => Ok(Codec::Zstd),
        other => Err(StoreError::Corrupt(format!("evidence codec {other} does not exist"))),
    }
}

/// What [`head`] reads.
macro_rules! head_columns {
    () => {
        "head_seq, head_record"
    };
}

/// What [`verdict`] reads.
macro_rules! verdict_columns {
    () => {
        "verdict_status, verdict_code, verdict_round, verdict_seq, verdict_time, verdict_expires"
    };
}

/// What [`keys`] reads.
macro_rules! key_columns {
    () => {
        "ek_name, ek_public, ek_certificate, ek_identity, parent_public, ak_public, ak_name, ak_private, client_spki,
         client_certificate, profile, vouched_by, ek_template"
    };
}

/// What [`record`] reads.
macro_rules! record_columns {
    () => {
        "seq, header, hash, challenge, evidence, round, status, code, verdict, receipt, receipt_signature, time, late"
    };
}
pub(super) use {head_columns, key_columns, record_columns, verdict_columns};

pub(super) fn head(columns: &mut Columns<'_, '_>) -> Result<Head, StoreError> {
    Ok(Head { seq: columns.uint()?, record: columns.hash()? })
}

/// A node without a verdict has NULL in all of its columns.
pub(super) fn verdict(columns: &mut Columns<'_, '_>) -> Result<Option<Verdict>, StoreError> {
    let Some(number) = columns.get()? else {
        columns.next += 5;
        return Ok(None);
    };
    Ok(Some(Verdict {
        status: status(number)?,
        code: columns.get()?,
        round: columns.uint()?,
        seq: columns.uint()?,
        time: columns.uint()?,
        expires: columns.uint()?,
    }))
}

pub(super) fn keys(columns: &mut Columns<'_, '_>) -> Result<NodeKeys, StoreError> {
    Ok(NodeKeys {
        ek_name: columns.get()?,
        ek_public: columns.get()?,
        ek_certificate: columns.get()?,
        ek_identity: columns.get()?,
        parent_public: columns.get()?,
        ak_public: columns.get()?,
        ak_name: columns.get()?,
        ak_private: columns.get()?,
        client_spki: columns.hash()?,
        client_certificate: columns.get()?,
        profile: profile(columns.get()?)?,
        vouched_by: columns.get()?,
        ek_template: columns.get()?,
        // They lie in a table of their own.
        further_eks: Vec::new(),
    })
}

pub(super) fn record(columns: &mut Columns<'_, '_>) -> Result<Record, StoreError> {
    Ok(Record {
        seq: columns.uint()?,
        header: columns.get()?,
        hash: columns.hash()?,
        challenge: columns.hash()?,
        evidence: columns.some_hash()?,
        round: columns.uint()?,
        status: status(columns.get()?)?,
        code: columns.get()?,
        verdict: columns.get()?,
        receipt: receipt(columns.get()?, columns.get()?),
        time: columns.uint()?,
        late: columns.get()?,
    })
}

fn receipt(bytes: Option<Vec<u8>>, signature: Option<Vec<u8>>) -> Option<StoredReceipt> {
    bytes.zip(signature).map(|(bytes, signature)| StoredReceipt { bytes, signature })
}
