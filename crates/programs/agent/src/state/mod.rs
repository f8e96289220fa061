//! What the agent must not forget, in one directory.
//!
//! | file | what | replaced |
//! | --- | --- | --- |
//! | `enrolment` | keys, membership, server and pins: all of an enrolment at once | at enrolment |
//! | `receipt` | the newest receipt; the node's chain ends there | after each round |
//! | `spool` | evidence that has no receipt yet, with its challenge | before evidence is sent |
//! | `last-sent` | the newest evidence that has a receipt | after each round |
//! | `fork` | a challenge that does not continue the chain, beside the receipt it should continue | when it is met |
//! | `outcome.json` | what came of the last attempt, for `status` | after each attempt |
//! | `looked.json` | what the newest report came to here, for `status` | after each report |
//! | `reports` | the reports of this boot session ([`crate::chain`]) | before and after each TPM2_PCR_Extend |
//! | `own-keys` | keys that sign `observe --json` on a machine without an enrolment | when the boot state changed |
//! | `report-key` | the key that signs reports, wrapped by the TPM | when the boot state changed |
//! | `lock` | held by whoever works with the TPM or writes here | |
//!
//! The directory is its owner's alone (0700), files are 0600 and are replaced in one durable step, so that a process
//! may be killed at any instant: a half enrolment leaves nothing, a half round is sent again or dropped.
//! Receipt, spool, fork and report key belong to one enrolment and carry its id in their names, so that a new enrolment never
//! meets the leavings of an older one.

mod enrolment;
mod leftovers;
mod lock;
mod looked;
mod outcome;
mod reports;

use std::io;
use std::path::{Path, PathBuf};

use avouch_protocol::{MAX_EVIDENCE_BYTES, Message};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use thiserror::Error;

pub use enrolment::{Enrolment, EnrolmentError, Trust};
pub use lock::StateLock;
pub use looked::{LevelLooked, Looked};
pub use outcome::{Outcome, Trouble};

use crate::durable;

const ENROLMENT: &str = "enrolment";
const OUTCOME: &str = "outcome.json";
/// Room for a challenge and field headers around the evidence.
const MAX_SPOOL_BYTES: usize = MAX_EVIDENCE_BYTES + 64 * 1024;
/// A receipt, a fork or an outcome: a few kilobytes at most.
const MAX_SMALL_BYTES: usize = 256 * 1024;

/// The agent's state directory.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

/// Evidence as it is sent, with the challenge that it answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Spooled {
    /// Version of this file, [`avouch_protocol::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The challenge's exact bytes.
    #[n(1)]
    pub challenge: ByteVec,
    /// The evidence's exact bytes.
    #[n(2)]
    pub evidence: ByteVec,
}

/// Two statements of the server that contradict each other; kept until a person has looked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Fork {
    /// Version of this file, [`avouch_protocol::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The signed receipt that ends the chain as this node knows it.
    #[n(1)]
    pub receipt: ByteVec,
    /// The challenge that does not continue it.
    #[n(2)]
    pub challenge: ByteVec,
}

/// What a file holds per enrolment.
#[derive(Clone, Copy, Debug)]
enum Part {
    Receipt,
    Spool,
    LastSent,
    Fork,
    ReportKey,
}

/// Why state cannot be read or kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// The directory cannot be made or entered.
    #[error("the state directory {} cannot be used: {error}", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// Others may enter the directory, which holds private keys.
    #[error("the state directory {} is open to other users; it holds private keys", path.display())]
    Exposed {
        /// Which directory.
        path: PathBuf,
    },
    /// Another process works with this state and its TPM.
    #[error("another avouch-agent has held {} for {seconds} seconds", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long this process waited.
        seconds: u64,
    },
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A file cannot be written; most often the disk is full.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A file does not hold what this agent writes there: another release, or a damaged disk.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

// === impl StateDir ===

impl StateDir {
    /// The directory, made (0700) when it does not exist.
    ///
    /// # Errors
    /// [`StateError::Directory`], [`StateError::Exposed`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StateError> {
        let path = path.into();
        match durable::private_dir(&path) {
            Ok(true) => Ok(Self { path }),
            Ok(false) => Err(StateError::Exposed { path }),
            Err(error) => Err(StateError::Directory { path, error }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What this node is a member of; `None` before enrolment.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn enrolment(&self) -> Result<Option<Enrolment>, StateError> {
        self.message(ENROLMENT, MAX_SMALL_BYTES)
    }

    /// Makes `enrolment` the one that counts. This one step is the whole change.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn keep_enrolment(&self, _lock: &StateLock, enrolment: &Enrolment) -> Result<(), StateError> {
        let bytes = zeroize::Zeroizing::new(enrolment.to_cbor());
        self.write(ENROLMENT, &bytes)
    }

    /// The newest signed receipt's bytes.
    ///
    /// # Errors
    /// [`StateError::Read`].
    pub fn receipt(&self, of: &Enrolment) -> Result<Option<Vec<u8>>, StateError> {
        self.read(&Part::Receipt.file(of), MAX_SMALL_BYTES)
    }

    /// Keeps a receipt; the caller has verified it.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn keep_receipt(&self, _lock: &StateLock, of: &Enrolment, signed: &[u8]) -> Result<(), StateError> {
        self.write(&Part::Receipt.file(of), signed)
    }

