//! What signatures and buffers of a list say.

use std::collections::BTreeMap;

use avouch_appraise::printable;
use avouch_crypto::sha256;
use avouch_ima::critical::{self, CriticalData};
use avouch_ima::signature::{FileSignature, Xattr};
use avouch_ima::{Body, Entry};
use data_encoding::HEXLOWER;
use serde::Serialize;

/// Buffers that are told one by one.
const MOST_BUFFERS: usize = 1000;

/// Signatures, keys and other buffers.
#[derive(Debug, Default)]
pub(super) struct Details {
    pub(super) signers: BTreeMap<String, Signer>,
    pub(super) unreadable_signatures: u64,
    pub(super) appended_signatures: u64,
    pub(super) keys: Vec<Key>,
    pub(super) critical: Vec<Critical>,
    pub(super) policies: Vec<LoadedPolicy>,
}

/// Signatures of one key.
#[derive(Debug, Default, Serialize)]
pub struct Signer {
    /// Files that it signed.
    pub files: u64,
    /// Hashes by their names, with counts.
    pub hashes: BTreeMap<&'static str, u64>,
    /// What is signed: the file's content, its fs-verity digest, its metadata.
    pub signs: BTreeMap<String, u64>,
}

/// A key that was loaded.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Place in the list.
    pub entry: u64,
    /// Keyring.
    pub keyring: String,
    /// SHA-256 of the certificate.
    pub sha256: String,
    /// Bytes of the certificate.
    pub bytes: usize,
}

/// Critical data.
#[derive(Debug, Serialize)]
pub struct Critical {
    /// Place in the list.
    pub entry: u64,
    /// Name of the event.
    pub name: String,
    /// What it says; why it cannot be read where it cannot.
    pub what: String,
    /// False where the buffer is not what its name says.
    pub understood: bool,
}

/// An IMA policy that was loaded.
#[derive(Debug, Serialize)]
pub struct LoadedPolicy {
    /// Place in the list: what runs before it is governed by another policy.
    pub entry: u64,
    /// Where it came from.
    pub path: String,
    /// Digest of its text.
    pub digest: String,
}

impl Details {
    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        if let Body::File { signature, modsig, path, digest, .. } = entry.body {
            self.appended_signatures += u64::from(modsig.is_some());
            if let Some(signature) = signature {
                self.signature(signature);
            }
            if path.ends_with(b"/ima-policy") {
                let (path, digest) = (printable(path), HEXLOWER.encode(digest));
                self.policies.push(LoadedPolicy { entry: entry.index, path, digest });
            }
        }
        if let Some(data) = critical::of(&entry.body)
            && self.keys.len() + self.critical.len() < MOST_BUFFERS
        {
            self.buffer(entry, data.map_err(|error| error.to_string()));
        }
    }

    fn signature(&mut self, signature: &[u8]) {
        match FileSignature::parse(signature) {
            Ok(read) => {
                let signer = self.signers.entry(HEXLOWER.encode(&read.key_id)).or_default();
                signer.files += 1;
                *signer.hashes.entry(read.hash.name()).or_default() += 1;
                *signer.signs.entry(read.subject.to_string()).or_default() += 1;
            }
            // A bare digest or HMAC stands in the same field, and is none.
            Err(_) if Xattr::parse(signature).is_ok() => {}
            Err(_) => self.unreadable_signatures += 1,
        }
    }

    fn buffer(&mut self, entry: &Entry<'_>, data: Result<CriticalData<'_>, String>) {
        let Body::Buffer { name, data: bytes, .. } = entry.body else { return };
        if let Ok(CriticalData::Key { keyring, certificate }) = data {
            let (keyring, sha256) = (printable(keyring), HEXLOWER.encode(&sha256(&[certificate])));
            self.keys.push(Key { entry: entry.index, keyring, sha256, bytes: certificate.len() });
            return;
        }
        let understood = data.is_ok();
        let what = data.map_or_else(|error| error, |data| words(&data, bytes));
        self.critical.push(Critical { entry: entry.index, name: printable(name), what, understood });
    }
}

fn words(data: &CriticalData<'_>, bytes: &[u8]) -> String {
    match data {
        CriticalData::KernelVersion(release) => (*release).to_owned(),
        CriticalData::DeviceMapper(change) => {
            format!("device {}: {}", printable(change.device.name.as_bytes()), dm(change))
        }
        CriticalData::SelinuxState(state) => {
            let on = |on: bool| if on { "yes" } else { "no" };
            format!("initialized {}, enforcing {}", on(state.initialized), on(state.enforcing))
        }
        CriticalData::SelinuxPolicyHash(digest) | CriticalData::RefusedDigest(digest) => HEXLOWER.encode(digest),
        CriticalData::KexecCmdline(line) => printable(line),
        CriticalData::KexecList(list) => format!("{} entries in {} bytes", list.entries, list.list_bytes),
        _ => format!("{} bytes", bytes.len()),
    }
}

fn dm(change: &critical::DeviceMapper<'_>) -> String {
    use critical::Event;
    match &change.event {
        Event::TableLoad { targets } => {
            let verity = targets.iter().find_map(|target| target.verity().ok().flatten());
            let verity = verity.map(|verity| format!(", verity root {}", HEXLOWER.encode(&verity.root_digest)));
            format!("table of {} targets loaded{}", targets.len(), verity.unwrap_or_default())
        }
        Event::TargetUpdate { .. } => "a target changed its state".into(),
        Event::Resume { .. } => "resumed".into(),
        Event::Remove { .. } => "removed".into(),
        Event::TableClear { .. } => "a loaded table was dropped".into(),
        Event::Rename { name, .. } => format!("renamed to {}", printable(name.as_bytes())),
        _ => "changed".into(),
    }
}
