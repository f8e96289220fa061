//! Answers of the local attestor API: the documented keys, then newer ones. A client that knows only the former parses
//! all of them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::failure::FailureCode;
use crate::standing::View;
use crate::state::{Assurance, AssuranceMode, State};
use crate::time::rfc3339;

/// `GET /health`, the one answer that needs no authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthAnswer {
    /// `ok`: the service answers.
    pub status: String,
    /// Where the machine stands.
    pub state: State,
}

/// `GET` and `POST /api/v1/attest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestAnswer {
    /// Where the machine stands now; the bundle's own state is that of its run.
    pub state: State,
    /// The last run; null while pending.
    pub bundle: Option<Bundle>,
    /// Attested and fresh.
    pub verified: bool,
    /// Whether the last run is older than it may be.
    pub stale: bool,
    /// Seconds since the last run began; null while pending.
    pub age_seconds: Option<u64>,
    /// When it becomes stale, RFC 3339; null while pending.
    pub expires_at: Option<String>,
}

/// `GET /api/v1/verify`: 200 where `verified`, else 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyAnswer {
    /// Attested and fresh.
    pub verified: bool,
    /// Where the machine stands.
    pub state: State,
    /// The same as `verified`: the settings are what is to be satisfied.
    pub policy_satisfied: bool,
    /// What the evidence rests on.
    pub assurance_mode: AssuranceMode,
    /// Whether a quote holds and no expected PCR differs.
    pub evidence_verified: bool,
    /// Whose word it is.
    pub assurance: Assurance,
    /// Whether the last run is older than it may be.
    pub stale: bool,
    /// Seconds since the last run began; null while pending.
    pub age_seconds: Option<u64>,
    /// When it becomes stale, RFC 3339; null while pending.
    pub expires_at: Option<String>,
    /// Whether an acknowledgement is needed before another run can pass.
    pub latched: bool,
    /// What failed in the last run.
    #[serde(default)]
    pub failure_codes: Vec<FailureCode>,
}

/// `GET /api/security/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// Where the machine stands.
    pub attestation_state: State,
    /// Whether a TPM is there.
    pub tpm_available: bool,
    /// Whether its quote over the last run holds.
    pub tpm_quote_verified: bool,
    /// On by every witness that could be read.
    pub secure_boot: bool,
    /// As in the bundle; empty while pending.
    pub policy_digest: String,
    /// As in the bundle; empty while pending.
    pub deployment_digest: String,
    /// Services that are looked at.
    pub service_count: usize,
    /// Failures of the last run.
    pub failure_count: usize,
    /// When the last run that attested the machine began, RFC 3339; empty where there was none.
    pub last_attested: String,
    /// Runs that came to attested.
    pub attest_count: u64,
    /// Runs that came to degraded.
    pub degrade_count: u64,
    /// Runs that came to failed.
    pub fail_count: u64,
    /// What the evidence rests on.
    pub assurance_mode: AssuranceMode,
    /// Whether a quote holds and no expected PCR differs.
    pub evidence_verified: bool,
    /// Whether the deployment is that of the baseline.
    pub deployment_verified: bool,
    /// Whether nothing differs from a signed baseline.
    pub release_baseline_verified: bool,
    /// Of the baseline's source; empty where it names none.
    pub release_source_commit: String,
    /// Whose word it is.
    pub assurance: Assurance,
    /// Whether the last run is older than it may be.
    pub stale: bool,
    /// Seconds since the last run began; null while pending.
    pub age_seconds: Option<u64>,
    /// When it becomes stale, RFC 3339; null while pending.
    pub expires_at: Option<String>,
    /// Whether an acknowledgement is needed before another run can pass.
    pub latched: bool,
    /// What failed in the last run.
    #[serde(default)]
    pub failure_codes: Vec<FailureCode>,
}

/// Every answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// What, e.g. `forbidden`.
    pub error: String,
}

// === impl VerifyAnswer ===

impl VerifyAnswer {
    /// The status that goes with it.
    pub fn http_status(&self) -> u16 {
        if self.verified { 200 } else { 503 }
    }
}

// === impl ErrorAnswer ===

impl ErrorAnswer {
    /// An answer that says this.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into() }
    }
}

// === impl View ===

impl View<'_> {
    /// `GET /health`.
    pub fn health(&self) -> HealthAnswer {
        HealthAnswer { status: "ok".into(), state: self.state() }
    }

    /// `GET` and `POST /api/v1/attest`.
    pub fn attest(&self) -> AttestAnswer {
        AttestAnswer {
            state: self.state(),
            bundle: self.bundle().cloned(),
            verified: self.verified(),
            stale: self.stale(),
            age_seconds: self.age_seconds(),
            expires_at: self.expires_at(),
        }
    }

    /// `GET /api/v1/verify`, of an attestation not older than `max_age` where the caller names one.
    pub fn verify(&self, max_age: Option<Duration>) -> VerifyAnswer {
        let view = self.within(max_age);
        let bundle = view.bundle();
        VerifyAnswer {
            verified: view.verified(),
            state: view.state(),
            policy_satisfied: view.verified(),
            assurance_mode: bundle.map_or(AssuranceMode::Software, |bundle| bundle.assurance_mode),
            evidence_verified: bundle.is_some_and(|bundle| bundle.evidence_verified),
            assurance: bundle.map_or(Assurance::Local, |bundle| bundle.assurance),
            stale: view.stale(),
            age_seconds: view.age_seconds(),
            expires_at: view.expires_at(),
            latched: view.latched(),
            failure_codes: view.codes(),
        }
    }

    /// `GET /api/security/status`.
    pub fn status(&self) -> StatusAnswer {
        let bundle = self.bundle();
        let flag = |of: fn(&Bundle) -> bool| bundle.is_some_and(of);
        let text = |of: fn(&Bundle) -> &String| bundle.map(of).cloned().unwrap_or_default();
        let counters = self.standing.counters();
        StatusAnswer {
            attestation_state: self.state(),
            tpm_available: flag(|bundle| bundle.tpm_available),
            tpm_quote_verified: flag(|bundle| bundle.tpm_quote_verified),
            secure_boot: flag(|bundle| bundle.boot_measurements.secure_boot_enabled),
            policy_digest: text(|bundle| &bundle.policy_digest),
            deployment_digest: text(|bundle| &bundle.deployment_digest),
            service_count: bundle.map_or(0, |bundle| bundle.service_digests.len()),
            failure_count: bundle.map_or(0, Bundle::failure_count),
            last_attested: self.standing.last_attested.clone().unwrap_or_default(),
            attest_count: counters.attest,
            degrade_count: counters.degrade,
            fail_count: counters.fail,
            assurance_mode: bundle.map_or(AssuranceMode::Software, |bundle| bundle.assurance_mode),
            evidence_verified: flag(|bundle| bundle.evidence_verified),
            deployment_verified: flag(|bundle| bundle.deployment_verified),
            release_baseline_verified: flag(|bundle| bundle.release_baseline_verified),
            release_source_commit: text(|bundle| &bundle.release_source_commit),
            assurance: bundle.map_or(Assurance::Local, |bundle| bundle.assurance),
            stale: self.stale(),
            age_seconds: self.age_seconds(),
            expires_at: self.expires_at(),
            latched: self.latched(),
            failure_codes: self.codes(),
        }
    }

    fn age_seconds(&self) -> Option<u64> {
        self.age().map(|age| age.as_secs())
    }

    fn expires_at(&self) -> Option<String> {
        self.expires_at_ms().map(rfc3339)
    }
}
