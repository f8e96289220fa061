//! `agent.toml`: where the agent keeps its state, and where TPM and logs are.
//!
//! What the agent must believe (server, pins, log key) never stands here: it comes from the enrolment token and is
//! kept in the state directory. No key switches a check off.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use avouch_collect::{SECURITYFS, USERSPACE_LOG};
use data_encoding::BASE64;
use thiserror::Error;

use crate::collector;

/// The settings, each with its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `state_dir`: what must survive a restart; `/var/lib/avouch-agent`.
    pub state_dir: PathBuf,
    /// `tpm`: which TPM; `device:/dev/tpmrm0`.
    pub tpm: TpmAddress,
    /// `securityfs`: where the kernel shows its measurement logs; `/sys/kernel/security`.
    pub securityfs: PathBuf,
    /// `userspace_log`: where systemd writes down what it measures; `/run/log/systemd/tpm2-measure.log`.
    pub userspace_log: PathBuf,
    /// `collector`: the socket of the process that reads both witnesses; `/run/avouch/collector.sock`.
    pub collector: PathBuf,
    /// `[observe]`: what this machine should have.
    pub observe: Observe,
    /// `[cap]`: off unless the section stands there.
    pub cap: Option<Cap>,
}

/// `[observe]`: the intent that observations are judged by on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observe {
    /// `intent` and `intent_key`: a confirmed intent, and the only key whose word it may be.
    pub intent: Option<PinnedIntent>,
}

/// A confirmed intent and the key that must have signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedIntent {
    /// Where the signed intent is.
    pub path: PathBuf,
    /// Ed25519 public key.
    pub key: [u8; 32],
}

/// `[cap]`: after a configured finding in two consecutive samples the node gives up its pass until the next boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    /// `pcr`: which PCR takes the cap; the policy of the node must name the same.
    pub pcr: u8,
    /// `on`: codes of findings; a `*` at the end stands for any rest.
    pub on: Vec<String>,
}

/// Where a TPM answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TpmAddress {
    /// `device:PATH`: the kernel's TPM, through its resource manager.
    Device(PathBuf),
    /// `unix:PATH` or `tcp:HOST:PORT`, as written: the socket of a software TPM, for evaluation only.
    Software(String),
}

/// Why the configuration is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read; a file that was named must exist.
    #[error("the configuration {} cannot be read: {error}; name an existing file, or leave --config out to use the defaults", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: std::io::Error,
    },
    /// Not TOML.
    #[error("the configuration {} is not TOML: {reason}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What the parser met, with line and column.
        reason: String,
    },
    /// A key that does not exist.
    #[error("the configuration has no key `{key}`; did you mean `{nearest}`? Known keys are {}", KEYS.join(", "))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        nearest: &'static str,
    },
    /// A value of the wrong kind.
    #[error("`{key}` in the configuration must be {wanted}, not {got}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What stands there.
        got: String,
    },
}

/// Every key there is; those with a dot stand in the section before it.
pub const KEYS: [&str; 9] = [
    "state_dir",
    "tpm",
    "securityfs",
    "userspace_log",
    "collector",
    "observe.intent",
    "observe.intent_key",
    "cap.pcr",
    "cap.on",
];
/// PCRs that a cap may take: static ones that firmware, boot loader and kernel leave alone on some platform.
const CAP_PCRS: [u8; 4] = [8, 13, 14, 15];

/// Read when no other file is named; it need not exist.
pub const DEFAULT_PATH: &str = "/etc/avouch/agent.toml";

const CAP_PCR_FORM: &str = "8, 13, 14 or 15: a PCR that only a reset of the TPM clears, and that nothing else uses";
const CAP_ON_FORM: &str = "a list of codes such as \"V12.lockdown.*\"";
const TPM_FORM: &str = "`device:PATH`, or for a software TPM `unix:PATH` or `tcp:HOST:PORT`";

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/avouch-agent".into(),
            tpm: TpmAddress::Device("/dev/tpmrm0".into()),
            securityfs: SECURITYFS.into(),
            userspace_log: USERSPACE_LOG.into(),
            collector: collector::SOCKET.into(),
            observe: Observe::default(),
            cap: None,
        }
    }
}

