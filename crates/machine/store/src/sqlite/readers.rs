//! A fixed number of connections that only read.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::open;
use crate::StoreError;

/// The idle connections. A connection is either here or in one [`Reader`].
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

/// A connection in use; it goes back when this is dropped.
pub(super) struct Reader<'a> {
    // `None` only while it is being dropped.
    connection: Option<Connection>,
    home: &'a Readers,
}

// === impl Readers ===

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let idle = (0..count.max(1)).map(|_| open::for_reading(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new() })
    }

    /// Waits for an idle connection. Reads are short, so the wait is.
    pub(super) fn take(&self) -> Reader<'_> {
        // No code panics while it holds the lock, and a list of connections has no half-changed state.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = idle.pop() {
                return Reader { connection: Some(connection), home: self };
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

// === impl Reader ===

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("a reader holds its connection until it is dropped"),
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut idle = self.home.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.connection.take());
        self.home.returned.notify_one();
    }
}
