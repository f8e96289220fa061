//! Policies and whom they are for.

use avouch_protocol::Hash;
use rusqlite::params;

use super::{Place, note_time};
use crate::evidence::digest;
use crate::sqlite::row;
use crate::{Assignee, Outcome, Refused, StoreError};

pub(super) fn put(at: Place<'_>, name: &str, bytes: &[u8]) -> Result<Outcome, StoreError> {
    // The same bytes under another name are the same policy: it keeps its first name.
    let sql = "INSERT INTO policies (cluster, reference, name, bytes, created) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO NOTHING";
    at.run(sql, params![at.key(), digest(bytes).0, name, bytes, row::int(at.now, "now")?])?;
    Ok(Outcome::Done)
}

pub(super) fn assign(at: Place<'_>, to: &Assignee, policy: Option<&Hash>) -> Result<Outcome, StoreError> {
    if let Some(policy) = policy {
        let sql = "UPDATE policies SET applied = ?3 WHERE cluster = ?1 AND reference = ?2";
        if at.run(sql, params![at.key(), policy.0, row::int(at.now, "now")?])? == 0 {
            return Err(Refused::PolicyUnknown(*policy).into());
        }
    }
    let policy = policy.map(|policy| policy.0);
    match to {
        Assignee::Default => {
            // The cluster's row may not exist yet.
            note_time(at.connection, at.cluster, at.now)?;
            at.run("UPDATE clusters SET default_policy = ?2 WHERE cluster = ?1", params![at.key(), policy])?;
        }
        Assignee::Node(node) => {
            let sql = "UPDATE nodes SET policy = ?3 WHERE cluster = ?1 AND node = ?2";
            if at.run(sql, params![at.key(), node.0, policy])? == 0 {
                return Err(Refused::NodeUnknown(*node).into());
            }
        }
    }
    Ok(Outcome::Done)
}
