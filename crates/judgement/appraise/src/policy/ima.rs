//! The tables by which the IMA list is judged.

mod directory;
mod files;
mod signers;

use std::collections::{BTreeMap, HashMap, HashSet};

use avouch_ima::policy::Hook;
use avouch_protocol::Hash;

pub(crate) use directory::{Directory, is_plain};
pub(crate) use files::{FileTable, KnownFile, MEMFD};
pub(crate) use signers::Signer;

use super::file::{self, ImaSection, MinimumSection};
use super::{IMA_POLICY_PATH, PolicyError};
use crate::text::unhex32;

/// Where programs, libraries and modules live: no exclusion may touch these.
const PROGRAM_DIRECTORIES: [&str; 8] = ["/bin", "/boot", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"];

/// Keyrings whose keys are compiled into the kernel, so that no KEY_CHECK entry tells of them.
const BUILT_IN_KEYRING: &str = ".builtin_trusted_keys";

/// What the IMA list is judged by.
#[derive(Debug)]
pub(crate) struct ImaTables {
    /// Approved IMA policies.
    pub(crate) policies: Vec<ImaPolicy>,
    early: HashMap<[u8; 32], Vec<String>>,
    pub(crate) files: FileTable,
    buffers: HashMap<[u8; 32], Vec<String>>,
    tolerated: Vec<Directory>,
    bound: Vec<Directory>,
    pub(crate) signers: Vec<Signer>,
    /// SHA-256 of the pinned certificates by keyring.
    keyrings: BTreeMap<String, HashSet<[u8; 32]>>,
    pub(crate) exclusions: Vec<Exclusion>,
    /// Hooks that the loaded IMA policy must measure without a hole.
    pub(crate) minimum: Vec<Hook>,
}

/// An approved IMA policy.
#[derive(Debug)]
pub(crate) struct ImaPolicy {
    pub(crate) path: String,
    pub(crate) digest: Hash,
    pub(crate) coverage: avouch_ima::policy::Coverage,
}

/// A directory whose unknown files are not judged, until a day.
#[derive(Debug)]
pub(crate) struct Exclusion {
    pub(crate) directory: Directory,
    pub(crate) owner: String,
    pub(crate) until: u64,
}

impl ImaTables {
    pub(super) fn from_file(
        ima: &ImaSection,
        minimum: &MinimumSection,
        reference: &[u8; 32],
    ) -> Result<Self, PolicyError> {
        let early = ima.early.iter().map(|entry| (&entry.sha256, &entry.path));
        let buffers = ima.buffers.iter().map(|entry| (&entry.sha256, &entry.name));
        let bound = directories("ima.bound", &ima.bound)?;
        let keyrings = keyrings(&ima.keyrings)?;
        Ok(Self {
            policies: ima.policies.iter().map(ImaPolicy::from_file).collect::<Result<_, _>>()?,
            early: by_digest(early, "ima.early")?,
            files: FileTable::from_file(ima, reference)?,
            buffers: by_digest(buffers, "ima.buffers")?,
            tolerated: directories("ima.tolerated_violations", &ima.tolerated_violations)?,
            signers: ima.signers.iter().map(|signer| Signer::from_file(signer, &keyrings)).collect::<Result<_, _>>()?,
            keyrings,
            exclusions: ima
                .exclusions
                .iter()
                .map(|entry| Exclusion::from_file(entry, &bound))
                .collect::<Result<_, _>>()?,
            bound,
            minimum: minimum.coverage.iter().map(|name| hook(name)).collect::<Result<_, _>>()?,
        })
    }

    /// True when the policy approves no file at all.
    pub(crate) fn knows_no_file(&self) -> bool {
        self.files.len() == 0 && self.signers.is_empty()
    }

    pub(crate) fn knows_buffer(&self, name: &[u8], sha256: &[u8]) -> bool {
        lists(&self.buffers, name, sha256)
    }

    /// True when the policy knows another buffer of this name.
    pub(crate) fn names_buffer(&self, name: &[u8]) -> bool {
        self.buffers.values().flatten().any(|known| known.as_bytes() == name)
    }

    pub(crate) fn is_early(&self, path: &[u8], sha256: &[u8]) -> bool {
        lists(&self.early, path, sha256)
    }

    /// The approved IMA policy that this entry is the measurement of.
    pub(crate) fn approved(&self, path: &[u8], sha256: &[u8]) -> Option<&ImaPolicy> {
        self.policies.iter().find(|policy| policy.path.as_bytes() == path && policy.digest.0 == sha256)
    }

    /// True for the paths that IMA policies are loaded from.
    pub(crate) fn is_policy_path(&self, path: &[u8]) -> bool {
        path == IMA_POLICY_PATH.as_bytes() || self.policies.iter().any(|policy| policy.path.as_bytes() == path)
    }

    /// True when the path lies under a directory whose violations are tolerated.
    pub(crate) fn tolerates(&self, path: &[u8]) -> bool {
        self.tolerated.iter().any(|directory| directory.covers(path))
    }

    /// True where digest and path must be listed together: under a bound directory, and for files in memory, whose
    /// name whoever made them chose.
    pub(crate) fn binds(&self, path: &[u8]) -> bool {
        path.starts_with(MEMFD.as_bytes()) || self.bound.iter().any(|directory| directory.covers(path))
    }

    /// The exclusion that covers this path, in force or ended.
    pub(crate) fn exclusion(&self, path: &[u8]) -> Option<(usize, &Exclusion)> {
        let mut covering = self.exclusions.iter().enumerate().filter(|(_, entry)| entry.directory.covers(path));
        let first = covering.next()?;
        Some(covering.fold(first, |best, other| if other.1.until > best.1.until { other } else { best }))
    }

    /// Whether the certificate is pinned for the keyring; `None` when the policy says nothing of that keyring.
    pub(crate) fn pins(&self, keyring: &[u8], certificate: &[u8; 32]) -> Option<bool> {
        let pinned = self.keyrings.get(str::from_utf8(keyring).ok()?)?;
        Some(pinned.contains(certificate))
    }

    /// True for a directory that a program may come from.
    pub(crate) fn holds_programs(&self, directory: &Directory) -> bool {
        program_directories().any(|known| known.overlaps(directory))
            || self.files.any_path(|path| directory.covers(path.as_bytes()))
    }

    /// What a person should look at again: sections that touch each other.
    pub(crate) fn lints(&self) -> Vec<String> {
        let mut lints = Vec::new();
        for (number, exclusion) in self.exclusions.iter().enumerate() {
            let directory = &exclusion.directory;
            let shown = directory.as_str();
            let others = self.exclusions.iter().take(number).filter(|other| other.directory.overlaps(directory));
            for other in others {
                lints.push(format!("the exclusions of {} and {shown} overlap", other.directory.as_str()));
            }
            for signer in self.signers.iter().filter(|signer| signer.directories.iter().any(|d| d.overlaps(directory)))
            {
                lints.push(format!(
                    "{shown} is excluded, and {} signs files there: unsigned ones pass unjudged",
                    signer.name
                ));
            }
            if self.files.any_path(|path| directory.covers(path.as_bytes())) {
                lints
                    .push(format!("{shown} is excluded and holds known files: unknown ones beside them pass unjudged"));
            }
        }
        lints
    }
}

fn program_directories() -> impl Iterator<Item = Directory> {
    PROGRAM_DIRECTORIES.iter().filter_map(|path| Directory::parse(path))
}

fn lists(table: &HashMap<[u8; 32], Vec<String>>, name: &[u8], sha256: &[u8]) -> bool {
    <&[u8; 32]>::try_from(sha256)
        .ok()
        .and_then(|digest| table.get(digest))
        .is_some_and(|names| names.iter().any(|known| known.as_bytes() == name))
}

fn by_digest<'a>(
    entries: impl Iterator<Item = (&'a String, &'a String)>,
    section: &'static str,
) -> Result<HashMap<[u8; 32], Vec<String>>, PolicyError> {
    let mut table: HashMap<[u8; 32], Vec<String>> = HashMap::new();
    for (digest, name) in entries {
        let digest = unhex32(digest).ok_or_else(|| PolicyError::Digest { section, got: digest.clone() })?;
        table.entry(digest).or_default().push(name.clone());
    }
    Ok(table)
}

