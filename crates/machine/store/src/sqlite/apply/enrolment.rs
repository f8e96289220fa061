//! Grants, attempts and nodes.

use avouch_protocol::{Hash, NodeProfile, NodeTag};
use rusqlite::params;

use super::Place;
use crate::sqlite::row;
use crate::sqlite::{SqliteStore, read};
use crate::{Attempt, FurtherEk, Grant, NodeKeys, Outcome, Refused, StoreError};

pub(super) fn put_grant(at: Place<'_>, grant: &Grant) -> Result<Outcome, StoreError> {
    let known = read::grant(at.connection, at.cluster, &grant.id)?;
    match known {
        None => {
            let sql = "INSERT INTO grants (cluster, id, uses, expires) VALUES (?1, ?2, ?3, ?4)";
            at.run(sql, params![at.key(), grant.id.0, grant.uses, row::int(grant.expires, "expires")?])?;
            Ok(Outcome::Done)
        }
        Some(known) if (known.uses, known.expires) == (grant.uses, grant.expires) => Ok(Outcome::Done),
        Some(_) => Err(Refused::Conflict { what: "grant", owner: grant.id.to_hex() }.into()),
    }
}

pub(super) fn open_attempt(at: Place<'_>, attempt: &Attempt) -> Result<Outcome, StoreError> {
    let sql = "DELETE FROM attempts WHERE cluster = ?1 AND expires < ?2";
    at.run(sql, params![at.key(), row::int(at.now, "now")?])?;
    let limit = SqliteStore::MAX_OPEN_ATTEMPTS;
    let sql = "SELECT count(*) FROM attempts WHERE cluster = ?1";
    let open = read::first(at.connection, sql, params![at.key()], |columns| columns.uint())?;
    if open.and_then(|open| usize::try_from(open).ok()).is_none_or(|open| open >= limit) {
        return Err(Refused::TooManyAttempts { limit }.into());
    }
    let sql = "INSERT INTO attempts (cluster, id, request, challenge, expected_proof, expires)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let Attempt { id, request, challenge, expected_proof, expires } = attempt;
    let expires = row::int(*expires, "expires")?;
    match at.run(sql, params![at.key(), id.0, request, challenge, expected_proof.0, expires])? {
        0 => Err(Refused::Conflict { what: "attempt", owner: id.to_hex() }.into()),
        _ => Ok(Outcome::Done),
    }
}

pub(super) fn consume_attempt(at: Place<'_>, id: &Hash) -> Result<Outcome, StoreError> {
    let sql =
        "DELETE FROM attempts WHERE cluster = ?1 AND id = ?2 RETURNING request, challenge, expected_proof, expires";
    let taken = read::first(at.connection, sql, params![at.key(), id.0], |columns| {
        Ok(Attempt {
            id: *id,
            request: columns.get()?,
            challenge: columns.get()?,
            expected_proof: columns.hash()?,
            expires: columns.uint()?,
        })
    })?;
    match taken {
        Some(attempt) if attempt.expires >= at.now => Ok(Outcome::Attempt(Box::new(attempt))),
        // An expired one is put back by the roll-back, and swept by the next attempt.
        _ => Err(Refused::AttemptUnknown(*id).into()),
    }
}

pub(super) fn enrol(
    at: Place<'_>,
    node: &NodeTag,
    grant: &Hash,
    label: Option<&str>,
    keys: &NodeKeys,
) -> Result<Outcome, StoreError> {
    let before = read::node(at.connection, at.cluster, node)?;
    if before.as_ref().is_some_and(|before| before.keys.ek_name != keys.ek_name) {
        return Err(Refused::Conflict { what: "node_tag", owner: node.to_hex() }.into());
    }
    check_grant(at, node, grant)?;
    check_profile(at, node, keys.profile)?;
    for (kind, what, name) in [
        (1, "ek_name", keys.ek_name.as_slice()),
        (2, "ak_name", &keys.ak_name),
        (3, "client_spki", &keys.client_spki.0),
    ] {
        claim(at, node, kind, what, name)?;
    }
    for further in &keys.further_eks {
        claim(at, node, 1, "ek_name", &further.name)?;
    }
    let generation = before.map_or(0, |before| before.generation).saturating_add(1);
    let sql = "INSERT INTO nodes (cluster, node, label, generation) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET label = ifnull(excluded.label, label), generation = excluded.generation,
               session = NULL, last_reset_count = NULL, observed_report = NULL, verdict_status = NULL, verdict_code = NULL, verdict_round = NULL,
               verdict_seq = NULL, verdict_time = NULL, verdict_expires = NULL";
    at.run(sql, params![at.key(), node.0, label, generation])?;
    at.run("DELETE FROM observations WHERE cluster = ?1 AND node = ?2", params![at.key(), node.0])?;
    insert_keys(at, node, generation, keys)?;
    let sql = "INSERT INTO grant_uses (cluster, id, node, time) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    at.run(sql, params![at.key(), grant.0, node.0, row::int(at.now, "now")?])?;
    Ok(Outcome::Enrolled { generation })
}