impl Config {
    /// The file `named`, which must exist; or [`DEFAULT_PATH`] where it exists; or the defaults.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConfigError::Read { path: path.into(), error }),
        }
    }

    /// Reads the text of the file at `path` (the path is for messages only).
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: path.into(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let mut config = Self::default();
        for (key, value) in &table {
            match key.as_str() {
                "state_dir" => config.state_dir = absolute_path("state_dir", value)?,
                "tpm" => config.tpm = tpm_address(value)?,
                "securityfs" => config.securityfs = absolute_path("securityfs", value)?,
                "userspace_log" => config.userspace_log = absolute_path("userspace_log", value)?,
                "collector" => config.collector = absolute_path("collector", value)?,
                "observe" => config.observe = observe(section("observe", value)?)?,
                "cap" => config.cap = Some(cap(section("cap", value)?)?),
                _ => return Err(ConfigError::UnknownKey { key: key.clone(), nearest: nearest_key(key) }),
            }
        }
        Ok(config)
    }
}

fn section<'t>(key: &'static str, value: &'t toml::Value) -> Result<&'t toml::Table, ConfigError> {
    value.as_table().ok_or_else(|| ConfigError::Value { key, wanted: "a section", got: value.to_string() })
}

fn observe(table: &toml::Table) -> Result<Observe, ConfigError> {
    let (mut path, mut signer) = (None, None);
    for (key, value) in table {
        match key.as_str() {
            "intent" => path = Some(absolute_path("observe.intent", value)?),
            "intent_key" => signer = Some(public_key(value)?),
            _ => return Err(unknown_in("observe", key)),
        }
    }
    // An intent that anybody may have written is no intent, and a key alone says nothing.
    let missing = |key| ConfigError::Value { key, wanted: "set where the other of the two is", got: "nothing".into() };
    match (path, signer) {
        (None, None) => Ok(Observe { intent: None }),
        (Some(path), Some(key)) => Ok(Observe { intent: Some(PinnedIntent { path, key }) }),
        (Some(_), None) => Err(missing("observe.intent_key")),
        (None, Some(_)) => Err(missing("observe.intent")),
    }
}

fn cap(table: &toml::Table) -> Result<Cap, ConfigError> {
    let (mut pcr, mut on) = (None, Vec::new());
    for (key, value) in table {
        match key.as_str() {
            "pcr" => pcr = Some(cap_pcr(value)?),
            "on" => on = finding_codes(value)?,
            _ => return Err(unknown_in("cap", key)),
        }
    }
    let missing = |key, wanted| ConfigError::Value { key, wanted, got: "nothing".into() };
    match pcr {
        None => Err(missing("cap.pcr", CAP_PCR_FORM)),
        Some(_) if on.is_empty() => Err(missing("cap.on", CAP_ON_FORM)),
        Some(pcr) => Ok(Cap { pcr, on }),
    }
}

fn unknown_in(section: &str, key: &str) -> ConfigError {
    let key = format!("{section}.{key}");
    ConfigError::UnknownKey { nearest: nearest_key(&key), key }
}

fn public_key(value: &toml::Value) -> Result<[u8; 32], ConfigError> {
    let wanted = "an Ed25519 public key in base64, as `avouch-agent intent key` prints it";
    let refused = || ConfigError::Value { key: "observe.intent_key", wanted, got: value.to_string() };
    let bytes = BASE64.decode(value.as_str().ok_or_else(refused)?.as_bytes()).map_err(|_| refused())?;
    bytes.try_into().map_err(|_| refused())
}

fn cap_pcr(value: &toml::Value) -> Result<u8, ConfigError> {
    let pcr = value.as_integer().and_then(|pcr| u8::try_from(pcr).ok()).filter(|pcr| CAP_PCRS.contains(pcr));
    pcr.ok_or_else(|| ConfigError::Value { key: "cap.pcr", wanted: CAP_PCR_FORM, got: value.to_string() })
}

fn finding_codes(value: &toml::Value) -> Result<Vec<String>, ConfigError> {
    let refused = || ConfigError::Value { key: "cap.on", wanted: CAP_ON_FORM, got: value.to_string() };
    let codes = value.as_array().ok_or_else(refused)?.iter().map(|code| code.as_str().filter(|code| !code.is_empty()));
    codes.map(|code| code.map(str::to_owned)).collect::<Option<_>>().ok_or_else(refused)
}

fn nearest_key(key: &str) -> &'static str {
    let likeness = |known: &&str| (strsim::jaro_winkler(known, key) * 1000.0).round().to_bits();
    KEYS.into_iter().max_by_key(likeness).unwrap_or(KEYS[0])
}

