//! The policy file as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EarlyFile, NamedBuffer, PolicyError, is_plain_path};

pub(super) const VERSION: u64 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyFile {
    pub(super) v: u64,
    pub(super) name: String,
    pub(super) created: String,
    pub(super) boot: BootSection,
    pub(super) ima: ImaSection,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BootSection {
    pub(super) confirmed: Vec<Boot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Boot {
    pub(super) ek: String,
    pub(super) label: String,
    pub(super) when: String,
    pub(super) pcrs: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImaSection {
    pub(super) policies: Vec<ImaPolicyText>,
    pub(super) early: Vec<EarlyFile>,
    pub(super) files: BTreeMap<String, Vec<String>>,
    pub(super) buffers: Vec<NamedBuffer>,
    #[serde(default = "default_tolerated")]
    pub(super) tolerated_violations: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImaPolicyText {
    pub(super) path: String,
    pub(super) text: String,
}

/// Logs are written while they are read, on every machine.
pub(super) fn default_tolerated() -> Vec<String> {
    vec!["/var/log".into()]
}

impl PolicyFile {
    pub(super) fn from_json(bytes: &[u8]) -> Result<Self, PolicyError> {
        let file: Self = serde_json::from_slice(bytes).map_err(|error| PolicyError::Json {
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        })?;
        if file.v != VERSION {
            return Err(PolicyError::Version { got: file.v });
        }
        Ok(file)
    }

    pub(super) fn check_paths(&self) -> Result<(), PolicyError> {
        let ima = &self.ima;
        let sections = [
            ("ima.policies", ima.policies.iter().map(|entry| &entry.path).collect::<Vec<_>>()),
            ("ima.early", ima.early.iter().map(|entry| &entry.path).collect()),
            ("ima.tolerated_violations", ima.tolerated_violations.iter().collect()),
        ];
        let listed =
            sections.into_iter().flat_map(|(section, paths)| paths.into_iter().map(move |path| (section, path)));
        let files = ima.files.values().flatten().map(|path| ("ima.files", path));
        match listed.chain(files).find(|(_, path)| !is_plain_path(path)) {
            Some((section, path)) => Err(PolicyError::Path { section, got: path.clone() }),
            None => Ok(()),
        }
    }
}
