//! The keys of the configuration that say which TPMs may join, and who vouches for them.

use std::path::PathBuf;

use avouch_protocol::NodeProfile;
use serde::Deserialize;
use serde::de::Error as _;

/// What a list of roots says for the certificates that come with Avouch.
pub const BUNDLED: &str = "bundled";

/// TPM firmware that may not enrol.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeniedFirmware {
    /// Manufacturer as in the TPM's certificate, e.g. `id:49465800`; absent for any. A TPM whose manufacturer nobody
    /// vouches for is taken for one of this manufacturer.
    pub manufacturer: Option<String>,
    /// Lowest version that is denied: firmwareVersion of the TPM's signatures, hexadecimal.
    #[serde(deserialize_with = "version")]
    pub from: u64,
    /// Highest version that is denied.
    #[serde(deserialize_with = "version")]
    pub to: u64,
    /// Why, for the refusal that the node shows, e.g. an advisory's name.
    pub why: String,
}

impl DeniedFirmware {
    /// Whether a TPM with this firmware is meant.
    pub(crate) fn denies(&self, manufacturer: Option<&str>, firmware: u64) -> bool {
        let named = match (&self.manufacturer, manufacturer) {
            (Some(denied), Some(known)) => denied.eq_ignore_ascii_case(known),
            _ => true,
        };
        named && (self.from..=self.to).contains(&firmware)
    }
}

/// One path, or a list of them.
pub(super) fn paths<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(PathBuf),
        List(Vec<PathBuf>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(path) => vec![path],
        Written::List(paths) => paths,
    })
}

/// An empty text stands for no file.
pub(super) fn file<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

pub(super) fn profiles<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<NodeProfile>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    words
        .iter()
        .map(|word| {
            NodeProfile::from_word(word).ok_or_else(|| {
                let known = NodeProfile::ALL.map(NodeProfile::word).join(", ");
                D::Error::custom(format!("{word:?} is no profile; the profiles are: {known}"))
            })
        })
        .collect()
}

fn version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    u64::from_str_radix(text.trim_start_matches("0x"), 16)
        .map_err(|_| D::Error::custom(format!("{text:?} is no firmware version: wanted up to 16 hexadecimal digits")))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError};
    use super::*;

    #[test]
    fn profiles_are_read_by_their_words_and_tofu_is_off_unless_asked_for() {
        assert_eq!(Config::default().profiles, [NodeProfile::EkCert]);
        let config = Config::from_toml("profiles = [\"tofu\", \"ek-cert\"]").unwrap();
        assert_eq!(config.profiles, [NodeProfile::Tofu, NodeProfile::EkCert]);
        let error = Config::from_toml("profiles = [\"ek\"]").unwrap_err();
        assert!(error.to_string().contains("azure-ak-cert"), "{error}");
    }

    #[test]
    fn a_profile_without_its_input_is_refused_by_the_key_that_is_missing() {
        for (profile, key) in
            [("ek-allowlist", "ek_allowlist"), ("azure-ak-cert", "azure_ak_roots"), ("gcp", "gcp_ak_roots")]
        {
            let error = Config::from_toml(&format!("profiles = [\"{profile}\"]")).unwrap_err();
            assert!(matches!(&error, ConfigError::Value { key: named, .. } if *named == key), "{error}");
        }
    }

    #[test]
    fn roots_are_one_path_or_several_and_may_be_the_bundled_ones() {
        let roots = |text: &str| Config::from_toml(text).unwrap().ek_roots;
        assert_eq!(roots("ek_roots = \"bundled\""), [PathBuf::from(BUNDLED)]);
        assert_eq!(roots("ek_roots = [\"bundled\", \"/a.pem\"]"), [PathBuf::from(BUNDLED), PathBuf::from("/a.pem")]);
    }

    #[test]
    fn firmware_is_denied_by_range_and_manufacturer() {
        let text = "denied_firmware = [{ manufacturer = \"id:49465800\", from = \"0x0004002000000000\", \
                    to = \"00040021ffffffff\", why = \"CVE-2017-15361\" }]";
        let denied = Config::from_toml(text).unwrap().denied_firmware.remove(0);
        assert!(denied.denies(Some("ID:49465800"), 0x0004_0021_0000_0001));
        assert!(denied.denies(None, 0x0004_0020_0000_0000), "nobody says that it is another maker's");
        assert!(!denied.denies(Some("id:494E5443"), 0x0004_0021_0000_0001));
        assert!(!denied.denies(Some("id:49465800"), 0x0004_0022_0000_0000));
        assert!(Config::from_toml("denied_firmware = [{ from = \"x\", to = \"1\", why = \"\" }]").is_err());
    }
}
