//! The smallest change of a policy that allows what a finding found.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::unhex;

/// One addition to a policy. It allows what one finding is about and nothing else; whether it *should* be allowed is a
/// person's decision.
///
/// Written as text (`Display`, [`FromStr`]) it is the argument of `avouch policy allow`; applied by
/// [`crate::PolicyDraft::apply`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "allow", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fix {
    /// A boot event: `boot-event:PCR:BANK:DIGEST:WHAT`.
    BootEvent {
        /// The PCR.
        pcr: u32,
        /// Name of the bank.
        bank: String,
        /// Event digest in hexadecimal.
        digest: String,
        /// What the event measures, for people.
        what: String,
    },
    /// A measured buffer: `buffer:SHA256:NAME`.
    Buffer {
        /// Name of the event or keyring.
        name: String,
        /// SHA-256 in hexadecimal.
        sha256: String,
    },
    /// A file: `file:DIGEST:PATH`.
    File {
        /// SHA-256, SHA-384 or SHA-512 in hexadecimal.
        digest: String,
        /// Absolute path, or `memfd:NAME`.
        path: String,
    },
    /// A key in a keyring: `key:SHA256:KEYRING`.
    Key {
        /// The keyring, e.g. `.ima`.
        keyring: String,
        /// SHA-256 of the certificate.
        sha256: String,
    },
    /// IMA violations under a directory: `tolerate:DIRECTORY`.
    Tolerate {
        /// Absolute path.
        directory: String,
    },
    /// A longer update window: `window:UNTIL:PACKAGE:VERSION`.
    Window {
        /// Unix seconds of server time at which it ends.
        until: u64,
        /// Name of the package.
        package: String,
        /// Its superseded version.
        version: String,
    },
}

/// Why a text is no [`Fix`]: a typing error in a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FixError {
    /// The text.
    pub got: String,
    /// The form that was wanted.
    pub wanted: &'static str,
}

// === impl Fix ===

impl Fix {
    /// Longest name or path in a fix; a finding about a longer one has none.
    pub(crate) const MAX_NAME: usize = 512;

    /// The command that adds it to the policy in the file POLICY, quoted for a POSIX shell.
    pub fn command(&self) -> String {
        format!("avouch policy allow POLICY '{}'", self.to_string().replace('\'', "'\\''"))
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BootEvent { pcr, bank, digest, what } => write!(f, "boot-event:{pcr}:{bank}:{digest}:{what}"),
            Self::Buffer { name, sha256 } => write!(f, "buffer:{sha256}:{name}"),
            Self::File { digest, path } => write!(f, "file:{digest}:{path}"),
            Self::Key { keyring, sha256 } => write!(f, "key:{sha256}:{keyring}"),
            Self::Tolerate { directory } => write!(f, "tolerate:{directory}"),
            Self::Window { until, package, version } => write!(f, "window:{until}:{package}:{version}"),
        }
    }
}

impl FromStr for Fix {
    type Err = FixError;

