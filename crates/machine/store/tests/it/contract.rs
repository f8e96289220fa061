//! Every rule of the interface, for SQLite.

use std::path::PathBuf;

use avouch_store::{SqliteStore, Store};

/// A directory that lives as long as the stores in it.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("avouch.db")
    }

    fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::open(&self.path()).unwrap())
    }
}

fn same() -> impl Fn() -> Box<dyn Store> {
    let place = Place::new();
    move || place.open()
}

avouch_store::contract_tests!(fresh: super::same(), same: super::same());
