//! What a verdict speaks about, and what it says nothing about.

use avouch_ima::IMA_PCR;
use avouch_ima::policy::{Extent, Hole};
use avouch_tpm_wire::PcrSelection;

use super::{BootJudged, Policies};
use crate::policy::Policy;
use crate::replay::{PHASE_PCR, ReplayedLogs, words};
use crate::session::{ImaJudged, Phase};
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
        Policies::Judge(policy) => run_time(policy, judged, &mut coverage),
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

fn run_time(policy: &Policy, judged: &ImaJudged, coverage: &mut Coverage) {
    coverage.cover("IMA_LIST", format!("{} measured files and {} measured buffers", judged.files, judged.buffers));
    if policy.knows_no_file() {
        coverage.hole("NO_IMA_REFERENCE", "files were recorded and not judged");
    }
    if judged.phase != Phase::Approved {
        coverage.hole("NO_RUN_TIME", "no approved IMA policy holds since early boot: programs may run unmeasured");
    }
    if judged.tolerated > 0 {
        let what = format!(
            "{} IMA violations under tolerated directories; a violation's name is not covered by the quote",
            judged.tolerated
        );
        coverage.hole("VIOLATIONS_TOLERATED", what);
    }
    let loaded: Vec<_> =
        policy.ima_policies.iter().filter(|approved| judged.loaded.contains(&approved.digest)).collect();
    for approved in &loaded {
        let hooks: Vec<String> = approved
            .coverage
            .hooks
            .iter()
            .filter(|hook| hook.extent != Extent::None)
            .map(|hook| hook.hook.to_string())
            .collect();
        coverage.cover("IMA_POLICY", format!("{} measures {}", approved.path, hooks.join(", ")));
        for gap in approved.coverage.holes.iter().filter(|gap| **gap != Hole::InterpreterInput) {
            coverage.hole(gap_code(gap), gap.to_string());
        }
    }
    // Told once: every machine has this hole, an IMA policy only makes it wider.
    let scripts = loaded.iter().any(|approved| approved.coverage.holes.contains(&Hole::InterpreterInput));
    let interpreters = if scripts {
        "what an allowed interpreter takes from scripts, its arguments, standard input or the network is not measured"
    } else {
        "what an allowed interpreter takes from its arguments, standard input or the network is not measured"
    };
    coverage.hole("INTERPRETERS", interpreters);
    coverage.hole(
        "MEMORY",
        "what changes in memory after it was measured (writable code, debuggers, exploits, BPF programs) is not seen",
    );
}

fn gap_code(gap: &Hole) -> &'static str {
    match gap {
        Hole::NotMeasured { .. } => "IMA_HOOK_NOT_MEASURED",
        Hole::Narrowed { .. } => "IMA_HOOK_NARROWED",
        Hole::FileSystem { .. } => "IMA_FILE_SYSTEM_EXCLUDED",
        _ => "IMA_EXCLUDED",
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
