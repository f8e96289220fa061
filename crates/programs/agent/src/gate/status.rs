//! How this machine stands, for people.

use std::fmt::Write as _;

use avouch_attestor::{AttestAnswer, State, StatusAnswer};

use crate::cli::Exit;

/// One screen: the state, why, and what it rests on.
pub(super) fn text(status: &StatusAnswer, attest: &AttestAnswer) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line("State:", &state(status));
    if let Some(age) = status.age_seconds {
        let expires = status.expires_at.as_deref().unwrap_or("unknown");
        line("Attested:", &format!("{age} s ago, holds until {expires}"));
    }
    line("Assurance:", "local: this machine judges itself; `avouch node show` has the server's verdict");
    line("TPM:", tpm(status));
    line("Secure Boot:", if status.secure_boot { "on" } else { "off, or not seen" });
    let baseline = if status.release_baseline_verified { "as signed" } else { "none, or not as signed" };
    line("Baseline:", baseline);
    line("Services:", &format!("{} looked at", status.service_count));
    let counts = (status.attest_count, status.degrade_count, status.fail_count);
    line("Runs:", &format!("{} attested, {} degraded, {} failed", counts.0, counts.1, counts.2));
    for finding in attest.bundle.iter().flat_map(|bundle| &bundle.findings) {
        let weight = if finding.critical { "critical" } else { "degrades" };
        let _ = write!(text, "\n{} {} ({weight})\n    {}\n", finding.code, finding.subject, finding.text);
    }
    text
}

fn state(status: &StatusAnswer) -> String {
    let state = status.attestation_state;
    match (status.stale, status.latched) {
        (true, _) => format!("{state}: the last attestation is too old; see the journal of avouch-gate.service"),
        (_, true) => format!("{state}, until somebody acknowledges it: `avouch-agent gate ack`"),
        _ => state.to_string(),
    }
}

fn tpm(status: &StatusAnswer) -> &'static str {
    match (status.tpm_available, status.tpm_quote_verified) {
        (true, true) => "quote verified",
        (true, false) => "there, and no quote holds",
        (false, _) => "none",
    }
}

/// As `gate wait` ends.
pub(super) fn exit(status: &StatusAnswer) -> Exit {
    match status.attestation_state {
        State::Attested => Exit::Done,
        State::Pending => Exit::Unverifiable,
        State::Degraded if status.stale => Exit::Unverifiable,
        State::Degraded | State::Failed => Exit::Fail,
    }
}