fn absolute_path(key: &'static str, value: &toml::Value) -> Result<PathBuf, ConfigError> {
    match value.as_str() {
        Some(text) if Path::new(text).is_absolute() => Ok(text.into()),
        _ => Err(ConfigError::Value { key, wanted: "an absolute path", got: value.to_string() }),
    }
}

fn tpm_address(value: &toml::Value) -> Result<TpmAddress, ConfigError> {
    let address = value.as_str().and_then(TpmAddress::of);
    address.ok_or_else(|| ConfigError::Value { key: "tpm", wanted: TPM_FORM, got: value.to_string() })
}

// === impl TpmAddress ===

impl TpmAddress {
    /// The address that is written so; `None` where it is none.
    pub fn of(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("device", path) if Path::new(path).is_absolute() => Some(Self::Device(path.into())),
            ("unix", path) if Path::new(path).is_absolute() => Some(Self::Software(text.to_owned())),
            ("tcp", peer) if peer.contains(':') => Some(Self::Software(text.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for TpmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "device:{}", path.display()),
            Self::Software(socket) => f.write_str(socket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("agent.toml"))
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn every_key_is_read() {
        let text = "state_dir = '/a'\ntpm = 'unix:/b'\nsecurityfs = '/c'\nuserspace_log = '/d'\n";
        let config = parse(text).unwrap();
        assert_eq!(config.state_dir, Path::new("/a"));
        assert_eq!(config.tpm, TpmAddress::Software("unix:/b".into()));
        assert_eq!(config.securityfs, Path::new("/c"));
        assert_eq!(config.userspace_log, Path::new("/d"));
        let key = BASE64.encode(&[7; 32]);
        let config = parse(&format!(
            "collector = '/e'\n[observe]\nintent = '/f'\nintent_key = '{key}'\n[cap]\npcr = 15\non = ['V12.lockdown.*']\n"
        ))
        .unwrap();
        assert_eq!(config.collector, Path::new("/e"));
        assert_eq!(config.observe.intent, Some(PinnedIntent { path: "/f".into(), key: [7; 32] }));
        assert_eq!(config.cap, Some(Cap { pcr: 15, on: vec!["V12.lockdown.*".into()] }));
    }

    #[test]
    fn the_file_that_is_shipped_says_the_defaults() {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../dist/agent.toml");
        assert_eq!(Config::load(Some(Path::new(shipped))).unwrap(), Config::default());
    }

    #[test]
    fn half_a_section_is_refused() {
        let key = BASE64.encode(&[7; 32]);
        for text in [
            "[observe]\nintent = '/f'".to_owned(),
            format!("[observe]\nintent_key = '{key}'"),
            "[observe]\nintent = '/f'\nintent_key = 'short'".to_owned(),
            "[cap]\npcr = 15".to_owned(),
            "[cap]\non = ['X']".to_owned(),
            "[cap]\npcr = 16\non = ['X']".to_owned(),
            "[cap]\npcr = 15\non = [7]".to_owned(),
            "cap = 7".to_owned(),
        ] {
            assert!(matches!(parse(&text), Err(ConfigError::Value { .. })), "{text}");
        }
        let error = parse("[observe]\nintnt = '/f'").unwrap_err();
        assert!(matches!(&error, ConfigError::UnknownKey { nearest: "observe.intent", .. }), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        for (written, meant) in [("statedir", "state_dir"), ("tmp", "tpm"), ("security_fs", "securityfs")] {
            let error = parse(&format!("{written} = '/x'")).unwrap_err();
            assert!(matches!(&error, ConfigError::UnknownKey { nearest, .. } if *nearest == meant), "{error}");
        }
    }

    #[test]
    fn no_key_skips_a_check() {
        for key in ["insecure", "skip_verify", "allow_no_tpm", "server", "pins"] {
            assert!(matches!(parse(&format!("{key} = true")), Err(ConfigError::UnknownKey { .. })));
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        for text in [
            "state_dir = 'relative'",
            "tpm = '/dev/tpmrm0'",
            "tpm = 7",
            "securityfs = []",
            "tpm = 'unix:x'",
            "tpm = 'tcp:x'",
        ] {
            assert!(matches!(parse(text), Err(ConfigError::Value { .. })), "{text}");
        }
    }

    #[test]
    fn a_named_file_must_exist() {
        assert!(matches!(Config::load(Some(Path::new("/no/such/file"))), Err(ConfigError::Read { .. })));
    }
}
