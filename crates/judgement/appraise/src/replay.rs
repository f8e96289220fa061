//! Second step: logs of which some prefix reproduces the quoted digest.

use std::borrow::Cow;

use avouch_bootlog::BootLog;
use avouch_crypto::Hash as Sha;
use avouch_ima::{IMA_PCR, ImaError, Replay, parse_ascii, parse_binary};
use avouch_protocol::{Evidence, ImaFormat, ImaSegment, MAX_BOOT_LOG_BYTES, MAX_EVIDENCE_BYTES};
use avouch_tpm_wire::{Digest, HashAlg, Hasher, PcrSelection};

use crate::code::FindingCode;
use crate::judge::BootJudged;
use crate::quote::{AuthenticQuote, TimeProof};
use crate::session::{BootProof, ImaProof, Proven, Session};

/// Most IMA entries taken at once: the protocol's evidence holds about 200,000 real ones, and each costs 80 bytes here.
pub const MAX_SEGMENT_ENTRIES: usize = 400_000;

/// An authentic quote with the logs that explain it. The proven prefix is all that is judged; what lies beyond it is
/// counted and proves nothing.
#[derive(Debug)]
pub struct ReplayedLogs<'a> {
    pub(crate) quote: AuthenticQuote,
    pub(crate) boot: BootLogs<'a>,
    pub(crate) ima: ImaLog<'a>,
    /// State of the boot session before this evidence, when it goes on.
    pub(crate) before: Option<&'a Proven>,
}

/// Where the boot PCRs come from.
#[derive(Debug)]
pub(crate) struct BootLogs<'a> {
    /// The log, when it came with this evidence.
    pub(crate) sent: Option<BootLog<'a>>,
    pub(crate) proof: BootProof,
}

/// The proven part of the IMA list.
#[derive(Debug)]
pub(crate) struct ImaLog<'a> {
    /// The segment in the binary spelling, cut to the proven entries.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// Number of the segment's first entry.
    pub(crate) first: u64,
    /// Entries before this one were judged in an earlier round.
    pub(crate) judge_from: u64,
    pub(crate) proof: ImaProof,
    /// Entries that came and are not proven.
    pub(crate) unproven: u64,
}

/// An authentic quote that the logs do not explain.
#[derive(Debug)]
pub struct Unproven {
    /// Machine code.
    pub code: FindingCode,
    /// What can be said about why.
    pub detail: String,
    /// The quote.
    pub(crate) quote: Box<AuthenticQuote>,
}

impl<'a> ReplayedLogs<'a> {
    /// Replays the logs against the quoted digest.
    ///
    /// `previous` is the node's session. What it proved counts only while the quote shows the same resetCount, the
    /// challenge named the same policy, and bank and selection are the same; otherwise everything is owed.
    ///
    /// # Errors
    /// [`Unproven`]: the quote is authentic, so the current pass ends, and the logs cannot be judged.
    pub fn replay(
        quote: AuthenticQuote,
        evidence: &'a Evidence,
        previous: Option<&'a Session>,
    ) -> Result<Self, Unproven> {
        let before = continued(&quote, previous);
        let replayed = check_time(&quote, before)
            .and_then(|()| boot_logs(&quote, evidence, before))
            .and_then(|boot| Ok((ima_log(&quote, evidence, before, &boot.proof)?, boot)));
        match replayed {
            Ok((ima, boot)) => Ok(Self { quote, boot, ima, before }),
            Err((code, detail)) => Err(Unproven { code, detail, quote: Box::new(quote) }),
        }
    }

    /// Entries of the IMA list that are proven, from the start of the boot session.
    pub fn ima_count(&self) -> u64 {
        self.ima.proof.count
    }

    /// The quote that the logs explain.
    pub fn quote(&self) -> &AuthenticQuote {
        &self.quote
    }
}

impl Unproven {
    /// The quote that the logs do not explain.
    pub fn quote(&self) -> &AuthenticQuote {
        &self.quote
    }
}