    /// Evidence without a receipt.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn spool(&self, of: &Enrolment) -> Result<Option<Spooled>, StateError> {
        self.message(&Part::Spool.file(of), MAX_SPOOL_BYTES)
    }

    /// Keeps evidence before it is sent.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn keep_spool(&self, _lock: &StateLock, of: &Enrolment, spooled: &Spooled) -> Result<(), StateError> {
        self.write(&Part::Spool.file(of), &spooled.to_cbor())
    }

    /// The spooled evidence has its receipt: it becomes what was last sent.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn settle_spool(&self, _lock: &StateLock, of: &Enrolment) -> Result<(), StateError> {
        let (from, to) = (Part::Spool.file(of), Part::LastSent.file(of));
        durable::rename(&self.path, &from, &to).map_err(|error| StateError::Write { path: self.path.join(to), error })
    }

    /// Forgets spooled evidence that the server will never take.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn drop_spool(&self, _lock: &StateLock, of: &Enrolment) -> Result<(), StateError> {
        self.remove(&Part::Spool.file(of))
    }

    /// The newest evidence that went out: spooled, or with its receipt.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn last_sent(&self, of: &Enrolment) -> Result<Option<Spooled>, StateError> {
        match self.spool(of)? {
            Some(spooled) => Ok(Some(spooled)),
            None => self.message(&Part::LastSent.file(of), MAX_SPOOL_BYTES),
        }
    }

    /// The first fork that was met under this enrolment.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn fork(&self, of: &Enrolment) -> Result<Option<Fork>, StateError> {
        self.message(&Part::Fork.file(of), MAX_SMALL_BYTES)
    }

    /// Keeps the first fork; later ones add nothing, and must not wear the disk out.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn keep_fork(&self, _lock: &StateLock, of: &Enrolment, fork: &Fork) -> Result<(), StateError> {
        match self.fork(of)? {
            Some(_) => Ok(()),
            None => self.write(&Part::Fork.file(of), &fork.to_cbor()),
        }
    }

    /// What came of the last attempt.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn outcome(&self) -> Result<Option<Outcome>, StateError> {
        let Some(bytes) = self.read(OUTCOME, MAX_SMALL_BYTES)? else { return Ok(None) };
        let outcome = serde_json::from_slice(&bytes);
        outcome.map(Some).map_err(|error| self.damaged(OUTCOME, error.to_string()))
    }

    /// Writes down what came of an attempt.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn keep_outcome(&self, _lock: &StateLock, outcome: &Outcome) -> Result<(), StateError> {
        let write = |error| StateError::Write { path: self.path.join(OUTCOME), error };
        let text = serde_json::to_vec_pretty(outcome).map_err(|error| write(error.into()))?;
        self.write(OUTCOME, &text)
    }

    pub(crate) fn damaged(&self, name: &str, reason: String) -> StateError {
        StateError::Damaged { path: self.path.join(name), reason }
    }

    fn message<M: Message>(&self, name: &str, limit: usize) -> Result<Option<M>, StateError> {
        let Some(bytes) = self.read(name, limit)? else { return Ok(None) };
        let bytes = zeroize::Zeroizing::new(bytes);
        M::from_cbor(&bytes).map(Some).map_err(|error| self.damaged(name, error.to_string()))
    }

    fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StateError> {
        durable::read(&self.path, name, limit).map_err(|error| StateError::Read { path: self.path.join(name), error })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        durable::replace(&self.path, name, bytes)
            .map_err(|error| StateError::Write { path: self.path.join(name), error })
    }

    fn remove(&self, name: &str) -> Result<(), StateError> {
        durable::remove(&self.path, name).map_err(|error| StateError::Write { path: self.path.join(name), error })
    }
}

// === impl Part ===

impl Part {
    const ALL: [Part; 5] = [Part::Receipt, Part::Spool, Part::LastSent, Part::Fork, Part::ReportKey];

    fn name(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Spool => "spool",
            Self::LastSent => "last-sent",
            Self::Fork => "fork",
            Self::ReportKey => "report-key",
        }
    }

    fn file(self, of: &Enrolment) -> String {
        format!("{}-{}", self.name(), of.id())
    }
}

// === impl Spooled, Fork ===

impl Message for Spooled {
    const NAME: &'static str = "spooled evidence";
    const MAX_BYTES: usize = MAX_SPOOL_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}

impl Message for Fork {
    const NAME: &'static str = "fork report";
    const MAX_BYTES: usize = MAX_SMALL_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}

// === impl StateError ===

impl StateError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Directory { path, .. } => {
                format!("run as root, or make {} with mode 0700 for the user that runs the agent", path.display())
            }
            Self::Exposed { path } => format!("chmod 700 {}", path.display()),
            Self::Busy { .. } => "try again when the other process is done; if it hangs, end it".to_owned(),
            Self::Read { .. } => "check the owner of the file and the health of the disk".to_owned(),
            Self::Write { path, .. } => {
                let dir = path.parent().unwrap_or(path);
                format!("free space on the file system of {}, and check that it is writable", dir.display())
            }
            Self::Damaged { path, .. } => format!(
                "check the disk, remove {} and, if it was the enrolment, run `avouch-agent enroll TOKEN` again",
                path.display()
            ),
        }
    }
}
