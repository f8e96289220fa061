//! Making a policy: artefacts first, then a boot that somebody confirms.

use core::fmt;
use std::collections::BTreeMap;

use avouch_protocol::Hash;
use avouch_tpm_wire::{Digest, HashAlg};

use super::file::{
    Boot, BootSection, ExpectedEvent, ImaPolicyText, ImaSection, MinimumSection, Package, PolicyFile, SecureBoot,
    TpmSection, VERSION, default_tolerated,
};
use super::observation::{Demand, ObservationChange, ObservationSection};
use super::{EarlyFile, NamedBuffer, Policy, PolicyError, ReferenceBoot, is_plain_path};
use crate::text::hex;

/// A policy that is being made. The order of additions does not matter: [`PolicyDraft::to_bytes`] is sorted.
#[derive(Clone, Debug)]
pub struct PolicyDraft {
    pub(super) file: PolicyFile,
}

/// What confirming a boot came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// Early files that the reference boot measured and that are not among the artefacts. They are in the policy now;
    /// a person should know where each comes from.
    pub not_from_artefacts: Vec<EarlyFile>,
    /// Buffers that this boot added.
    pub new_buffers: Vec<NamedBuffer>,
    /// True when the very same boot was confirmed before.
    pub already_confirmed: bool,
}

/// Why a draft does not take something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DraftError {
    /// The reference boot measured no IMA policy.
    NoImaPolicy,
    /// The IMA policy that the reference boot measured is not among the approved ones.
    ImaPolicyNotApproved {
        /// Where it was loaded from.
        path: String,
        /// Its SHA-256.
        sha256: String,
    },
    /// The reference boot has no boot events in the selected PCRs.
    NoBootEvents,
    /// The policy has no such superseded package, so no window can be made longer.
    NoSuchPackage {
        /// Its name and version.
        package: String,
    },
    /// The addition, or the file that the draft was read from, is not a valid policy.
    Policy(PolicyError),
}

// === impl PolicyDraft ===

impl PolicyDraft {
    /// An empty draft; `created` is the caller's date, for people.
    pub fn new(name: impl Into<String>, created: impl Into<String>) -> Self {
        let ima = ImaSection {
            policies: Vec::new(),
            early: Vec::new(),
            files: BTreeMap::new(),
            buffers: Vec::new(),
            tolerated_violations: default_tolerated(),
            packages: Vec::new(),
            bound: Vec::new(),
            signers: Vec::new(),
            keyrings: BTreeMap::new(),
            exclusions: Vec::new(),
        };
        let file = PolicyFile {
            v: VERSION,
            name: name.into(),
            created: created.into(),
            minimum: MinimumSection::default(),
            boot: BootSection::default(),
            ima,
            tpm: TpmSection::default(),
            observation: None,
            rego: None,
        };
        Self { file }
    }

