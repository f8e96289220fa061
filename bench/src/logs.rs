//! The logs of the machines that are simulated: what a Debian machine recorded, and as much more of the same kind.

use anyhow::{Context, Result};
use avouch_bootlog::BootLog;
use avouch_crypto::{Hash as Sha, sha256};
use avouch_ima::parse_binary;
use avouch_protocol::Hash;
use avouch_server::Pcrs;
use avouch_testkit::{Measurement, boot_aggregate, node_boot_log, node_ima_list, node_ima_policy, policy_for};
use avouch_tpm_wire::{Digest, HashAlg, Hasher};

/// The boot log of a server with many devices; the recorded one is that of a virtual machine.
pub(crate) const LARGE_BOOT_LOG: usize = 98 * 1024;
/// IMA entries of a server some minutes after its start.
pub(crate) const FIRST_ENTRIES: usize = 780;
/// IMA entries that a round adds on a busy machine.
pub(crate) const ROUND_ENTRIES: usize = 30;
/// Bank of every quote.
pub(crate) const BANK: HashAlg = HashAlg::Sha256;
/// Selection of every quote: the server's default.
pub(crate) const PCRS: Pcrs = Pcrs::DEFAULT;

/// An entry as the kernel shows it, and what it extends PCR 10 with.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

/// A boot log that parses and replays, grown to about `bytes` by the events of the recorded one's PCRs 9 and 11 over and over.
pub(crate) fn boot_log(bytes: usize) -> Result<Vec<u8>> {
    let recorded = node_boot_log();
    let log = BootLog::parse(recorded)?;
    let end = recorded.len().saturating_sub(log.padding().map_or(0, |padding| padding.len));
    let starts: Vec<usize> = log.events().iter().map(|event| event.offset).chain([end]).collect();
    let measured: Vec<&[u8]> = log
        .events()
        .iter()
        .zip(starts.windows(2))
        // A second separator, or a second Secure Boot variable, would be a fault: only PCRs without a grammar grow.
        .filter(|(event, _)| event.extends() && event.pcr > 7)
        .filter_map(|(_, range)| recorded.get(*range.first()?..*range.last()?))
        .collect();
    let mut grown = recorded.get(..end).context("the log has an end")?.to_vec();
    for event in measured.iter().cycle() {
        if grown.len() + event.len() > bytes {
            break;
        }
        grown.extend_from_slice(event);
    }
    Ok(grown)
}

/// The recorded list after another boot log, and files of a distribution up to `entries`.
pub(crate) fn ima_list(boot_log: &[u8], entries: usize) -> Result<Vec<u8>> {
    let (mut list, recorded) = recorded(boot_log)?;
    let more = u32::try_from(entries.saturating_sub(recorded))?;
    (0..more).for_each(|number| list.extend(file(number).encode()));
    Ok(list)
}

/// The recorded list after another boot log, over and over up to `entries`.
pub(crate) fn repeated_ima_list(boot_log: &[u8], entries: usize) -> Result<Vec<u8>> {
    let (mut list, recorded) = recorded(boot_log)?;
    let ranges = parse_binary(node_ima_list(), 0).skip(1).map(|entry| entry.map(|e| (e.offset, e.end_offset)));
    let ranges: Vec<_> = ranges.collect::<Result<_, _>>()?;
    for (start, end) in ranges.iter().cycle().take(entries.saturating_sub(recorded)) {
        list.extend_from_slice(node_ima_list().get(*start..*end).context("an entry lies within its list")?);
    }
    Ok(list)
}

/// The list with the first entry that this boot log causes, and how many entries it has.
fn recorded(boot_log: &[u8]) -> Result<(Vec<u8>, usize)> {
    let list = node_ima_list();
    let first = parse_binary(list, 0).next().context("the recorded list has entries")??;
    let rest = list.get(first.end_offset..).unwrap_or_default();
    let entries = parse_binary(list, 0).count();
    Ok(([boot_aggregate(boot_log)?.encode().as_slice(), rest].concat(), entries))
}

/// File `number` of a made-up distribution, `ima-ng` and `ima-sig` in turn.
pub(crate) fn file(number: u32) -> Measurement {
    let (path, digest) = (file_path(number), file_digest(number));
    match number % 2 {
        0 => Measurement::file(path.as_bytes(), &digest),
        _ => file_ng(number),
    }
}

/// The same file in the template `ima-ng`.
pub(crate) fn file_ng(number: u32) -> Measurement {
    Measurement::file_ng(file_path(number).as_bytes(), &file_digest(number))
}

fn file_path(number: u32) -> String {
    format!("/usr/lib/x86_64-linux-gnu/package-{}/libexample-{number}.so.{}", number / 40, number % 7)
}

fn file_digest(number: u32) -> [u8; 32] {
    sha256(&[b"content of file ", &number.to_be_bytes()])
}

/// The entries of a list, with what each extends.
pub(crate) fn entries(list: &[u8]) -> Result<Vec<Entry>> {
    let entries = parse_binary(list, 0).map(|entry| {
        let entry = entry?;
        let bytes = list.get(entry.offset..entry.end_offset).context("an entry lies within its list")?.to_vec();
        Ok(Entry { bytes, digest: entry.event_digest(BANK, &Sha) })
    });
    entries.collect()
}

/// The first `count` files of the distribution, as entries.
pub(crate) fn files(count: u32) -> Result<Vec<Entry>> {
    entries(&(0..count).flat_map(|number| file(number).encode()).collect::<Vec<u8>>())
}

/// A policy that approves these logs and the first `files` files of the distribution, as JSON.
pub(crate) fn policy(boot_log: &[u8], list: &[u8], files: u32) -> Result<Vec<u8>> {
    let mut draft = policy_for(boot_log, list, node_ima_policy(), PCRS)?;
    for number in 0..files {
        draft.add_file(&file_digest(number), &file_path(number))?;
    }
    Ok(draft.to_bytes())
}

/// The template data of each entry: what a replay must hash at least.
pub(crate) fn blocks(list: &[u8]) -> Result<Vec<Vec<u8>>> {
    parse_binary(list, 0).map(|entry| Ok(entry?.template_data.parts().concat())).collect()
}

/// A replay without anything but its hashing.
pub(crate) fn hash_blocks(blocks: &[Vec<u8>]) -> Digest {
    blocks.iter().fold(Digest::zero(BANK), |value, block| {
        let digest = Sha.hash(BANK, &[block]);
        Sha.hash(BANK, &[value.as_bytes(), digest.as_bytes()])
    })
}

/// SHA-256 in the form that the protocol takes.
pub(crate) fn hash(parts: &[&[u8]]) -> Hash {
    Hash(sha256(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grown_logs_parse_to_their_size() {
        let log = boot_log(LARGE_BOOT_LOG).unwrap();
        assert!(log.len() > LARGE_BOOT_LOG - 8 * 1024 && log.len() <= LARGE_BOOT_LOG);
        assert!(BootLog::parse(&log).unwrap().events().len() > 300);
        assert_eq!(entries(&ima_list(&log, FIRST_ENTRIES).unwrap()).unwrap().len(), FIRST_ENTRIES);
        assert_eq!(entries(&repeated_ima_list(&log, 1_000).unwrap()).unwrap().len(), 1_000);
    }
}