/// Directories without a star.
fn directories(section: &'static str, paths: &[String]) -> Result<Vec<Directory>, PolicyError> {
    paths
        .iter()
        .map(|path| {
            let directory = Directory::parse(path).filter(|directory| !directory.has_star());
            directory.ok_or_else(|| PolicyError::Path { section, got: path.clone() })
        })
        .collect()
}

fn keyrings(section: &BTreeMap<String, Vec<String>>) -> Result<BTreeMap<String, HashSet<[u8; 32]>>, PolicyError> {
    let digest =
        |text: &String| unhex32(text).ok_or_else(|| PolicyError::Digest { section: "ima.keyrings", got: text.clone() });
    section
        .iter()
        .map(|(name, pinned)| Ok((name.clone(), pinned.iter().map(digest).collect::<Result<_, _>>()?)))
        .collect()
}

fn hook(name: &str) -> Result<Hook, PolicyError> {
    let known = Hook::COVERED.into_iter().find(|hook| hook.name() == name);
    known.ok_or_else(|| PolicyError::Hook { got: name.into() })
}

// === impl ImaPolicy ===

impl ImaPolicy {
    pub(super) fn from_file(policy: &file::ImaPolicyText) -> Result<Self, PolicyError> {
        let parsed = avouch_ima::policy::parse_policy(policy.text.as_bytes())
            .map_err(|error| PolicyError::ImaPolicy { path: policy.path.clone(), reason: error.to_string() })?;
        Ok(Self {
            path: policy.path.clone(),
            digest: Hash(avouch_crypto::sha256(&[policy.text.as_bytes()])),
            coverage: parsed.coverage(),
        })
    }
}

// === impl Exclusion ===

impl Exclusion {
    fn from_file(entry: &file::Exclusion, bound: &[Directory]) -> Result<Self, PolicyError> {
        let refuse = |why| PolicyError::Exclusion { directory: entry.directory.clone(), why };
        let directory = Directory::parse(&entry.directory)
            .ok_or_else(|| refuse("it must be an absolute directory; * may stand for one whole component"))?;
        if entry.owner.trim().is_empty() || entry.why.trim().is_empty() {
            return Err(refuse("it needs an owner and a reason"));
        }
        if directory.is_root() || program_directories().any(|known| known.overlaps(&directory)) {
            return Err(refuse("programs, libraries and modules live there"));
        }
        if bound.iter().any(|other| other.overlaps(&directory)) {
            return Err(refuse("it overlaps ima.bound"));
        }
        Ok(Self { directory, owner: entry.owner.clone(), until: entry.until })
    }

    pub(crate) fn is_in_force(&self, now: u64) -> bool {
        now <= self.until
    }
}
