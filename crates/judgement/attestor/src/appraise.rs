//! From facts to failures: every check of the settings, each told.

mod boot;
mod files;
mod services;
mod tpm;
mod witnesses;

use crate::baseline::{Baseline, BaselineError};
use crate::bundle::{Bundle, Measured};
use crate::facts::{Facts, Reading};
use crate::failure::{Failure, FailureCode};
use crate::first_seen::FirstSeen;
use crate::settings::Settings;
use crate::state::{Assurance, State};
use crate::trigger::Trigger;

/// What facts are compared with beside the settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct References<'a> {
    /// What came of reading and opening the pinned baseline; `None` where none is pinned.
    pub baseline: Option<&'a Result<Baseline, BaselineError>>,
    /// [`crate::Machine::first_seen`].
    pub first_seen: Option<&'a FirstSeen>,
}

/// What one pass over the machine comes to. [`crate::Machine::prepare`] makes a bundle of it.
#[derive(Clone, Debug)]
pub struct Appraisal {
    pub(crate) facts_at: crate::time::Moment,
    pub(crate) bundle: Bundle,
    pub(crate) failures: Vec<Failure>,
    pub(crate) seen: FirstSeen,
}

/// Judges `facts`: every check runs and every failure is listed, whatever failed before it.
pub fn appraise(facts: &Facts, settings: &Settings, references: &References<'_>) -> Appraisal {
    let mut failures = Vec::new();
    let mut bundle = Bundle::of(Measured::of(facts), &facts.nonce);
    nothing_checked(settings, &mut failures);
    tpm::judge(facts, settings, &mut bundle, &mut failures);
    boot::secure_boot(facts, settings, &mut failures);
    boot::kernel(facts, &mut failures);
    let baseline = baseline(settings, references, &mut failures);
    let before = failures.len();
    services::judge(facts, settings, baseline, references.first_seen, &mut failures);
    files::policy(facts, settings, baseline, &mut failures);
    files::others(facts, baseline, &mut failures);
    let registry = files::registry(facts, settings, baseline, &mut failures);
    let deployment = boot::deployment(facts, settings, baseline, &mut failures);
    // A file that nobody could read is not verified, so any failure since the baseline was opened counts.
    bundle.release_baseline_verified = baseline.is_some() && failures.len() == before && registry;
    bundle.deployment_verified = deployment;
    if let Some(commit) = baseline.and_then(|baseline| baseline.file().source_commit.clone()) {
        bundle.release_source_commit = commit;
    }
    witnesses::levels(facts, settings, &mut failures);
    if witnesses::server(facts, settings, &mut failures) {
        bundle.assurance = Assurance::Server;
    }
    Appraisal { facts_at: facts.taken_at, bundle, failures, seen: FirstSeen::of(facts) }
}

impl Appraisal {
    /// The same, of a run that `trigger` began; the bundle tells it.
    #[must_use]
    pub fn triggered_by(mut self, trigger: Trigger) -> Self {
        self.bundle.trigger = Some(trigger);
        self
    }

    /// Every check that did not pass.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// What they come to, before key, latch and log had their say.
    pub fn outcome(&self) -> State {
        outcome(&self.failures)
    }
}

/// The state that failures come to: by their codes' weight alone.
pub(crate) fn outcome(failures: &[Failure]) -> State {
    match failures.iter().map(|failure| failure.critical).max() {
        None => State::Attested,
        Some(false) => State::Degraded,
        Some(true) => State::Failed,
    }
}

fn nothing_checked(settings: &Settings, failures: &mut Vec<Failure>) {
    if !settings.checks_anything() {
        let text = "the settings name nothing to check, and a machine of which nothing is known is not attested; name \
                    service_binaries or policy_files, pin a baseline, or require something";
        failures.push(Failure::new(FailureCode::NothingChecked, "settings", text));
    }
}

fn baseline<'a>(settings: &Settings, references: &References<'a>, failures: &mut Vec<Failure>) -> Option<&'a Baseline> {
    let pinned = settings.baseline.as_ref()?;
    let subject = pinned.path.display().to_string();
    let error = match references.baseline {
        Some(Ok(baseline)) => return Some(baseline),
        Some(Err(error)) => error,
        None => &BaselineError::Missing,
    };
    let failure = if error.is_missing() {
        let text = format!(
            "the pinned baseline {subject} cannot be read: {error}; put the signed baseline there, or make one with \
             `avouch-agent gate baseline create` and sign it"
        );
        Failure::new(FailureCode::BaselineMissing, subject, text)
    } else {
        let text = format!(
            "the baseline {subject} is not believed: {error}; restore the signed file, or sign this one again with the \
             pinned key"
        );
        Failure::new(FailureCode::BaselineInvalid, subject, text)
    };
    failures.push(failure);
    None
}

/// The failure of something that must be checked and could not be read.
pub(crate) fn unreadable(what: &str, why: &str) -> Failure {
    Failure::new(FailureCode::Unreadable, what, format!("{what} cannot be read: {why}"))
}

/// Lists what could not be read; the value otherwise.
fn read<'a, T>(what: &str, reading: &'a Reading<T>, failures: &mut Vec<Failure>) -> Option<&'a T> {
    if let Reading::Unreadable(why) = reading {
        failures.push(unreadable(what, why));
    }
    reading.value()
}
