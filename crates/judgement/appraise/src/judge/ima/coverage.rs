//! What the IMA list speaks about, and every hole in it by name.

use avouch_ima::policy::{Extent, Hole, Hook};

use crate::code::FindingCode;
use crate::finding::{Finding, Findings};
use crate::policy::{Directory, ImaPolicy, ImaTables};
use crate::session::{Aggregate, ImaJudged, Phase};
use crate::text::{day, printable};
use crate::verdict::Coverage;

/// Every hook of `minimum.coverage` that the loaded IMA policies do not measure without a hole.
pub(super) fn minimum(tables: &ImaTables, judged: &ImaJudged, findings: &mut Findings) {
    let loaded = loaded(tables, judged);
    for hook in tables.minimum.iter().filter(|hook| !measures(&loaded, hook)) {
        findings.push(FindingCode::CoverageBelowMinimum, || {
            let holes =
                loaded.iter().flat_map(|policy| &policy.coverage.holes).filter(|gap| hook_of(gap) == Some(hook));
            let why: Vec<String> = holes.map(ToString::to_string).collect();
            let why = match why.as_slice() {
                [] if loaded.is_empty() => "no approved IMA policy is known to be loaded".into(),
                [] => "not everything that passes there is measured".into(),
                some => some.join("; "),
            };
            Finding::new(FindingCode::CoverageBelowMinimum, format!("{hook} must be measured without a hole: {why}"))
        });
    }
}

/// A later policy only adds rules behind an earlier one's, so what one leaves out stays left out.
fn measures(loaded: &[&ImaPolicy], hook: &Hook) -> bool {
    let all = loaded.iter().any(|policy| policy.coverage.extent(hook) == Extent::All);
    let left_out =
        |gap: &Hole| matches!(gap, Hole::FileSystem { hook: h, .. } | Hole::Excluded { hook: h, .. } if h == hook);
    all && !loaded.iter().any(|policy| policy.coverage.holes.iter().any(left_out))
}

fn hook_of(gap: &Hole) -> Option<&Hook> {
    match gap {
        Hole::NotMeasured { hook }
        | Hole::Narrowed { hook, .. }
        | Hole::FileSystem { hook, .. }
        | Hole::Excluded { hook, .. } => Some(hook),
        _ => None,
    }
}

fn loaded<'t>(tables: &'t ImaTables, judged: &ImaJudged) -> Vec<&'t ImaPolicy> {
    tables.policies.iter().filter(|approved| judged.loaded.contains(&approved.digest)).collect()
}

/// The run-time part of a verdict's coverage.
pub(in crate::judge) fn run_time(tables: &ImaTables, now: u64, judged: &ImaJudged, coverage: &mut Coverage) {
    coverage.cover("IMA_LIST", format!("{} measured files and {} measured buffers", judged.files, judged.buffers));
    if tables.knows_no_file() {
        coverage.hole("NO_IMA_REFERENCE", "files were recorded and not judged");
    }
    if judged.phase != Phase::Approved {
        coverage.hole("NO_RUN_TIME", "no approved IMA policy holds since early boot: programs may run unmeasured");
    }
    aggregate(judged.aggregate, coverage);
    allowances(tables, now, judged, coverage);
    let loaded = loaded(tables, judged);
    loaded.iter().for_each(|approved| measured(approved, coverage));
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
    coverage.hole("STORAGE",
        "a file is measured when it is first read: a device or server that answers otherwise later is not seen, unless dm-verity or fs-verity guards it",
    );
}

fn measured(approved: &ImaPolicy, coverage: &mut Coverage) {
    let hooks = approved.coverage.hooks.iter().filter(|hook| hook.extent != Extent::None);
    let hooks: Vec<String> = hooks.map(|hook| hook.hook.to_string()).collect();
    coverage.cover("IMA_POLICY", format!("{} measures {}", approved.path, hooks.join(", ")));
    for gap in approved.coverage.holes.iter().filter(|gap| **gap != Hole::InterpreterInput) {
        coverage.hole(gap_code(gap), gap.to_string());
    }
}

fn aggregate(aggregate: Aggregate, coverage: &mut Coverage) {
    match aggregate {
        // A missing or wrong one is a finding.
        Aggregate::None | Aggregate::Pcr0To9 => {}
        Aggregate::Pcr0To7 => coverage.hole("BOOT_AGGREGATE_PCR_0_7",
            "boot_aggregate is that of a kernel before 5.8: it leaves out PCRs 8 and 9, loader and command line",
        ),
        Aggregate::Sha1 => coverage.hole("BOOT_AGGREGATE_SHA1",
            "boot_aggregate is that of a kernel before 5.8: SHA-1 over PCRs 0-7 of a bank that the quote does not cover",
        ),
    }
}

/// What the policy lets pass without knowing it.
fn allowances(tables: &ImaTables, now: u64, judged: &ImaJudged, coverage: &mut Coverage) {
    if judged.tolerated > 0 {
        let what = format!(
            "{} IMA violations under tolerated directories; a violation's name is not covered by the quote",
            judged.tolerated
        );
        coverage.hole("VIOLATIONS_TOLERATED", what);
    }
    if judged.excluded > 0 {
        coverage.hole("FILES_EXCLUDED", format!("{} unknown files under exclusions were not judged", judged.excluded));
    }
    for exclusion in tables.exclusions.iter().filter(|exclusion| exclusion.is_in_force(now)) {
        let what = format!(
            "unknown files under {} are not judged until {} ({} answers for it); a program that is moved out of there after it ran is not measured again",
            printable(exclusion.directory.as_str().as_bytes()),
            day(exclusion.until),
            printable(exclusion.owner.as_bytes())
        );
        coverage.hole("DIRECTORY_EXCLUDED", what);
    }
    for signer in tables.signers.iter().filter(|signer| !signer.directories.is_empty()) {
        let directories: Vec<&str> = signer.directories.iter().map(Directory::as_str).collect();
        let what = format!(
            "whatever {} signs is good under {}",
            printable(signer.name.as_bytes()),
            printable(directories.join(", ").as_bytes())
        );
        coverage.hole("SIGNER_TRUSTED", what);
    }
    for package in &tables.files.packages {
        if let Some(until) = package.until.filter(|until| now <= *until) {
            let (name, version) = (printable(package.name.as_bytes()), printable(package.version.as_bytes()));
            coverage.hole("UPDATE_WINDOW", format!("the superseded {name} {version} passes until {}", day(until)));
        }
    }
    if judged.in_window > 0 {
        coverage.cover("SUPERSEDED", format!("{} files of superseded packages, inside their window", judged.in_window));
    }
    if judged.signed > 0 {
        coverage.cover("SIGNED", format!("{} files by their signature alone", judged.signed));
    }
}

fn gap_code(gap: &Hole) -> &'static str {
    match gap {
        Hole::NotMeasured { .. } => "IMA_HOOK_NOT_MEASURED",
        Hole::Narrowed { .. } => "IMA_HOOK_NARROWED",
        Hole::FileSystem { .. } => "IMA_FILE_SYSTEM_EXCLUDED",
        _ => "IMA_EXCLUDED",
    }
}