type Fault = (FindingCode, String);

fn continued<'a>(quote: &AuthenticQuote, previous: Option<&'a Session>) -> Option<&'a Proven> {
    let session = previous.filter(|session| session.clock.reset_count == quote.clock.reset_count)?;
    session.proven.as_ref().filter(|proven| {
        proven.policy_ref == quote.challenge.policy_ref
            && proven.bank == quote.selection.bank
            && proven.mask == quote.selection.mask
    })
}

fn check_time(quote: &AuthenticQuote, before: Option<&Proven>) -> Result<(), Fault> {
    match &quote.time {
        TimeProof::Missing if before.is_none() => {
            Err((FindingCode::TimeMissing, "no attested time came with the first evidence of a boot session".into()))
        }
        TimeProof::Mismatch(detail) => Err((FindingCode::TimeMismatch, detail.clone())),
        TimeProof::Missing | TimeProof::Given => Ok(()),
    }
}

fn boot_logs<'a>(
    quote: &AuthenticQuote,
    evidence: &'a Evidence,
    before: Option<&Proven>,
) -> Result<BootLogs<'a>, Fault> {
    let Some(bytes) = &evidence.boot_log else {
        return match before {
            Some(proven) => Ok(BootLogs { sent: None, proof: proven.boot.clone() }),
            None => Err((FindingCode::LogMissing, "the boot log is owed and did not come".into())),
        };
    };
    if bytes.len() > MAX_BOOT_LOG_BYTES {
        let detail = format!("the boot log has {} bytes, at most {MAX_BOOT_LOG_BYTES} are taken", bytes.len());
        return Err((FindingCode::LogTooLarge, detail));
    }
    let log = BootLog::parse(bytes).map_err(|error| (FindingCode::BootLogMalformed, error.to_string()))?;
    let bank = log.replay(quote.selection.bank, &Sha).map_err(|error| (FindingCode::LogBank, error.to_string()))?;
    let unknown = quote.selection.pcrs().find(|pcr| *pcr != IMA_PCR && bank.value(*pcr).is_none());
    if let Some(pcr) = unknown {
        let detail = format!("the boot log cannot say the value of PCR {pcr} in bank {}", quote.selection.bank);
        return Err((FindingCode::LogBank, detail));
    }
    let events = u64::try_from(log.events().len()).unwrap_or(u64::MAX);
    Ok(BootLogs { proof: BootProof { values: *bank.values(), events, judged: BootJudged::default() }, sent: Some(log) })
}

fn ima_log<'a>(
    quote: &AuthenticQuote,
    evidence: &'a Evidence,
    before: Option<&Proven>,
    boot: &BootProof,
) -> Result<ImaLog<'a>, Fault> {
    if !quote.selection.pcrs().any(|pcr| pcr == IMA_PCR) {
        return Err((FindingCode::Pcr10NotSelected, "the challenge asked for a selection without PCR 10".into()));
    }
    let segment = evidence
        .ima
        .as_ref()
        .ok_or_else(|| (FindingCode::LogMissing, "the IMA list is owed and did not come".to_string()))?;
    let bank = quote.selection.bank;
    let start = Start::of(segment, before, boot, bank)?;
    let (bytes, fault) = binary(segment);
    let walk = Walk::over(&bytes, &start, fault)?;
    let target = Target::new(quote.selection, boot, quote.pcr_digest)?;
    let matched = walk.longest_match(&start, before, &target).ok_or_else(|| walk.mismatch(&start))?;
    Ok(walk.into_log(bytes, &start, before, matched))
}

/// Where the replay of the segment begins.
struct Start {
    count: u64,
    bytes: u64,
    value: Digest,
}

