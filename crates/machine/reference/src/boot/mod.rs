//! Boot events computed from artefacts: what firmware, boot loader, boot stub and kernel will extend into the PCRs when
//! exactly these artefacts boot. A policy made of them needs no recorded boot.
//!
//! Each event is computed for SHA-256, SHA-384 and SHA-512. What the artefacts do not determine is left out and named
//! in [`ExpectedEvents::gaps`]: a machine's boot order, its partition table, option ROMs, and what firmware changes in
//! memory before it measures itself.

mod command_line;
mod firmware;
mod fixed;
mod image;
mod variable;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use avouch_appraise::{PolicyDraft, PolicyError};
use avouch_crypto::{Hash, sha256};
use avouch_tpm_wire::{Digest, HashAlg, Hasher};

pub use command_line::command_line;
pub use firmware::ovmf;
pub use fixed::{firmware_actions, phases};
pub use image::{initrd_events, kernel, loader, uki};
pub use variable::{authorities, variables};

use crate::ArtefactError;

/// Banks that events are computed for; nothing is trusted through SHA-1.
pub const BANKS: [HashAlg; 3] = [HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512];

/// Largest artefact that is read into memory at once: a UKI with a large initrd has some 200 MiB.
const MAX_ARTEFACT: u64 = 1024 * 1024 * 1024;

/// Events that artefacts lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedEvents {
    /// The events, in the order in which one boot makes those of one artefact.
    pub entries: Vec<ExpectedEvent>,
    /// What could not be computed from the artefacts, in words for people.
    pub gaps: Vec<String>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedEvent {
    /// The PCR that it extends.
    pub pcr: u32,
    /// What it extends it with, for each of [`BANKS`].
    pub digests: Vec<Digest>,
    /// What it measures, e.g. `UKI section .linux`.
    pub what: String,
    /// What it was computed from.
    pub artefact: Artefact,
}

/// What an event was computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// A file's name without its directory, or what else it is.
    pub name: String,
    /// SHA-256 of the file; `None` for what a specification fixes.
    pub sha256: Option<[u8; 32]>,
}

// === impl ExpectedEvents ===

impl ExpectedEvents {
    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The event of `pcr` with this digest.
    pub fn find(&self, pcr: u32, digest: &Digest) -> Option<&ExpectedEvent> {
        self.entries.iter().find(|event| event.pcr == pcr && event.digests.contains(digest))
    }

    /// Takes in what another artefact leads to.
    pub fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.gaps.extend(other.gaps);
    }

    /// Adds every event to the policy that is being made.
    ///
    /// # Errors
    /// [`PolicyError`] for an event that a policy cannot hold; what came before it has been added.
    pub fn add_to(&self, draft: &mut PolicyDraft) -> Result<(), PolicyError> {
        self.entries.iter().try_for_each(|event| {
            draft.expect_event(event.pcr, &event.digests, &event.what, &event.artefact.to_string())
        })
    }

    fn measured(&mut self, artefact: &Artefact, pcr: u32, what: impl Into<String>, parts: &[&[u8]]) {
        self.digested(artefact, pcr, what, |alg| Hash.hash(alg, parts));
    }

    fn digested(&mut self, artefact: &Artefact, pcr: u32, what: impl Into<String>, digest: impl Fn(HashAlg) -> Digest) {
        let digests = BANKS.into_iter().map(digest).collect();
        self.entries.push(ExpectedEvent { pcr, digests, what: what.into(), artefact: artefact.clone() });
    }

    fn gap(&mut self, artefact: &Artefact, what: &str) {
        self.gaps.push(format!("{}: {what}", artefact.name));
    }
}

// === impl Artefact ===

impl Artefact {
    fn of(path: &Path, bytes: &[u8]) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { name, sha256: Some(sha256(&[bytes])) }
    }

    fn named(name: &str) -> Self {
        Self { name: name.into(), sha256: None }
    }
}

/// The name, and the SHA-256 where there is one: what a policy keeps of it.
impl std::fmt::Display for Artefact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        let Some(sha256) = &self.sha256 else { return Ok(()) };
        f.write_str(" sha256:")?;
        sha256.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads an artefact whole.
fn read(path: &Path) -> Result<(Vec<u8>, Artefact), ArtefactError> {
    let failed = |source| ArtefactError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_ARTEFACT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_ARTEFACT {
        return Err(ArtefactError::TooLarge { what: "bytes in one boot artefact", limit: MAX_ARTEFACT });
    }
    let artefact = Artefact::of(path, &bytes);
    Ok((bytes, artefact))
}

/// What a parser says of a file.
fn refused(path: &Path, source: avouch_pe::PeError) -> ArtefactError {
    ArtefactError::Image { path: path.to_owned(), source }
}
