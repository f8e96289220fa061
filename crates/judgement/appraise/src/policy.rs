//! Reference values: the JSON file that people review, and the tables that entries are looked up in.

mod allow;
mod boot;
mod draft;
mod file;
mod ima;
mod observation;
mod reference;

use core::fmt;

use avouch_pairs::{Intent, Level};
use avouch_protocol::Hash;
use avouch_tpm_wire::HashAlg;

pub use draft::{Confirmation, DraftError, PolicyDraft};
pub use reference::{EarlyFile, NamedBuffer, ReferenceBoot, ReferenceError};

pub(crate) use boot::{BootTables, ConfirmedBoot, DeniedFirmware, Expected, Pending, Rule, event_type};
use file::PolicyFile;
pub(crate) use observation::Demand;
pub use observation::ObservationChange;

pub(crate) use ima::{Directory, ImaPolicy, ImaTables, KnownFile, MEMFD, Signer, is_plain};

/// The path from which systemd loads the IMA policy.
pub const IMA_POLICY_PATH: &str = "/etc/ima/ima-policy";

/// Largest policy file: about 400,000 files with their digests.
pub const MAX_POLICY_BYTES: usize = 64 * 1024 * 1024;

/// What is good. Read once, then shared by every appraisal; nothing in it changes.
///
/// Empty sections parse, and leave the verdict unverifiable: nothing is approved by saying nothing.
#[derive(Debug)]
pub struct Policy {
    reference: Hash,
    name: String,
    created: String,
    /// Weakest bank that may be quoted.
    pub(crate) weakest_bank: HashAlg,
    pub(crate) boot: BootTables,
    pub(crate) denied_firmware: Vec<DeniedFirmware>,
    rego: Option<String>,
    pub(crate) ima: ImaTables,
    pub(crate) demand: Option<Demand>,
}

/// Why bytes are not a policy. The file is written by `avouch policy build`; most often a hand edit went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not the JSON that is wanted, or a field that this release does not know.
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was wanted there.
        reason: String,
    },
    /// More than [`MAX_POLICY_BYTES`].
    TooLong {
        /// How many.
        got: usize,
    },
    /// Another version of the file.
    Version {
        /// Which.
        got: u64,
    },
    /// A digest or identifier that is not hexadecimal of a possible length.
    Digest {
        /// Where in the file.
        section: &'static str,
        /// The text that stands there.
        got: String,
    },
    /// A path that is not absolute, or has an empty, `.` or `..` component.
    Path {
        /// Where in the file.
        section: &'static str,
        /// The path.
        got: String,
    },
    /// A PCR number that is not 0 to 23.
    Pcr {
        /// Where in the file.
        section: &'static str,
        /// The text that stands there.
        got: String,
    },
    /// A bank that is not `sha256`, `sha384` or `sha512`.
    Bank {
        /// Where in the file.
        section: &'static str,
        /// The text that stands there.
        got: String,
    },
    /// An event type that the PC Client profile does not define.
    EventType {
        /// The text that stands there.
        got: String,
    },
    /// Something that must be said is empty: who owns a rule, why, or what it asks for.
    Missing {
        /// Where in the file.
        section: &'static str,
    },
    /// A word with white space or quotes in it, or a text that is too long.
    Word {
        /// Where in the file.
        section: &'static str,
        /// Its beginning.
        got: String,
    },
    /// The text of an IMA policy does not parse.
    ImaPolicy {
        /// Its path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A package without a name or a version.
    Package {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// An exclusion that cannot be allowed.
    Exclusion {
        /// Its directory.
        directory: String,
        /// Why not.
        why: &'static str,
    },
    /// A signer whose certificate cannot be used.
    Signer {
        /// Its name.
        name: String,
        /// Why not.
        why: String,
    },
    /// A hook that IMA does not have, or whose coverage is not told.
    Hook {
        /// The text that stands there.
        got: String,
    },
    /// Not a level, one that stands twice, or one that is demanded and does not apply.
    Level {
        /// Where in the file.
        section: &'static str,
        /// The text that stands there.
        got: String,
    },
    /// The intent is not understood.
    Intent {
        /// What is wrong with it.
        reason: String,
    },
}

// === impl Policy ===

impl Policy {
    /// Reads a policy file and builds its tables.
    ///
    /// # Errors
    /// [`PolicyError`]; unknown fields are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLong { got: bytes.len() });
        }
        let file = PolicyFile::from_json(bytes)?;
        file.check_paths()?;
        let reference = avouch_crypto::sha256(&[bytes]);
        Ok(Self {
            reference: Hash(reference),
            weakest_bank: match &file.minimum.bank {
                Some(name) => boot::bank("minimum.bank", name)?,
                None => HashAlg::Sha256,
            },
            boot: BootTables::from_file(&file.boot)?,
            denied_firmware: file
                .tpm
                .denied_firmware
                .iter()
                .map(DeniedFirmware::from_file)
                .collect::<Result<_, _>>()?,
            rego: file.rego.filter(|source| !source.trim().is_empty()),
            ima: ImaTables::from_file(&file.ima, &file.minimum, &reference)?,
            demand: file.observation.as_ref().map(Demand::from_file).transpose()?,
            name: file.name,
            created: file.created,
        })
    }

    /// SHA-256 of the exact bytes: the policy's name in challenges and verdicts.
    pub fn reference(&self) -> Hash {
        self.reference
    }

    /// The name that a person gave.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was made, as its maker wrote it; decides nothing.
    pub fn created(&self) -> &str {
        &self.created
    }

    /// How many files it knows, counted by digest.
    pub fn file_count(&self) -> usize {
        self.ima.files.len()
    }

    /// How many boots are confirmed.
    pub fn boot_count(&self) -> usize {
        self.boot.confirmed.len()
    }

    /// Source of the policy's own rule, a Rego module. A verdict under such a policy is unverifiable until it went
    /// through [`crate::Verdict::with_rules`].
    pub fn rego(&self) -> Option<&str> {
        self.rego.as_deref()
    }

    /// What pairs of systemd and kernel are compared with; `None` where the policy demands no level.
    pub fn intent(&self) -> Option<&Intent> {
        self.demand.as_ref().map(Demand::intent)
    }

    /// The levels that must hold, lowest first; empty where the policy demands none.
    pub fn required_levels(&self) -> Vec<Level> {
        self.demand.iter().flat_map(Demand::required).collect()
    }

    /// The PCR that agents extend on the findings that the policy names; `None` where the policy knows no cap.
    pub fn cap_pcr(&self) -> Option<u8> {
        self.demand.as_ref().and_then(Demand::cap_pcr)
    }

    /// What a person should look at again, e.g. exclusions that overlap something else. Nothing here is wrong.
    pub fn lints(&self) -> Vec<String> {
        self.ima.lints()
    }
}

