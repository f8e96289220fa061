//! The one configuration file: TOML, every key optional, every unknown key refused.

mod identity;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_protocol::{INTERVAL_RANGE, Interval, NodeProfile};
use serde::Deserialize;
use serde::de::Error as _;

pub use identity::{BUNDLED, DeniedFirmware};

/// What `avouch serve` is told. [`Config::default`] works without a file.
///
/// `dist/avouch.toml` documents every key; a test keeps that file and this type together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of the fleet inside the store; it becomes part of every key there. Lower-case letters, digits, `-`.
    pub cluster: String,
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Public URL that agents use, `https://name:port`. Absent: `https://` and the listening address.
    pub origin: Option<String>,
    /// Directory of the store, the keys and the operator's credentials. One directory is one tenant.
    pub data_dir: PathBuf,
    /// Time between rounds, 5 s to 24 h: seconds, or text such as `"10s"`, `"5m"`, `"1h"`.
    #[serde(deserialize_with = "interval")]
    pub interval: Interval,
    /// DNS names and IP addresses of the server certificate, beside the host of the public URL.
    pub names: Vec<String>,
    /// The profiles by which nodes may enrol. `tofu` lets any TPM in and is for trials.
    #[serde(deserialize_with = "identity::profiles")]
    pub profiles: Vec<NodeProfile>,
    /// PEM files with the roots (and intermediates) that vouch for endorsement keys; [`BUNDLED`] stands for the vendor
    /// CAs that come with Avouch. Empty: nobody can enrol by the profile `ek-cert`.
    #[serde(deserialize_with = "identity::paths")]
    pub ek_roots: Vec<PathBuf>,
    /// File of the endorsement keys that may enrol by the profile `ek-allowlist`: one a line, its Name in hexadecimal
    /// and a label.
    #[serde(deserialize_with = "identity::file")]
    pub ek_allowlist: Option<PathBuf>,
    /// As `ek_roots`, for the certificates of Azure's attestation keys.
    #[serde(deserialize_with = "identity::paths")]
    pub azure_ak_roots: Vec<PathBuf>,
    /// As `ek_roots`, for the certificates of Google Cloud's attestation keys.
    #[serde(deserialize_with = "identity::paths")]
    pub gcp_ak_roots: Vec<PathBuf>,
    /// TPM firmware that may not enrol.
    pub denied_firmware: Vec<DeniedFirmware>,
    /// The PCRs that every quote must cover, e.g. `"sha256:0-14"`.
    pub pcrs: Pcrs,
    /// Connections served at one time; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Memory, in MiB, that request bodies may fill together before further ones are asked to come again.
    pub body_memory_mib: usize,
    /// Seconds that a stop waits for requests that have begun.
    pub stop_seconds: u64,
}

/// A PCR selection of one bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcrs {
    /// TPM algorithm id of the bank, e.g. 0x000B for SHA-256.
    pub bank: u16,
    /// Bit i is PCR i, 0–23.
    pub mask: u32,
}

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; check the path and that this user may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A key that this release does not know.
    #[error("unknown key `{key}` in the configuration; did you mean `{nearest}`? The keys are: {}", Config::KEYS.join(", "))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The known key that is spelled most like it.
        nearest: &'static str,
    },
    /// Not TOML, or a value of the wrong kind.
    #[error("the configuration is not valid: {0}")]
    Invalid(#[from] Box<toml::de::Error>),
    /// A value that has the right kind but no meaning.
    #[error("`{key}` is {value:?} in the configuration: {wanted}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value as written.
        value: String,
        /// What would be taken.
        wanted: &'static str,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: "default".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            origin: None,
            data_dir: PathBuf::from("/var/lib/avouch"),
            interval: Interval::DEFAULT,
            names: Vec::new(),
            profiles: vec![NodeProfile::EkCert],
            ek_roots: Vec::new(),
            ek_allowlist: None,
            azure_ak_roots: Vec::new(),
            gcp_ak_roots: Vec::new(),
            denied_firmware: Vec::new(),
            pcrs: Pcrs::DEFAULT,
            max_connections: 2_000,
            body_memory_mib: 256,
            stop_seconds: 20,
        }
    }
}

