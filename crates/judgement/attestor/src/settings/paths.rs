//! Where things are, by profile.

use core::fmt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Service;

/// Whose paths are the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Our own.
    Avouch,
    /// Those of a SecAI appliance.
    SecureAi,
}

/// A file with a secret: a path, or `%d/NAME`, which is the credential NAME of the unit (systemd.exec(5),
/// `LoadCredential=`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPath {
    /// An absolute path.
    File(PathBuf),
    /// In the directory that systemd names in `CREDENTIALS_DIRECTORY`.
    Credential(String),
}

// === impl Profile ===

impl Profile {
    /// The name in settings and on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avouch => "avouch",
            Self::SecureAi => "secure-ai",
        }
    }

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Avouch, Self::SecureAi].into_iter().find(|profile| profile.name() == name)
    }

    /// The settings that are read where no others are named; they need not exist.
    pub const fn settings_path(self) -> &'static str {
        match self {
            Self::Avouch => "/etc/avouch/gate.toml",
            Self::SecureAi => "/etc/secure-ai/policy/attestation.yaml",
        }
    }

    /// The unit.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Avouch => "avouch-gate.service",
            Self::SecureAi => "secure-ai-runtime-attestor.service",
        }
    }

    pub(super) fn services(self) -> BTreeMap<String, Service> {
        let names: &[&str] = match self {
            Self::Avouch => &[],
            Self::SecureAi => &["registry", "tool-firewall", "airlock", "policy-engine"],
        };
        let service = |name: &&str| {
            let path = PathBuf::from(format!("/usr/libexec/secure-ai/{name}"));
            ((*name).to_owned(), Service { path, unit: self.unit_of(name) })
        };
        names.iter().map(service).collect()
    }

    /// The unit of a service for which the settings name none.
    pub(super) fn unit_of(self, name: &str) -> String {
        match self {
            Self::Avouch => format!("{name}.service"),
            Self::SecureAi => format!("secure-ai-{name}.service"),
        }
    }

    pub(super) fn policy_files(self) -> Vec<PathBuf> {
        match self {
            Self::Avouch => Vec::new(),
            Self::SecureAi => ["policy.yaml", "agent.yaml"]
                .into_iter()
                .map(|name| PathBuf::from(format!("/etc/secure-ai/policy/{name}")))
                .collect(),
        }
    }

    pub(super) fn registry_manifest(self) -> Option<PathBuf> {
        match self {
            Self::Avouch => None,
            Self::SecureAi => Some("/var/lib/secure-ai/registry/manifest.json".into()),
        }
    }

    pub(super) fn hmac_key(self) -> SecretPath {
        match self {
            Self::Avouch => SecretPath::Credential("hmac-key".into()),
            Self::SecureAi => SecretPath::File("/run/secure-ai/attestation-hmac-key".into()),
        }
    }

    pub(super) fn token(self) -> SecretPath {
        match self {
            Self::Avouch => SecretPath::Credential("token".into()),
            Self::SecureAi => SecretPath::File("/run/secure-ai/service-token".into()),
        }
    }

    pub(super) fn audit_log(self) -> PathBuf {
        match self {
            Self::Avouch => "/var/lib/avouch-gate/audit.jsonl".into(),
            Self::SecureAi => "/var/lib/secure-ai/logs/runtime-attestor-audit.jsonl".into(),
        }
    }

    pub(super) fn state_dir(self) -> PathBuf {
        match self {
            Self::Avouch => "/var/lib/avouch-gate".into(),
            Self::SecureAi => "/var/lib/secure-ai/tpm-attestation".into(),
        }
    }
}

// === impl SecretPath ===

impl SecretPath {
    /// The file; `None` for a credential where there is no directory of credentials.
    pub fn resolve(&self, credentials: Option<&Path>) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.clone()),
            Self::Credential(name) => Some(credentials?.join(name)),
        }
    }

    /// An absolute path, or `%d/NAME`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("%d/") {
            let plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
            return plain.then(|| Self::Credential(name.into()));
        }
        is_absolute(text).then(|| Self::File(text.into()))
    }
}

pub(super) fn is_absolute(text: &str) -> bool {
    Path::new(text).is_absolute() && !text.contains('\0')
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "%d/{name}"),
        }
    }
}
