//! kill -9 under load.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use avouch_protocol::{Hash, Message, RecordHeader};
use avouch_store::contract::specimen::{cluster, tag};
use avouch_store::load::Load;
use avouch_store::{Record, SqliteStore, Store};

/// How often the child is killed.
const KILLS: u32 = 30;

/// Names the database in the child's environment; the child is this very test, started again.
const CHILD: &str = "AVOUCH_STORE_KILLED_CHILD";

/// Runs rounds until the end, and writes a line for each acknowledged record: node, number, hash.
fn be_the_child(database: &Path) {
    let store = SqliteStore::open(database).unwrap();
    let endless = Load { submitters: 8, rounds: u64::MAX, evidence_bytes: 16_000 };
    // Standard error is not buffered: what the parent reads is what was acknowledged.
    let print = |n: u64, record: &Record| {
        let line = format!("{n} {} {}\n", record.seq, record.hash);
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    };
    endless.run(&store, &cluster(), &print).unwrap();
}

/// Lets the child run until it has acknowledged `lines` records and some microseconds more, kills it, and gives back
/// every complete line it wrote.
fn run_and_kill(database: &Path, lines: usize, more: Duration) -> Vec<(u64, u64, Hash)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::no_acknowledged_record_is_lost_when_the_server_is_killed", "--nocapture"])
        .env(CHILD, database)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    for _ in 0..lines {
        assert_ne!(out.read_line(&mut text).unwrap(), 0, "the child ended by itself: {:?}", child.wait());
    }
    std::thread::park_timeout(more);
    child.kill().unwrap();
    child.wait().unwrap();
    while out.read_line(&mut text).unwrap() > 0 {}
    let complete = text.rfind('\n').map_or(0, |end| end + 1);
    let fields = |line: &str| {
        let mut fields = line.split(' ');
        let mut next = || fields.next().unwrap_or_default();
        Some((next().parse().ok()?, next().parse().ok()?, Hash::from_hex(next())?))
    };
    // A line that is no acknowledgement is the child's panic message.
    let fields = |line| fields(line).unwrap_or_else(|| panic!("the child wrote {line:?} in\n{text}"));
    text[..complete].lines().map(fields).collect()
}

/// Every acknowledged record is there once, and each chain is whole: numbers without a gap, each header naming the
/// one before, evidence readable, the head at the end.
fn check(database: &Path, acknowledged: &BTreeMap<(u64, u64), Hash>) {
    let store = SqliteStore::open(database).unwrap();
    for n in 0..8 {
        let Some(node) = store.node(&cluster(), &tag(n)).unwrap() else {
            assert!(!acknowledged.keys().any(|(of, _)| *of == n), "node {n} was lost");
            continue;
        };
        let mut records = store.records(&cluster(), &node.tag, None, usize::MAX).unwrap();
        records.reverse();
        let mut before = Hash::ZERO;
        for (wanted, record) in (1..).zip(&records) {
            let header = RecordHeader::from_cbor(&record.header).unwrap();
            assert_eq!((record.seq, header.seq, header.prev), (wanted, wanted, before));
            assert!(store.evidence(&cluster(), &record.evidence.unwrap()).unwrap().is_some());
            before = record.hash;
        }
        assert_eq!((node.head.seq, node.head.record), (records.len() as u64, before));
        assert_eq!(node.verdict.map_or(0, |verdict| verdict.seq), node.head.seq);
        for ((_, seq), hash) in acknowledged.range((n, 0)..=(n, u64::MAX)) {
            let stored = store.record(&cluster(), &node.tag, *seq).unwrap();
            assert_eq!(stored.map(|record| record.hash), Some(*hash), "node {n}, record {seq} was acknowledged");
        }
    }
}

#[test]
fn no_acknowledged_record_is_lost_when_the_server_is_killed() {
    if let Some(database) = std::env::var_os(CHILD) {
        return be_the_child(Path::new(&database));
    }
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("avouch.db");
    let mut acknowledged = BTreeMap::new();
    for kill in 0..KILLS {
        // Instants from the system's generator: another set of them each time the test runs.
        let [a, b, ..] = avouch_crypto::random::<4>();
        let lines = usize::from(a % 64);
        // Half of them at once after an acknowledgement, when a commit that came too late would still be under way.
        let more = Duration::from_micros(u64::from(b).saturating_sub(128) * 100);
        let printed = run_and_kill(&database, lines, more);
        for (n, seq, hash) in printed {
            assert_eq!(acknowledged.insert((n, seq), hash), None, "node {n}, record {seq} was acknowledged twice");
        }
        if kill % 5 == 4 || kill == KILLS - 1 {
            check(&database, &acknowledged);
        }
    }
    assert!(acknowledged.len() > 100, "only {} records: the load was no load", acknowledged.len());
    println!("{KILLS} kills, {} acknowledged records, none lost", acknowledged.len());
}