/// A PCR number in its one spelling.
fn pcr_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|pcr: &u32| *pcr < 24 && pcr.to_string() == text)
}

/// An absolute path whose components are all names; `/` alone is one.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path == "/"
        || path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|name| !matches!(name, "" | "." | "..")))
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { line, column, reason } => {
                write!(f, "the policy is not understood at line {line}, column {column}: {reason}")
            }
            Self::TooLong { got } => write!(f, "the policy has {got} bytes, at most {MAX_POLICY_BYTES} are read"),
            Self::Version { got } => write!(f, "the policy has version {got}, this release reads versions 1 and 2"),
            Self::Digest { section, got } => {
                write!(f, "{section} holds {got:?} where a digest in hexadecimal was wanted")
            }
            Self::Path { section, got } => write!(
                f,
                "{section} holds the path {got:?}; a path must be absolute, without empty, \".\" or \"..\" components"
            ),
            Self::Pcr { section, got } => {
                write!(f, "{section} holds {got:?} where a PCR number 0 to 23 was wanted")
            }
            Self::Bank { section, got } => {
                write!(f, "{section} holds {got:?} where sha256, sha384 or sha512 was wanted")
            }
            Self::EventType { got } => write!(
                f,
                "boot.rules holds the event type {got:?}, which the PC Client profile does not define; write it as the profile does, e.g. EV_EFI_GPT_EVENT"
            ),
            Self::Missing { section } => {
                write!(f, "{section} is empty; a rule needs an owner, a reason and something to look for")
            }
            Self::Word { section, got } => {
                write!(
                    f,
                    "{section} holds {got:?}; a word has no white space or quotes and is not longer than 1024 bytes"
                )
            }
            Self::Package { name, version } => {
                write!(f, "ima.packages holds {name:?} {version:?}; a package has a name and a version")
            }
            Self::Exclusion { directory, why } => {
                write!(f, "ima.exclusions holds {directory:?}, which cannot be excluded: {why}")
            }
            Self::Signer { name, why } => write!(f, "the signer {name:?} cannot be used: {why}"),
            Self::Hook { got } => write!(
                f,
                "minimum.coverage holds {got:?} where an IMA hook was wanted, e.g. BPRM_CHECK, MMAP_CHECK or MODULE_CHECK"
            ),
            Self::Level { section, got } => write!(
                f,
                "{section} holds {got:?}; write levels V1 to V14, each once, and none both as required and as not applicable"
            ),
            Self::Intent { reason } => write!(f, "observation.intent: {reason}"),
            Self::ImaPolicy { path, reason } => write!(f, "the IMA policy for {path} is not understood: {reason}"),
        }
    }
}

impl std::error::Error for PolicyError {}
