//! Challenges, and the records they become.

use avouch_protocol::{Hash, NodeTag};
use rusqlite::params;

use super::Place;
use crate::evidence::digest;
use crate::sqlite::{read, row};
use crate::{
    CommitRecord, EvidenceParts, Head, ObservationBytes, OpenChallenge, Outcome, Record, Refused, StoreError, Verdict,
};

pub(super) fn open_challenge(at: Place<'_>, node: &NodeTag, challenge: &OpenChallenge) -> Result<Outcome, StoreError> {
    if let Some(open) = read::open_challenge(at.connection, at.cluster, node)? {
        return Ok(Outcome::AlreadyOpen(Box::new(open)));
    }
    continues(head(at, node)?, challenge.seq)?;
    let sql = "INSERT INTO challenges (cluster, node, seq, round, deadline, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let OpenChallenge { seq, round, bytes, deadline } = challenge;
    let (seq, round, deadline) = (row::int(*seq, "seq")?, row::int(*round, "round")?, row::int(*deadline, "deadline")?);
    at.run(sql, params![at.key(), node.0, seq, round, deadline, bytes])?;
    Ok(Outcome::Opened)
}

pub(super) fn commit(at: Place<'_>, commit: &CommitRecord) -> Result<Outcome, StoreError> {
    let CommitRecord { node, record, evidence, session, verdict, reset_count, observed } = commit;
    if record.evidence != Some(evidence.digest()) {
        return Err(Refused::Digest { what: "record.evidence" }.into());
    }
    let head = head(at, node)?;
    let stored = read::record_of_challenge(at.connection, at.cluster, node, &record.challenge)?;
    match stored {
        Some(stored) if stored.evidence == record.evidence => return Ok(Outcome::AlreadyStored(Box::new(stored))),
        Some(stored) if stored.evidence.is_some() || !record.late => return Ok(Outcome::Spent(Box::new(stored))),
        Some(_unanswered) => may_be_late(at, node, head, record)?,
        None if record.late => return Err(Refused::ChallengeUnknown { seq: record.seq }.into()),
        None => {
            let open = take_open(at, node, record)?;
            if record.time > open.deadline {
                return Err(Refused::TooLate { deadline: open.deadline, time: record.time }.into());
            }
        }
    }
    insert_evidence(at, evidence)?;
    append(at, node, head, record)?;
    let report = observed.as_ref().map(|observed| &observed.report);
    let left = Left { session: session.as_deref(), verdict: verdict.as_ref(), reset_count: *reset_count, report };
    conclude(at, node, record, &left)?;
    if let Some(observation) = observed.as_ref().and_then(|observed| observed.changed.as_ref()) {
        observe(at, node, record, observation)?;
    }
    Ok(Outcome::Committed)
}

pub(super) fn expire(at: Place<'_>, node: &NodeTag, record: &Record) -> Result<Outcome, StoreError> {
    if record.evidence.is_some() || record.late {
        return Err(Refused::Digest { what: "record.evidence" }.into());
    }
    let head = head(at, node)?;
    match read::record_of_challenge(at.connection, at.cluster, node, &record.challenge)? {
        Some(stored) if stored.evidence.is_none() => return Ok(Outcome::AlreadyStored(Box::new(stored))),
        Some(stored) => return Ok(Outcome::Spent(Box::new(stored))),
        None => (),
    }
    let open = take_open(at, node, record)?;
    if at.now <= open.deadline {
        return Err(Refused::TooEarly { deadline: open.deadline, now: at.now }.into());
    }
    append(at, node, head, record)?;
    conclude(at, node, record, &Left::default())?;
    Ok(Outcome::Committed)
}

fn head(at: Place<'_>, node: &NodeTag) -> Result<Head, StoreError> {
    Ok(read::head_of(at.connection, at.cluster, node)?.ok_or(Refused::NodeUnknown(*node))?)
}

fn continues(head: Head, got: u64) -> Result<(), Refused> {
    let wanted = head.seq.saturating_add(1);
    if got == wanted { Ok(()) } else { Err(Refused::NotNext { wanted, got }) }
}

/// Late evidence takes a number of its own, so it must not take the one that an open challenge will need.
fn may_be_late(at: Place<'_>, node: &NodeTag, head: Head, record: &Record) -> Result<(), StoreError> {
    if let Some(open) = read::open_challenge(at.connection, at.cluster, node)? {
        return Err(Refused::ChallengeOpen { seq: open.seq }.into());
    }
    Ok(continues(head, record.seq)?)
}

/// Closes the open challenge that the record is for. A refusal later on opens it again by the roll-back.
fn take_open(at: Place<'_>, node: &NodeTag, record: &Record) -> Result<OpenChallenge, StoreError> {
    let open = read::open_challenge(at.connection, at.cluster, node)?
        .filter(|open| open.seq == record.seq && digest(&open.bytes) == record.challenge)
        .ok_or(Refused::ChallengeUnknown { seq: record.seq })?;
    at.run("DELETE FROM challenges WHERE cluster = ?1 AND node = ?2", params![at.key(), node.0])?;
    Ok(open)
}

