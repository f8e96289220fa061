//! IMA entries as the kernel writes them (`ima_measurements_show` in `security/integrity/ima/ima_fs.c`).

use anyhow::{Context, Result, bail};
use avouch_bootlog::BootLog;
use avouch_crypto::Hash as Sha;
use avouch_crypto::sha256;
use avouch_ima::IMA_PCR;
use avouch_tpm_wire::{HashAlg, Hasher};

/// One measurement, before it is in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    template: &'static str,
    data: Vec<u8>,
    violation: bool,
}

impl Measurement {
    /// A file by the SHA-256 of its content, in the template `ima-sig` without a signature.
    pub fn file(path: &[u8], digest: &[u8; 32]) -> Self {
        Self::of("ima-sig", &[&digest_field("sha256", digest), &name_field(path), b""])
    }

    /// A file in the template `ima-ng`.
    pub fn file_ng(path: &[u8], digest: &[u8; 32]) -> Self {
        Self::of("ima-ng", &[&digest_field("sha256", digest), &name_field(path)])
    }

    /// A buffer, in the template `ima-buf`.
    pub fn buffer(name: &[u8], data: &[u8]) -> Self {
        Self::of("ima-buf", &[&digest_field("sha256", &sha256(&[data])), &name_field(name), data])
    }

    /// A file that was open for writing while it was measured.
    pub fn violation(path: &[u8]) -> Self {
        Self { violation: true, ..Self::file(path, &[0; 32]) }
    }

    fn of(template: &'static str, fields: &[&[u8]]) -> Self {
        Self { template, data: fields.iter().flat_map(|field| sized(field)).collect(), violation: false }
    }

    /// The entry in the binary list.
    pub fn encode(&self) -> Vec<u8> {
        let hash = match self.violation {
            true => vec![0; HashAlg::Sha1.size()],
            false => Sha.hash(HashAlg::Sha1, &[&self.data]).as_bytes().to_vec(),
        };
        [IMA_PCR.to_le_bytes().to_vec(), hash, sized(self.template.as_bytes()), sized(&self.data)].concat()
    }
}

/// The first entry of the list that a kernel writes after this boot log.
///
/// # Errors
/// When the boot log has no SHA-256 bank.
pub fn boot_aggregate(boot_log: &[u8]) -> Result<Measurement> {
    let bank = BootLog::parse(boot_log)?.replay(HashAlg::Sha256, &Sha)?;
    let mut values = Vec::new();
    for pcr in 0..10 {
        values.extend_from_slice(bank.value(pcr).with_context(|| format!("PCR {pcr} is unknown"))?.as_bytes());
    }
    Ok(Measurement::file(b"boot_aggregate", &sha256(&[&values])))
}

/// The list without its first entry.
pub(crate) fn without_aggregate(list: &[u8]) -> Result<&[u8]> {
    match avouch_ima::parse_binary(list, 0).next() {
        Some(first) => Ok(list.get(first?.end_offset..).unwrap_or_default()),
        None => bail!("an IMA list has at least its boot_aggregate"),
    }
}

fn digest_field(alg: &str, digest: &[u8]) -> Vec<u8> {
    [alg.as_bytes(), b":\0", digest].concat()
}

fn name_field(name: &[u8]) -> Vec<u8> {
    [name, b"\0"].concat()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [length.to_le_bytes().as_slice(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{node_boot_log, node_ima_list};

    #[test]
    fn built_entries_are_the_recorded_ones() {
        let list = node_ima_list();
        let mut built = boot_aggregate(node_boot_log()).unwrap().encode();
        for entry in avouch_ima::parse_binary(list, 0).skip(1).take(100) {
            let measurement = match entry.unwrap().body {
                avouch_ima::Body::File { digest, path, .. } => Measurement::file(path, digest.try_into().unwrap()),
                avouch_ima::Body::Buffer { name, data, .. } => Measurement::buffer(name, data),
                other => panic!("{other:?}"),
            };
            built.extend(measurement.encode());
        }
        assert!(list.starts_with(&built));
    }
}