    /// A draft that starts from an existing policy file.
    ///
    /// # Errors
    /// [`PolicyError`] when it is not one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyError> {
        Policy::parse(bytes)?;
        let file = PolicyFile { v: VERSION, ..PolicyFile::from_json(bytes)? };
        Ok(Self { file })
    }

    /// Adds a file of the artefacts: SHA-256 of its content, and its absolute path on the node.
    ///
    /// # Errors
    /// [`PolicyError::Path`] when the path is not plain and absolute.
    pub fn add_file(&mut self, sha256: &[u8; 32], path: &str) -> Result<(), PolicyError> {
        if !is_plain_path(path) {
            return Err(PolicyError::Path { section: "ima.files", got: path.into() });
        }
        let paths = self.file.ima.files.entry(hex(sha256)).or_default();
        if !paths.iter().any(|known| known == path) {
            paths.push(path.into());
        }
        Ok(())
    }

    /// Approves an IMA policy by its text; its digest is computed from exactly these bytes, so the text must be what
    /// the node has on disk.
    ///
    /// # Errors
    /// [`PolicyError`] when the path is not plain or the text does not parse.
    pub fn add_ima_policy(&mut self, path: &str, text: &str) -> Result<(), PolicyError> {
        if !is_plain_path(path) {
            return Err(PolicyError::Path { section: "ima.policies", got: path.into() });
        }
        let entry = ImaPolicyText { path: path.into(), text: text.into() };
        super::ima::ImaPolicy::from_file(&entry)?;
        if !self.file.ima.policies.contains(&entry) {
            self.file.ima.policies.push(entry);
        }
        Ok(())
    }

    /// Replaces the directories under which IMA violations are tolerated.
    ///
    /// # Errors
    /// [`PolicyError::Path`].
    pub fn tolerate_violations(&mut self, directories: Vec<String>) -> Result<(), PolicyError> {
        if let Some(bad) = directories.iter().find(|path| !is_plain_path(path)) {
            return Err(PolicyError::Path { section: "ima.tolerated_violations", got: bad.clone() });
        }
        self.file.ima.tolerated_violations = directories;
        Ok(())
    }

    /// Expects a boot event that was computed from an artefact: `digests` are what it extends `pcr` with, one for
    /// each bank; SHA-1 is left out, since nothing is trusted through it. `what` it measures and the `artefact`, by
    /// name and SHA-256, are for people.
    ///
    /// # Errors
    /// [`PolicyError::Pcr`] for a PCR that no TPM has, [`PolicyError::Digest`] when no bank is left.
    pub fn expect_event(
        &mut self,
        pcr: u32,
        digests: &[Digest],
        what: &str,
        artefact: &str,
    ) -> Result<(), PolicyError> {
        if pcr >= 24 {
            return Err(PolicyError::Pcr { section: "boot.expected", got: pcr.to_string() });
        }
        let trusted = digests.iter().filter(|digest| digest.alg() != HashAlg::Sha1);
        let digests: BTreeMap<_, _> =
            trusted.map(|digest| (digest.alg().name().to_owned(), digest.to_string())).collect();
        if digests.is_empty() {
            return Err(PolicyError::Digest { section: "boot.expected", got: String::new() });
        }
        let event = ExpectedEvent { pcr, digests, what: what.into(), artefact: artefact.into() };
        if !self.file.boot.expected.contains(&event) {
            self.file.boot.expected.push(event);
        }
        Ok(())
    }

    /// Says that Secure Boot must have been on.
    pub fn require_secure_boot(&mut self) {
        self.file.boot.secure_boot = Some(SecureBoot::Required);
    }

    /// Adds a package that is installed in the artefacts, with the files it owns: paths by SHA-256 of their content.
    ///
    /// # Errors
    /// [`PolicyError::Path`] when a path is not plain and absolute.
    pub fn add_package(
        &mut self,
        name: &str,
        version: &str,
        files: &BTreeMap<[u8; 32], Vec<String>>,
    ) -> Result<(), PolicyError> {
        if let Some(bad) = files.values().flatten().find(|path| !is_plain_path(path)) {
            return Err(PolicyError::Path { section: "ima.packages", got: bad.clone() });
        }
        let sorted =
            |paths: &[String]| paths.iter().cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        let files = files.iter().map(|(sha256, paths)| (hex(sha256), sorted(paths))).collect();
        let package = Package { name: name.into(), version: version.into(), files, until: None };
        if !self.file.ima.packages.contains(&package) {
            self.file.ima.packages.push(package);
        }
        Ok(())
    }

    /// Sets the last rule, a Rego module, or takes it away.
    pub fn set_rule(&mut self, module: Option<String>) {
        self.file.rego = module;
    }

    /// Changes what the policy demands of the paired report; the section is made where there was none.
    ///
    /// # Errors
    /// [`PolicyError`] when the section would not be one; the draft is then unchanged.
    pub fn observe(&mut self, change: ObservationChange) -> Result<(), PolicyError> {
        let section = change.over(self.file.observation.as_ref());
        Demand::from_file(&section)?;
        self.file.observation = Some(section);
        Ok(())
    }

    /// Renames the policy.
    pub fn rename(&mut self, name: impl Into<String>, created: impl Into<String>) {
        self.file.name = name.into();
        self.file.created = created.into();
    }

    /// Approves a reference boot: its events per PCR, its early files and its buffers.
    ///
    /// # Errors
    /// [`DraftError`]; the draft is then unchanged.
    pub fn confirm(&mut self, boot: &ReferenceBoot, label: &str, when: &str) -> Result<Confirmation, DraftError> {
        let loaded = boot.ima_policy.as_ref().ok_or(DraftError::NoImaPolicy)?;
        let approved = |policy: &ImaPolicyText| {
            policy.path == loaded.path && hex(&avouch_crypto::sha256(&[policy.text.as_bytes()])) == loaded.sha256
        };
        if !self.file.ima.policies.iter().any(approved) {
            let EarlyFile { path, sha256 } = loaded.clone();
            return Err(DraftError::ImaPolicyNotApproved { path, sha256 });
        }
        if boot.pcrs.values().all(Vec::is_empty) {
            return Err(DraftError::NoBootEvents);
        }
        let mut next = self.clone();
        let confirmation = next.take(boot, label, when);
        Policy::parse(&next.to_bytes()).map_err(DraftError::Policy)?;
        *self = next;
        Ok(confirmation)
    }

    fn take(&mut self, boot: &ReferenceBoot, label: &str, when: &str) -> Confirmation {
        let mut confirmation = Confirmation::default();
        let pcrs: BTreeMap<_, _> = boot.pcrs.iter().map(|(pcr, digests)| (pcr.to_string(), digests.clone())).collect();
        let confirmed = &mut self.file.boot.confirmed;
        if confirmed.iter().any(|known| known.ek == boot.ek && known.pcrs == pcrs) {
            confirmation.already_confirmed = true;
        } else {
            confirmed.push(Boot { ek: boot.ek.clone(), label: label.into(), when: when.into(), pcrs });
        }
        let ima = &mut self.file.ima;
        for early in &boot.early {
            let packaged = ima.packages.iter().any(|package| package.files.contains_key(&early.sha256));
            if !packaged && !ima.files.contains_key(&early.sha256) && !confirmation.not_from_artefacts.contains(early) {
                confirmation.not_from_artefacts.push(early.clone());
            }
            if !ima.early.contains(early) {
                ima.early.push(early.clone());
            }
        }
        for buffer in &boot.buffers {
            if !ima.buffers.contains(buffer) {
                confirmation.new_buffers.push(buffer.clone());
                ima.buffers.push(buffer.clone());
            }
        }
        confirmation
    }

    /// The policy file: pretty JSON, sorted, with a newline at the end. The same draft gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = self.file.clone();
        file.ima.files.values_mut().for_each(|paths| paths.sort());
        file.ima.policies.sort();
        file.ima.early.sort();
        file.ima.buffers.sort();
        file.boot.expected.sort();
        file.ima.tolerated_violations.sort();
        file.ima.packages.sort();
        file.ima.bound.sort();
        file.ima.signers.sort();
        file.ima.keyrings.values_mut().for_each(|certificates| certificates.sort());
        file.ima.exclusions.sort();
        file.observation.iter_mut().for_each(ObservationSection::sort);
        // Strings, numbers, lists and maps with string keys always serialise.
        let mut bytes = serde_json::to_vec_pretty(&file).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// SHA-256 of [`PolicyDraft::to_bytes`]: what the policy will be called once applied.
    pub fn reference(&self) -> Hash {
        Hash(avouch_crypto::sha256(&[&self.to_bytes()]))
    }

    /// How many files it knows, counted by digest.
    pub fn file_count(&self) -> usize {
        let ima = &self.file.ima;
        ima.files.len() + ima.packages.iter().map(|package| package.files.len()).sum::<usize>()
    }
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoImaPolicy => f.write_str(
                "the reference boot measured no IMA policy; install the approved one at /etc/ima/ima-policy in the image and boot it again",
            ),
            Self::ImaPolicyNotApproved { path, sha256 } => write!(
                f,
                "the reference boot loaded an IMA policy from {path} (sha256 {sha256}) that this policy does not approve; build the policy with that text, or boot an image with the approved one"
            ),
            Self::NoSuchPackage { package } => write!(
                f,
                "the policy has no superseded package {package}; name and version must be as in ima.packages"
            ),
            Self::NoBootEvents => {
                f.write_str("the reference boot has no boot events in the selected PCRs, so there is nothing to confirm")
            }
            Self::Policy(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for DraftError {}
