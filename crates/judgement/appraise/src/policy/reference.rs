//! A reference boot: what a machine that somebody watched booted, taken from its logs.

use core::fmt;
use std::collections::BTreeMap;

use avouch_bootlog::BootLog;
use avouch_crypto::Hash as Sha;
use avouch_ima::{Body, DigestAlg, Entry, IMA_PCR, parse_binary};
use avouch_protocol::Hash;
use avouch_tpm_wire::HashAlg;
use serde::{Deserialize, Serialize};

use super::{IMA_POLICY_PATH, is_plain_path};
use crate::text::{hex, printable};

/// The values of one boot that a policy can confirm. It holds no judgement: who confirms it has looked at the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceBoot {
    /// Version of this shape, 1.
    pub v: u64,
    /// SHA-256 of the Name of the endorsement key that the boot was recorded with, in hexadecimal.
    pub ek: String,
    /// Name of the bank that the digests are of.
    pub bank: String,
    /// Event digests of each selected boot PCR, in order.
    pub pcrs: BTreeMap<u32, Vec<String>>,
    /// Files measured before the IMA policy.
    pub early: Vec<EarlyFile>,
    /// The IMA policy that was measured; `None` when there was none at [`IMA_POLICY_PATH`].
    pub ima_policy: Option<EarlyFile>,
    /// Buffers measured at any time.
    pub buffers: Vec<NamedBuffer>,
}

/// A file by path and SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyFile {
    /// Absolute path, as the kernel saw it.
    pub path: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A buffer by name and SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedBuffer {
    /// Name of the event or keyring.
    pub name: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Why logs give no reference boot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The boot log does not parse.
    BootLog(avouch_bootlog::LogError),
    /// The boot log has no digests of the bank.
    Bank {
        /// The bank that was wanted.
        wanted: HashAlg,
    },
    /// The IMA list does not parse to its end.
    Ima(avouch_ima::ImaError),
    /// An entry before the IMA policy that no policy can name: a violation, another template, another digest than
    /// SHA-256, or a name that is no plain path in UTF-8.
    EarlyEntry {
        /// Position in the list.
        index: u64,
        /// Its name, escaped.
        name: String,
    },
}

impl ReferenceBoot {
    /// Reads a reference boot from logs of which the caller knows that they reproduce an authentic quote: the whole
    /// boot log, and the *proven* part of the binary IMA list from its first entry on ([`crate::Session::offsets`]
    /// tells its length in bytes).
    ///
    /// `mask` selects the PCRs; `ek` is SHA-256 of the Name of the endorsement key.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn extract(boot_log: &[u8], ima: &[u8], bank: HashAlg, mask: u32, ek: Hash) -> Result<Self, ReferenceError> {
        let log = BootLog::parse(boot_log).map_err(ReferenceError::BootLog)?;
        log.replay(bank, &Sha).map_err(|_| ReferenceError::Bank { wanted: bank })?;
        let mut boot = Self {
            v: 1,
            ek: ek.to_hex(),
            bank: bank.name().into(),
            pcrs: pcrs(&log, bank, mask),
            early: Vec::new(),
            ima_policy: None,
            buffers: Vec::new(),
        };
        for entry in parse_binary(ima, 0) {
            boot.take(&entry.map_err(ReferenceError::Ima)?)?;
        }
        if boot.ima_policy.is_none() {
            // Nothing marks the end of the early boot, so nothing is early.
            boot.early.clear();
        }
        Ok(boot)
    }

    fn take(&mut self, entry: &Entry<'_>) -> Result<(), ReferenceError> {
        match entry.body {
            Body::File { path: b"boot_aggregate", .. } if entry.index == 0 => Ok(()),
            _ if entry.is_violation() => self.unnamed(entry),
            Body::Buffer { digest_alg: DigestAlg::Sha256, digest, name, .. } => {
                let Ok(name) = str::from_utf8(name) else { return self.unnamed(entry) };
                let buffer = NamedBuffer { name: name.into(), sha256: hex(digest) };
                if !self.buffers.contains(&buffer) {
                    self.buffers.push(buffer);
                }
                Ok(())
            }
            Body::File { digest_alg: DigestAlg::Sha256, verity: false, digest, path, .. } => {
                let name = str::from_utf8(path).ok().filter(|path| is_plain_path(path));
                let Some(path) = name else { return self.unnamed(entry) };
                self.file(EarlyFile { path: path.into(), sha256: hex(digest) });
                Ok(())
            }
            _ => self.unnamed(entry),
        }
    }

    fn file(&mut self, file: EarlyFile) {
        if self.ima_policy.is_some() {
            return;
        }
        if file.path == IMA_POLICY_PATH {
            self.ima_policy = Some(file);
        } else if !self.early.contains(&file) {
            self.early.push(file);
        }
    }

    /// What no policy can name matters only where the policy would have to name it.
    fn unnamed(&self, entry: &Entry<'_>) -> Result<(), ReferenceError> {
        if self.ima_policy.is_some() {
            return Ok(());
        }
        let name = match entry.body {
            Body::File { path, .. } => printable(path),
            Body::Buffer { name, .. } => printable(name),
            _ => printable(entry.template.as_bytes()),
        };
        Err(ReferenceError::EarlyEntry { index: entry.index, name })
    }
}

fn pcrs(log: &BootLog<'_>, bank: HashAlg, mask: u32) -> BTreeMap<u32, Vec<String>> {
    let selected = (0..24u32).filter(|pcr| *pcr != IMA_PCR && mask >> pcr & 1 == 1);
    selected
        .map(|pcr| {
            let events = log.events().iter().filter(|event| event.pcr == pcr && event.extends());
            let digests = events.filter_map(|event| event.digest(bank)).map(|digest| hex(digest.as_bytes()));
            (pcr, digests.collect())
        })
        .collect()
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BootLog(error) => write!(f, "the reference boot log: {error}"),
            Self::Bank { wanted } => {
                write!(f, "the reference boot log has no {wanted} digests; enable that bank in the firmware")
            }
            Self::Ima(error) => write!(f, "the reference IMA list: {error}"),
            Self::EarlyEntry { index, name } => write!(
                f,
                "IMA entry {index} ({name}) came before the IMA policy and cannot be named in a policy; boot the image with ima_hash=sha256 and ima_template=ima-sig, and with nothing else started early"
            ),
        }
    }
}

impl std::error::Error for ReferenceError {}
