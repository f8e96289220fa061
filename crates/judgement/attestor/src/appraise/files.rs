//! Policy files, the registry manifest, and whatever else the baseline names.

use std::path::Path;

use crate::appraise::services::drift;
use crate::appraise::unreadable;
use crate::baseline::Baseline;
use crate::facts::{Facts, FileDigest, Reading};
use crate::failure::{Failure, FailureCode};
use crate::settings::Settings;

pub(super) fn policy(facts: &Facts, settings: &Settings, baseline: Option<&Baseline>, failures: &mut Vec<Failure>) {
    let before = failures.len();
    for path in &settings.policy_files {
        let shown = path.display().to_string();
        match facts.policy_files.iter().find(|(known, _)| known == path).map(|(_, reading)| reading) {
            Some(Reading::Value(got)) => failures.extend(known_drift(path, got, baseline)),
            Some(Reading::Absent) => {
                let text = format!("policy file missing: {shown}; install it, or take it out of policy_files");
                failures.push(Failure::new(FailureCode::PolicyFileMissing, shown, text));
            }
            Some(Reading::Unreadable(why)) => failures.push(unreadable(&shown, why)),
            None => failures.push(unreadable(&shown, "the file was not looked at")),
        }
    }
    if !settings.policy_files.is_empty() && facts.policy_digest.value().is_none() && failures.len() == before {
        failures.push(unreadable("the policy digest", "it was not computed although every file was read"));
    }
}

/// Files that the baseline names and the settings do not.
pub(super) fn others(facts: &Facts, baseline: Option<&Baseline>, failures: &mut Vec<Failure>) {
    let Some(baseline) = baseline else { return };
    for path in baseline.paths() {
        let shown = path.display().to_string();
        let judged = facts.services.values().any(|service| service.path == path)
            || facts.policy_files.iter().any(|(known, _)| *known == path);
        match facts.files.get(&path) {
            _ if judged => {}
            Some(Reading::Value(got)) => failures.extend(drift(&shown, &path, got, baseline)),
            Some(Reading::Absent) => {
                let text = format!("{shown} is in the baseline and not on disk; restore it");
                failures.push(Failure::new(FailureCode::ServiceMissing, shown, text));
            }
            Some(Reading::Unreadable(why)) => failures.push(unreadable(&shown, why)),
            None => failures.push(unreadable(&shown, "the file was not looked at")),
        }
    }
}

/// Whether the registry manifest is what the baseline says; true where it says nothing.
pub(super) fn registry(
    facts: &Facts,
    settings: &Settings,
    baseline: Option<&Baseline>,
    failures: &mut Vec<Failure>,
) -> bool {
    let before = failures.len();
    let Some(path) = &settings.registry_manifest_path else { return true };
    let shown = path.display().to_string();
    let wanted = baseline.and_then(Baseline::registry);
    match (&facts.registry, wanted) {
        (Reading::Unreadable(why), _) => failures.push(unreadable(&shown, why)),
        (Reading::Value(got), Some(wanted)) if got.sha256 != wanted => {
            let text = format!(
                "the registry manifest {shown} has sha256 {}, wanted {wanted}; restore it, or sign a baseline that has it",
                got.sha256
            );
            failures.push(Failure::new(FailureCode::RegistryDrift, shown, text));
        }
        (Reading::Absent, Some(_)) => {
            let text = format!("the registry manifest {shown} is not there, and the baseline has one; restore it");
            failures.push(Failure::new(FailureCode::RegistryDrift, shown, text));
        }
        _ => {}
    }
    failures.len() == before
}

/// A policy file that the baseline names must be the one it names; one that it does not name is the operator's to change.
fn known_drift(path: &Path, got: &FileDigest, baseline: Option<&Baseline>) -> Option<Failure> {
    let baseline = baseline?;
    baseline.digest_of(path)?;
    drift(&path.display().to_string(), path, got, baseline)
}
