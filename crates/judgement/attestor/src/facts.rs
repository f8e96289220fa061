//! What was read of this machine, before anybody judged it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use avouch_pairs::LevelVerdict;
use avouch_protocol::Hash;
use serde::{Deserialize, Serialize};

use crate::bundle::Measured;
use crate::quote::qualifying_data;
use crate::time::Moment;

/// What came of reading one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// It.
    Value(T),
    /// There is no such thing: no file, no variable, no TPM's log.
    Absent,
    /// It is there, or may be, and could not be read: why, and what to do.
    Unreadable(String),
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// SHA-256 of the content.
    pub sha256: Hash,
    /// Bytes.
    pub size: u64,
}

/// One pass over the machine.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Before the first reading.
    pub taken_at: Moment,
    /// What makes this run unlike every other: chosen by the caller who asked for it, random otherwise.
    pub nonce: Hash,
    /// Secure Boot, from its two witnesses.
    pub secure_boot: SecureBoot,
    /// What was booted.
    pub deployment: Reading<Deployment>,
    /// By the services' names in the settings.
    pub services: BTreeMap<String, ServiceFacts>,
    /// In the order of the settings.
    pub policy_files: Vec<(PathBuf, Reading<FileDigest>)>,
    /// [`crate::PolicyDigest`] over all of them; a value only when every one was read.
    pub policy_digest: Reading<Hash>,
    /// Files of the baseline that are none of the above.
    pub files: BTreeMap<PathBuf, Reading<FileDigest>>,
    /// The registry manifest.
    pub registry: Reading<FileDigest>,
    /// `/proc/cmdline`, without the line break.
    pub cmdline: Reading<String>,
    /// `/sys/kernel/security/lockdown`, as it stands there: `none [integrity] confidentiality`.
    pub lockdown: Reading<String>,
    /// What the two witnesses come to ([`crate::levels_of`]); absent where nobody asked.
    pub levels: Reading<Vec<LevelVerdict>>,
    /// The server's word; `None` where it was not asked.
    pub server: Option<ServerWord>,
    /// The TPM, read last: its quote is over everything above.
    pub tpm: TpmFacts,
}

/// Secure Boot from two sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureBoot {
    /// The firmware's variable `SecureBoot`; absent on a machine without UEFI.
    pub variable: Reading<bool>,
    /// What the firmware measured of that variable into its event log; absent where no log is shown.
    pub log: Reading<bool>,
}

/// How the root file system is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentKind {
    /// rpm-ostree.
    RpmOstree,
    /// OSTree without rpm.
    Ostree,
    /// A container image, by bootc.
    Bootc,
    /// A whole image: IMAGE_ID and IMAGE_VERSION, or a unified kernel image.
    Image,
}

/// What was booted, from fields that stay the same while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// How.
    pub kind: DeploymentKind,
    /// Its name for people: a commit, an image with its version.
    pub id: String,
    /// SHA-256 over the stable fields.
    pub digest: Hash,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFacts {
    /// As the settings name it.
    pub path: PathBuf,
    /// The file there.
    pub on_disk: Reading<FileDigest>,
    /// The processes of its unit, the main one among them; an empty list where it does not run, absent where there is
    /// no such unit.
    pub running: Reading<Vec<Running>>,
    /// SHA-256 digests that the kernel's IMA list has for the path; absent where it has none.
    pub in_ima: Reading<Vec<Hash>>,
}

/// A process of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub pid: u32,
    /// Whether it is the unit's main process.
    pub main: bool,
    /// Where `/proc/PID/exe` points to, without ` (deleted)`.
    pub program: String,
    /// The program that runs, read through `/proc/PID/exe`.
    pub sha256: Reading<Hash>,
    /// Whether the kernel calls the file deleted.
    pub deleted: bool,
}

/// The TPM's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TpmFacts {
    /// There is none.
    Absent {
        /// How that shows.
        why: String,
    },
    /// There is one, and it gave no quote: busy, locked, broken, or not to be opened.
    Unavailable {
        /// Why, and what to do.
        why: String,
    },
    /// It gave one. Nothing of it is believed before [`crate::VerifiedQuote::check`].
    Quoted(RawQuote),
}

/// A quote as the TPM gave it, and what must be known to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawQuote {
    /// TPMS_ATTEST.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// TPMT_PUBLIC of the attestation key.
    pub ak_public: Vec<u8>,
    /// The quoted PCRs as TPM2_PCR_Read gave them, bank sha256.
    pub pcrs: BTreeMap<u8, Hash>,
    /// Whether the TPM is known to be software.
    pub software: bool,
}

/// What the server says of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerWord {
    /// Its last verdict is a pass that has not expired.
    Pass {
        /// When it was given, unix seconds.
        at_unix: u64,
        /// When it expires, unix seconds.
        expires_unix: u64,
    },
    /// Its last verdict is none.
    Fail {
        /// What it found.
        what: String,
    },
    /// It could not be asked, or its word has expired.
    Silent {
        /// Why, and what to do.
        why: String,
    },
}

// === impl Reading ===

impl<T> Reading<T> {
    /// What was read, if anything was.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The same reading of something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Value(value) => Reading::Value(f(value)),
            Self::Absent => Reading::Absent,
            Self::Unreadable(why) => Reading::Unreadable(why),
        }
    }
}

// === impl Facts ===

impl Facts {
    /// The qualifyingData of the quote: `SHA-256("avouch/local-attestation/v1\0" ‖ nonce ‖ SHA-256(measured))`, where
    /// `measured` is the canonical JSON of what the bundle says was measured outside of the TPM.
    ///
    /// Called when everything but [`Facts::tpm`] is set. So the TPM signs the measurements, and whoever has the bundle
    /// verifies them without the HMAC key.
    pub fn qualifying_data(&self) -> [u8; 32] {
        qualifying_data(&self.nonce, &Measured::of(self))
    }
}
