//! What the chain of reports comes to, once the quote is explained.

use avouch_crypto::ReportKey;
use avouch_pairs::Observation;
use avouch_protocol::Hash;
use avouch_tpm_wire::{Digest, HashAlg};

use super::proven::{ProvenReports, Unread};
use super::{Chain, Chained, free, shows};
use crate::code::FindingCode;
use crate::finding::{Finding, Findings, Place};
use crate::quote::AuthenticQuote;
use crate::replay::boot_value;
use crate::report_key::{self, KeyFault};
use crate::session::{BootProof, Session};

/// What is kept of the chain, and what its reports say.
pub(crate) struct Judged {
    pub(crate) chain: Option<Chain>,
    pub(crate) reports: Option<ProvenReports>,
    /// True when the claim `report` was judged.
    pub(crate) judged: bool,
}

/// Judges the proven reports. `approved` says whether the claim `boot` holds; `None` where no policy judged it.
pub(crate) fn judge(
    chained: &Chained<'_>,
    quote: &AuthenticQuote,
    boot: &BootProof,
    approved: Option<bool>,
    base: Option<(Hash, &Observation)>,
    findings: &mut Findings,
) -> Judged {
    let mut note = |code: FindingCode, evidence: String, pcr: Option<u8>| {
        let place = Place { pcr: pcr.map(u32::from), ..Place::default() };
        findings.push(code, || Finding::new(code, evidence).at(place));
    };
    if let Some(pcr) = chained.shown.capped {
        note(FindingCode::NodeCapped, format!("PCR {pcr} holds the cap and nothing else"), Some(pcr));
    }
    if let Some((pcr, (code, why))) =
        quote.challenge.cap_pcr.and_then(|pcr| Some(pcr).zip(unseen_cap(pcr, quote, boot)))
    {
        note(code, why, Some(pcr));
    }
    let key = report_key::check(quote, boot);
    if let Some(Err(KeyFault { code, detail })) = &key {
        note(*code, detail.clone(), None);
    }
    let key = key.and_then(Result::ok);
    let Some(mut chain) = chained.shown.chain.clone() else {
        let chain = key.and_then(|key| first(key, quote, boot, &mut note));
        return Judged { chain, reports: None, judged: false };
    };
    chain.key = key.map(Into::into).or(chain.key);
    chain.capped = chained.shown.capped;
    order(chained, &mut note);
    let reports = reports(chained, quote, &chain, base, &mut note);
    if quote.report != Hash::ZERO {
        signed(chained, quote, &chain, approved, &mut note);
    }
    let judged = approved.is_some() && reports.is_some();
    Judged { chain: Some(kept(chain, quote, boot, &mut note)), reports, judged }
}

/// Why no state that is tried can hold a cap in this PCR.
fn unseen_cap(pcr: u8, quote: &AuthenticQuote, boot: &BootProof) -> Option<(FindingCode, String)> {
    if !shows(quote.selection, pcr) {
        return Some((FindingCode::CapNotQuoted, format!("the quote does not cover PCR {pcr} in bank sha256")));
    }
    if quote.challenge.chain_pcr == Some(pcr) {
        return Some((FindingCode::CapPcrTaken, format!("PCR {pcr} holds the chain of reports")));
    }
    let untouched = boot_value(boot, pcr.into()) == Some(Digest::zero(HashAlg::Sha256));
    (!untouched).then(|| (FindingCode::CapPcrTaken, format!("the boot log extends PCR {pcr}")))
}

type Note<'a> = &'a mut dyn FnMut(FindingCode, String, Option<u8>);

/// The chain of a node that shows a report key for the first time: it begins with the next challenge.
fn first(key: Vec<u8>, quote: &AuthenticQuote, boot: &BootProof, note: Note<'_>) -> Option<Chain> {
    let Some(pcr) = free(quote.selection, boot, quote.challenge.cap_pcr).next() else {
        let evidence = "PCRs 13, 14, 8 and 15 are extended during the boot, or not selected in bank sha256".to_owned();
        note(FindingCode::ChainPcrTaken, evidence, None);
        return None;
    };
    Some(Chain { key: Some(key.into()), ..Chain::begin(pcr, quote.clock.reset_count, boot)? })
}

