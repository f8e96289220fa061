//! Files, modes and settings of the connections.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Options, schema};
use crate::StoreError;

/// How long a connection waits for another process, such as a backup, before it is [`StoreError::Busy`].
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Above the number of distinct statements here, so that none is ever prepared twice.
const CACHED_STATEMENTS: usize = 96;
/// Memory of the connection that writes, in KiB (negative by SQLite's convention): the upper levels of every index, where
/// rows named by digests land at random, and a whole batch of dirty pages.
const WRITER_CACHE: i32 = -64 * 1024;
/// Pages of the write-ahead log after which it is copied into the database: 16 MiB, some seconds of full load.
const CHECKPOINT_PAGES: u32 = 4096;

/// Opens the one connection that writes; makes the file when there is none.
pub(super) fn for_writing(path: &Path, options: Options) -> Result<Connection, StoreError> {
    make_private(path)?;
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    settings(&connection)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Io(format!(
            "the file system does not allow a write-ahead log (journal mode is {mode})"
        )));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
    // Each change of a batch keeps the pages it touches for its own roll-back; beyond 64 KiB SQLite would write them to
    // a temporary file, for every round. One change holds them at a time.
    connection.pragma_update(None, "temp_store", "memory")?;
    // Freed pages are overwritten: a consumed attempt or an erased row does not stay readable in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    if let Some(bytes) = options.max_bytes {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        // Zero would read the limit instead of setting it; u32::MAX pages are beyond SQLite's own limit.
        let pages =
            bytes.checked_div(u64::from(page)).map_or(1, |pages| u32::try_from(pages).unwrap_or(u32::MAX).max(1));
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    schema::migrate(&connection)?;
    Ok(connection)
}

/// Opens a connection that can only read. The writer's connection must have been opened before.
pub(super) fn for_reading(path: &Path) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    settings(&connection)?;
    Ok(connection)
}

fn settings(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // Without this guarantee SQLite plans a statement anew whenever its parameters change, which costs more than all
    // of these statements do.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A schema that someone altered must not be able to run code of the application.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// Makes the file when there is none, durably, and lets only its owner read it. SQLite gives its other files the
/// same mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let io = |what: &str, error: std::io::Error| {
        let text = format!("{what} {}: {error}", path.display());
        if error.kind() == std::io::ErrorKind::StorageFull { StoreError::Full(text) } else { StoreError::Io(text) }
    };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all().map_err(|error| io("cannot sync", error))?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(|error| io("cannot sync the directory of", error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| io("cannot protect", error))
        }
        Err(error) => Err(io("cannot make", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_sync_each_commit_and_readers_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("avouch.db");
        let writer = for_writing(&path, Options::default()).unwrap();
        let number = |connection: &Connection, name| -> i64 {
            connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
        };
        // 2 is FULL: the log is synced before a commit returns (SQLite documentation, "PRAGMA synchronous").
        assert_eq!(number(&writer, "synchronous"), 2);
        assert_eq!(number(&writer, "foreign_keys"), 1);
        assert_eq!(number(&writer, "trusted_schema"), 0);
        let mode: String = writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        let reader = for_reading(&path).unwrap();
        assert!(reader.execute_batch("DELETE FROM clusters").is_err());
        assert_eq!(number(&reader, "trusted_schema"), 0);
    }
}
