//! The database's versions, from the first one on.

use rusqlite::Connection;

use crate::StoreError;

/// "AVCH": `PRAGMA application_id` of every database of Avouch, so that no other file is taken for one.
const APPLICATION_ID: i32 = 0x4156_4348;

/// Version n is reached by the n-th script. A script that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_profiles.sql"),
    include_str!("../../migrations/0003_observations.sql"),
];

/// Brings the database to the newest version known here; each step is one transaction.
///
/// # Errors
/// [`StoreError::Newer`] when it is beyond that already, [`StoreError::Foreign`] when it belongs to something else.
pub(super) fn migrate(connection: &Connection) -> Result<(), StoreError> {
    // The lock is taken before the version is read: two servers started at once do not both migrate.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = migrate_locked(connection).and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if result.is_err() && !connection.is_autocommit() {
        // The first error is the one to tell.
        let _ = connection.execute_batch("ROLLBACK");
    }
    result
}

fn migrate_locked(connection: &Connection) -> Result<(), StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = tables == 0 && found == 0 && application == 0;
    if !empty && application != APPLICATION_ID {
        return Err(StoreError::Foreign(connection.path().unwrap_or("the file").to_owned()));
    }
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (version, script) in (1_u32..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        connection.execute_batch(script)?;
        connection.pragma_update(None, "user_version", version)?;
    }
    // Written only where it is missing: a server must be able to start on a full disk and serve what it holds.
    if application != APPLICATION_ID {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(())
}
