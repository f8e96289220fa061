//! The four states, and what an answer is worth.

use serde::{Deserialize, Serialize};

/// Where the machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing was attested yet. Never again after the first attestation.
    Pending,
    /// Every check passed.
    Attested,
    /// A check that is not critical failed.
    Degraded,
    /// A critical check failed, now or, where the latch is on, since the last acknowledgement.
    Failed,
}

/// Whose word an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// This machine's own: whoever controls its kernel controls the answer.
    Local,
    /// The server, asked in the same run, passed this machine too.
    Server,
}

/// What the evidence rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssuranceMode {
    /// A verified quote of a TPM that is not known to be software.
    Hardware,
    /// A verified quote of a software TPM: for evaluation only.
    Evaluation,
    /// No verified quote.
    Software,
}

impl State {
    /// The word for it in JSON and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Attested => "attested",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

impl core::fmt::Display for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.word())
    }
}
