//! What kind of file bytes are, and what in them says so.

use avouch_bootlog::{BootLog, EventType, LogError};
use avouch_ima::{parse_ascii, parse_binary};
use avouch_tpm_wire::{HashAlg, PublicArea, Signature};

use super::{Kind, checkpoint, efivar, eventlog, observed, policy, quote};

/// The kind and the reason, or nothing: a guess that is not sure is none.
pub(super) fn guess(bytes: &[u8]) -> Option<(Kind, &'static str)> {
    text(bytes).or_else(|| binary(bytes))
}

fn text(bytes: &[u8]) -> Option<(Kind, &'static str)> {
    let start = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let trimmed = start.trim_ascii_start();
    if trimmed.starts_with(b"-----BEGIN ") {
        return Some((Kind::Cert, "it is PEM"));
    }
    if trimmed.first().is_some_and(|byte| *byte == 0x1E || byte.is_ascii_graphic()) && eventlog::is_spelled(bytes) {
        return Some((Kind::Eventlog, "it begins with a record of a canonical event log in JSON"));
    }
    if quote::is_keylime_text(trimmed) {
        return Some((Kind::Quote, "it has Keylime's form of a quote"));
    }
    if let Some(reason) = policy::text_form(bytes) {
        return Some((Kind::Policy, reason));
    }
    if checkpoint::has_signature_lines(bytes) {
        return Some((Kind::Checkpoint, "it is text with the signature lines of a signed note"));
    }
    let first = bytes.split_inclusive(|byte| *byte == b'\n').next()?;
    let read = parse_ascii(first, 0).entries().next().is_some_and(|entry| entry.is_ok());
    read.then_some((Kind::Ima, "its first line is an entry of an ASCII measurement list"))
}

fn binary(bytes: &[u8]) -> Option<(Kind, &'static str)> {
    if quote::attest_start(bytes).is_some() {
        return Some((Kind::Quote, "it begins with the TPM's magic number"));
    }
    if bytes.get(32..47) == Some(b"Spec ID Event03") {
        return Some((Kind::Eventlog, "it begins with the header of a crypto-agile log"));
    }
    // Before the logs: a report is known by all of its bytes, a log in CBOR by those of its first record.
    if observed::is(bytes) {
        return Some((Kind::Report, "it is a paired report or an observation"));
    }
    if eventlog::is_canonical(bytes) {
        return Some((Kind::Eventlog, "it begins with a record of a canonical event log"));
    }
    if eventlog::is_spelled(bytes) {
        return Some((Kind::Eventlog, "it begins with a record of a canonical event log in CBOR"));
    }
    if let Some(reason) = efivar::form(bytes) {
        return Some((Kind::Efivar, reason));
    }
    if [HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512].iter().any(|alg| is_ima(bytes, *alg)) {
        return Some((Kind::Ima, "it begins with an entry of a binary measurement list"));
    }
    if bytes.starts_with(&[0x30, 0x82]) || bytes.starts_with(&[0x30, 0x83]) {
        return Some((Kind::Cert, "it begins as a DER sequence"));
    }
    if Signature::parse(bytes).is_ok() || PublicArea::parse(bytes).is_ok() || PublicArea::parse_sized(bytes).is_ok() {
        return Some((Kind::Quote, "it is a TPM structure"));
    }
    is_sha1_log(bytes).then_some((Kind::Eventlog, "it begins with an event of a SHA-1 log"))
}

fn is_ima(bytes: &[u8], alg: HashAlg) -> bool {
    parse_binary(bytes, 0).template_hash(alg).next().is_some_and(|entry| entry.is_ok())
}

/// The first event has a type that the profile names, and it is whole.
fn is_sha1_log(bytes: &[u8]) -> bool {
    let known = |log: &BootLog<'_>| log.events().first().is_some_and(|event| event.event_type.name() != "EV_UNKNOWN");
    match BootLog::parse(bytes) {
        Ok(log) => known(&log),
        Err(LogError::Empty) => false,
        Err(_) => {
            let word = |at: usize| bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
            let length = word(28).and_then(|length| usize::try_from(length).ok());
            let first = length.and_then(|length| bytes.get(..length.checked_add(32)?));
            word(4).is_some_and(|kind| EventType(kind).name() != "EV_UNKNOWN")
                && first.is_some_and(|first| BootLog::parse(first).is_ok_and(|log| known(&log)))
        }
    }
}
