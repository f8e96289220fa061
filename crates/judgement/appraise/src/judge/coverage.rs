//! What a verdict speaks about, and what it says nothing about.

use avouch_ima::IMA_PCR;
use avouch_tpm_wire::PcrSelection;

use super::{BootJudged, Context, Policies};
use crate::replay::{PHASE_PCR, ReplayedLogs, words};
use crate::session::ImaJudged;
use crate::verdict::Coverage;

/// Coverage when nothing could be judged.
pub(super) fn nothing(why: &str) -> Coverage {
    let mut coverage = Coverage::default();
    coverage.hole("NOTHING_JUDGED", format!("{why}: nothing is known of what booted and what ran"));
    coverage
}

/// The holes that every quote has.
pub(super) fn always(selection: PcrSelection, coverage: &mut Coverage) {
    if !selection.pcrs().any(|pcr| pcr == PHASE_PCR) {
        let what = "PCR 11 is not quoted: the sections of a unified kernel image and the boot phases are not proven";
        coverage.hole("PCR_11_NOT_SELECTED", what);
    }
    coverage.hole(
        "RELAY",
        "a quote cannot show which machine asked its TPM; relay through another clean machine with this TPM is not seen",
    );
}

pub(super) fn of(
    logs: &ReplayedLogs<'_>,
    policies: &Policies<'_>,
    context: &Context<'_>,
    judged: &ImaJudged,
    boot: Option<&BootJudged>,
) -> Coverage {
    let mut coverage = Coverage::default();
    let selection = logs.quote.selection;
    coverage.cover(
        "LOGS",
        format!(
            "{} boot events and {} IMA entries reproduce the quoted PCRs {} of bank {}",
            logs.boot.proof.events,
            logs.ima.proof.count,
            list(selection),
            selection.bank
        ),
    );
    after_firmware(logs, &mut coverage);
    match boot {
        Some(boot) => {
            let pcrs = PcrSelection { mask: selection.mask & !(1 << IMA_PCR), ..selection };
            coverage.cover("BOOT", format!("the events of PCRs {} against the policy", list(pcrs)));
            boot.tell(&mut coverage);
        }
        None => coverage.hole("NO_BOOT_REFERENCE", "what the machine booted was recorded and not judged"),
    }
    match policies {
        Policies::Judge(policy) => super::ima::run_time(&policy.ima, context.now, judged, &mut coverage),
        Policies::None | Policies::Changed => {
            coverage.hole("NO_POLICY", "what the machine ran was recorded and not judged");
        }
    }
    if logs.ima.unproven > 0 {
        let what = format!(
            "{} IMA entries were written after the quote; they prove nothing yet and are judged next round",
            logs.ima.unproven
        );
        coverage.hole("UNPROVEN_TAIL", what);
    }
    always(selection, &mut coverage);
    coverage
}

/// What moved the PCRs after the firmware's log.
fn after_firmware(logs: &ReplayedLogs<'_>, coverage: &mut Coverage) {
    let proof = &logs.boot.proof;
    if let Some(userspace) = &proof.userspace {
        let what =
            format!("{} records of systemd's log are in the quote; their words were not judged", userspace.records);
        coverage.cover("USERSPACE_LOG", what);
    } else if logs.quote.selection.pcrs().any(|pcr| pcr == PHASE_PCR) {
        let words = words(proof.phases);
        let told = if words.is_empty() { "none".into() } else { words.join(", ") };
        coverage.cover("PCR_11_PHASES", format!("phase words that reproduce PCR 11, without a log: {told}"));
    }
}

/// PCR numbers with ranges, e.g. `0-7, 9, 10`.
fn list(selection: PcrSelection) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for pcr in selection.pcrs() {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(pcr) => *last = pcr,
            _ => ranges.push((pcr, pcr)),
        }
    }
    let words: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    words.join(", ")
}
