//! What each key means and what it is set to.

use std::collections::BTreeSet;
use std::path::Path;

use data_encoding::BASE64;
use serde::Serialize;

use super::{DeploymentSetting, Settings, SettingsWarning};
use crate::duration::written;
use crate::facts::DeploymentKind;

/// Settings that were read, and where each of them comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What is probably not meant.
    pub warnings: Vec<SettingsWarning>,
    pub(super) from_file: BTreeSet<&'static str>,
}

/// One key, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its name.
    pub key: &'static str,
    /// What it is set to; `-` for nothing.
    pub value: String,
    /// True when the file says it, false when it is the default.
    pub from_file: bool,
    /// What it does.
    pub meaning: &'static str,
}

pub(super) struct Key {
    pub(super) name: &'static str,
    meaning: &'static str,
    value: fn(&Settings) -> String,
}

const fn key(name: &'static str, meaning: &'static str, value: fn(&Settings) -> String) -> Key {
    Key { name, meaning, value }
}

/// Every key, in the order in which they are explained.
pub(super) const KEYS: [Key; 24] = [
    key("version", "version of the file's form", |_| "1".into()),
    key("require_tpm", "fail without a TPM 2.0", |s| s.require_tpm.to_string()),
    key("require_quote", "fail without a quote that the TPM signed over this run", |s| s.require_quote.to_string()),
    key("require_secure_boot", "fail where Secure Boot is off", |s| s.require_secure_boot.to_string()),
    key("expected_pcrs", "values that PCRs of bank sha256 must have, by index 0 to 23", |s| {
        list(s.expected_pcrs.iter().map(|(pcr, value)| format!("{pcr}={value}")))
    }),
    key("service_binaries", "services whose binary and processes are compared, with their units", |s| {
        list(s.service_binaries.iter().map(|(name, it)| format!("{name}={} ({})", it.path.display(), it.unit)))
    }),
    key("policy_files", "files that are hashed into policy_digest, in this order", |s| {
        list(s.policy_files.iter().map(|file| file.display().to_string()))
    }),
    key("baseline", "signed list of what files, deployment and registry must be, and the key that signed it", |s| {
        option(s.baseline.as_ref(), |it| format!("{}, key {}", it.path.display(), BASE64.encode(&it.key)))
    }),
    key("registry_manifest_path", "the registry manifest, hashed and compared with the baseline", |s| {
        option(s.registry_manifest_path.as_deref(), shown)
    }),
    key("deployment", "how the root file system is deployed", |s| deployment(s.deployment).into()),
    key("require_levels", "levels of \"what systemd states, what the kernel does\" that must hold", |s| {
        list(s.require_levels.iter().map(ToString::to_string))
    }),
    key("ask_server", "be attested only where the server passes this machine, too", |s| s.ask_server.to_string()),
    key("latch_failed", "once failed, stay failed until `avouch-agent gate ack`", |s| s.latch_failed.to_string()),
    key("refresh_interval", "time between two attestations, 10s to 24h", |s| written(s.refresh_interval)),
    key("stale_after", "age at which an attestation no longer counts; two intervals and 30s", |s| {
        written(s.stale_after)
    }),
    key("hmac_key_path", "key that signs bundles for services of this machine: 64 hexadecimal digits", |s| {
        s.hmac_key_path.to_string()
    }),
    key("token_path", "token that clients show: 64 hexadecimal digits", |s| s.token_path.to_string()),
    key("audit_log_path", "the hash-chained log of every attestation", |s| shown(&s.audit_log_path)),
    key("state_dir", "what survives a restart: the attestation key", |s| shown(&s.state_dir)),
    key("tpm", "which TPM", |s| s.tpm.clone()),
    key("collector", "socket of the process that reads what the attestor may not", |s| shown(&s.collector)),
    key("listen", "where HTTP is answered, on this machine only", |s| option(s.listen.as_ref(), ToString::to_string)),
    key("socket", "Unix socket whose clients are known by user and group instead of a token", |s| {
        option(s.socket.as_ref(), |it| format!("{}, uids {:?}, gids {:?}", it.path.display(), it.uids, it.gids))
    }),
    key("webhook", "where attestations that fail are reported: http:// on this machine", |s| {
        option(s.webhook.as_ref(), |it| it.url.to_string())
    }),
];

// === impl Loaded ===

impl Loaded {
    /// Settings of a profile without a file.
    pub fn defaults(profile: super::Profile) -> Self {
        Self { settings: Settings::defaults(profile), warnings: Vec::new(), from_file: BTreeSet::new() }
    }

    /// Every key with its value, where that comes from, and what it means.
    pub fn explain(&self) -> Vec<Explained> {
        let explained = |key: &Key| Explained {
            key: key.name,
            value: (key.value)(&self.settings),
            from_file: self.from_file.contains(key.name),
            meaning: key.meaning,
        };
        KEYS.iter().map(explained).collect()
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "-".into() } else { items.join(", ") }
}

fn option<T>(value: Option<T>, shown: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".into(), shown)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

const fn deployment(setting: DeploymentSetting) -> &'static str {
    match setting {
        DeploymentSetting::Auto => "auto",
        DeploymentSetting::None => "none",
        DeploymentSetting::Of(DeploymentKind::RpmOstree) => "rpm-ostree",
        DeploymentSetting::Of(DeploymentKind::Ostree) => "ostree",
        DeploymentSetting::Of(DeploymentKind::Bootc) => "bootc",
        DeploymentSetting::Of(DeploymentKind::Image) => "image",
    }
}
