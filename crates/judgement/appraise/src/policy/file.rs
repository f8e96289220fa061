//! The policy file as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::observation::ObservationSection;
use super::{EarlyFile, NamedBuffer, PolicyError, is_plain_path};

/// What this release writes. Version 1 had the same sections with fewer fields, so it is read as it stands.
pub(super) const VERSION: u64 = 2;
const OLDEST: u64 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyFile {
    pub(super) v: u64,
    pub(super) name: String,
    pub(super) created: String,
    #[serde(default, skip_serializing_if = "MinimumSection::is_empty")]
    pub(super) minimum: MinimumSection,
    pub(super) boot: BootSection,
    pub(super) ima: ImaSection,
    #[serde(default, skip_serializing_if = "TpmSection::is_empty")]
    pub(super) tpm: TpmSection,
    /// What the paired report must show; without it no level is demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) observation: Option<ObservationSection>,
    /// Source of the last rule, a Rego module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rego: Option<String>,
}

/// What a verdict needs at least before it can be a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MinimumSection {
    /// Weakest bank that may be quoted: `sha256`, `sha384` or `sha512`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bank: Option<String>,
    /// IMA hooks that the loaded IMA policy must measure without a hole, e.g. `BPRM_CHECK`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) coverage: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BootSection {
    #[serde(default)]
    pub(super) confirmed: Vec<Boot>,
    /// Events computed from artefacts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) expected: Vec<ExpectedEvent>,
    /// Events of an update that is on its way: good from now on, and only until its window ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pending: Vec<PendingUpdate>,
    /// Events that are known to be bad, whoever confirmed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) denied: Vec<DeniedEvent>,
    /// Answers for events whose digest differs from machine to machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<EventRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secure_boot: Option<SecureBoot>,
    #[serde(default, skip_serializing_if = "CommandLine::is_empty")]
    pub(super) command_line: CommandLine,
    /// Least SBAT generation by component, e.g. `{"shim": 4, "grub": 5}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) sbat: BTreeMap<String, u32>,
}

/// Whether Secure Boot must have been on; absent in a file means that the policy does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SecureBoot {
    Required,
    NotRequired,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedEvent {
    pub(super) pcr: u32,
    /// Event digest in hexadecimal, by bank name.
    pub(super) digests: BTreeMap<String, String>,
    /// What the event measures, for people, e.g. `UKI section .linux`.
    pub(super) what: String,
    /// The artefact that it was computed from: its name and SHA-256.
    pub(super) artefact: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PendingUpdate {
    /// For people, e.g. `linux 6.1.0-51`.
    pub(super) label: String,
    /// Unix seconds of server time after which the update is no reason any more.
    pub(super) until: u64,
    /// Event digests in hexadecimal by PCR number.
    pub(super) pcrs: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeniedEvent {
    /// Event digest (for images the Authenticode digest) in hexadecimal.
    pub(super) digest: String,
    pub(super) why: String,
}

/// One rule: every condition that is given must hold. The first rule that matches answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventRule {
    pub(super) pcr: u32,
    /// Event type as the specification spells it, e.g. `EV_EFI_GPT_EVENT`. Types are not authenticated, so a rule
    /// that answers `good` by type alone is a hole in the coverage.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) event_type: Option<String>,
    /// Name of the UEFI variable; holds only where the digest covers the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) variable: Option<String>,
    /// Text of the event; holds only where the digest covers the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    pub(super) answer: Answer,
    /// Who answers for it.
    pub(super) owner: String,
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Good,
    Bad,
}

/// Words of the kernel's command line, compared whole or up to their `=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandLine {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) denied: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) required: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TpmSection {
    /// TPM firmware with known faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) denied_firmware: Vec<DeniedFirmware>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeniedFirmware {
    /// TPM manufacturer as in its certificate, e.g. `id:494E5443`; absent for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manufacturer: Option<String>,
    /// Lowest firmware version that is denied, hexadecimal.
    pub(super) from: String,
    /// Highest firmware version that is denied, hexadecimal.
    pub(super) to: String,
    pub(super) why: String,
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
    /// Files by the package that owns them; a package with `until` is superseded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) packages: Vec<Package>,
    /// Directories and files where a known digest must also be at a path that the policy lists for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) bound: Vec<String>,
    /// Who may sign files in `security.ima` or in a module's appended signature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) signers: Vec<Signer>,
    /// SHA-256 of the certificates that may be loaded, by keyring, e.g. `.ima`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) keyrings: BTreeMap<String, Vec<String>>,
    /// Directories whose files are not judged; each is a hole with an owner and an end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) exclusions: Vec<Exclusion>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// SHA-256 in hexadecimal to paths.
    pub(super) files: BTreeMap<String, Vec<String>>,
    /// Unix seconds of server time: the update window's end. A measurement that is first proven later and has a
    /// digest of this package alone fails; absent for the current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signer {
    pub(super) name: String,
    /// X.509 certificate, PEM.
    pub(super) certificate: String,
    /// Directories whose files it may sign; empty means none.
    pub(super) directories: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exclusion {
    /// Absolute directory, compared by whole components; `*` may stand for exactly one component.
    pub(super) directory: String,
    /// Who answers for it.
    pub(super) owner: String,
    /// Unix seconds of server time after which it excludes nothing.
    pub(super) until: u64,
    pub(super) why: String,
}

impl MinimumSection {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl CommandLine {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl TpmSection {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
        if !(OLDEST..=VERSION).contains(&file.v) {
            return Err(PolicyError::Version { got: file.v });
        }
        Ok(file)
    }

    pub(super) fn check_paths(&self) -> Result<(), PolicyError> {
        let ima = &self.ima;
        let sections = [
            ("ima.policies", ima.policies.iter().map(|entry| &entry.path).collect::<Vec<_>>()),
            ("ima.early", ima.early.iter().map(|entry| &entry.path).collect()),
        ];
        let mut listed =
            sections.into_iter().flat_map(|(section, paths)| paths.into_iter().map(move |path| (section, path)));
        match listed.find(|(_, path)| !is_plain_path(path)) {
            Some((section, path)) => Err(PolicyError::Path { section, got: path.clone() }),
            None => Ok(()),
        }
    }
}
