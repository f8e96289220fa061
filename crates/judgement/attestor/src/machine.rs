//! The state machine: pending, then attested, degraded or failed, with a latch on failed.

use std::sync::Arc;

use crate::appraise::{Appraisal, outcome};
use crate::audit::Tail;
use crate::bundle::{Acknowledgement, Bundle};
use crate::facts::Reading;
use crate::failure::{Failure, FailureCode};
use crate::first_seen::FirstSeen;
use crate::hmac::{HmacKey, UNSIGNED};
use crate::incident::Incident;
use crate::settings::Settings;
use crate::standing::{Counters, Published, Standing};
use crate::state::State;
use crate::time::{Moment, rfc3339};

/// Failures that a bundle lists, worst first: a baseline of a whole system may be missed by thousands of files.
const MOST_LISTED: usize = 128;

/// What an attestor remembers between runs. One owner drives it; everybody else sees [`Standing`]s.
///
/// `pending` is only before the first run: nothing here makes it again. `failed` stays, where the settings latch it,
/// until somebody acknowledges; a run that would pass meanwhile counts as failed.
#[derive(Debug)]
pub struct Machine {
    latch_failed: bool,
    latched: Option<String>,
    acknowledged: Option<Acknowledgement>,
    first_seen: Option<FirstSeen>,
    standing: Arc<Standing>,
}

/// A run that is judged and signed, and not published: its line has to be on disk first.
#[derive(Clone, Debug)]
pub struct Prepared {
    appraisal: Appraisal,
    bundle: Bundle,
    line: Vec<u8>,
}

/// There is nothing to acknowledge: the machine is attested, or nothing was attested yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NothingToAcknowledge;

// === impl Machine ===

impl Machine {
    /// An attestor that starts. `last` is where its audit log ends: a failure that nobody acknowledged outlives a
    /// restart.
    pub fn new(settings: &Settings, last: Option<&Tail>) -> Self {
        let failed_before = settings.latch_failed && last.is_some_and(|tail| tail.state == Some(State::Failed));
        let latched = failed_before.then(|| "before the attestor was started".to_owned());
        let standing = Standing {
            state: State::Pending,
            counters: Counters::default(),
            latched: latched.is_some(),
            last: None,
            last_attested: None,
            stale_after: settings.stale_after,
        };
        Self {
            latch_failed: settings.latch_failed,
            latched,
            acknowledged: None,
            first_seen: None,
            standing: Arc::new(standing),
        }
    }

    /// What is published.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// For [`crate::References::first_seen`].
    pub fn first_seen(&self) -> Option<&FirstSeen> {
        self.first_seen.as_ref()
    }

    /// The bundle that this run comes to, signed with `key` and linked to the log's `tail`. Nothing changes yet.
    pub fn prepare(&self, appraisal: Appraisal, key: &Reading<HmacKey>, tail: &Tail) -> Prepared {
        let mut failures = appraisal.failures.clone();
        failures.extend(unusable(key));
        if outcome(&failures) != State::Failed && self.acknowledged.is_none() {
            failures.extend(self.latched.as_deref().map(latched));
        }
        let mut bundle = self.bundle(&appraisal, failures);
        bundle.seq = Some(tail.seq.saturating_add(1));
        bundle.prev = Some(tail.hash.to_hex());
        sign(&mut bundle, key);
        let mut line = bundle.to_json().into_bytes();
        line.push(b'\n');
        Prepared { appraisal, bundle, line }
    }

    /// Publishes a run whose line is on disk.
    pub fn publish(&mut self, prepared: Prepared) -> Arc<Standing> {
        let Prepared { appraisal, bundle, .. } = prepared;
        // The acknowledgement is in the bundle, and so in the log.
        if self.acknowledged.take().is_some() {
            self.latched = None;
        }
        self.take(appraisal, bundle)
    }

    /// Ends a run whose line the audit log did not take: the machine fails, whatever the run came to, since an
    /// attestation that leaves no trace could be denied.
    pub fn withhold(&mut self, prepared: Prepared, key: &Reading<HmacKey>, why: &str) -> Arc<Standing> {
        let Prepared { appraisal, bundle: unrecorded, .. } = prepared;
        // An acknowledgement that the log did not take was none.
        self.acknowledged = None;
        let text =
            format!("the audit log did not take this attestation: {why}; nothing is attested without its record");
        let mut failures = vec![Failure::new(FailureCode::AuditNotWritten, "audit log", text).critical_if(true)];
        failures.extend(unrecorded.findings);
        let mut bundle = self.bundle(&appraisal, failures);
        bundle.failures_omitted = bundle.failures_omitted.saturating_add(unrecorded.failures_omitted);
        sign(&mut bundle, key);
        self.take(appraisal, bundle)
    }

