//! Second step: logs of which some prefix reproduces the quoted digest.

mod after;
#[cfg(test)]
mod recorded;
mod walk;

use std::borrow::Cow;

use avouch_bootlog::BootLog;
use avouch_crypto::Hash as Sha;
use avouch_ima::IMA_PCR;
use avouch_pairs::Observation;
use avouch_protocol::{Evidence, Hash, MAX_BOOT_LOG_BYTES};
use avouch_tpm_wire::Digest;

pub(crate) use self::after::{PHASE_PCR, words};
use self::walk::{Start, Target, Walk, binary};
use crate::chain::{Chained, Sent, Shown};
use crate::code::FindingCode;
use crate::quote::{AuthenticQuote, TimeProof};
use crate::session::{BootProof, ImaProof, Proven, Session};

/// Most IMA entries taken at once: the protocol's evidence holds about 200,000 real ones, and each costs
/// 36 bytes here in the SHA-256 bank.
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
    pub(crate) chained: Chained<'a>,
    /// The newest observation that is stored of the node, and the digest of its report.
    pub(crate) base: Option<(Hash, &'a Observation)>,
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
    /// `previous` is the node's session. What it proved counts only while the quote shows the same resetCount, and bank
    /// and selection are the same; otherwise everything is owed. Under another policy the IMA list goes on, and the
    /// boot log is owed again, unless the judgement of the list cannot be carried over.
    ///
    /// # Errors
    /// [`Unproven`]: the quote is authentic, so the current pass ends, and the logs cannot be judged.
    pub fn replay(
        quote: AuthenticQuote,
        evidence: &'a Evidence,
        previous: Option<&'a Session>,
    ) -> Result<Self, Unproven> {
        let before = continued(&quote, previous);
        let resumed = previous.is_some_and(|session| {
            session.clock.reset_count == quote.clock.reset_count
                && session.clock.restart_count != quote.clock.restart_count
        });
        let replayed =
            check_time(&quote, before).and_then(|()| boot_logs(&quote, evidence, before)).and_then(|mut boot| {
                let sent = Sent::of(&quote, evidence, previous, &boot.proof);
                let (ima, shown) = ima_log(&quote, evidence, before, resumed, &mut boot.proof, &sent)?;
                Ok((ima, boot, sent.chained(shown, evidence)))
            });

        match replayed {
            Ok((ima, boot, chained)) => Ok(Self { quote, boot, ima, before, chained, base: None }),
            Err((code, detail)) => Err(Unproven { code, detail, quote: Box::new(quote) }),
        }
    }

    /// The same with what the newest proven report of the node showed, `digest` being its SHA-256: reports that are
    /// differences begin there.
    pub fn with_observation(self, digest: Hash, observation: &'a Observation) -> Self {
        Self { base: Some((digest, observation)), ..self }
    }

    /// Entries of the IMA list that are proven, from the start of the boot session.
    pub fn ima_count(&self) -> u64 {
        self.ima.proof.count
    }

    /// True when the boot has not been judged by the challenge's policy yet.
    pub(crate) fn owes_boot(&self) -> bool {
        self.before.is_none_or(|before| before.policy_ref != self.quote.challenge.policy_ref)
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
        proven.carries_to(&quote.challenge.policy_ref)
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
            Some(proven) if proven.policy_ref == quote.challenge.policy_ref => {
                Ok(BootLogs { sent: None, proof: proven.boot.clone() })
            }
            _ => Err((FindingCode::LogMissing, "the boot log is owed and did not come".into())),
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
    Ok(BootLogs { proof: BootProof { values: *bank.values(), events, ..BootProof::nothing() }, sent: Some(log) })
}

fn ima_log<'a>(
    quote: &AuthenticQuote,
    evidence: &'a Evidence,
    before: Option<&Proven>,
    resumed: bool,
    boot: &mut BootProof,
    sent: &Sent,
) -> Result<(ImaLog<'a>, Shown), Fault> {
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
    let variants = after::variants(quote.selection, evidence, before, boot)?;
    let states = sent.states(boot);
    let pairs = || states.iter().flat_map(|state| variants.iter().map(move |variant| (state, variant)));
    let targets: Vec<Target> = pairs()
        .map(|(state, variant)| Target::new(quote.selection, &state.over(variant.values), quote.pcr_digest))
        .collect::<Result<_, _>>()?;
    let matched = walk.longest_match(&start, before, &targets);
    if let Some((matched, (state, variant))) =
        matched.and_then(|(matched, number)| Some((matched, pairs().nth(number)?)))
    {
        boot.phases = variant.phases;
        boot.userspace = variant.userspace.clone();
        return Ok((walk.into_log(bytes, &start, before, matched), state.clone()));
    }
    let lost = if resumed { lost_pcrs(quote, boot, &walk, &start) } else { None };
    let mismatch = || walk.mismatch(&start);
    let withheld = || {
        let (_, detail) = walk.mismatch(&start);
        let blamed = sent.is_due() && walk.is_sound(&start, before);
        blamed
            .then(|| (FindingCode::ReportWithheld, format!("{}, or the IMA list was altered: {detail}", sent.tried())))
    };
    Err(lost.or_else(withheld).unwrap_or_else(mismatch))
}

/// The quote of a machine that resumed and whose logs do not explain it: do PCRs at their start values?
fn lost_pcrs(quote: &AuthenticQuote, boot: &BootProof, walk: &Walk, start: &Start) -> Option<Fault> {
    let patterns = after::reset_patterns(quote.selection.bank, boot);
    let targets = patterns.iter().filter_map(|values| Target::new(quote.selection, values, quote.pcr_digest).ok());
    walk.is_lost(start, &targets.collect::<Vec<_>>()).then(|| {
        let detail = "restartCount moved, and the quote shows boot PCRs at their start values".to_string();
        (FindingCode::PcrsReset, detail)
    })
}

pub(crate) fn boot_value(boot: &BootProof, pcr: u32) -> Option<Digest> {
    boot.values.get(usize::try_from(pcr).ok()?).copied().flatten()
}
