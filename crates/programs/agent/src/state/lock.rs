//! One process at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{StateDir, StateError};
use crate::clock::Moment;

/// Between two looks at a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(50);

/// Held while a process works with the TPM or writes state. The kernel frees it when the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

// === impl StateDir ===

impl StateDir {
    /// Waits at most `patience` for the lock.
    ///
    /// # Errors
    /// [`StateError::Busy`] when another process keeps it; [`StateError::Write`] when it cannot be made.
    pub fn lock(&self, patience: Duration) -> Result<StateLock, StateError> {
        StateLock::take(self.path().join("lock"), patience)
    }
}

// === impl StateLock ===

impl StateLock {
    /// Waits at most `patience` for the lock on the file `path`, which is made where there is none.
    pub(crate) fn take(path: PathBuf, patience: Duration) -> Result<Self, StateError> {
        let failed = |error: io::Error| StateError::Write { path: path.clone(), error };
        let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = open.map_err(failed)?;
        let deadline = Moment::now().after(patience);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if deadline.remaining() > Duration::ZERO => {
                    std::thread::sleep(PAUSE.min(deadline.remaining()));
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    return Err(StateError::Busy { path, seconds: patience.as_secs() });
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}