impl Start {
    fn of(segment: &ImaSegment, before: Option<&Proven>, boot: &BootProof, bank: HashAlg) -> Result<Self, Fault> {
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
fn binary(segment: &ImaSegment) -> (Cow<'_, [u8]>, Option<ImaError>) {
    match segment.format {
        ImaFormat::Binary => (Cow::Borrowed(segment.bytes.as_slice()), None),
        ImaFormat::Ascii => {
            let list = parse_ascii(&segment.bytes, segment.from_count);
            let fault = list.entries().find_map(Result::err);
            (Cow::Owned(list.as_binary().to_vec()), fault)
        }
    }
}

/// PCR 10 after each entry of the segment.
struct Walk {
    /// `(end of the entry in the binary segment, PCR 10 after it)`.
    after: Vec<(usize, Digest)>,
    fault: Option<ImaError>,
}

/// What a prefix must reproduce: the digest over the selected PCRs, ascending.
struct Target {
    /// Values of the PCRs below 10, one after the other.
    below: Vec<u8>,
    /// Values of the PCRs above 10.
    above: Vec<u8>,
    wanted: Digest,
}

impl Walk {
    fn over(bytes: &[u8], start: &Start, mut fault: Option<ImaError>) -> Result<Self, Fault> {
        let mut after = Vec::new();
        let mut value = start.value;
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
            if after.len() == MAX_SEGMENT_ENTRIES {
                let detail = format!("the IMA segment has more than {MAX_SEGMENT_ENTRIES} entries");
                return Err((FindingCode::LogTooLarge, detail));
            }
            after.push((entry.end_offset, value));
        }
        Ok(Self { after, fault })
    }

    /// How many entries of the segment the quote proves: the longest prefix that reproduces the digest, the empty one
    /// included. What was proven before stays proven, so a prefix that ends before it is no match, and neither is a
    /// list that comes to another value there.
    fn longest_match(&self, start: &Start, before: Option<&Proven>, target: &Target) -> Option<usize> {
        let known = before.map_or(0, |proven| proven.ima.count).saturating_sub(start.count);
        let known = usize::try_from(known).ok()?;
        if let Some(proven) = before
            && self.value_at(known, start)? != proven.ima.value
        {
            return None;
        }
        (known..=self.after.len())
            .rev()
            .find(|count| self.value_at(*count, start).is_some_and(|value| target.is_reproduced_by(&value)))
    }

    fn value_at(&self, count: usize, start: &Start) -> Option<Digest> {
        match count.checked_sub(1) {
            None => Some(start.value),
            Some(last) => self.after.get(last).map(|(_, value)| *value),
        }
    }

    fn mismatch(&self, start: &Start) -> Fault {
        let tried = self.after.len();
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

    fn into_log<'a>(self, bytes: Cow<'a, [u8]>, start: &Start, before: Option<&Proven>, matched: usize) -> ImaLog<'a> {
        let (end, value) = match matched.checked_sub(1).and_then(|last| self.after.get(last)) {
            Some((end, value)) => (*end, *value),
            None => (0, start.value),
        };
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
            unproven: wide(self.after.len().saturating_sub(matched)),
        }
    }
}

impl Target {
    fn new(selection: PcrSelection, boot: &BootProof, wanted: Digest) -> Result<Self, Fault> {
        let mut target = Self { below: Vec::new(), above: Vec::new(), wanted };
        for pcr in selection.pcrs().filter(|pcr| *pcr != IMA_PCR) {
            let value = boot_value(boot, pcr)
                .ok_or_else(|| (FindingCode::LogBank, format!("nothing is known of PCR {pcr}")))?;
            let side = if pcr < IMA_PCR { &mut target.below } else { &mut target.above };
            side.extend_from_slice(value.as_bytes());
        }
        Ok(target)
    }

    fn is_reproduced_by(&self, ima: &Digest) -> bool {
        Sha.hash(self.wanted.alg(), &[&self.below, ima.as_bytes(), &self.above]) == self.wanted
    }
}

pub(crate) fn boot_value(boot: &BootProof, pcr: u32) -> Option<Digest> {
    boot.values.get(usize::try_from(pcr).ok()?).copied().flatten()
}
