//! The boot: every selected PCR's events against what the policy says is good, bad, or nothing.
//!
//! ```text
//! denied digest, or bad by rule ─▶ bad       BOOT_EVENT_DENIED
//! one confirmed boot, exactly   ─▶ good      the source is told in the coverage
//! each event of some source     ─▶ good, if the grammar holds and nothing is there more often than a source has it
//! else                          ─▶ unknown   BOOT_EVENT_UNKNOWN, BOOT_SEQUENCE
//! ```

mod answer;
mod demands;
mod explained;
mod grammar;
mod summary;

use avouch_bootlog::content::NoAction;
use avouch_bootlog::{BootLog, BootState, Checked, Content};
use avouch_crypto::Hash as Sha;
use avouch_ima::IMA_PCR;
use avouch_tpm_wire::HashAlg;

use self::answer::{Answer, Measured, Source, Sources};
use self::demands::Demands;
pub(crate) use self::explained::BootJudged;
pub(super) use self::summary::summary;
use super::{Context, Judgement};
use crate::code::FindingCode;
use crate::finding::{Finding, Findings, Place};
use crate::policy::{ConfirmedBoot, Policy};
use crate::replay::ReplayedLogs;

/// A boot log that came with the evidence: its data are held against their digests once for all who look.
pub(super) struct SentLog<'l, 'a> {
    checked: Checked<'l, 'a>,
    pub(super) state: BootState<'a>,
}

impl<'l, 'a> SentLog<'l, 'a> {
    pub(super) fn of(log: &'l BootLog<'a>, bank: HashAlg) -> Self {
        let checked = log.check(bank, &Sha);
        let state = checked.boot_state();
        Self { checked, state }
    }
}

/// Judges the boot once per boot session; later rounds keep what was found, and `judged` what was seen. False when
/// nothing could be compared.
pub(super) fn judge(
    logs: &ReplayedLogs<'_>,
    sent: Option<&SentLog<'_, '_>>,
    policy: &Policy,
    context: &Context<'_>,
    judged: &mut BootJudged,
    judgement: &mut Judgement,
) -> bool {
    bank(logs.quote.selection.bank, policy, &mut judgement.momentary);
    let Some(confirmed) = references(policy, context, &mut judgement.momentary) else { return false };
    if !logs.owes_boot() {
        return true;
    }
    // A new boot session and a new policy owe the log, so there is one; without it nothing was compared.
    let Some(SentLog { checked, state }) = sent else { return false };
    let log = checked.log();
    let bank = logs.quote.selection.bank;
    let sources = Sources { tables: &policy.boot, confirmed, now: context.now, bank };
    let pcrs: Vec<u32> = logs.quote.selection.pcrs().filter(|pcr| *pcr != IMA_PCR).collect();
    let mut boot = Boot { checked, sources: &sources, judged, findings: &mut judgement.lasting };
    for pcr in &pcrs {
        boot.pcr(*pcr);
    }
    let selection = logs.quote.selection;
    grammar::judge(checked, selection, judged, &mut judgement.lasting);
    let (sources, findings) = (&sources, &mut judgement.lasting);
    Demands { log, state, sources, selection, judged: &mut *judged, findings }.judge();
    statements(log, judged);
    true
}

/// The quoted bank against the policy's weakest.
fn bank(quoted: HashAlg, policy: &Policy, findings: &mut Findings) {
    if quoted.size() >= policy.weakest_bank.size() {
        return;
    }
    findings.push(FindingCode::BankTooWeak, || {
        let evidence = format!("bank {quoted} is quoted, and {} is the weakest that counts", policy.weakest_bank);
        Finding::new(FindingCode::BankTooWeak, evidence)
    });
}

/// The confirmed boots that may approve this node: not empty, and recorded with another TPM. `None` when neither they
/// nor anything computed from artefacts says what is good; rules alone do not.
fn references<'p>(
    policy: &'p Policy,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Option<Vec<&'p ConfirmedBoot>> {
    let filled = || policy.boot.confirmed.iter().filter(|boot| !boot.is_empty());
    let foreign: Vec<_> = filled().filter(|boot| boot.ek != context.ek).collect();
    if !foreign.is_empty() || !policy.boot.expected.is_empty() {
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

/// One boot under judgement.
struct Boot<'j, 'a> {
    checked: &'j Checked<'j, 'a>,
    sources: &'j Sources<'j>,
    judged: &'j mut BootJudged,
    findings: &'j mut Findings,
}

impl Boot<'_, '_> {
    fn pcr(&mut self, pcr: u32) {
        let sources = self.sources;
        let events: Vec<Measured<'_, '_>> = self
            .checked
            .log()
            .events()
            .iter()
            .filter(|event| event.pcr == pcr && event.extends())
            .filter_map(|event| {
                let check = self.checked.data_check(event);
                Some(Measured { event, digest: event.digest(sources.bank)?, check })
            })
            .collect();
        let denied: Vec<_> = events.iter().map(|event| sources.denied(event)).collect();
        for (event, why) in events.iter().zip(&denied).filter_map(|(event, why)| Some((event, why.as_ref()?))) {
            self.findings
                .push(FindingCode::BootEventDenied, || event.finding(FindingCode::BootEventDenied, sources, why));
        }
        match sources.exact(pcr, &events) {
            Some(boot) => self.judged.exact(pcr, boot),
            None => self.one_by_one(pcr, &events, &denied),
        }
    }

    /// No confirmed boot has exactly these events, so each needs a source of its own.
    fn one_by_one(&mut self, pcr: u32, events: &[Measured<'_, '_>], denied: &[Option<String>]) {
        let sources = self.sources;
        if events.is_empty() && sources.confirmed.is_empty() {
            // Artefacts say what may be there, not that something must; a missing separator is the grammar's finding.
            return;
        }
        let mut good = Vec::new();
        let mut unknown = false;
        for (event, denied) in events.iter().zip(denied) {
            match sources.answer(event) {
                _ if denied.is_some() => unknown = true,
                Answer::Good(source) => good.push((event, source)),
                Answer::Unknown { lapsed } => {
                    unknown = true;
                    let why = match lapsed {
                        Some(update) => format!("is of the update {:?}, whose window ended", update.label),
                        None => "is in no source of the policy".into(),
                    };
                    let code = FindingCode::BootEventUnknown;
                    self.findings.push(code, || event.finding(code, sources, &why));
                }
            }
        }
        if unknown {
            return;
        }
        let mixed = good.iter().any(|(_, source)| !matches!(source, Source::Confirmed(_)));
        let repeated = good.iter().find(|(event, source)| !sources.may_stand(event, source, events));
        if let Some((event, _)) = repeated.filter(|_| mixed) {
            let code = FindingCode::BootSequence;
            self.findings.push(code, || event.finding(code, sources, "is there more often than any source has it"));
        } else if !mixed {
            self.findings.push(FindingCode::BootSequence, || sequence(pcr, events.len(), &sources.confirmed));
        } else {
            self.judged.mixed(pcr, &good);
        }
    }
}

/// Events that extend nothing: the quote says nothing of them.
fn statements(log: &BootLog<'_>, judged: &mut BootJudged) {
    let told = |content| !matches!(content, Content::NoAction(NoAction::SpecId(_) | NoAction::StartupLocality(_)));
    let count = log.events().iter().filter(|event| !event.extends() && told(event.content())).count();
    if count > 0 {
        judged.hole("BOOT_STATEMENTS", format!("{count} events extend no PCR; what they say was not looked at"));
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
