//! What extended the PCRs after the firmware's log ended: systemd, by its own log or without one.
//!
//! `systemd-pcrphase` extends PCR 11 with a word at each phase of the boot (systemd-pcrphase.service(8)). Up to systemd
//! 252 it writes no log; the words are public constants, so every prefix of them is a candidate, and the quote tells
//! which one holds. A log that came ([`Evidence::userspace_log`]) is followed exactly instead.

use avouch_bootlog::cel::{CelLog, Register};
use avouch_crypto::Hash as Sha;
use avouch_protocol::{Evidence, MAX_USERSPACE_LOG_BYTES};
use avouch_tpm_wire::{Digest, HashAlg, Hasher, PcrSelection, extend};

use super::Fault;
use crate::cel::{CelEncoding, to_tlv};
use crate::code::FindingCode;
use crate::session::{BootProof, Proven, Userspace};

/// PCR of the unified kernel image's sections and of the boot phases.
pub(crate) const PHASE_PCR: u32 = 11;
/// The words in their order, with an initial RAM disk that measures and without one.
const WITH_INITRD: [&str; 6] = ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"];
const WITHOUT_INITRD: [&str; 4] = ["sysinit", "ready", "shutdown", "final"];
/// Numbers of the word sequences: 0 is none, then the prefixes of the first list, then those of the second.
const SEQUENCES: u8 = 11;
/// The order in which they are tried when nothing is proven yet: a running machine is mostly past `ready`.
const LIKELY: [u8; 11] = [4, 8, 0, 3, 7, 5, 9, 6, 10, 2, 1];
/// Records that the userspace log may have behind the quote: it is read later.
const RECORDS_BEHIND: usize = 64;

type Values = [Option<Digest>; 24];

/// One way that the PCRs may have gone on from the firmware's log.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) values: Values,
    pub(crate) phases: u8,
    pub(crate) userspace: Option<Userspace>,
}

/// Every way, likeliest first.
pub(super) fn variants(
    selection: PcrSelection,
    evidence: &Evidence,
    before: Option<&Proven>,
    boot: &BootProof,
) -> Result<Vec<Variant>, Fault> {
    if let Some(log) = &evidence.userspace_log {
        return userspace(log, selection, before, boot);
    }
    if let Some(proven) = before.and_then(|proven| proven.boot.userspace.clone()) {
        return Ok(vec![Variant { values: proven.over(boot.values), phases: 0, userspace: Some(proven) }]);
    }
    if !selection.pcrs().any(|pcr| pcr == PHASE_PCR) {
        return Ok(vec![Variant { values: boot.values, phases: 0, userspace: None }]);
    }
    Ok(phases(selection.bank, before.map(|proven| proven.boot.phases), boot))
}

/// The words of a sequence.
pub(crate) fn words(number: u8) -> &'static [&'static str] {
    let number = usize::from(number);
    match number.checked_sub(WITH_INITRD.len()) {
        None | Some(0) => WITH_INITRD.get(..number).unwrap_or_default(),
        Some(count) => WITHOUT_INITRD.get(..count).unwrap_or_default(),
    }
}

/// What was proven can only have gone on.
fn phases(bank: HashAlg, proven: Option<u8>, boot: &BootProof) -> Vec<Variant> {
    let order: Vec<u8> = match proven {
        None => LIKELY.to_vec(),
        Some(proven) => (proven..SEQUENCES).filter(|number| words(*number).starts_with(words(proven))).collect(),
    };
    order
        .into_iter()
        .map(|phases| Variant { values: after(bank, boot, words(phases)), phases, userspace: None })
        .collect()
}

fn after(bank: HashAlg, boot: &BootProof, words: &[&str]) -> Values {
    let mut values = boot.values;
    for (pcr, value) in (0u32..).zip(&mut values) {
        if pcr == PHASE_PCR {
            *value = value.map(|start| {
                words.iter().fold(start, |value, word| extend(&Sha, &value, &Sha.hash(bank, &[word.as_bytes()])))
            });
        }
    }
    values
}

