//! Why the store could not do it.

use crate::Refused;

/// A read or a change that did not happen. For a change: nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The change's condition did not hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// More changes wait than the queue takes, or another process holds the database.
    #[error(
        "the store is busy: {0}; try again in a second, and if it lasts, look for a slow disk or a second server on this data directory"
    )]
    Busy(String),
    /// No space, or the configured largest size is reached.
    #[error(
        "the store is full: {0}; free space on the file system of the data directory, the server then continues by itself"
    )]
    Full(String),
    /// The disk or the file system failed.
    #[error(
        "the store cannot read or write its files: {0}; check the kernel log and the permissions of the data directory"
    )]
    Io(String),
    /// Stored bytes are not what was written.
    #[error(
        "the store is damaged: {0}; stop the server, keep a copy of the data directory, and restore the last backup"
    )]
    Corrupt(String),
    /// Written by a newer release.
    #[error(
        "the database has version {found}, this release knows versions up to {known}; use the release that wrote it, or a newer one"
    )]
    Newer {
        /// Version in the database.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// A database of something else.
    #[error("{0} is not a database of Avouch; point the data directory to another place")]
    Foreign(String),
    /// The store is shut down.
    #[error("the store is shut down; start the server again")]
    Closed,
}
