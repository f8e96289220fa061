//! Services: the binary on disk, the programs that run, and what the kernel measured.

use std::path::Path;

use avouch_protocol::Hash;

use crate::appraise::{read, unreadable};
use crate::baseline::Baseline;
use crate::facts::{Facts, FileDigest, Reading, Running, ServiceFacts};
use crate::failure::{Failure, FailureCode};
use crate::first_seen::FirstSeen;
use crate::settings::Settings;

pub(super) fn judge(
    facts: &Facts,
    settings: &Settings,
    baseline: Option<&Baseline>,
    first_seen: Option<&FirstSeen>,
    failures: &mut Vec<Failure>,
) {
    for (name, service) in &settings.service_binaries {
        match facts.services.get(name) {
            Some(facts) if facts.path == service.path => one(name, facts, baseline, first_seen, failures),
            // Whoever read the facts left it out, which must not pass for "in order".
            _ => failures.push(unreadable(name, "the service was not looked at")),
        }
    }
}

fn one(
    name: &str,
    facts: &ServiceFacts,
    baseline: Option<&Baseline>,
    first_seen: Option<&FirstSeen>,
    failures: &mut Vec<Failure>,
) {
    let path = facts.path.display().to_string();
    let on_disk = match &facts.on_disk {
        Reading::Value(on_disk) => Some(on_disk),
        Reading::Absent => {
            let text = format!("service binary missing: {name} ({path}); install the package that brings it");
            failures.push(Failure::new(FailureCode::ServiceMissing, name, text));
            None
        }
        Reading::Unreadable(why) => {
            failures.push(unreadable(name, &format!("{path}: {why}")));
            None
        }
    };
    if let Some(on_disk) = on_disk {
        match baseline {
            Some(baseline) => failures.extend(drift(name, &facts.path, on_disk, baseline)),
            None => failures.extend(changed(name, &facts.path, on_disk, first_seen)),
        }
    }
    let Some(running) = read(&format!("the processes of {name}"), &facts.running, failures) else { return };
    let in_ima = read(&format!("the IMA entries of {name}"), &facts.in_ima, failures);
    let program = Program { name, path: &path, on_disk, baseline, in_ima };
    running.iter().for_each(|process| program.compare(process, failures));
}

/// The file differs from the baseline, or the baseline does not know it.
pub(super) fn drift(name: &str, path: &Path, got: &FileDigest, baseline: &Baseline) -> Option<Failure> {
    let shown = path.display();
    let text = match baseline.digest_of(path) {
        Some(wanted) if wanted == *got => return None,
        Some(wanted) => format!(
            "{shown} is not the file of the baseline: sha256 {} with {} bytes, wanted {} with {} bytes; restore it, or \
             sign a baseline that has it",
            got.sha256, got.size, wanted.sha256, wanted.size
        ),
        None => format!("the baseline does not name {shown}; sign a baseline that has it"),
    };
    Some(Failure::new(FailureCode::ServiceDrift, name, text))
}

/// Without a baseline: the file is another one than at the first attestation.
fn changed(name: &str, path: &Path, got: &FileDigest, first_seen: Option<&FirstSeen>) -> Option<Failure> {
    let wanted = first_seen?.digest_of(name, path).filter(|wanted| *wanted != got.sha256)?;
    let text = format!(
        "{} changed since the first attestation: sha256 {}, was {wanted}; restore it, or accept the change with \
         `avouch-agent gate ack`",
        path.display(),
        got.sha256
    );
    Some(Failure::new(FailureCode::ServiceDrift, name, text))
}

/// What a service's processes are compared with.
struct Program<'a> {
    name: &'a str,
    path: &'a str,
    on_disk: Option<&'a FileDigest>,
    baseline: Option<&'a Baseline>,
    in_ima: Option<&'a Vec<Hash>>,
}

impl Program<'_> {
    fn compare(&self, process: &Running, failures: &mut Vec<Failure>) {
        let Self { name, path, .. } = self;
        let who = format!("process {} of {name}", process.pid);
        if process.deleted {
            let text = format!(
                "{who} runs {}, whose file was deleted or replaced since it started; restart the service",
                process.program
            );
            failures.push(Failure::new(FailureCode::ServiceProgramDeleted, *name, text));
            return;
        }
        let Some(sha256) = read(&format!("the program of {who}"), &process.sha256, failures) else { return };
        let is_on_disk = self.on_disk.is_some_and(|on_disk| on_disk.sha256 == *sha256);
        // A helper that the unit starts is in order where the baseline knows it; without one, nothing is known of it.
        let accepted = is_on_disk
            || (!process.main && self.baseline.is_none_or(|baseline| baseline.knows(sha256)))
            || (process.main && self.on_disk.is_none());
        if !accepted {
            let text = format!(
                "{who} runs {} (sha256 {sha256}), not what is at {path}; find out who started it, then restart the \
                 service",
                process.program
            );
            failures.push(Failure::new(FailureCode::ServiceRunsOtherProgram, *name, text));
        } else if process.main && self.in_ima.is_some_and(|measured| !measured.contains(sha256)) {
            let text = format!(
                "{who} runs a program (sha256 {sha256}) that the kernel measured under {path} with other contents only; \
                 restart the service, and look at the file system it is on"
            );
            failures.push(Failure::new(FailureCode::ServiceRunsOtherProgram, *name, text));
        }
    }
}
