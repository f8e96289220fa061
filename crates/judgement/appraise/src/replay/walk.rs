//! PCR 10 along the IMA list, and the digest that one of its prefixes must reproduce.

use std::borrow::Cow;

use avouch_crypto::Hash as Sha;
use avouch_ima::{IMA_PCR, ImaError, Replay, parse_ascii, parse_binary};
use avouch_protocol::{ImaFormat, ImaSegment, MAX_EVIDENCE_BYTES};
use avouch_tpm_wire::{Digest, HashAlg, Hasher, PcrSelection};

use super::{Fault, ImaLog, MAX_SEGMENT_ENTRIES, boot_value};
use crate::code::FindingCode;
use crate::session::{BootProof, ImaProof, Proven};

/// Most digests that a search computes over all targets: about half a second.
const TRIALS: usize = 1_000_000;
/// Last entries that a search for lost PCRs looks at.
const LOST_TRIALS: usize = 10_000;

/// Where the replay of the segment begins.
pub(super) struct Start {
    pub(super) count: u64,
    bytes: u64,
    value: Digest,
}

impl Start {
    pub(super) fn of(
        segment: &ImaSegment,
        before: Option<&Proven>,
        boot: &BootProof,
        bank: HashAlg,
    ) -> Result<Self, Fault> {
        if segment.bytes.len() > MAX_EVIDENCE_BYTES {
            let detail = format!("the IMA segment has {} bytes", segment.bytes.len());
            return Err((FindingCode::LogTooLarge, detail));
        }
        let proven = before.map(|proven| &proven.ima);
        match (segment.from_count, proven) {
            // A PCR is unknown only when the boot log extended it without a digest in this bank.
            (0, _) => match boot_value(boot, IMA_PCR) {
                Some(value) if value.alg() == bank => Ok(Self { count: 0, bytes: 0, value }),
                _ => {
                    Err((FindingCode::LogBank, format!("the boot log extends PCR 10 without a digest in bank {bank}")))
                }
            },
            (from, Some(ima)) if from == ima.count => Ok(Self { count: ima.count, bytes: ima.bytes, value: ima.value }),
            (from, proven) => {
                let wanted = proven.map_or_else(|| "0".into(), |ima| format!("0 or {}", ima.count));
                Err((FindingCode::LogOffset, format!("the IMA segment begins at entry {from}, wanted {wanted}")))
            }
        }
    }
}

/// The segment in the binary spelling, and why it ends before its end, if it does. A list read from text is rebuilt
/// as far as it is good.
pub(super) fn binary(segment: &ImaSegment) -> (Cow<'_, [u8]>, Option<ImaError>) {
    match segment.format {
        ImaFormat::Binary => (Cow::Borrowed(segment.bytes.as_slice()), None),
        ImaFormat::Ascii => {
            let list = parse_ascii(&segment.bytes, segment.from_count);
            let fault = list.entries().find_map(Result::err);
            (Cow::Owned(list.as_binary().to_vec()), fault)
        }
    }
}

/// PCR 10 after each entry of the segment: 36 bytes for each in the SHA-256 bank.
pub(super) struct Walk {
    bank: HashAlg,
    /// End of each entry in the binary segment, whose length fits.
    ends: Vec<u32>,
    /// PCR 10 after each entry, one value after the other.
    values: Vec<u8>,
    fault: Option<ImaError>,
}

/// What a prefix must reproduce: the digest over the selected PCRs, ascending.
pub(super) struct Target {
    /// Values of the PCRs below 10, one after the other.
    below: Vec<u8>,
    /// Values of the PCRs above 10.
    above: Vec<u8>,
    wanted: Digest,
}