/// Adds the record at the end of the chain; [`conclude`] moves the head.
fn append(at: Place<'_>, node: &NodeTag, head: Head, record: &Record) -> Result<(), StoreError> {
    continues(head, record.seq)?;
    if digest(&record.header) != record.hash {
        return Err(Refused::Digest { what: "record.hash" }.into());
    }
    let seq = row::int(record.seq, "record.seq")?;
    let sql =
        "INSERT INTO records (cluster, node, seq, hash, challenge, evidence, round, status, code, time, late, header,
               verdict, receipt, receipt_signature)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    at.run(
        sql,
        params![
            at.key(),
            node.0,
            seq,
            record.hash.0,
            record.challenge.0,
            record.evidence.map(|evidence| evidence.0),
            row::int(record.round, "record.round")?,
            row::status_number(record.status),
            record.code,
            row::int(record.time, "record.time")?,
            record.late,
            record.header,
            record.verdict,
            record.receipt.as_ref().map(|receipt| &receipt.bytes),
            record.receipt.as_ref().map(|receipt| &receipt.signature),
        ],
    )?;
    Ok(())
}

fn insert_evidence(at: Place<'_>, evidence: &EvidenceParts) -> Result<(), StoreError> {
    let sql = "INSERT INTO evidence (cluster, digest, size) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let size = row::int(evidence.size(), "evidence.size")?;
    if at.run(sql, params![at.key(), evidence.digest().0, size])? == 0 {
        // The whole message is there already, so are its pieces, however they were cut.
        return Ok(());
    }
    for (position, part) in (0_i64..).zip(evidence.parts()) {
        let sql = "INSERT INTO pieces (cluster, digest, size, codec, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO NOTHING";
        let codec = row::codec_number(part.codec);
        at.run(sql, params![at.key(), part.digest.0, row::int(part.size, "piece.size")?, codec, part.stored])?;
        let sql = "INSERT INTO evidence_pieces (cluster, evidence, position, piece) VALUES (?1, ?2, ?3, ?4)";
        at.run(sql, params![at.key(), evidence.digest().0, position, part.digest.0])?;
    }
    Ok(())
}

/// Keeps what was observed, unless it is what is kept as the newest, and drops what is older than the one before it.
fn observe(at: Place<'_>, node: &NodeTag, record: &Record, observation: &ObservationBytes) -> Result<(), StoreError> {
    let part = observation.part();
    let sql = "SELECT digest FROM observations WHERE cluster = ?1 AND node = ?2 ORDER BY seq DESC LIMIT 1";
    let newest = read::first(at.connection, sql, params![at.key(), node.0], |columns| columns.hash())?;
    if newest == Some(part.digest) {
        return Ok(());
    }
    let sql = "INSERT INTO observations (cluster, node, seq, digest, time, size, codec, bytes)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (seq, time) = (row::int(record.seq, "record.seq")?, row::int(record.time, "record.time")?);
    let (size, codec) = (row::int(part.size, "observation.size")?, row::codec_number(part.codec));
    at.run(sql, params![at.key(), node.0, seq, part.digest.0, time, size, codec, part.stored])?;
    let sql = "DELETE FROM observations WHERE cluster = ?1 AND node = ?2 AND seq NOT IN
               (SELECT seq FROM observations WHERE cluster = ?1 AND node = ?2 ORDER BY seq DESC LIMIT ?3)";
    at.run(sql, params![at.key(), node.0, ObservationBytes::KEPT])?;
    Ok(())
}

/// What a record leaves behind for its node; `None` leaves what was there.
#[derive(Clone, Copy, Default)]
struct Left<'a> {
    session: Option<&'a [u8]>,
    verdict: Option<&'a Verdict>,
    reset_count: Option<u32>,
    /// SHA-256 of the report that was observed.
    report: Option<&'a Hash>,
}

/// What a record changes for its node: the head, and what else is given. One statement, because each one that touches
/// the row writes the whole of it anew.
fn conclude(at: Place<'_>, node: &NodeTag, record: &Record, left: &Left<'_>) -> Result<(), StoreError> {
    let seq = row::int(record.seq, "record.seq")?;
    let Left { session, verdict, reset_count, report } = left;
    let report = report.map(|report| report.0);
    let Some(verdict) = verdict else {
        let sql = "UPDATE nodes SET head_seq = ?3, head_record = ?4, session = ifnull(?5, session),
                   last_reset_count = ifnull(?6, last_reset_count), observed_report = ifnull(?7, observed_report)
                   WHERE cluster = ?1 AND node = ?2";
        at.run(sql, params![at.key(), node.0, seq, record.hash.0, session, reset_count, report])?;
        return Ok(());
    };
    let sql = "UPDATE nodes SET head_seq = ?3, head_record = ?4, session = ifnull(?5, session),
               last_reset_count = ifnull(?6, last_reset_count), observed_report = ifnull(?7, observed_report),
               verdict_status = ?8, verdict_code = ?9, verdict_round = ?10, verdict_seq = ?11, verdict_time = ?12,
               verdict_expires = ?13 WHERE cluster = ?1 AND node = ?2";
    at.run(
        sql,
        params![
            at.key(),
            node.0,
            seq,
            record.hash.0,
            session,
            reset_count,
            report,
            row::status_number(verdict.status),
            verdict.code,
            row::int(verdict.round, "verdict.round")?,
            row::int(verdict.seq, "verdict.seq")?,
            row::int(verdict.time, "verdict.time")?,
            row::int(verdict.expires, "verdict.expires")?,
        ],
    )?;
    Ok(())
}
