//! Conditions and writes of each change. All of this runs on the writer thread, inside its transaction.

mod chain;
mod enrolment;
mod notes;
mod policies;

pub(super) use notes::note_time;
use rusqlite::{Connection, Params};

use super::row;
use crate::{Change, Cluster, Outcome, StoreError};

/// Applies one change or fails; after a failure the caller rolls back to where it was.
pub(super) fn change(
    connection: &Connection,
    cluster: &Cluster,
    now: u64,
    change: &Change,
) -> Result<Outcome, StoreError> {
    // Here, so that a time that fits no row is refused alone and not with everything in its batch.
    row::int(now, "now")?;
    let at = Place { connection, cluster, now };
    match change {
        Change::PutGrant(grant) => enrolment::put_grant(at, grant),
        Change::OpenAttempt(attempt) => enrolment::open_attempt(at, attempt),
        Change::ConsumeAttempt(id) => enrolment::consume_attempt(at, id),
        Change::Enrol { node, grant, label, keys } => enrolment::enrol(at, node, grant, label.as_deref(), keys),
        Change::OpenChallenge { node, challenge } => chain::open_challenge(at, node, challenge),
        Change::CommitRecord(commit) => chain::commit(at, commit),
        Change::ExpireChallenge { node, record } => chain::expire(at, node, record),
        Change::PutPolicy { name, bytes } => policies::put(at, name, bytes),
        Change::AssignPolicy { to, policy } => policies::assign(at, to, policy.as_ref()),
        Change::RoundSecret { round, secret } => notes::round_secret(at, *round, secret),
        // The caller stores the time with every change.
        Change::NoteTime => Ok(Outcome::Done),
        Change::NoteGap(gap) => notes::gap(at, gap),
        Change::NoteEvent(event) => notes::event(at, event),
    }
}

/// Where and when a change is applied.
#[derive(Clone, Copy)]
struct Place<'a> {
    connection: &'a Connection,
    cluster: &'a Cluster,
    now: u64,
}

// === impl Place ===

impl Place<'_> {
    /// Runs a statement and tells how many rows it changed.
    fn run(self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    fn key(&self) -> &str {
        self.cluster.as_str()
    }
}
