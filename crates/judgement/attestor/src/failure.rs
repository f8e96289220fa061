//! What is wrong, by code.

use serde::{Deserialize, Serialize};

/// Longest text of a failure: bundles are logged, so they are bounded.
const MOST_SHOWN: usize = 1_000;

/// Why a check did not pass. Codes decide; texts are for people and may change in any release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum FailureCode {
    /// The audit log did not take the line of this run, so nothing of it may count.
    AuditNotWritten,
    /// The signature or the form of the signed baseline does not hold.
    BaselineInvalid,
    /// A baseline is pinned and cannot be read.
    BaselineMissing,
    /// The booted deployment is not that of the baseline.
    DeploymentDrift,
    /// No usable HMAC key, so the bundle is unsigned.
    HmacKeyUnusable,
    /// An earlier failure was not acknowledged.
    Latched,
    /// A demanded level of the two witnesses does not hold.
    LevelNotReached,
    /// The settings name nothing to check.
    NothingChecked,
    /// An expected PCR has another value.
    PcrMismatch,
    /// A policy file is not there.
    PolicyFileMissing,
    /// The TPM's quote does not hold.
    QuoteInvalid,
    /// The registry manifest is not that of the baseline.
    RegistryDrift,
    /// Secure Boot is demanded and off.
    SecureBootOff,
    /// The firmware's variable and the event log contradict each other.
    SecureBootWitnessesDisagree,
    /// The server, asked, does not pass this machine.
    ServerDisagrees,
    /// The server was to be asked and did not answer.
    ServerSilent,
    /// A file differs from the baseline, or from what it was at the first attestation since the start.
    ServiceDrift,
    /// A service's binary is not there.
    ServiceMissing,
    /// A running program's file was deleted or replaced.
    ServiceProgramDeleted,
    /// A service runs another program than the one on disk.
    ServiceRunsOtherProgram,
    /// A TPM is demanded and none is there.
    TpmAbsent,
    /// The TPM is there and gives no quote.
    TpmUnavailable,
    /// Something that must be checked could not be read.
    Unreadable,
}

/// One check that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which.
    pub code: FailureCode,
    /// Whether it fails the machine instead of degrading it.
    pub critical: bool,
    /// What it is about: a service's name, a path, `PCR 7`.
    pub subject: String,
    /// What happened, why it matters, what to do.
    pub text: String,
}

// === impl FailureCode ===

impl FailureCode {
    /// The code in JSON and messages, e.g. `SERVICE_DRIFT`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AuditNotWritten => "AUDIT_NOT_WRITTEN",
            Self::BaselineInvalid => "BASELINE_INVALID",
            Self::BaselineMissing => "BASELINE_MISSING",
            Self::DeploymentDrift => "DEPLOYMENT_DRIFT",
            Self::HmacKeyUnusable => "HMAC_KEY_UNUSABLE",
            Self::Latched => "LATCHED",
            Self::LevelNotReached => "LEVEL_NOT_REACHED",
            Self::NothingChecked => "NOTHING_CHECKED",
            Self::PcrMismatch => "PCR_MISMATCH",
            Self::PolicyFileMissing => "POLICY_FILE_MISSING",
            Self::QuoteInvalid => "QUOTE_INVALID",
            Self::RegistryDrift => "REGISTRY_DRIFT",
            Self::SecureBootOff => "SECURE_BOOT_OFF",
            Self::SecureBootWitnessesDisagree => "SECURE_BOOT_WITNESSES_DISAGREE",
            Self::ServerDisagrees => "SERVER_DISAGREES",
            Self::ServerSilent => "SERVER_SILENT",
            Self::ServiceDrift => "SERVICE_DRIFT",
            Self::ServiceMissing => "SERVICE_MISSING",
            Self::ServiceProgramDeleted => "SERVICE_PROGRAM_DELETED",
            Self::ServiceRunsOtherProgram => "SERVICE_RUNS_OTHER_PROGRAM",
            Self::TpmAbsent => "TPM_ABSENT",
            Self::TpmUnavailable => "TPM_UNAVAILABLE",
            Self::Unreadable => "UNREADABLE",
        }
    }
}

impl core::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.code())
    }
}

// === impl Failure ===

impl Failure {
    /// A failure that degrades. Names of files and programs in its texts were chosen by whoever made those.
    pub(crate) fn new(code: FailureCode, subject: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        Self { code, critical: false, subject: printable(subject.as_ref()), text: printable(text.as_ref()) }
    }

    /// The same, critical where `critical` says so.
    pub(crate) fn critical_if(self, critical: bool) -> Self {
        Self { critical, ..self }
    }
}

/// The text in which nothing can move the cursor, reverse the line or hide, cut at [`MOST_SHOWN`] characters.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.chars().enumerate() {
        if at == MOST_SHOWN {
            out.push_str("[cut]");
            break;
        }
        match character {
            '"' | '\'' | '\\' => out.push(character),
            _ => out.extend(character.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_play_with_a_terminal() {
        let failure = Failure::new(FailureCode::Unreadable, "a\u{1b}[2J", "it's \"é\" \u{202e}\n\\");
        assert_eq!(failure.subject, "a\\u{1b}[2J");
        assert_eq!(failure.text, "it's \"é\" \\u{202e}\\n\\");
        assert!(Failure::new(FailureCode::Unreadable, "", "x".repeat(9_000)).text.ends_with("x[cut]"));
    }

    #[test]
    fn codes_are_written_alike_everywhere() {
        for code in [FailureCode::TpmAbsent, FailureCode::SecureBootWitnessesDisagree, FailureCode::HmacKeyUnusable] {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
        }
    }
}
