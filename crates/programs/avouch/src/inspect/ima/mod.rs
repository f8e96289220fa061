//! IMA measurement lists.

mod details;
mod show;
mod tally;

use std::collections::BTreeMap;

use avouch_bootlog::cel::CelWriter;
use avouch_crypto::Hash;
use avouch_ima::{Entry, IMA_PCR, ImaError, OtherPcrs, detect_template_hash, parse_ascii, parse_binary};
use avouch_tpm_wire::HashAlg;
use serde::Serialize;

use super::Options;
use super::report::{Facts, Problem, Read, Reading};
use details::{Critical, Key, LoadedPolicy, Signer};
use tally::Tally;

/// Replayed values by bank and PCR.
pub(super) type Pcrs = BTreeMap<&'static str, BTreeMap<u32, Option<String>>>;

/// A measurement list.
#[derive(Debug, Serialize)]
pub struct List {
    /// `ascii`, `binary` or `empty`.
    pub format: &'static str,
    /// Algorithm of the template hashes that the list carries; null where no entry could be read.
    pub template_hash: Option<&'static str>,
    /// What there is how often.
    pub counts: Counts,
    /// The PCR as the list gives it, by bank. A list does not say which banks the machine has, so all are told.
    pub pcrs: Pcrs,
    /// What banks hold instead that the kernel could not compute: SHA-1 template hashes with zeros behind them. Such
    /// a bank is no stronger than SHA-1. Empty for a list whose template hashes are wider.
    pub pcrs_sha1_padded: Pcrs,
    /// Every `boot_aggregate`: the first entry, and one more after each kexec.
    pub boot_aggregates: Vec<Named>,
    /// Entries that the kernel could not measure.
    pub violations: Vec<Named>,
    /// Entries whose template hash is not that of their template data.
    pub wrong_hashes: Vec<Named>,
    /// Who signed files, by the key's identifier: a hint, keys collide in it on purpose.
    pub signers: BTreeMap<String, Signer>,
    /// Keys that were loaded into keyrings.
    pub keys: Vec<Key>,
    /// Kernel version, device-mapper tables, SELinux state, command lines of kexec.
    pub critical_data: Vec<Critical>,
    /// IMA policies that were loaded, by the usual name of their file.
    pub policies: Vec<LoadedPolicy>,
    /// Every entry, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<EntryView>>,
}

/// Counts of a list.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    /// Entries that were read.
    pub entries: u64,
    /// Bytes that hold them.
    pub bytes: usize,
    /// Entries by template.
    pub templates: BTreeMap<String, u64>,
    /// Digests by the algorithm that the entry names; the `ima` template names none.
    pub digests: BTreeMap<String, u64>,
    /// Violations.
    pub violations: u64,
    /// Files with a signature in `security.ima`, or one appended.
    pub signed: u64,
    /// Buffers: keys, critical data, command lines of kexec.
    pub buffers: u64,
    /// Entries of a template or digest algorithm that cannot be read here; they replay all the same.
    pub unknown: u64,
    /// Entries that extend another PCR than the usual one; they are counted and not replayed.
    pub other_pcrs: u64,
    /// Values of `security.ima` that are no signature, digest or HMAC that is known here.
    pub unreadable_signatures: u64,
    /// Modules with an appended signature.
    pub appended_signatures: u64,
    /// Names with a blank or a byte beyond ASCII.
    pub unusual_names: u64,
}

/// An entry by its name.
#[derive(Debug, Serialize)]
pub struct Named {
    /// Place in the list, from 0.
    pub entry: u64,
    /// Byte where it begins.
    pub offset: usize,
    /// File or buffer; characters that do not print are escaped.
    pub name: String,
    /// Algorithm of the digest.
    pub alg: Option<&'static str>,
    /// The digest.
    pub digest: Option<String>,
}

/// One entry.
#[derive(Debug, Serialize)]
pub struct EntryView {
    /// Place, name and digest.
    #[serde(flatten)]
    pub named: Named,
    /// Name of the template.
    pub template: String,
    /// The hash that the list carries.
    pub template_hash: String,
    /// True for a violation.
    pub violation: bool,
}

/// Reads a list as far as it goes.
pub(super) fn read(bytes: &[u8], options: &Options) -> Reading {
    if let Some(pcr) = options.pcr.filter(|pcr| *pcr != IMA_PCR) {
        return Reading::not(Problem::new(format!("lists are read for PCR {IMA_PCR}, not for PCR {pcr}")));
    }
    if bytes.is_empty() {
        let facts = Tally::new(options).facts("empty", 0);
        return Reading::whole(Facts::Ima(Box::new(facts)), Vec::new());
    }
    let ascii = bytes.iter().take(3).all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    let mut tally = Tally::new(options);
    let (format, error) = if ascii {
        let list = parse_ascii(bytes, 0);
        ("ascii", drain(list.entries(), &mut tally))
    } else {
        let width = detect_template_hash(bytes).unwrap_or(HashAlg::Sha1);
        let entries = parse_binary(bytes, 0).template_hash(width).other_pcrs(OtherPcrs::Keep);
        ("binary", drain(entries, &mut tally))
    };
    finish(format, bytes.len(), tally, error)
}

/// The list as a canonical event log in TLV, or why it cannot be one. Digests are those of `--bank`, or of every bank.
pub(super) fn canonical(bytes: &[u8], options: &Options) -> Result<Vec<u8>, String> {
    let mut writer = CelWriter::new();
    if bytes.iter().take(3).all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        put(parse_ascii(bytes, 0).entries(), options, &mut writer)?;
    } else {
        let width = detect_template_hash(bytes).unwrap_or(HashAlg::Sha1);
        put(parse_binary(bytes, 0).template_hash(width).other_pcrs(OtherPcrs::Keep), options, &mut writer)?;
    }
    Ok(writer.finish())
}

fn put<'a>(
    entries: impl Iterator<Item = Result<Entry<'a>, ImaError>>,
    options: &Options,
    writer: &mut CelWriter,
) -> Result<(), String> {
    for entry in entries {
        let entry = entry.map_err(|error| error.to_string())?;
        let banks = HashAlg::ALL.into_iter().filter(|bank| options.bank.is_none_or(|only| only == *bank));
        let digests: Vec<_> = banks.map(|bank| (bank.id(), entry.event_digest(bank, &Hash))).collect();
        let digests = digests.iter().map(|(id, digest)| (*id, digest.as_bytes()));
        writer.ima(entry.pcr, digests, entry.template.as_bytes(), &entry.template_data.parts().concat());
    }
    Ok(())
}

fn finish(format: &'static str, len: usize, tally: Tally, error: Option<ImaError>) -> Reading {
    let end = error.as_ref().map_or(len, |_| tally.end());
    let mut problems = tally.problems();
    let Some(error) = error else {
        return Reading::whole(Facts::Ima(Box::new(tally.facts(format, end))), problems);
    };
    problems.push(Problem::at(error.offset, &error));
    if end == 0 {
        return Reading { facts: None, read: Read::Not, problems };
    }
    let facts = Some(Facts::Ima(Box::new(tally.facts(format, end))));
    Reading { facts, read: Read::Partly, problems }
}

fn drain<'a>(entries: impl Iterator<Item = Result<Entry<'a>, ImaError>>, tally: &mut Tally) -> Option<ImaError> {
    for entry in entries {
        match entry {
            Ok(entry) => tally.push(&entry),
            Err(error) => return Some(error),
        }
    }
    None
}
