//! The baseline as a file that people read and sign.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use avouch_protocol::Hash;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{BaselineError, MAX_BASELINE_BYTES};
use crate::facts::{DeploymentKind, Facts, FileDigest};

/// A baseline as it is written. Read is not yet checked and not yet signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineFile {
    /// Version: 1.
    pub v: u64,
    /// For people.
    pub name: String,
    /// When it was made, as its maker wrote it; decides nothing.
    pub created: String,
    /// Of the source that the files were built from, 40 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_commit: Option<String>,
    /// The deployment that must be booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<BaselineDeployment>,
    /// SHA-256 of the registry manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// By absolute path.
    #[serde(default, deserialize_with = "unique")]
    pub files: BTreeMap<String, FileEntry>,
}

/// The deployment of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineDeployment {
    /// How the root file system is deployed.
    pub kind: DeploymentKind,
    /// Its name, for people.
    pub id: String,
    /// SHA-256 over its stable fields, hexadecimal.
    pub digest: String,
}

/// One file of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
    /// Its bytes.
    pub size: u64,
}

// === impl BaselineFile ===

impl BaselineFile {
    /// What this machine is now: its services' binaries, policy files and other files that could be read, its deployment
    /// and its registry manifest. Who signs it says that this is how it should be.
    pub fn of(facts: &Facts, name: &str, created: &str) -> Self {
        let entry = |digest: &FileDigest| FileEntry { sha256: digest.sha256.to_hex(), size: digest.size };
        let services = facts.services.values().map(|service| (&service.path, &service.on_disk));
        let policies = facts.policy_files.iter().map(|(path, digest)| (path, digest));
        let all = services.chain(policies).chain(facts.files.iter());
        let files = all.filter_map(|(path, digest)| Some((path.to_str()?.to_owned(), entry(digest.value()?))));
        let deployment = facts.deployment.value().map(|deployment| BaselineDeployment {
            kind: deployment.kind,
            id: deployment.id.clone(),
            digest: deployment.digest.to_hex(),
        });
        Self {
            v: 1,
            name: name.into(),
            created: created.into(),
            source_commit: None,
            deployment,
            registry: facts.registry.value().map(|registry| registry.sha256.to_hex()),
            files: files.collect(),
        }
    }

    /// Reads a baseline and checks every field of it.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, BaselineError> {
        let file: Self = read(bytes)?;
        file.check()?;
        Ok(file)
    }

    /// The text, in lines for people, with a line break at its end.
    pub fn to_json(&self) -> String {
        // Texts, numbers and maps with text keys always serialise.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    pub(super) fn check(&self) -> Result<(), BaselineError> {
        if self.v != 1 {
            return Err(BaselineError::Version { got: self.v });
        }
        let hex64 = |of: &str, text: &str| digest(text).map(drop).ok_or(BaselineError::Digest { of: of.into() });
        for (path, entry) in &self.files {
            check_path(path)?;
            hex64(path, &entry.sha256)?;
        }
        if let Some(deployment) = &self.deployment {
            hex64("deployment", &deployment.digest)?;
        }
        if let Some(registry) = &self.registry {
            hex64("registry", registry)?;
        }
        if let Some(commit) = &self.source_commit
            && !(commit.len() == 40 && is_lower_hex(commit))
        {
            return Err(BaselineError::Digest { of: "source_commit".into() });
        }
        if self.files.is_empty() && self.deployment.is_none() && self.registry.is_none() {
            return Err(BaselineError::Empty);
        }
        Ok(())
    }

    /// What it says of a path.
    pub(super) fn digest_of(&self, path: &Path) -> Option<FileDigest> {
        let entry = self.files.get(path.to_str()?)?;
        Some(FileDigest { sha256: digest(&entry.sha256)?, size: entry.size })
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files.keys().map(PathBuf::from)
    }
}

/// Reads JSON within the bound.
pub(super) fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, BaselineError> {
    if bytes.len() > MAX_BASELINE_BYTES {
        return Err(BaselineError::TooLong { got: bytes.len() });
    }
    serde_json::from_slice(bytes).map_err(|error| BaselineError::Json {
        line: error.line(),
        column: error.column(),
        reason: error.to_string(),
    })
}

/// Lower case only, so that a digest has one spelling in what is signed.
pub(super) fn digest(text: &str) -> Option<Hash> {
    Hash::from_hex(text).filter(|_| is_lower_hex(text))
}

pub(super) fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Absolute and in its shortest form, so that one file cannot stand there under two names.
pub(super) fn check_path(path: &str) -> Result<(), BaselineError> {
    let good = path.strip_prefix('/').is_some_and(|rest| {
        !path.contains('\0') && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
    });
    if good { Ok(()) } else { Err(BaselineError::Path { got: path.chars().take(200).collect() }) }
}

/// A map in which no key stands twice: the later one would win unseen.
fn unique<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, FileEntry>, D::Error> {
    struct Unique;

    impl<'de> Visitor<'de> for Unique {
        type Value = BTreeMap<String, FileEntry>;

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("files by path, each once")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut files = BTreeMap::new();
            while let Some((path, entry)) = map.next_entry::<String, FileEntry>()? {
                if files.insert(path.clone(), entry).is_some() {
                    return Err(A::Error::custom(format!("{path:?} stands twice")));
                }
            }
            Ok(files)
        }
    }

    deserializer.deserialize_map(Unique)
}
