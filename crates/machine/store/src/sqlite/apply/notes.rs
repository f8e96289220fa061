//! Time, gaps, events and round secrets.

use rusqlite::{Connection, params};

use super::Place;
use crate::sqlite::{read, row};
use crate::{Cluster, Event, Gap, Outcome, StoreError};

/// Server time only grows: an earlier `now` leaves the stored one.
pub(in crate::sqlite) fn note_time(connection: &Connection, cluster: &Cluster, now: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO clusters (cluster, highest_time) VALUES (?1, ?2)
               ON CONFLICT DO UPDATE SET highest_time = max(highest_time, excluded.highest_time)";
    connection.prepare_cached(sql)?.execute(params![cluster.as_str(), row::int(now, "now")?])?;
    Ok(())
}

pub(super) fn round_secret(at: Place<'_>, round: u64, secret: &[u8; 32]) -> Result<Outcome, StoreError> {
    let sql = "INSERT INTO round_secrets (cluster, round, secret) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    at.run(sql, params![at.key(), row::int(round, "round")?, secret])?;
    let winner = read::round_secret(at.connection, at.cluster, round)?;
    winner.map(Outcome::RoundSecret).ok_or_else(|| StoreError::Corrupt(format!("the secret of round {round} vanished")))
}

pub(super) fn gap(at: Place<'_>, gap: &Gap) -> Result<Outcome, StoreError> {
    let sql = "INSERT INTO gaps (cluster, id, from_time, to_time, reason)
               SELECT ?1, ifnull(max(id), 0) + 1, ?2, ?3, ?4 FROM gaps WHERE cluster = ?1";
    at.run(sql, params![at.key(), row::int(gap.from, "gap.from")?, row::int(gap.to, "gap.to")?, gap.reason])?;
    Ok(Outcome::Done)
}

pub(super) fn event(at: Place<'_>, event: &Event) -> Result<Outcome, StoreError> {
    let sql = "INSERT INTO events (cluster, id, time, kind, node, detail)
               SELECT ?1, ifnull(max(id), 0) + 1, ?2, ?3, ?4, ?5 FROM events WHERE cluster = ?1";
    let node = event.node.map(|node| node.0);
    at.run(sql, params![at.key(), row::int(at.now, "now")?, event.kind, node, event.detail])?;
    Ok(Outcome::Done)
}
