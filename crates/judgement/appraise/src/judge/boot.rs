//! The boot: every selected PCR's events against the boots that somebody confirmed.

use avouch_bootlog::{BootLog, Event};
use avouch_ima::IMA_PCR;
use avouch_tpm_wire::HashAlg;

use super::{Context, Judgement};
use crate::code::FindingCode;
use crate::finding::{Finding, Findings, Place};
use crate::policy::{ConfirmedBoot, Policy};
use crate::replay::ReplayedLogs;
use crate::text::{hex, printable};

/// Judges the boot once per boot session; later rounds keep what was found. False when nothing could be compared.
pub(super) fn judge(
    logs: &ReplayedLogs<'_>,
    policy: &Policy,
    context: &Context<'_>,
    judgement: &mut Judgement,
) -> bool {
    let Some(references) = references(policy, context, &mut judgement.momentary) else { return false };
    if logs.before.is_some() {
        return true;
    }
    // A new boot session owes its log, so there is one; without it nothing was compared.
    let Some(log) = &logs.boot.sent else { return false };
    let selection = logs.quote.selection;
    for pcr in selection.pcrs().filter(|pcr| *pcr != IMA_PCR) {
        compare(log, pcr, selection.bank, &references, &mut judgement.lasting);
    }
    true
}

/// The confirmed boots that may approve this node: not empty, and recorded with another TPM.
fn references<'p>(
    policy: &'p Policy,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Option<Vec<&'p ConfirmedBoot>> {
    let filled = || policy.boots.iter().filter(|boot| !boot.is_empty());
    let foreign: Vec<_> = filled().filter(|boot| boot.ek != context.ek).collect();
    if !foreign.is_empty() {
        return Some(foreign);
    }
    let (code, evidence) = match filled().count() {
        0 => (FindingCode::NoBootReference, "the policy confirms no boot".to_string()),
        count => {
            let evidence = format!("{count} confirmed boots, all recorded with this node's own endorsement key");
            (FindingCode::ReferenceFromSelf, evidence)
        }
    };
    findings.push(code, || Finding::new(code, evidence));
    None
}

fn compare(log: &BootLog<'_>, pcr: u32, bank: HashAlg, references: &[&ConfirmedBoot], findings: &mut Findings) {
    let events: Vec<Measured<'_, '_>> = log
        .events()
        .iter()
        .filter(|event| event.pcr == pcr && event.extends())
        .filter_map(|event| Some(Measured { event, digest: event.digest(bank)? }))
        .collect();
    let sequences = || references.iter().map(|boot| boot.pcrs.get(&pcr));
    let matches = sequences().any(|reference| {
        let wanted = reference.map_or(&[][..], |reference| reference.sequence.as_slice());
        wanted.len() == events.len() && wanted.iter().zip(&events).all(|(a, b)| a.as_slice() == b.digest.as_bytes())
    });
    if matches {
        return;
    }
    let known = |measured: &&Measured<'_, '_>| {
        sequences().flatten().any(|reference| reference.known.contains(measured.digest.as_bytes()))
    };
    let unknown: Vec<_> = events.iter().filter(|measured| !known(measured)).collect();
    for measured in &unknown {
        findings.push(FindingCode::BootEventUnknown, || measured.unknown(bank));
    }
    if unknown.is_empty() {
        findings.push(FindingCode::BootSequence, || sequence(pcr, events.len(), references));
    }
}

/// An event with its digest in the quoted bank.
struct Measured<'l, 'a> {
    event: &'l Event<'a>,
    digest: avouch_tpm_wire::Digest,
}

impl Measured<'_, '_> {
    fn unknown(&self, bank: HashAlg) -> Finding {
        let event = self.event;
        let digest = hex(self.digest.as_bytes());
        let description = printable(event.describe().as_bytes());
        let evidence = format!(
            "boot event {} in PCR {}, {}: {description}, {bank} {digest}, is in no confirmed boot",
            event.index,
            event.pcr,
            event.event_type.name()
        );
        let place =
            Place { index: u64::try_from(event.index).ok(), pcr: Some(event.pcr), path: None, digest: Some(digest) };
        Finding::new(FindingCode::BootEventUnknown, evidence).at(place)
    }
}

fn sequence(pcr: u32, got: usize, references: &[&ConfirmedBoot]) -> Finding {
    let lengths: Vec<String> = references
        .iter()
        .map(|boot| boot.pcrs.get(&pcr).map_or(0, |reference| reference.sequence.len()).to_string())
        .collect();
    let evidence = format!(
        "PCR {pcr} has {got} events, all known, that are not in the order and number of any confirmed boot (these have {})",
        lengths.join(", ")
    );
    Finding::new(FindingCode::BootSequence, evidence).at(Place { pcr: Some(pcr), ..Place::default() })
}