fn check_grant(at: Place<'_>, node: &NodeTag, id: &Hash) -> Result<(), StoreError> {
    let grant = read::grant(at.connection, at.cluster, id)?.ok_or(Refused::GrantUnknown(*id))?;
    if grant.expires < at.now {
        return Err(Refused::GrantExpired { expires: grant.expires, now: at.now }.into());
    }
    let sql = "SELECT 1 FROM grant_uses WHERE cluster = ?1 AND id = ?2 AND node = ?3";
    let joined = read::first(at.connection, sql, params![at.key(), id.0, node.0], |_| Ok(()))?.is_some();
    if !joined && grant.used >= grant.uses {
        return Err(Refused::GrantUsedUp { uses: grant.uses }.into());
    }
    Ok(())
}

/// A TPM that was once known by a strong profile never becomes one that is known by a weaker one.
fn check_profile(at: Place<'_>, node: &NodeTag, profile: NodeProfile) -> Result<(), StoreError> {
    let known = read::profiles(at.connection, at.cluster, node)?;
    match known.into_iter().max_by_key(|known| known.strength()) {
        Some(known) if !profile.may_follow(known) => Err(Refused::WeakerProfile { known, got: profile }.into()),
        _ => Ok(()),
    }
}

/// Makes the node the owner of a key's name, or finds who is. Names are never given back.
fn claim(at: Place<'_>, node: &NodeTag, kind: i64, what: &'static str, name: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO key_owners (cluster, kind, name, node) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    at.run(sql, params![at.key(), kind, name, node.0])?;
    let sql = "SELECT node FROM key_owners WHERE cluster = ?1 AND kind = ?2 AND name = ?3";
    match read::first(at.connection, sql, params![at.key(), kind, name], |columns| columns.tag())? {
        Some(owner) if owner == *node => Ok(()),
        Some(owner) => Err(Refused::Conflict { what, owner: owner.to_hex() }.into()),
        None => Err(StoreError::Corrupt(format!("the owner of a key ({what}) vanished"))),
    }
}

fn insert_keys(at: Place<'_>, node: &NodeTag, generation: u32, keys: &NodeKeys) -> Result<(), StoreError> {
    let sql = "INSERT INTO node_keys (cluster, node, generation, enrolled_at, ek_name, ek_public, ek_certificate,
               ek_identity, parent_public, ak_public, ak_name, ak_private, client_spki, client_certificate, profile,
               vouched_by, ek_template)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
    at.run(
        sql,
        params![
            at.key(),
            node.0,
            generation,
            row::int(at.now, "now")?,
            keys.ek_name,
            keys.ek_public,
            keys.ek_certificate,
            keys.ek_identity,
            keys.parent_public,
            keys.ak_public,
            keys.ak_name,
            keys.ak_private,
            keys.client_spki.0,
            keys.client_certificate,
            keys.profile.number(),
            keys.vouched_by,
            keys.ek_template,
        ],
    )?;
    let sql = "INSERT INTO node_eks (cluster, node, generation, position, ek_name, public, certificate)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    for (position, FurtherEk { name, public, certificate }) in (0_u32..).zip(&keys.further_eks) {
        at.run(sql, params![at.key(), node.0, generation, position, name, public, certificate])?;
    }
    Ok(())
}