impl Config {
    /// Every key of the file, in the order of the sample.
    pub const KEYS: &'static [&'static str] = &[
        "cluster",
        "listen",
        "origin",
        "data_dir",
        "interval",
        "names",
        "profiles",
        "ek_roots",
        "ek_allowlist",
        "azure_ak_roots",
        "gcp_ak_roots",
        "denied_firmware",
        "pcrs",
        "max_connections",
        "body_memory_mib",
        "stop_seconds",
    ];

    /// Reads one file.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key and what to write instead.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`ConfigError`], as for [`Config::from_file`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = toml::from_str(text).map_err(Box::new)?;
        for key in table.keys() {
            if !Self::KEYS.contains(&key.as_str()) {
                return Err(ConfigError::UnknownKey { key: key.clone(), nearest: nearest(key) });
            }
        }
        // From the text, so that errors show line and column.
        let config: Self = toml::from_str(text).map_err(Box::new)?;
        config.check()?;
        Ok(config)
    }

    /// The public URL, given the address that is listened on.
    pub fn origin_at(&self, listening: SocketAddr) -> String {
        self.origin.clone().unwrap_or_else(|| format!("https://{listening}"))
    }

    /// Every name of the server certificate: the configured ones and the host of the public URL.
    pub fn certificate_names(&self, listening: SocketAddr) -> Vec<String> {
        let mut names = self.names.clone();
        let host = host_of(&self.origin_at(listening)).to_owned();
        if !names.contains(&host) {
            names.push(host);
        }
        names
    }

    /// Refuses values that have the right kind but no meaning; [`Config::from_toml`] has done it.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, value: &str, wanted| Err(ConfigError::Value { key, value: value.to_owned(), wanted });
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.cluster.is_empty() || self.cluster.len() > 32 || !self.cluster.chars().all(plain) {
            return wrong("cluster", &self.cluster, "wanted 1 to 32 lower-case letters, digits or `-`");
        }
        if let Some(origin) = &self.origin
            && !origin_is_plain(origin)
        {
            return wrong(
                "origin",
                origin,
                "wanted https://host or https://host:port, without path or slash at the end",
            );
        }
        for (profile, key, empty) in [
            (NodeProfile::EkAllowlist, "ek_allowlist", self.ek_allowlist.is_none()),
            (NodeProfile::AzureAkCert, "azure_ak_roots", self.azure_ak_roots.is_empty()),
            (NodeProfile::Gcp, "gcp_ak_roots", self.gcp_ak_roots.is_empty()),
        ] {
            if empty && self.profiles.contains(&profile) {
                return wrong(key, "", "wanted a file, because `profiles` names the profile that needs it");
            }
        }
        if self.max_connections == 0 {
            return wrong("max_connections", "0", "wanted at least 1");
        }
        // One evidence message of the largest size must fit, or such a node could never be heard.
        if self.body_memory_mib < 64 {
            return wrong("body_memory_mib", &self.body_memory_mib.to_string(), "wanted at least 64");
        }
        Ok(())
    }
}

impl Pcrs {
    /// SHA-256, every PCR that firmware, loader, kernel (0-9, 12-14), IMA (10) and systemd (11) extend. Of systemd's
    /// measurements the agent sends the log; without one the constant words of the boot phases are tried.
    pub const DEFAULT: Self = Self { bank: 0x000B, mask: 0b0111_1111_1111_1111 };

    /// Reads `bank:list`, the list as numbers and ranges: `sha256:0-14`.
    pub fn parse(text: &str) -> Option<Self> {
        let (bank, list) = text.split_once(':')?;
        let bank = match bank {
            "sha256" => 0x000B,
            "sha384" => 0x000C,
            "sha512" => 0x000D,
            _ => return None,
        };
        let mut mask = 0;
        for part in list.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            if first > last || last > 23 {
                return None;
            }
            mask |= (first..=last).fold(0, |mask, pcr| mask | 1u32 << pcr);
        }
        Some(Self { bank, mask })
    }

    /// True where quotes show reports and the cap in this PCR: they are in bank sha256 alone.
    #[must_use]
    pub fn show_reports_in(self, pcr: u8) -> bool {
        self.bank == Self::DEFAULT.bank && pcr < 24 && self.mask & 1 << pcr != 0
    }
}

impl<'de> Deserialize<'de> for Pcrs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom("wanted a bank and PCRs from 0 to 23, such as \"sha256:0-14\""))
    }
}

