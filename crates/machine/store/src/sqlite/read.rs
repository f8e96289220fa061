//! Queries. The writer uses some of them for its conditions.

use avouch_protocol::{Hash, NodeProfile, NodeTag};
use rusqlite::{Connection, Params, params};

use super::row::{self, Columns, head_columns, key_columns, record_columns, verdict_columns};
use crate::evidence::{digest, unpack};
use crate::{
    Cluster, Event, FurtherEk, Gap, Grant, Head, KeptObservation, LoggedEvent, Node, NodeKeys, NodeSummary,
    OpenChallenge, Policy, Record, Standing, StoreError,
};

/// At most one row.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&mut Columns<'_, '_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(|row| read(&mut Columns::of(row))).transpose()
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&mut Columns<'_, '_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&mut Columns::of(row))?);
    }
    Ok(found)
}

/// A bound that SQLite can hold; more rows than 2^63 − 1 do not exist.
fn bound(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn node(connection: &Connection, cluster: &Cluster, node: &NodeTag) -> Result<Option<Node>, StoreError> {
    let sql = concat!(
        "SELECT label, ",
        key_columns!(),
        ", generation, enrolled_at, policy, ",
        head_columns!(),
        ", session, ",
        verdict_columns!(),
        ", last_reset_count
         FROM nodes JOIN node_keys USING (cluster, node, generation) WHERE cluster = ?1 AND node = ?2"
    );
    let found = first(connection, sql, params![cluster.as_str(), node.0], |columns| {
        Ok(Node {
            tag: *node,
            label: columns.get()?,
            keys: row::keys(columns)?,
            generation: columns.get()?,
            enrolled_at: columns.uint()?,
            policy: columns.some_hash()?,
            head: row::head(columns)?,
            session: columns.get()?,
            verdict: row::verdict(columns)?,
            last_reset_count: columns.get()?,
        })
    })?;
    let Some(mut found) = found else { return Ok(None) };
    found.keys.further_eks = further_eks(connection, cluster, node, found.generation)?;
    Ok(Some(found))
}

/// They are written with their generation and never change, so a statement of its own sees the right ones.
fn further_eks(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
    generation: u32,
) -> Result<Vec<FurtherEk>, StoreError> {
    let sql = "SELECT ek_name, public, certificate FROM node_eks
               WHERE cluster = ?1 AND node = ?2 AND generation = ?3 ORDER BY position";
    all(connection, sql, params![cluster.as_str(), node.0, generation], |columns| {
        Ok(FurtherEk { name: columns.get()?, public: columns.get()?, certificate: columns.get()? })
    })
}

/// Every profile that a node was ever known by.
pub(super) fn profiles(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
) -> Result<Vec<NodeProfile>, StoreError> {
    let sql = "SELECT DISTINCT profile FROM node_keys WHERE cluster = ?1 AND node = ?2";
    all(connection, sql, params![cluster.as_str(), node.0], |columns| row::profile(columns.get()?))
}

/// One statement is one snapshot, and one pass through the locks of the write-ahead log.
pub(super) fn standing(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
) -> Result<Option<Standing>, StoreError> {
    let sql = concat!(
        "SELECT generation, ifnull(policy, (SELECT default_policy FROM clusters WHERE clusters.cluster = ?1)), ",
        head_columns!(),
        ", session, last_reset_count, observed_report, seq, round, bytes, deadline
         FROM nodes LEFT JOIN challenges USING (cluster, node) WHERE cluster = ?1 AND node = ?2"
    );
    first(connection, sql, params![cluster.as_str(), node.0], |columns| {
        Ok(Standing {
            tag: *node,
            generation: columns.get()?,
            policy: columns.some_hash()?,
            head: row::head(columns)?,
            session: columns.get()?,
            last_reset_count: columns.get()?,
            observed_report: columns.some_hash()?,
            open: match columns.some_uint()? {
                None => None,
                Some(seq) => Some(OpenChallenge {
                    seq,
                    round: columns.uint()?,
                    bytes: columns.get()?,
                    deadline: columns.uint()?,
                }),
            },
        })
    })
}

pub(super) fn head_of(connection: &Connection, cluster: &Cluster, node: &NodeTag) -> Result<Option<Head>, StoreError> {
    let sql = concat!("SELECT ", head_columns!(), " FROM nodes WHERE cluster = ?1 AND node = ?2");
    first(connection, sql, params![cluster.as_str(), node.0], row::head)
}

/// What both lists of nodes select.
macro_rules! summaries {
    ($condition:literal) => {
        concat!(
            "SELECT node, label, ek_identity, profile, vouched_by, ek_template, generation, enrolled_at, policy, ",
            head_columns!(),
            ", ",
            verdict_columns!(),
            ", last_reset_count FROM nodes JOIN node_keys USING (cluster, node, generation) WHERE cluster = ?1 AND ",
            $condition
        )
    };
}

fn summary(columns: &mut Columns<'_, '_>) -> Result<NodeSummary, StoreError> {
    Ok(NodeSummary {
        tag: columns.tag()?,
        label: columns.get()?,
        ek_identity: columns.get()?,
        profile: row::profile(columns.get()?)?,
        vouched_by: columns.get()?,
        ek_template: columns.get()?,
        generation: columns.get()?,
        enrolled_at: columns.uint()?,
        policy: columns.some_hash()?,
        head: row::head(columns)?,
        verdict: row::verdict(columns)?,
        last_reset_count: columns.get()?,
    })
}

pub(super) fn nodes(
    connection: &Connection,
    cluster: &Cluster,
    after: Option<&NodeTag>,
    limit: usize,
) -> Result<Vec<NodeSummary>, StoreError> {
    // The empty blob sorts before every tag.
    let after = after.map_or(&[] as &[u8], |tag| &tag.0);
    let sql = summaries!("node > ?2 ORDER BY node LIMIT ?3");
    all(connection, sql, params![cluster.as_str(), after, rows(limit)], summary)
}

pub(super) fn find_nodes(
    connection: &Connection,
    cluster: &Cluster,
    text: &str,
    limit: usize,
) -> Result<Vec<NodeSummary>, StoreError> {
    let sql = summaries!("(label = ?2 OR node BETWEEN ?3 AND ?4) ORDER BY node LIMIT ?5");
    // From the prefix filled with zeros to the prefix filled with ones; a text that is no prefix matches no tag.
    let ends =
        |fill: char| NodeTag::from_hex(&text.chars().chain(std::iter::repeat(fill)).take(64).collect::<String>());
    let (from, to) = match (ends('0'), ends('f')) {
        (Some(from), Some(to)) if (1..=64).contains(&text.len()) => (Some(from.0), Some(to.0)),
        _ => (None, None),
    };
    all(connection, sql, params![cluster.as_str(), text, from, to, rows(limit)], summary)
}

pub(super) fn key_history(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
) -> Result<Vec<(u32, u64, NodeKeys)>, StoreError> {
    let sql = concat!(
        "SELECT generation, enrolled_at, ",
        key_columns!(),
        " FROM node_keys WHERE cluster = ?1 AND node = ?2 ORDER BY generation"
    );
    let mut history = all(connection, sql, params![cluster.as_str(), node.0], |columns| {
        Ok((columns.get()?, columns.uint()?, row::keys(columns)?))
    })?;
    for (generation, _, keys) in &mut history {
        keys.further_eks = further_eks(connection, cluster, node, *generation)?;
    }
    Ok(history)
}

pub(super) fn grant(connection: &Connection, cluster: &Cluster, id: &Hash) -> Result<Option<Grant>, StoreError> {
    let sql = "SELECT uses, expires, (SELECT count(*) FROM grant_uses WHERE cluster = ?1 AND id = ?2)
               FROM grants WHERE cluster = ?1 AND id = ?2";
    first(connection, sql, params![cluster.as_str(), id.0], |columns| {
        Ok(Grant { id: *id, uses: columns.get()?, expires: columns.uint()?, used: columns.get()? })
    })
}

fn challenge(columns: &mut Columns<'_, '_>) -> Result<OpenChallenge, StoreError> {
    Ok(OpenChallenge { seq: columns.uint()?, round: columns.uint()?, bytes: columns.get()?, deadline: columns.uint()? })
}

pub(super) fn open_challenge(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
) -> Result<Option<OpenChallenge>, StoreError> {
    let sql = "SELECT seq, round, bytes, deadline FROM challenges WHERE cluster = ?1 AND node = ?2";
    first(connection, sql, params![cluster.as_str(), node.0], challenge)
}

pub(super) fn overdue(
    connection: &Connection,
    cluster: &Cluster,
    now: u64,
    limit: usize,
) -> Result<Vec<(NodeTag, OpenChallenge)>, StoreError> {
    let sql = "SELECT node, seq, round, bytes, deadline FROM challenges WHERE cluster = ?1 AND deadline < ?2
               ORDER BY deadline LIMIT ?3";
    all(connection, sql, params![cluster.as_str(), bound(now), rows(limit)], |columns| {
        Ok((columns.tag()?, challenge(columns)?))
    })
}

pub(super) fn record(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
    seq: u64,
) -> Result<Option<Record>, StoreError> {
    let sql = concat!("SELECT ", record_columns!(), " FROM records WHERE cluster = ?1 AND node = ?2 AND seq = ?3");
    first(connection, sql, params![cluster.as_str(), node.0, bound(seq)], row::record)
}

/// What a challenge has become: the late record if there is one, else the one in time.
pub(super) fn record_of_challenge(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
    challenge: &Hash,
) -> Result<Option<Record>, StoreError> {
    let sql = concat!(
        "SELECT ",
        record_columns!(),
        " FROM records WHERE cluster = ?1 AND node = ?2 AND challenge = ?3 ORDER BY late DESC LIMIT 1"
    );
    first(connection, sql, params![cluster.as_str(), node.0, challenge.0], row::record)
}

pub(super) fn record_of_evidence(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
    evidence: &Hash,
) -> Result<Option<Record>, StoreError> {
    // By itself SQLite walks the whole chain, which is already in the wanted order. INDEXED BY makes the statement fail
    // if it ever cannot use the index.
    let sql = concat!(
        "SELECT ",
        record_columns!(),
        " FROM records INDEXED BY records_by_evidence
         WHERE cluster = ?1 AND node = ?2 AND evidence = ?3 ORDER BY seq LIMIT 1"
    );
    first(connection, sql, params![cluster.as_str(), node.0, evidence.0], row::record)
}

pub(super) fn records(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let sql = concat!(
        "SELECT ",
        record_columns!(),
        " FROM records WHERE cluster = ?1 AND node = ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4"
    );
    let before = bound(before.unwrap_or(u64::MAX));
    all(connection, sql, params![cluster.as_str(), node.0, before, rows(limit)], row::record)
}

pub(super) fn evidence(
    connection: &Connection,
    cluster: &Cluster,
    wanted: &Hash,
) -> Result<Option<Vec<u8>>, StoreError> {
    let damaged = |why: &str| StoreError::Corrupt(format!("evidence {wanted}: {why}"));
    let sql = "SELECT size FROM evidence WHERE cluster = ?1 AND digest = ?2";
    let size = first(connection, sql, params![cluster.as_str(), wanted.0], |columns| columns.uint())?;
    let Some(size) = size else { return Ok(None) };
    let sql = "SELECT piece FROM evidence_pieces WHERE cluster = ?1 AND evidence = ?2 ORDER BY position";
    let pieces = all(connection, sql, params![cluster.as_str(), wanted.0], |columns| columns.hash())?;
    let mut message = Vec::new();
    for piece in pieces {
        let plain = evidence_part(connection, cluster, &piece)?.ok_or_else(|| damaged("a piece is missing"))?;
        message.extend_from_slice(&plain);
    }
    if u64::try_from(message.len()).ok() != Some(size) || digest(&message) != *wanted {
        return Err(damaged("the pieces do not make the message"));
    }
    Ok(Some(message))
}

pub(super) fn evidence_part(
    connection: &Connection,
    cluster: &Cluster,
    wanted: &Hash,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT size, codec, bytes FROM pieces WHERE cluster = ?1 AND digest = ?2";
    first(connection, sql, params![cluster.as_str(), wanted.0], |columns| {
        let (size, codec, stored) = (columns.uint()?, row::codec(columns.get()?)?, columns.get()?);
        unpack(codec, stored, size, wanted)
    })
}

pub(super) fn observations(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
) -> Result<Vec<KeptObservation>, StoreError> {
    let sql = "SELECT digest, seq, time, size FROM observations WHERE cluster = ?1 AND node = ?2 ORDER BY seq DESC";
    all(connection, sql, params![cluster.as_str(), node.0], kept_observation)
}

pub(super) fn newest_observation(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
) -> Result<Option<(KeptObservation, Vec<u8>)>, StoreError> {
    let sql = "SELECT digest, seq, time, size, codec, bytes FROM observations WHERE cluster = ?1 AND node = ?2
               ORDER BY seq DESC LIMIT 1";
    first(connection, sql, params![cluster.as_str(), node.0], |columns| {
        let kept = kept_observation(columns)?;
        let (codec, stored) = (row::codec(columns.get()?)?, columns.get()?);
        let bytes = unpack(codec, stored, kept.size, &kept.digest)?;
        Ok((kept, bytes))
    })
}

fn kept_observation(columns: &mut Columns<'_, '_>) -> Result<KeptObservation, StoreError> {
    Ok(KeptObservation { digest: columns.hash()?, seq: columns.uint()?, time: columns.uint()?, size: columns.uint()? })
}

pub(super) fn observation(
    connection: &Connection,
    cluster: &Cluster,
    node: &NodeTag,
    wanted: &Hash,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT size, codec, bytes FROM observations WHERE cluster = ?1 AND node = ?2 AND digest = ?3
               ORDER BY seq DESC LIMIT 1";
    first(connection, sql, params![cluster.as_str(), node.0, wanted.0], |columns| {
        let (size, codec, stored) = (columns.uint()?, row::codec(columns.get()?)?, columns.get()?);
        unpack(codec, stored, size, wanted)
    })
}

pub(super) fn policy(connection: &Connection, cluster: &Cluster, wanted: &Hash) -> Result<Option<Policy>, StoreError> {
    let sql = "SELECT reference, name, created, applied, bytes FROM policies WHERE cluster = ?1 AND reference = ?2";
    let found = first(connection, sql, params![cluster.as_str(), wanted.0], |columns| {
        let head = policy_head(columns)?;
        Ok(Policy { bytes: columns.get()?, ..head })
    })?;
    match found {
        // A policy decides what passes: bytes that no longer have its name are nobody's policy.
        Some(policy) if digest(&policy.bytes) != *wanted => {
            Err(StoreError::Corrupt(format!("policy {wanted}: the bytes do not have that digest")))
        }
        other => Ok(other),
    }
}

/// A policy without its bytes.
fn policy_head(columns: &mut Columns<'_, '_>) -> Result<Policy, StoreError> {
    Ok(Policy {
        reference: columns.hash()?,
        bytes: Vec::new(),
        name: columns.get()?,
        created: columns.uint()?,
        applied: columns.some_uint()?,
    })
}

pub(super) fn policies(connection: &Connection, cluster: &Cluster, limit: usize) -> Result<Vec<Policy>, StoreError> {
    let sql = "SELECT reference, name, created, applied FROM policies WHERE cluster = ?1
               ORDER BY created DESC, reference LIMIT ?2";
    all(connection, sql, params![cluster.as_str(), rows(limit)], policy_head)
}

pub(super) fn default_policy(connection: &Connection, cluster: &Cluster) -> Result<Option<Hash>, StoreError> {
    let sql = "SELECT default_policy FROM clusters WHERE cluster = ?1";
    Ok(first(connection, sql, params![cluster.as_str()], |columns| columns.some_hash())?.flatten())
}

pub(super) fn round_secret(
    connection: &Connection,
    cluster: &Cluster,
    round: u64,
) -> Result<Option<[u8; 32]>, StoreError> {
    let sql = "SELECT secret FROM round_secrets WHERE cluster = ?1 AND round = ?2";
    first(connection, sql, params![cluster.as_str(), bound(round)], |columns| columns.get())
}

pub(super) fn highest_time(connection: &Connection, cluster: &Cluster) -> Result<u64, StoreError> {
    let sql = "SELECT highest_time FROM clusters WHERE cluster = ?1";
    let found = first(connection, sql, params![cluster.as_str()], |columns| columns.uint())?;
    Ok(found.unwrap_or(0))
}

pub(super) fn gaps(connection: &Connection, cluster: &Cluster) -> Result<Vec<Gap>, StoreError> {
    let sql = "SELECT from_time, to_time, reason FROM gaps WHERE cluster = ?1 ORDER BY id";
    all(connection, sql, params![cluster.as_str()], |columns| {
        Ok(Gap { from: columns.uint()?, to: columns.uint()?, reason: columns.get()? })
    })
}

pub(super) fn events(
    connection: &Connection,
    cluster: &Cluster,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<LoggedEvent>, StoreError> {
    let sql =
        "SELECT id, time, kind, node, detail FROM events WHERE cluster = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
    let before = bound(before.unwrap_or(u64::MAX));
    all(connection, sql, params![cluster.as_str(), before, rows(limit)], |columns| {
        let (id, time, kind) = (columns.uint()?, columns.uint()?, columns.get()?);
        let node = columns.get::<Option<_>>()?.map(NodeTag);
        Ok(LoggedEvent { id, time, event: Event { kind, node, detail: columns.get()? } })
    })
}