/// A chain in a PCR that the boot extends goes on in another one, where there is one.
fn kept(chain: Chain, quote: &AuthenticQuote, boot: &BootProof, note: Note<'_>) -> Chain {
    let untouched = Some(Digest::zero(HashAlg::Sha256));
    if boot_value(boot, chain.pcr.into()) == untouched {
        return chain;
    }
    let evidence = format!("the boot log extends PCR {}", chain.pcr);
    note(FindingCode::ChainPcrTaken, evidence, Some(chain.pcr));
    let next = free(quote.selection, boot, quote.challenge.cap_pcr).find(|pcr| *pcr != chain.pcr);
    match next.and_then(|pcr| Chain::begin(pcr, chain.reset_count, boot)) {
        Some(next) => chain.moved(next),
        None => chain,
    }
}

/// The reports must say of themselves what the PCR says of them.
fn order(chained: &Chained<'_>, note: Note<'_>) {
    let sent = &chained.sent.reports;
    let unchained = sent.len().saturating_sub(chained.shown.reports);
    if unchained > 0 {
        let evidence = format!("{unchained} of the {} reports that came are not in the chain PCR", sent.len());
        note(FindingCode::ReportUnchained, evidence, None);
    }
    let Some(end) = &chained.shown.chain else { return };
    let proven = sent.iter().take(chained.shown.reports);
    let first = end.count.saturating_sub(u64::try_from(chained.shown.reports).unwrap_or(u64::MAX));
    let mut prev = chained.sent.starts.iter().find(|start| start.count == first).map(|start| start.head);
    for (number, sent) in (first.saturating_add(1)..).zip(proven) {
        let told = match &sent.read {
            Ok(report) if report.seq != number => format!("report {number} says that it is number {}", report.seq),
            Ok(report) if prev.is_some_and(|prev| report.prev != prev) => {
                format!("report {number} says that it follows {}, which it does not", report.prev)
            }
            Ok(_) => String::new(),
            Err(error) => format!("report {number}: {error}"),
        };
        prev = Some(sent.digest);
        if !told.is_empty() {
            note(FindingCode::ReportMalformed, told, None);
        }
    }
}

fn reports(
    chained: &Chained<'_>,
    quote: &AuthenticQuote,
    chain: &Chain,
    base: Option<(Hash, &Observation)>,
    note: Note<'_>,
) -> Option<ProvenReports> {
    let proven = chained.sent.reports.get(..chained.shown.reports).unwrap_or_default();
    let at_hand = base.filter(|(digest, _)| *digest == chain.head && quote.report == chain.head);
    let read = match ProvenReports::of(proven, base) {
        Ok(None) => at_hand.map(|(digest, observation)| ProvenReports::unchanged(digest, observation.clone())),
        Ok(reports) => reports,
        Err(Unread::Malformed(why)) => {
            note(FindingCode::ReportMalformed, format!("the newest report: {why}"), None);
            None
        }
        Err(Unread::Base(wanted)) => {
            let evidence = format!("the newest report is a difference to {wanted}, which is not at hand");
            note(FindingCode::ReportBaseMissing, evidence, None);
            None
        }
    };
    if read.is_some() && quote.report != chain.head {
        let evidence =
            format!("the quote is bound to report {}, the newest in the chain is {}", quote.report, chain.head);
        note(FindingCode::ReportUnchained, evidence, None);
    }
    read
}

/// The newest report is signed by the key of an approved boot.
fn signed(chained: &Chained<'_>, quote: &AuthenticQuote, chain: &Chain, approved: Option<bool>, note: Note<'_>) {
    let Some(public) = &chain.key else {
        let evidence = "no report key was shown in this boot session that could be taken".to_owned();
        return note(FindingCode::ReportKeyMissing, evidence, None);
    };
    let Some(signature) = chained.signature else {
        return note(FindingCode::ReportUnsigned, "the newest report came without a signature".into(), None);
    };
    let verified = ReportKey::from_public(public).and_then(|key| key.verify(&quote.report.0, signature));
    if let Err(error) = verified {
        return note(FindingCode::ReportSignature, error.to_string(), None);
    }
    if approved == Some(false) {
        let evidence = "the key is bound to this boot state, and the claim boot does not hold".to_owned();
        note(FindingCode::ReportKeyUnapproved, evidence, None);
    }
}

// === impl Session ===

impl Session {
    /// The PCR in which the next challenge asks for reports: absent until the node has shown a report key and its boot
    /// log was proven, and where a quote of this bank and these PCRs would not show it.
    pub fn chain_pcr(&self, bank: HashAlg, mask: u32) -> Option<u8> {
        self.chain.as_ref().filter(|chain| chain.is_shown_by(bank, mask)).map(|chain| chain.pcr)
    }
}