fn interval<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Interval, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(u64),
        Text(String),
    }
    let seconds = match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => Some(seconds),
        Written::Text(text) => seconds_of(&text),
    };
    seconds.and_then(Interval::new).ok_or_else(|| {
        D::Error::custom(format!(
            "wanted {} to {} seconds, as a number or as text such as \"10s\", \"5m\", \"1h\"",
            INTERVAL_RANGE.start(),
            INTERVAL_RANGE.end()
        ))
    })
}

/// Seconds of `10s`, `5m`, `1h`, `1d` or a bare number.
pub fn seconds_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.trim_end().parse().ok()?;
    let unit = match text.get(digits.len()..)? {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn nearest(key: &str) -> &'static str {
    let distance = |known: &&&str| strsim::damerau_levenshtein(key, known);
    Config::KEYS.iter().min_by_key(distance).copied().unwrap_or("cluster")
}

fn origin_is_plain(origin: &str) -> bool {
    origin.strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty() && rest.len() < 256 && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c))
    })
}

/// Host of `https://host:port`, without the brackets of an IPv6 address.
fn host_of(origin: &str) -> &str {
    let authority = origin.strip_prefix("https://").unwrap_or(origin);
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../../dist/avouch.toml");

    #[test]
    fn the_sample_names_every_key_and_holds_the_defaults() {
        let config = Config::from_toml(SAMPLE).unwrap();
        assert_eq!(config, Config { origin: Some("https://127.0.0.1:8443".into()), ..Config::default() });
        let table: toml::Table = toml::from_str(SAMPLE).unwrap();
        let mut written: Vec<&str> = table.keys().map(String::as_str).collect();
        let mut known = Config::KEYS.to_vec();
        written.sort_unstable();
        known.sort_unstable();
        assert_eq!(written, known);
    }

    #[test]
    fn no_file_at_all_is_a_usable_configuration() {
        assert_eq!(Config::from_toml("").unwrap(), Config::default());
        Config::default().check().unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let error = Config::from_toml("intervall = 10").unwrap_err();
        assert!(matches!(&error, ConfigError::UnknownKey { nearest: "interval", .. }), "{error}");
        let error = Config::from_toml("ekroots = []").unwrap_err();
        assert!(error.to_string().contains("did you mean `ek_roots`"), "{error}");
    }

    #[test]
    fn an_interval_is_seconds_or_text_within_its_range() {
        let seconds = |text: &str| Config::from_toml(text).map(|c| c.interval.seconds());
        assert_eq!(seconds("interval = 10").unwrap(), 10);
        assert_eq!(seconds("interval = \"5m\"").unwrap(), 300);
        assert_eq!(seconds("interval = \"24h\"").unwrap(), 86_400);
        for wrong in ["interval = 4", "interval = \"25h\"", "interval = \"5 parsec\"", "interval = -1", "interval = []"]
        {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pcr_selections_are_read_or_refused() {
        assert_eq!(Pcrs::parse("sha256:0-14"), Some(Pcrs::DEFAULT));
        assert_eq!(Pcrs::parse("sha384:10"), Some(Pcrs { bank: 0x000C, mask: 1 << 10 }));
        for wrong in ["", "sha256", "sha256:", "sha1:0", "sha256:24", "sha256:3-1", "sha256:0,,1", "sha256:a"] {
            assert_eq!(Pcrs::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn values_without_meaning_are_refused_by_name() {
        for (text, key) in [
            ("cluster = \"A b\"", "cluster"),
            ("origin = \"http://x\"", "origin"),
            ("origin = \"https://x/\"", "origin"),
            ("max_connections = 0", "max_connections"),
            ("body_memory_mib = 1", "body_memory_mib"),
        ] {
            assert!(matches!(Config::from_toml(text), Err(ConfigError::Value { key: k, .. }) if k == key), "{text}");
        }
    }

    #[test]
    fn the_certificate_carries_the_host_of_the_public_url() {
        let at = SocketAddr::from(([127, 0, 0, 1], 9));
        let config = |origin: &str| Config { origin: Some(origin.into()), ..Config::default() };
        assert_eq!(config("https://verifier.example:8443").certificate_names(at), ["verifier.example"]);
        assert_eq!(config("https://[::1]:8443").certificate_names(at), ["::1"]);
        assert_eq!(Config::default().certificate_names(at), ["127.0.0.1"]);
    }
}
