//! Databases of other releases.

use avouch_protocol::{Hash, NodeProfile, NodeTag, Status};
use avouch_store::contract::specimen::{START, answer, ask};
use avouch_store::{
    Change, Cluster, Head, NodeKeys, ObservationBytes, ObservedReport, Outcome, SqliteStore, Store, StoreError,
};
use rusqlite::Connection;

/// What version 1 made, as it was released, with rows in every table.
const VERSION_1: &str = include_str!("../../migrations/0001_first.sql");
/// What version 2 added.
const VERSION_2: &str = include_str!("../../migrations/0002_profiles.sql");
const ROWS_1: &str = include_str!("../data/version_1_rows.sql");

fn version_1(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = wal; PRAGMA foreign_keys = on; BEGIN;").unwrap();
    connection.execute_batch(VERSION_1).unwrap();
    connection.execute_batch(ROWS_1).unwrap();
    connection.execute_batch("PRAGMA application_id = 0x41564348; PRAGMA user_version = 1; COMMIT;").unwrap();
    connection
}

fn version_2(path: &std::path::Path) -> Connection {
    let connection = version_1(path);
    connection.execute_batch(&format!("BEGIN; {VERSION_2} PRAGMA user_version = 2; COMMIT;")).unwrap();
    connection
}

#[test]
fn database_of_an_earlier_version_is_read_and_continued() {
    for earlier in [version_1, version_2] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("avouch.db");
        drop(earlier(&path));
        is_read_and_continued(&path);
    }
}

fn is_read_and_continued(path: &std::path::Path) {
    let store = SqliteStore::open(path).unwrap();
    let (cluster, tag) = (Cluster::new("fleet").unwrap(), NodeTag([0x11; 32]));
    let node = store.node(&cluster, &tag).unwrap().unwrap();
    assert_eq!((node.label.as_deref(), node.generation, node.enrolled_at), (Some("web-1"), 2, 1_790_000_200));
    assert_eq!((node.policy, node.last_reset_count), (Some(Hash([0x55; 32])), Some(7)));
    assert_eq!((node.session.as_deref(), &*node.keys.ak_name), (Some(b"session".as_slice()), b"ak2".as_slice()));
    // Version 1 knew one profile and one endorsement key.
    let NodeKeys { profile, vouched_by, ek_template, further_eks, .. } = node.keys;
    assert_eq!((profile, vouched_by.as_str(), ek_template.as_str()), (NodeProfile::EkCert, "", "L-1"));
    assert_eq!(further_eks, []);
    let verdict = node.verdict.unwrap();
    assert_eq!((verdict.status, verdict.code.as_str(), verdict.seq), (Status::Fail, "IMA_UNKNOWN_DIGEST", 2));
    assert_eq!(store.key_history(&cluster, &tag).unwrap().len(), 2);
    let records = store.records(&cluster, &tag, None, 9).unwrap();
    assert_eq!(records.iter().map(|record| record.status).collect::<Vec<_>>(), [Status::Fail, Status::Unanswered]);
    assert_eq!(store.highest_time(&cluster).unwrap(), 1_790_000_900);
    assert_eq!(store.default_policy(&cluster).unwrap(), Some(Hash([0x55; 32])));
    assert_eq!(store.round_secret(&cluster, 5).unwrap(), Some([0x66; 32]));
    let evidence = records.first().and_then(|record| record.evidence).unwrap();
    assert_eq!(store.evidence(&cluster, &evidence).unwrap().unwrap(), b"evidence");
    assert_eq!(store.open_challenge(&cluster, &tag).unwrap().map(|open| open.seq), Some(3));
    assert_eq!(store.gaps(&cluster).unwrap().len(), 1);
    assert_eq!(store.events(&cluster, None, 9).unwrap().len(), 1);
    assert_eq!(store.grant(&cluster, &Hash([0x77; 32])).unwrap().map(|grant| grant.used), Some(1));

    let open = ask(&store, &cluster, &tag, START).unwrap();
    // Version 2 kept no observation.
    assert_eq!(store.observations(&cluster, &tag).unwrap(), []);
    let mut commit = answer(&tag, Head { seq: 2, record: node.head.record }, &open, b"next", 1_790_000_901);
    let changed = Some(ObservationBytes::new(b"observed"));
    commit.observed = Some(ObservedReport { report: Hash([0x99; 32]), changed });
    let outcome = store.apply(&cluster, START, Change::CommitRecord(Box::new(commit)));
    assert_eq!(outcome, Ok(Outcome::Committed));
    let kept = store.observations(&cluster, &tag).unwrap();
    assert_eq!(kept.iter().map(|kept| (kept.seq, kept.size)).collect::<Vec<_>>(), [(3, 8)]);
}

#[test]
fn database_of_a_newer_release_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("avouch.db");
    version_1(&path).execute_batch("PRAGMA user_version = 99").unwrap();
    let error = SqliteStore::open(&path).err();
    assert_eq!(error, Some(StoreError::Newer { found: 99, known: 3 }));
    let version: u32 =
        Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn new_database_has_the_schema_of_its_migrations() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (directory.path().join("ours.db"), directory.path().join("theirs.db"));
    drop(version_1(&theirs));
    drop((SqliteStore::open(&ours).unwrap(), SqliteStore::open(&theirs).unwrap()));
    let schema = |path| -> Vec<(String, Option<String>)> {
        let connection = Connection::open(path).unwrap();
        let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(schema(&ours), schema(&theirs));
    let check: String =
        Connection::open(&ours).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
