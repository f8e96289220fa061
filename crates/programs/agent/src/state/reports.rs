//! What is kept for reports: the keys that sign them, and what the newest came to.

use avouch_protocol::Message;

use super::{Enrolment, Looked, MAX_SMALL_BYTES, Part, StateDir, StateError, StateLock};
use crate::report_key::{KeptReportKey, OwnKeys};

const LOOKED: &str = "looked.json";
const OWN_KEYS: &str = "own-keys";

impl StateDir {
    /// The key that signs reports.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn report_key(&self, of: &Enrolment) -> Result<Option<KeptReportKey>, StateError> {
        self.message(&Part::ReportKey.file(of), MAX_SMALL_BYTES)
    }

    /// Keeps the key that signs reports.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn keep_report_key(&self, _lock: &StateLock, of: &Enrolment, key: &KeptReportKey) -> Result<(), StateError> {
        self.write(&Part::ReportKey.file(of), &key.to_cbor())
    }

    /// The keys of a machine that is in no cluster.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn own_keys(&self) -> Result<Option<OwnKeys>, StateError> {
        self.message(OWN_KEYS, MAX_SMALL_BYTES)
    }

    /// Keeps the keys of a machine that is in no cluster.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn keep_own_keys(&self, _lock: &StateLock, keys: &OwnKeys) -> Result<(), StateError> {
        self.write(OWN_KEYS, &keys.to_cbor())
    }

    /// What the newest report came to.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn looked(&self) -> Result<Option<Looked>, StateError> {
        let Some(bytes) = self.read(LOOKED, MAX_SMALL_BYTES)? else { return Ok(None) };
        let looked = serde_json::from_slice(&bytes);
        looked.map(Some).map_err(|error| self.damaged(LOOKED, error.to_string()))
    }

    /// Writes down what a report came to.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn keep_looked(&self, _lock: &StateLock, looked: &Looked) -> Result<(), StateError> {
        let write = |error| StateError::Write { path: self.path.join(LOOKED), error };
        let text = serde_json::to_vec_pretty(looked).map_err(|error| write(error.into()))?;
        self.write(LOOKED, &text)
    }
}
