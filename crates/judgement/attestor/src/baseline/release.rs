//! `release-baseline.json`, the file list that an appliance image ships: read to make a baseline of it. It carries no
//! signature of its own, so it is compared with only after somebody signed what came out.

use serde::Deserialize;

use super::file::{check_path, digest, is_lower_hex, read};
use super::{BaselineError, BaselineFile, FileEntry};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    version: u64,
    source_commit: String,
    files: Vec<ReleaseFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseFile {
    path: String,
    sha256: String,
    size: u64,
}

impl BaselineFile {
    /// The baseline that an image's `release-baseline.json` states.
    ///
    /// # Errors
    /// [`BaselineError`]; a path that stands twice is refused.
    pub fn from_release(bytes: &[u8], name: &str, created: &str) -> Result<Self, BaselineError> {
        let release: Release = read(bytes)?;
        if release.version != 1 {
            return Err(BaselineError::Version { got: release.version });
        }
        if release.source_commit.len() != 40 || !is_lower_hex(&release.source_commit) {
            return Err(BaselineError::Digest { of: "source_commit".into() });
        }
        let mut files = std::collections::BTreeMap::new();
        for ReleaseFile { path, sha256, size } in release.files {
            check_path(&path)?;
            digest(&sha256).ok_or_else(|| BaselineError::Digest { of: path.clone() })?;
            if files.insert(path.clone(), FileEntry { sha256, size }).is_some() {
                return Err(BaselineError::Path { got: path });
            }
        }
        let file = Self {
            v: 1,
            name: name.into(),
            created: created.into(),
            source_commit: Some(release.source_commit),
            deployment: None,
            registry: None,
            files,
        };
        file.check()?;
        Ok(file)
    }
}