/// Each of the log's last prefixes, the whole log first, none shorter than what was proven.
fn userspace(
    log: &[u8],
    selection: PcrSelection,
    before: Option<&Proven>,
    boot: &BootProof,
) -> Result<Vec<Variant>, Fault> {
    if log.len() > MAX_USERSPACE_LOG_BYTES {
        let detail = format!("the userspace log has {} bytes, at most {MAX_USERSPACE_LOG_BYTES} are taken", log.len());
        return Err((FindingCode::LogTooLarge, detail));
    }
    let malformed = |error: String| (FindingCode::UserspaceLogMalformed, error);
    let tlv = to_tlv(CelEncoding::Json, log).map_err(|error| malformed(error.to_string()))?;
    let parsed = CelLog::parse(&tlv).map_err(|error| malformed(error.to_string()))?;
    let known = before.and_then(|proven| proven.boot.userspace.as_ref()).map_or(0, |proven| proven.records);
    let mut values = boot.values;
    let mut prefixes = vec![(0u64, values)];
    for record in parsed.records() {
        let closed = matches!(record.register, Register::Pcr(0..=7));
        if closed && record.content.extends() {
            let detail = format!(
                "record {} of the userspace log extends {:?}, which is the firmware's",
                record.number, record.register
            );
            return Err((FindingCode::BootGrammar, detail));
        }
        if let Register::Pcr(pcr) = record.register
            && record.content.extends()
            && let Some(value) = usize::try_from(pcr).ok().and_then(|pcr| values.get_mut(pcr))
        {
            *value = value.zip(record.digest(selection.bank)).map(|(value, digest)| extend(&Sha, &value, &digest));
        }
        let count = u64::try_from(prefixes.len()).unwrap_or(u64::MAX);
        prefixes.push((count, values));
    }
    let told = |(records, values): (u64, Values)| {
        let userspace = Userspace::between(records, &boot.values, &values);
        Variant { values, phases: 0, userspace: Some(userspace) }
    };
    let variants: Vec<_> =
        prefixes.into_iter().rev().take(RECORDS_BEHIND).filter(|(count, _)| *count >= known).map(told).collect();
    if variants.is_empty() {
        let detail = format!("the userspace log is shorter than the {known} records that were proven before");
        return Err((FindingCode::LogOffset, detail));
    }
    Ok(variants)
}

/// What the boot PCRs look like when a resume lost them (TPM2_Startup(CLEAR) where the state should have come back):
/// PCRs 0-7 at their start, after any locality, or closed with a separator only; the others likewise, or as they were.
pub(super) fn reset_patterns(bank: HashAlg, boot: &BootProof) -> Vec<Values> {
    let separator = Sha.hash(bank, &[&[0; 4]]);
    let start = |pcr: u32| if (17..=22).contains(&pcr) { Digest::ones(bank) } else { Digest::zero(bank) };
    let locality = |last: u8| {
        let mut bytes = Digest::zero(bank).as_bytes().to_vec();
        if let Some(byte) = bytes.last_mut() {
            *byte = last;
        }
        Digest::new(bank, &bytes)
    };
    let closed = extend(&Sha, &Digest::zero(bank), &separator);
    let mut patterns = Vec::new();
    for (first, rest) in
        [(Some(start(0)), start(0)), (locality(3), start(0)), (locality(4), start(0)), (Some(closed), closed)]
    {
        for keeps_others in [false, true] {
            let value = |(pcr, logged): (u32, &Option<Digest>)| match pcr {
                0 => first,
                1..=7 => Some(rest),
                _ if keeps_others => *logged,
                _ => Some(start(pcr)),
            };
            let mut values = boot.values;
            for (slot, value) in values.iter_mut().zip((0u32..).zip(&boot.values).map(value)) {
                *slot = value;
            }
            patterns.push(values);
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_the_words_has_a_number_and_none_has_two() {
        let mut all: Vec<_> = (0..SEQUENCES).map(words).collect();
        assert_eq!(all[0], &[] as &[&str]);
        assert!(all.contains(&WITH_INITRD.as_slice()) && all.contains(&WITHOUT_INITRD.as_slice()));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), usize::from(SEQUENCES));
        let mut likely = LIKELY;
        likely.sort_unstable();
        assert!(likely.into_iter().eq(0..SEQUENCES));
    }

    #[test]
    fn what_is_proven_only_goes_on() {
        let boot = BootProof { values: [Some(Digest::zero(HashAlg::Sha256)); 24], ..BootProof::nothing() };
        let of = |proven| phases(HashAlg::Sha256, Some(proven), &boot).iter().map(|v| v.phases).collect::<Vec<_>>();
        assert_eq!(of(8), [8, 9, 10]);
        assert_eq!(of(4), [4, 5, 6]);
        assert_eq!(of(10), [10]);
        assert_eq!(of(0).len(), 11);
    }
}
