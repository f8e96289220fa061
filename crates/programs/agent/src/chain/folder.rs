//! Where the reports of a boot session lie.

use std::fs;
use std::path::PathBuf;

use avouch_protocol::{Hash, MAX_REPORT_BYTES, Message, VERSION, chain_value};
use minicbor::{Decode, Encode};

use crate::durable;
use crate::hash::sha256;
use crate::state::{StateDir, StateError, StateLock};

const FOLDER: &str = "reports";
const POSITION: &str = "chain";
/// A version, counters and two digests.
const MAX_POSITION_BYTES: usize = 256;

/// How far the chain is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Position {
    /// Version of this file, [`VERSION`].
    #[n(0)]
    pub(super) v: u64,
    /// The boot session.
    #[n(1)]
    pub(super) reset_count: u32,
    /// The PCR.
    #[n(2)]
    pub(super) pcr: u8,
    /// Reports that were extended.
    #[n(3)]
    pub(super) count: u64,
    /// The PCR's value after them.
    #[n(4)]
    pub(super) value: Hash,
    /// SHA-256 of the newest of them; zero for none.
    #[n(5)]
    pub(super) head: Hash,
    /// Number of the oldest report that is still here; one more than `count` for none.
    #[n(6)]
    pub(super) first: u64,
}

/// The directory. It changes only under the lock of the state.
#[derive(Debug)]
pub(super) struct Folder<'a> {
    path: PathBuf,
    _lock: &'a StateLock,
}

// === impl Position ===

impl Position {
    /// A chain without a report, in a PCR that holds `value`.
    pub(super) fn start(reset_count: u32, pcr: u8, value: Hash) -> Self {
        Self { v: VERSION, reset_count, pcr, count: 0, value, head: Hash::ZERO, first: 1 }
    }

    pub(super) fn is_of(&self, reset_count: u32, pcr: u8) -> bool {
        self.reset_count == reset_count && self.pcr == pcr
    }

    /// One more report was extended.
    pub(super) fn advance(&mut self, digest: Hash) {
        self.count += 1;
        self.value = chain_value(sha256, &self.value, &digest);
        self.head = digest;
    }
}

impl Message for Position {
    const NAME: &'static str = "position of the chain";
    const MAX_BYTES: usize = MAX_POSITION_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}

// === impl Folder ===

impl<'a> Folder<'a> {
    pub(super) fn of(state: &StateDir, lock: &'a StateLock) -> Result<Self, StateError> {
        let path = state.path().join(FOLDER);
        match durable::private_dir(&path) {
            Ok(true) => Ok(Self { path, _lock: lock }),
            Ok(false) => Err(StateError::Exposed { path }),
            Err(error) => Err(StateError::Directory { path, error }),
        }
    }

    pub(super) fn position(&self) -> Result<Option<Position>, StateError> {
        let Some(bytes) = self.read(POSITION, MAX_POSITION_BYTES)? else { return Ok(None) };
        let damaged = |reason: String| StateError::Damaged { path: self.path.join(POSITION), reason };
        Position::from_cbor(&bytes).map(Some).map_err(|error| damaged(error.to_string()))
    }

    pub(super) fn keep_position(&self, position: &Position) -> Result<(), StateError> {
        self.write(POSITION, &position.to_cbor())
    }

    pub(super) fn report(&self, number: u64) -> Result<Option<Vec<u8>>, StateError> {
        self.read(&number.to_string(), MAX_REPORT_BYTES)
    }

    pub(super) fn keep_report(&self, number: u64, bytes: &[u8]) -> Result<(), StateError> {
        self.write(&number.to_string(), bytes)
    }

    pub(super) fn drop_report(&self, number: u64) -> Result<(), StateError> {
        let name = number.to_string();
        durable::remove(&self.path, &name).map_err(|error| StateError::Write { path: self.path.join(name), error })
    }

    /// Forgets the chain of an earlier boot session.
    pub(super) fn clear(&self) -> Result<(), StateError> {
        let failed = |error| StateError::Write { path: self.path.clone(), error };
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let ours = |name: &&str| *name == POSITION || name.parse::<u64>().is_ok() || durable::is_begun(name);
            if let Some(name) = name.to_str().filter(ours) {
                durable::remove(&self.path, name).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StateError> {
        durable::read(&self.path, name, limit).map_err(|error| StateError::Read { path: self.path.join(name), error })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        durable::replace(&self.path, name, bytes)
            .map_err(|error| StateError::Write { path: self.path.join(name), error })
    }
}
