//! What first contact rests on: the permitted profiles, and whom each of them believes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use avouch_crypto::ek::{EkError, EkRoots};
use avouch_protocol::NodeProfile;

use crate::config::{BUNDLED, Config, DeniedFirmware};

/// Longest label on the list of endorsement keys that is kept.
const MAX_LABEL: usize = 200;

/// Set at start from the configuration; it never changes while the server runs.
#[derive(Debug)]
pub(crate) struct FirstContact {
    profiles: Vec<NodeProfile>,
    /// `None` while `ek_roots` names nothing.
    pub(crate) ek_roots: Option<EkRoots>,
    pub(crate) allowlist: Allowlist,
    azure: Option<EkRoots>,
    gcp: Option<EkRoots>,
    denied: Vec<DeniedFirmware>,
}

/// The endorsement keys that the operator vouches for, with a label each.
#[derive(Debug, Default)]
pub(crate) struct Allowlist(HashMap<Vec<u8>, String>);

/// Why first contact cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file that the configuration names cannot be read.
    #[error("cannot read {}, which `{key}` names: {source}", path.display())]
    Read {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificates are not what they should be.
    #[error("`{key}`: {error}")]
    Roots {
        /// The key.
        key: &'static str,
        /// What is wrong.
        error: EkError,
    },
    /// A line of the list of endorsement keys.
    #[error(
        "line {line} of {} is no endorsement key: wanted the Name (nameAlg and digest) or the SHA-256 of its public \
         area in hexadecimal, then a label", path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

impl FirstContact {
    /// Reads all that the configuration names.
    pub(crate) fn load(config: &Config) -> Result<Self, TrustError> {
        let ek_roots = roots("ek_roots", &config.ek_roots)?;
        if ek_roots.is_none() && config.profiles.contains(&NodeProfile::EkCert) {
            tracing::warn!("`ek_roots` names no file: no node can enrol by the profile ek-cert");
        }
        if config.profiles.contains(&NodeProfile::Tofu) {
            tracing::warn!("the profile tofu is permitted: whoever has such a token can enrol any TPM, software too");
        }
        let allowlist = config.ek_allowlist.as_deref().map(Allowlist::read).transpose()?.unwrap_or_default();
        Ok(Self {
            profiles: config.profiles.clone(),
            ek_roots,
            allowlist,
            azure: roots("azure_ak_roots", &config.azure_ak_roots)?,
            gcp: roots("gcp_ak_roots", &config.gcp_ak_roots)?,
            denied: config.denied_firmware.clone(),
        })
    }

    /// The profile `ek-cert` is permitted and nobody could enrol by it.
    pub(crate) fn lacks_roots(&self) -> bool {
        self.ek_roots.is_none() && self.permits(NodeProfile::EkCert)
    }

    /// Whether the configuration asks for this profile.
    pub(crate) fn permits(&self, profile: NodeProfile) -> bool {
        self.profiles.contains(&profile)
    }

    /// The roots of a cloud's attestation keys; `None` for another profile.
    pub(crate) fn cloud_roots(&self, profile: NodeProfile) -> Option<&EkRoots> {
        match profile {
            NodeProfile::AzureAkCert => self.azure.as_ref(),
            NodeProfile::Gcp => self.gcp.as_ref(),
            NodeProfile::EkCert | NodeProfile::EkAllowlist | NodeProfile::Tofu => None,
        }
    }

    /// Why a TPM with this firmware may not join; `None` when it may.
    pub(crate) fn denied(&self, manufacturer: Option<&str>, firmware: u64) -> Option<&str> {
        let denied = self.denied.iter().find(|denied| denied.denies(manufacturer, firmware));
        denied.map(|denied| denied.why.as_str())
    }
}

fn roots(key: &'static str, files: &[PathBuf]) -> Result<Option<EkRoots>, TrustError> {
    let bundled = files.iter().any(|file| file == Path::new(BUNDLED));
    let mut bundle = String::new();
    for path in files.iter().filter(|file| *file != Path::new(BUNDLED)) {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| TrustError::Read { key, path: path.clone(), source })?;
        // Writing to a String cannot fail.
        let _ = writeln!(bundle, "{text}");
    }
    let read = match (bundled, bundle.is_empty()) {
        (false, true) => return Ok(None),
        (true, _) => EkRoots::bundled().with(&bundle),
        (false, false) => EkRoots::from_pem(&bundle),
    };
    read.map(Some).map_err(|error| TrustError::Roots { key, error })
}

// === impl Allowlist ===

impl Allowlist {
    fn read(path: &Path) -> Result<Self, TrustError> {
        let key = "ek_allowlist";
        let text =
            std::fs::read_to_string(path).map_err(|source| TrustError::Read { key, path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|line| TrustError::Line { path: path.to_owned(), line })
    }

    /// One key a line: hexadecimal, white space, a label. `#` begins a comment. The error is the line's number.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut names = HashMap::new();
        for (line, content) in (1_usize..).zip(text.lines()) {
            let content = content.split('#').next().unwrap_or_default().trim();
            let (name, label) = content.split_once(char::is_whitespace).unwrap_or((content, ""));
            if !name.is_empty() {
                let label = label.trim().chars().filter(|c| !c.is_control()).take(MAX_LABEL).collect();
                names.insert(name_of(name).ok_or(line)?, label);
            }
        }
        Ok(Self(names))
    }

    /// The label of the key with this Name.
    pub(crate) fn label(&self, name: &[u8]) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// A Name in hexadecimal: SHA-256, SHA-384 or SHA-512 with its identifier in front, or a bare SHA-256.
fn name_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(pair).collect::<Option<_>>()?;
    let plain = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    match (plain, bytes.len(), bytes.as_slice()) {
        (true, 32, _) => Some([&[0, 0x0B], bytes.as_slice()].concat()),
        (true, 34, [0, 0x0B, ..]) | (true, 50, [0, 0x0C, ..]) | (true, 66, [0, 0x0D, ..]) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_keys_by_name_or_by_the_digest_of_their_public_area() {
        let (short, long) = ("ab".repeat(32), format!("000c{}", "cd".repeat(48)));
        let list = Allowlist::parse(&format!("# ours\n\n{short}  rack 7, slot 3 # old\n{long}\n")).unwrap();
        assert_eq!(list.label(&[&[0, 0x0B], [0xAB; 32].as_slice()].concat()), Some("rack 7, slot 3"));
        assert_eq!(list.label(&[&[0, 0x0C], [0xCD; 48].as_slice()].concat()), Some(""));
        assert_eq!(list.label(&[0xAB; 32]), None);
    }

    #[test]
    fn a_line_that_is_no_key_is_refused_by_its_number() {
        let good = "ab".repeat(32);
        for bad in ["zz".repeat(32), "ab".repeat(31), format!("000b{}", "ab".repeat(48)), "+a".repeat(32), "é".into()]
        {
            assert_eq!(Allowlist::parse(&format!("{good} one\n{bad} two\n")).unwrap_err(), 2, "{bad}");
        }
    }
}