    fn from_str(text: &str) -> Result<Self, FixError> {
        let forms: [(&str, Reader, &'static str); 6] = [
            ("boot-event:", boot_event, "boot-event:PCR:BANK:DIGEST:WHAT"),
            ("buffer:", buffer, "buffer:SHA256:NAME"),
            ("file:", file, "file:DIGEST:PATH"),
            ("key:", key, "key:SHA256:KEYRING"),
            ("tolerate:", tolerate, "tolerate:DIRECTORY"),
            ("window:", window, "window:UNTIL:PACKAGE:VERSION, UNTIL in Unix seconds"),
        ];
        let wanted = "boot-event:, buffer:, file:, key:, tolerate: or window: at the beginning";
        let refuse = |wanted| FixError { got: text.into(), wanted };
        let (rest, read, form) = forms
            .into_iter()
            .find_map(|(prefix, read, form)| Some((text.strip_prefix(prefix)?, read, form)))
            .ok_or_else(|| refuse(wanted))?;
        read(rest).ok_or_else(|| refuse(form))
    }
}

type Reader = fn(&str) -> Option<Fix>;

fn boot_event(text: &str) -> Option<Fix> {
    let (pcr, text) = text.split_once(':')?;
    let (bank, text) = text.split_once(':')?;
    let (digest, what) = named(text, &[32, 48, 64])?;
    let pcr = pcr.parse().ok().filter(|pcr| *pcr < 24)?;
    matches!(bank, "sha256" | "sha384" | "sha512").then(|| Fix::BootEvent { pcr, bank: bank.into(), digest, what })
}

fn buffer(text: &str) -> Option<Fix> {
    named(text, &[32]).map(|(sha256, name)| Fix::Buffer { name, sha256 })
}

fn file(text: &str) -> Option<Fix> {
    named(text, &[32, 48, 64]).map(|(digest, path)| Fix::File { digest, path })
}

fn key(text: &str) -> Option<Fix> {
    named(text, &[32]).map(|(sha256, keyring)| Fix::Key { keyring, sha256 })
}

fn tolerate(text: &str) -> Option<Fix> {
    text.starts_with('/').then(|| Fix::Tolerate { directory: text.into() })
}

fn window(text: &str) -> Option<Fix> {
    let (until, text) = text.split_once(':')?;
    let (package, version) = text.split_once(':')?;
    let given = !package.is_empty() && !version.is_empty();
    given.then_some(Fix::Window { until: until.parse().ok()?, package: package.into(), version: version.into() })
}

/// A digest of one of these sizes, in lower case, and a name behind it.
fn named(text: &str, sizes: &[usize]) -> Option<(String, String)> {
    let (digest, name) = text.split_once(':')?;
    let good = unhex(digest).is_some_and(|bytes| sizes.contains(&bytes.len())) && !name.is_empty();
    good.then(|| (digest.to_ascii_lowercase(), name.into()))
}

impl fmt::Display for FixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is nothing that can be allowed; wanted {}", self.got, self.wanted)
    }
}

impl std::error::Error for FixError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Fix> {
        let digest = "ab".repeat(32);
        vec![
            Fix::BootEvent { pcr: 4, bank: "sha256".into(), digest: digest.clone(), what: "a: loader".into() },
            Fix::Buffer { name: "kernel_version".into(), sha256: digest.clone() },
            Fix::File { digest: "cd".repeat(48), path: "/opt/it's: here".into() },
            Fix::Key { keyring: ".ima".into(), sha256: digest },
            Fix::Tolerate { directory: "/srv/data".into() },
            Fix::Window { until: 1_800_000_000, package: "bash".into(), version: "1:5.2-1".into() },
        ]
    }

    #[test]
    fn a_fix_reads_back_from_text_and_json() {
        for fix in samples() {
            assert_eq!(fix.to_string().parse(), Ok(fix.clone()));
            let json = serde_json::to_string(&fix).unwrap();
            assert_eq!(serde_json::from_str::<Fix>(&json).unwrap(), fix);
        }
    }

    #[test]
    fn a_cut_fix_is_refused_with_the_form_that_was_wanted() {
        for fix in samples() {
            let text = fix.to_string();
            let head = text.find(':').unwrap();
            for cut in 0..=head {
                assert!(text[..cut].parse::<Fix>().is_err(), "{}", &text[..cut]);
            }
        }
        for text in
            ["", "file", "file:zz:/a", "file:abab:/a", "window:soon:a:b", "tolerate:var", "boot-event:24:sha256:"]
        {
            let error = text.parse::<Fix>().unwrap_err();
            assert!(error.to_string().contains("wanted"), "{error}");
        }
    }

    #[test]
    fn the_command_survives_a_shell() {
        let fix = Fix::File { digest: "cd".repeat(32), path: "/opt/it's".into() };
        assert!(fix.command().ends_with("/opt/it'\\''s'"), "{}", fix.command());
    }
}
