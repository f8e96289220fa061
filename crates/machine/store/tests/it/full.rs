//! No space left.

use std::path::Path;
use std::process::Command;

use avouch_store::contract::specimen::{START, cluster, join};
use avouch_store::load::Load;
use avouch_store::{Change, Options, Outcome, Record, SqliteStore, Store, StoreError};
use std::sync::Mutex;

/// Runs rounds until the store is full; gives back the acknowledged ones.
fn fill(store: &dyn Store) -> (Vec<(u64, Record)>, StoreError) {
    let acknowledged = Mutex::new(Vec::new());
    let load = Load { submitters: 8, rounds: 100_000, evidence_bytes: 20_000 };
    let error =
        load.run(store, &cluster(), &|n, record| acknowledged.lock().unwrap().push((n, record.clone()))).unwrap_err();
    (acknowledged.into_inner().unwrap(), error)
}

fn all_are_there(store: &dyn Store, acknowledged: &[(u64, Record)]) {
    for (n, record) in acknowledged {
        let node = join(store, &cluster(), *n).unwrap();
        assert_eq!(store.record(&cluster(), &node, record.seq).unwrap().as_ref(), Some(record));
        assert!(store.evidence(&cluster(), &record.evidence.unwrap()).unwrap().is_some());
    }
}

#[test]
fn largest_size_is_kept_and_a_larger_one_heals() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("avouch.db");
    let capped =
        |bytes| SqliteStore::open_with(&path, Options { max_bytes: Some(bytes), ..Options::default() }).unwrap();
    let store = capped(2 << 20);
    let (acknowledged, error) = fill(&store);
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(acknowledged.len() > 20, "{} rounds fit into 2 MiB", acknowledged.len());
    all_are_there(&store, &acknowledged);
    drop(store);
    assert!(std::fs::metadata(&path).unwrap().len() <= 2 << 20);

    let store = capped(64 << 20);
    all_are_there(&store, &acknowledged);
    let more = Load { submitters: 8, rounds: 5, evidence_bytes: 20_000 };
    more.run(&store, &cluster(), &|_, _| ()).unwrap();
}

/// A file system of its own, taken away again when the test ends, also by a panic.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "avouch-test"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn full_disk_acknowledges_nothing_it_lost_and_heals_when_space_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(directory.path()) else {
        println!("skipped: a file system of 4 MiB needs root (mount -t tmpfs); run this test as root");
        return;
    };
    let path = directory.path().join("avouch.db");
    let store = SqliteStore::open(&path).unwrap();
    // Set aside like the space that an operator frees.
    let ballast = directory.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let (mut acknowledged, error) = fill(&store);
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(acknowledged.len() > 20, "{} rounds fit", acknowledged.len());
    // The last round may be open; small changes may still fit into the last page. Reads work in any case.
    all_are_there(&store, &acknowledged);

    std::fs::remove_file(&ballast).unwrap();
    let more = Mutex::new(Vec::new());
    let load = Load { submitters: 8, rounds: 1, evidence_bytes: 20_000 };
    load.run(&store, &cluster(), &|n, record| more.lock().unwrap().push((n, record.clone()))).unwrap();
    acknowledged.append(&mut more.into_inner().unwrap());
    assert_eq!(store.writable(), Ok(()));
    assert_eq!(store.apply(&cluster(), START, Change::NoteTime), Ok(Outcome::Done));
    all_are_there(&store, &acknowledged);
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    all_are_there(&store, &acknowledged);
}