impl Walk {
    pub(super) fn over(bytes: &[u8], start: &Start, mut fault: Option<ImaError>) -> Result<Self, Fault> {
        let mut value = start.value;
        let mut walk = Self { bank: value.alg(), ends: Vec::new(), values: Vec::new(), fault: None };
        for entry in parse_binary(bytes, start.count) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            };
            if let Some(mut replay) = Replay::resume(value.alg(), entry.index, value) {
                value = replay.push(&entry, &Sha);
            }
            if walk.ends.len() == MAX_SEGMENT_ENTRIES {
                let detail = format!("the IMA segment has more than {MAX_SEGMENT_ENTRIES} entries");
                return Err((FindingCode::LogTooLarge, detail));
            }
            let too_long = |_| (FindingCode::LogTooLarge, "the IMA segment has more than 4 GiB".to_string());
            walk.ends.push(u32::try_from(entry.end_offset).map_err(too_long)?);
            walk.values.extend_from_slice(value.as_bytes());
        }
        walk.fault = fault;
        Ok(walk)
    }

    /// How many entries of the segment the quote proves, and with which of the targets: the longest prefix that
    /// reproduces the digest, the empty one included. What was proven before stays proven, so a prefix that ends
    /// before it is no match, and neither is a list that comes to another value there.
    ///
    /// Every target is tried with every prefix while that takes at most [`TRIALS`] digests; with longer lists the
    /// first target is, and the others with the last prefixes only.
    pub(super) fn longest_match(
        &self,
        start: &Start,
        before: Option<&Proven>,
        targets: &[Target],
    ) -> Option<(usize, usize)> {
        let known = before.map_or(0, |proven| proven.ima.count).saturating_sub(start.count);
        let known = usize::try_from(known).ok()?;
        if let Some(proven) = before
            && self.value_at(known, start)? != proven.ima.value
        {
            return None;
        }
        let prefixes = || (known..=self.ends.len()).rev();
        let each = TRIALS.checked_div(targets.len())?;
        let all = prefixes().take(each).find_map(|count| Some((count, self.target(count, start, targets)?)));
        all.or_else(|| {
            let first = targets.get(..1)?;
            prefixes().skip(each).find_map(|count| Some((count, self.target(count, start, first)?)))
        })
    }

    fn target(&self, count: usize, start: &Start, targets: &[Target]) -> Option<usize> {
        let value = self.value_at(count, start)?;
        targets.iter().position(|target| target.is_reproduced_by(&value))
    }

    /// True when a target holds with PCR 10 at its start or after any of the last entries.
    pub(super) fn is_lost(&self, start: &Start, targets: &[Target]) -> bool {
        let lost = Digest::zero(start.value.alg());
        let values = (0..=self.ends.len()).rev().take(LOST_TRIALS).filter_map(|count| self.value_at(count, start));
        core::iter::once(lost).chain(values).any(|value| targets.iter().any(|target| target.is_reproduced_by(&value)))
    }

    fn value_at(&self, count: usize, start: &Start) -> Option<Digest> {
        match count.checked_sub(1) {
            None => Some(start.value),
            Some(last) => {
                let first = last.checked_mul(self.bank.size())?;
                let value = self.values.get(first..)?.get(..self.bank.size())?;
                Digest::new(self.bank, value)
            }
        }
    }

    /// True when nothing about the list itself is wrong: it is read to its end, and goes on from what was proven.
    pub(super) fn is_sound(&self, start: &Start, before: Option<&Proven>) -> bool {
        let goes_on = before.is_none_or(|proven| {
            let known = usize::try_from(proven.ima.count.saturating_sub(start.count));
            known.is_ok_and(|known| self.value_at(known, start) == Some(proven.ima.value))
        });
        self.fault.is_none() && goes_on
    }

    pub(super) fn mismatch(&self, start: &Start) -> Fault {
        let tried = self.ends.len();
        let ending = match &self.fault {
            Some(error) if error.is_cut() => {
                format!("the list ends inside an entry ({error}), so it may be shorter than the quote")
            }
            Some(error) => format!("the list cannot be read further: {error}"),
            None => "the list ends after a whole entry; it may be shorter than the quote, or altered".into(),
        };
        let detail = format!(
            "no prefix of the {tried} IMA entries from entry {} on, with the boot PCRs, gives the quoted digest; {ending}",
            start.count
        );
        (FindingCode::LogMismatch, detail)
    }

    pub(super) fn into_log<'a>(
        self,
        bytes: Cow<'a, [u8]>,
        start: &Start,
        before: Option<&Proven>,
        matched: usize,
    ) -> ImaLog<'a> {
        let end = matched.checked_sub(1).and_then(|last| self.ends.get(last));
        let end = end.and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
        let value = self.value_at(matched, start).unwrap_or(start.value);
        let bytes = match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..end).unwrap_or(bytes)),
            Cow::Owned(mut bytes) => {
                bytes.truncate(end);
                Cow::Owned(bytes)
            }
        };
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let judged = before.map(|proven| proven.ima.judged.clone()).unwrap_or_default();
        let proof = ImaProof {
            count: start.count.saturating_add(wide(matched)),
            bytes: start.bytes.saturating_add(wide(end)),
            value,
            judged,
        };
        ImaLog {
            bytes,
            first: start.count,
            judge_from: before.map_or(0, |proven| proven.ima.count),
            proof,
            unproven: wide(self.ends.len().saturating_sub(matched)),
        }
    }
}

impl Target {
    pub(super) fn new(selection: PcrSelection, values: &[Option<Digest>; 24], wanted: Digest) -> Result<Self, Fault> {
        let mut target = Self { below: Vec::new(), above: Vec::new(), wanted };
        for pcr in selection.pcrs().filter(|pcr| *pcr != IMA_PCR) {
            let value = usize::try_from(pcr).ok().and_then(|pcr| values.get(pcr).copied().flatten());
            let value = value.ok_or_else(|| (FindingCode::LogBank, format!("nothing is known of PCR {pcr}")))?;
            let side = if pcr < IMA_PCR { &mut target.below } else { &mut target.above };
            side.extend_from_slice(value.as_bytes());
        }
        Ok(target)
    }

    fn is_reproduced_by(&self, ima: &Digest) -> bool {
        Sha.hash(self.wanted.alg(), &[&self.below, ima.as_bytes(), &self.above]) == self.wanted
    }
}
