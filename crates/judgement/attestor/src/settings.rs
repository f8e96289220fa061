//! What the attestor checks and how it is reached.

mod apply;
mod error;
mod explain;
mod node;
mod paths;
mod toml_form;
mod wanted;
mod yaml_form;

use core::net::SocketAddr;
use core::ops::RangeInclusive;
use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;

use avouch_pairs::Level;
use avouch_protocol::Hash;

pub use error::{SettingsError, SettingsWarning};
pub use explain::{Explained, Loaded};
pub use paths::{Profile, SecretPath};
pub use wanted::Wanted;

use crate::facts::DeploymentKind;
use crate::local_url::LocalUrl;

/// Shortest and longest refresh interval, in seconds: shorter, the TPM has time for nothing else; longer, a day passes
/// before anybody learns of a change.
pub const INTERVAL_RANGE: RangeInclusive<u64> = 10..=86_400;
/// Longest file of settings.
pub const MAX_SETTINGS_BYTES: usize = 1 << 20;
/// Services that are looked at: their digests are in every bundle.
const MOST_SERVICES: usize = 1_000;
/// Longest time after which an attestation becomes stale.
const MOST_STALE_AFTER: Duration = Duration::from_secs(7 * 86_400);
/// Beside two intervals, before an attestation becomes stale.
const STALE_GRACE: Duration = Duration::from_secs(30);

/// The settings. The keys of the file have the names of the fields; `avouch-agent gate check-config` explains each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose paths are the defaults.
    pub profile: Profile,
    /// Fail without a TPM.
    pub require_tpm: bool,
    /// Fail without Secure Boot.
    pub require_secure_boot: bool,
    /// Fail without a verified quote.
    pub require_quote: bool,
    /// Levels of the two witnesses, V4 to V14, without which the machine is degraded.
    pub require_levels: Vec<Level>,
    /// By index: the value that a PCR of bank sha256 must have.
    pub expected_pcrs: BTreeMap<u8, Hash>,
    /// By name: services whose binary and processes are looked at.
    pub service_binaries: BTreeMap<String, Service>,
    /// Files that are hashed into the policy digest, in this order.
    pub policy_files: Vec<PathBuf>,
    /// Time between two runs.
    pub refresh_interval: Duration,
    /// Age at which an attestation no longer counts.
    pub stale_after: Duration,
    /// Whether `failed` stays until somebody acknowledges it.
    pub latch_failed: bool,
    /// Whether the server must pass this machine, too.
    pub ask_server: bool,
    /// How the root file system is deployed.
    pub deployment: DeploymentSetting,
    /// The registry manifest.
    pub registry_manifest_path: Option<PathBuf>,
    /// The signed baseline and the only key whose word it may be.
    pub baseline: Option<PinnedBaseline>,
    /// The HMAC key.
    pub hmac_key_path: SecretPath,
    /// The token that clients show.
    pub token_path: SecretPath,
    /// The audit log.
    pub audit_log_path: PathBuf,
    /// What must survive a restart beside it: the attestation key.
    pub state_dir: PathBuf,
    /// `device:PATH`, or for a software TPM `unix:PATH` or `tcp:HOST:PORT`.
    pub tpm: String,
    /// The socket of the process that reads what the attestor may not.
    pub collector: PathBuf,
    /// Where HTTP is answered, on this machine only; `None` for the Unix socket alone.
    pub listen: Option<SocketAddr>,
    /// The Unix socket, whose clients the kernel names.
    pub socket: Option<SocketSettings>,
    /// Where failed runs are reported.
    pub webhook: Option<Webhook>,
}

/// A service that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its binary.
    pub path: PathBuf,
    /// Its unit; `NAME.service` where nothing else is said.
    pub unit: String,
}

/// Which deployment is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentSetting {
    /// Whatever there is.
    Auto,
    /// None: `deployment_digest` is `unavailable`.
    None,
    /// One of this kind, and it is a failure where there is none.
    Of(DeploymentKind),
}

/// A baseline and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedBaseline {
    /// The signed baseline.
    pub path: PathBuf,
    /// Ed25519 public key.
    pub key: [u8; 32],
}

/// The Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// Where it is.
    pub path: PathBuf,
    /// Users that may ask beside root.
    pub uids: Vec<u32>,
    /// Groups whose members may ask.
    pub gids: Vec<u32>,
}

/// A recorder of incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where it listens.
    pub url: LocalUrl,
    /// The token that is shown to it.
    pub token_path: Option<SecretPath>,
}

// === impl Settings ===

impl Settings {
    /// What holds where a file says nothing, or where there is no file.
    pub fn defaults(profile: Profile) -> Self {
        let interval = Duration::from_secs(300);
        Self {
            profile,
            require_tpm: false,
            require_secure_boot: false,
            require_quote: false,
            require_levels: Vec::new(),
            expected_pcrs: BTreeMap::new(),
            service_binaries: profile.services(),
            policy_files: profile.policy_files(),
            refresh_interval: interval,
            stale_after: stale_after(interval),
            latch_failed: true,
            ask_server: false,
            deployment: DeploymentSetting::Auto,
            registry_manifest_path: profile.registry_manifest(),
            baseline: None,
            hmac_key_path: profile.hmac_key(),
            token_path: profile.token(),
            audit_log_path: profile.audit_log(),
            state_dir: profile.state_dir(),
            tpm: "device:/dev/tpmrm0".into(),
            collector: "/run/avouch/gate.sock".into(),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8505))),
            socket: None,
            webhook: None,
        }
    }

    /// Reads the native form. Every key must be known.
    ///
    /// # Errors
    /// [`SettingsError`], with the line.
    pub fn from_toml(text: &str, profile: Profile) -> Result<Loaded, SettingsError> {
        apply::load(toml_form::read(text)?, profile, Vec::new())
    }

    /// Reads the foreign form, `attestation.yaml`. Keys that are not known there are warned of and left out.
    ///
    /// # Errors
    /// [`SettingsError`], with the line.
    pub fn from_yaml(text: &str, profile: Profile) -> Result<Loaded, SettingsError> {
        let (entries, warnings) = yaml_form::read(text)?;
        apply::load(entries, profile, warnings)
    }

    /// Whether there is anything whose change would be noticed.
    pub fn checks_anything(&self) -> bool {
        self.require_tpm
            || self.require_secure_boot
            || self.require_quote
            || self.ask_server
            || self.baseline.is_some()
            || !self.require_levels.is_empty()
            || !self.expected_pcrs.is_empty()
            || !self.service_binaries.is_empty()
            || !self.policy_files.is_empty()
    }
}

/// Two runs may be missed.
fn stale_after(interval: Duration) -> Duration {
    interval.saturating_mul(2).saturating_add(STALE_GRACE)
}
