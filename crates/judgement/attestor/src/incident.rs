//! The report of a failed run to a webhook.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::Bundle;
use crate::failure::FailureCode;
use crate::state::State;

/// Failures that a report carries.
const MOST_FAILURES: usize = 10;

/// What is posted when a run does not attest the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// `attestation_failure`.
    pub class: String,
    /// `runtime-attestor`, the name under which recorders know a local attestor.
    pub source: String,
    /// One sentence.
    pub description: String,
    /// `high` for degraded, `critical` for failed.
    pub severity: String,
    /// The bundle in short, `failure_0` to `failure_9`, `missing_binary_NAME`.
    pub evidence: BTreeMap<String, Value>,
}

impl Incident {
    /// The report of a bundle; `None` where it is attested.
    pub fn of(bundle: &Bundle) -> Option<Self> {
        let severity = match bundle.state {
            State::Degraded => "high",
            State::Failed => "critical",
            State::Attested | State::Pending => return None,
        };
        let count = bundle.failure_count();
        let first = bundle.findings.first().map_or("", |finding| finding.text.as_str());
        let description = match count {
            0 | 1 => format!("the machine is {}: {first}", bundle.state),
            _ => format!("the machine is {}, with {count} failures, the first: {first}", bundle.state),
        };
        Some(Self {
            class: "attestation_failure".into(),
            source: "runtime-attestor".into(),
            description,
            severity: severity.into(),
            evidence: evidence(bundle),
        })
    }
}

fn evidence(bundle: &Bundle) -> BTreeMap<String, Value> {
    let mut evidence: BTreeMap<String, Value> = BTreeMap::new();
    let mut put = |name: String, value: Value| drop(evidence.insert(name, value));
    put("state".into(), bundle.state.word().into());
    put("failure_count".into(), bundle.failure_count().into());
    put("tpm_available".into(), bundle.tpm_available.into());
    put("tpm_measurements_verified".into(), bundle.tpm_measurements_verified.into());
    put("tpm_quote_verified".into(), bundle.tpm_quote_verified.into());
    put("secure_boot".into(), bundle.boot_measurements.secure_boot_enabled.into());
    put("deployment_digest".into(), bundle.deployment_digest.as_str().into());
    put("policy_digest".into(), bundle.policy_digest.as_str().into());
    put("bundle_hmac".into(), bundle.bundle_hmac.as_str().into());
    for (at, finding) in bundle.findings.iter().take(MOST_FAILURES).enumerate() {
        put(format!("failure_{at}"), format!("{}: {}", finding.code, finding.text).into());
    }
    for finding in bundle.findings.iter().filter(|finding| finding.code == FailureCode::ServiceMissing) {
        put(format!("missing_binary_{}", finding.subject), true.into());
    }
    evidence
}
