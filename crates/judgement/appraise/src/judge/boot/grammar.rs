//! What stands where: breaches of the boot log's grammar in the quoted PCRs, by how they weigh.

use avouch_bootlog::{BootLog, Checked, GrammarFault, GrammarRule, Weight};
use avouch_tpm_wire::PcrSelection;

use super::explained::BootJudged;
use crate::code::FindingCode;
use crate::finding::{Finding, Findings, Place};

/// Real machines do odd things and confirm them: those are holes where one confirmed boot explains the PCR, and
/// failures elsewhere. A PCR without its separator and an error in place of one are never taken.
pub(super) fn judge(
    checked: &Checked<'_, '_>,
    selection: PcrSelection,
    judged: &mut BootJudged,
    findings: &mut Findings,
) {
    let log = checked.log();
    for fault in checked.grammar() {
        if !selection.pcrs().any(|pcr| pcr == fault.pcr) {
            continue;
        }
        let code = match fault.rule {
            GrammarRule::MissingSeparator => FindingCode::BootSeparator,
            GrammarRule::ErrorSeparator => FindingCode::BootError,
            rule => match rule.weight() {
                Weight::Unknown => {
                    judged.hole("BOOT_EVENT_KIND", fault.to_string());
                    continue;
                }
                Weight::Odd if judged.is_exact(fault.pcr) => {
                    judged.hole("BOOT_ODD", fault.to_string());
                    continue;
                }
                Weight::Odd | Weight::Contradiction => FindingCode::BootGrammar,
            },
        };
        findings.push(code, || finding(code, &fault, log));
    }
}

fn finding(code: FindingCode, fault: &GrammarFault, log: &BootLog<'_>) -> Finding {
    let missing = fault.event >= log.events().len();
    let empty = !log.events().iter().any(|event| event.pcr == fault.pcr && event.extends());
    let evidence = match (missing, empty) {
        (true, true) => format!("PCR {} has no event at all in this bank", fault.pcr),
        (true, false) => format!("PCR {}: {}", fault.pcr, fault.rule.words()),
        _ => format!("boot event {} in PCR {}: {}", fault.event, fault.pcr, fault.rule.words()),
    };
    let index = u64::try_from(fault.event).ok().filter(|_| !missing);
    Finding::new(code, evidence).at(Place { index, pcr: Some(fault.pcr), ..Place::default() })
}