    /// Somebody has dealt with what failed. The state stays until the next run, which should begin at once; what services
    /// are then is what later runs are compared with where there is no baseline.
    ///
    /// # Errors
    /// [`NothingToAcknowledge`].
    pub fn acknowledge(&mut self, by: &str, now: Moment) -> Result<(), NothingToAcknowledge> {
        let waits = self.latched.is_some() || matches!(self.standing.state, State::Degraded | State::Failed);
        if !waits {
            return Err(NothingToAcknowledge);
        }
        self.first_seen = None;
        self.acknowledged = Some(Acknowledgement { at: rfc3339(now.unix_ms), by: by.chars().take(200).collect() });
        Ok(())
    }

    fn bundle(&self, appraisal: &Appraisal, mut failures: Vec<Failure>) -> Bundle {
        let mut bundle = appraisal.bundle.clone();
        bundle.state = outcome(&failures);
        failures.sort_by_key(|failure| !failure.critical);
        let omitted = failures.split_off(failures.len().min(MOST_LISTED)).len();
        bundle.failures_omitted = u64::try_from(omitted).unwrap_or(u64::MAX);
        bundle.failures = failures.iter().map(|failure| failure.text.clone()).collect();
        bundle.findings = failures;
        bundle.acknowledged = self.acknowledged.clone();
        bundle
    }

    fn take(&mut self, appraisal: Appraisal, bundle: Bundle) -> Arc<Standing> {
        let state = bundle.state;
        let mut counters = self.standing.counters;
        counters.count(state);
        self.latched = match (state, self.latched.take()) {
            (State::Failed, since) if self.latch_failed => Some(since.unwrap_or_else(|| bundle.timestamp.clone())),
            _ => None,
        };
        if state == State::Attested && self.first_seen.is_none() {
            self.first_seen = Some(appraisal.seen);
        }
        let attested = (state == State::Attested).then(|| bundle.timestamp.clone());
        self.standing = Arc::new(Standing {
            state,
            counters,
            latched: self.latched.is_some(),
            last_attested: attested.or_else(|| self.standing.last_attested.clone()),
            last: Some(Published { bundle, taken_at: appraisal.facts_at }),
            stale_after: self.standing.stale_after,
        });
        self.standing()
    }
}

fn latched(since: &str) -> Failure {
    let text = format!(
        "this machine failed ({since}) and nobody has acknowledged it; find out why in the audit log, then run \
         `avouch-agent gate ack`"
    );
    Failure::new(FailureCode::Latched, "latch", text).critical_if(true)
}

fn unusable(key: &Reading<HmacKey>) -> Option<Failure> {
    let why = match key {
        Reading::Value(_) => return None,
        Reading::Absent => "the file is not there".to_owned(),
        Reading::Unreadable(why) => why.clone(),
    };
    let text = format!(
        "the bundle is unsigned: no HMAC key ({why}); put 64 lower-case hexadecimal digits where hmac_key_path says, \
         readable for the attestor alone"
    );
    Some(Failure::new(FailureCode::HmacKeyUnusable, "hmac_key_path", text))
}

fn sign(bundle: &mut Bundle, key: &Reading<HmacKey>) {
    bundle.bundle_hmac = match key.value() {
        Some(key) => key.sign(bundle.object()),
        None => UNSIGNED.into(),
    };
}

// === impl Prepared ===

impl Prepared {
    /// The audit log's line, line break included: written and synced before [`Machine::publish`].
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Where the log ends with it.
    pub fn tail(&self) -> Tail {
        Tail::behind(self.line.strip_suffix(b"\n").unwrap_or(&self.line), &self.bundle)
    }

    /// What will be published.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The report of it; `None` where it is attested.
    pub fn incident(&self) -> Option<Incident> {
        Incident::of(&self.bundle)
    }
}

// === impl NothingToAcknowledge ===

impl core::fmt::Display for NothingToAcknowledge {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("there is nothing to acknowledge: the machine is attested, or was not attested yet")
    }
}

impl std::error::Error for NothingToAcknowledge {}
