//! What was booted: Secure Boot from two sides, the deployment, the kernel's command line and lockdown.

use crate::appraise::{read, unreadable};
use crate::baseline::Baseline;
use crate::facts::{Facts, Reading, SecureBoot};
use crate::failure::{Failure, FailureCode};
use crate::settings::{DeploymentSetting, Settings};

// === impl SecureBoot ===

impl SecureBoot {
    /// On by every witness that could be read, of which there is at least one.
    pub(crate) fn enabled(&self) -> bool {
        let readings = [&self.variable, &self.log];
        readings.iter().any(|reading| reading.value() == Some(&true))
            && readings.iter().all(|reading| matches!(reading, Reading::Value(true) | Reading::Absent))
    }
}

pub(super) fn secure_boot(facts: &Facts, settings: &Settings, failures: &mut Vec<Failure>) {
    let SecureBoot { variable, log } = &facts.secure_boot;
    let demanded = settings.require_secure_boot;
    if let (Reading::Value(variable), Reading::Value(log)) = (variable, log)
        && variable != log
    {
        let word = |on: bool| if on { "on" } else { "off" };
        let text = format!(
            "Secure Boot is {} by the firmware's variable and {} by what the firmware measured: one of the two was \
             altered after the firmware handed over; boot from a known medium and look",
            word(*variable),
            word(*log)
        );
        let code = FailureCode::SecureBootWitnessesDisagree;
        failures.push(Failure::new(code, "Secure Boot", text).critical_if(demanded));
        return;
    }
    for (what, reading) in [("the firmware's variable SecureBoot", variable), ("Secure Boot in the event log", log)] {
        if let Reading::Unreadable(why) = reading {
            failures.push(unreadable(what, why).critical_if(demanded));
        }
    }
    let unreadable = matches!(variable, Reading::Unreadable(_)) || matches!(log, Reading::Unreadable(_));
    if demanded && !unreadable && !facts.secure_boot.enabled() {
        let text = "Secure Boot not enabled (required by policy): a boot loader or kernel that nobody signed could run; \
                    enable it in the firmware's setup";
        failures.push(Failure::new(FailureCode::SecureBootOff, "Secure Boot", text).critical_if(true));
    }
}

/// Command line and lockdown are shown, not compared; that they cannot be read is told, since a sandbox that hides them
/// would otherwise show an empty text.
pub(super) fn kernel(facts: &Facts, failures: &mut Vec<Failure>) {
    if facts.cmdline == Reading::Absent {
        failures
            .push(unreadable("/proc/cmdline", "it is not there: the sandbox of the unit hides it (ProcSubset=pid)"));
    }
    read("/proc/cmdline", &facts.cmdline, failures);
    // A kernel without the lockdown module has no such file.
    read("/sys/kernel/security/lockdown", &facts.lockdown, failures);
}

/// Whether the deployment is that of the baseline.
pub(super) fn deployment(
    facts: &Facts,
    settings: &Settings,
    baseline: Option<&Baseline>,
    failures: &mut Vec<Failure>,
) -> bool {
    let before = failures.len();
    let booted = read("the booted deployment", &facts.deployment, failures);
    let named = matches!(settings.deployment, DeploymentSetting::Of(_));
    let wanted = baseline.and_then(Baseline::deployment);
    if facts.deployment == Reading::Absent && (named || wanted.is_some()) {
        let text = "this machine shows no deployment of the kind that is wanted; boot the image that the baseline is \
                    for, or set deployment = \"auto\"";
        failures.push(Failure::new(FailureCode::DeploymentDrift, "deployment", text).critical_if(true));
    }
    if let (Some(booted), Some((kind, digest))) = (booted, wanted)
        && (booted.kind, booted.digest) != (kind, digest)
    {
        let text = format!(
            "the booted deployment {} (sha256 {}) is not that of the baseline (sha256 {digest}); boot the approved one, \
             or sign a baseline for this one",
            booted.id, booted.digest
        );
        failures.push(Failure::new(FailureCode::DeploymentDrift, "deployment", text).critical_if(true));
    }
    wanted.is_some() && failures.len() == before
}
