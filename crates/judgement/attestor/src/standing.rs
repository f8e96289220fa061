//! Where the machine stands, as it is published, and as it looks when somebody asks.

use core::time::Duration;

use crate::bundle::Bundle;
use crate::failure::FailureCode;
use crate::state::State;
use crate::time::Moment;

/// One outcome for each run, in the state that was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Runs that came to attested.
    pub attest: u64,
    /// Runs that came to degraded.
    pub degrade: u64,
    /// Runs that came to failed.
    pub fail: u64,
}

/// What is published between two runs; it never changes, a newer one takes its place.
#[derive(Clone, Debug)]
pub struct Standing {
    pub(crate) state: State,
    pub(crate) counters: Counters,
    pub(crate) latched: bool,
    pub(crate) last: Option<Published>,
    pub(crate) last_attested: Option<String>,
    pub(crate) stale_after: Duration,
}

/// The last run.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) bundle: Bundle,
    pub(crate) taken_at: Moment,
}

/// A [`Standing`] at a moment: only here is it told what is stale.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(crate) standing: &'a Standing,
    now: Moment,
    most: Duration,
}

// === impl Counters ===

impl Counters {
    /// Runs in all.
    pub fn runs(&self) -> u64 {
        self.attest.saturating_add(self.degrade).saturating_add(self.fail)
    }

    pub(crate) fn count(&mut self, state: State) {
        let counter = match state {
            State::Attested => &mut self.attest,
            State::Degraded => &mut self.degrade,
            State::Failed => &mut self.fail,
            State::Pending => return,
        };
        *counter = counter.saturating_add(1);
    }
}

// === impl Standing ===

impl Standing {
    /// How it looks at `now`.
    pub fn at(&self, now: Moment) -> View<'_> {
        View { standing: self, now, most: self.stale_after }
    }

    /// Runs so far; zero only while pending.
    pub fn run(&self) -> u64 {
        self.counters.runs()
    }

    /// Outcomes so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

// === impl View ===

impl<'a> View<'a> {
    /// The same, for somebody who wants an attestation that is not older than `max_age`.
    pub fn within(self, max_age: Option<Duration>) -> Self {
        Self { most: max_age.map_or(self.most, |max_age| max_age.min(self.most)), ..self }
    }

    /// The state; an attestation that is stale shows as degraded, so that nobody who knows only the state goes on with
    /// it. `failed` stays failed however old it is.
    pub fn state(&self) -> State {
        match self.standing.state {
            State::Attested if self.stale() => State::Degraded,
            state => state,
        }
    }

    /// Attested, and not stale.
    pub fn verified(&self) -> bool {
        self.state() == State::Attested
    }

    /// Whether the last run is older than it may be. Before the first there is nothing that could be.
    pub fn stale(&self) -> bool {
        self.age().is_some_and(|age| age > self.most)
    }

    /// Time since the last run began to read.
    pub fn age(&self) -> Option<Duration> {
        self.standing.last.as_ref().map(|last| self.now.since(last.taken_at))
    }

    /// When it becomes stale, unix milliseconds by the present wall clock; in the past where it is.
    pub fn expires_at_ms(&self) -> Option<u64> {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let age = ms(self.age()?);
        Some(self.now.unix_ms.saturating_add(ms(self.most)).saturating_sub(age))
    }

    /// The last run's bundle; `None` while pending.
    pub fn bundle(&self) -> Option<&'a Bundle> {
        self.standing.last.as_ref().map(|last| &last.bundle)
    }

    /// Codes of what failed in the last run.
    pub fn codes(&self) -> Vec<FailureCode> {
        self.bundle().map(Bundle::codes).unwrap_or_default()
    }

    /// Whether an acknowledgement is needed before another run can pass.
    pub fn latched(&self) -> bool {
        self.standing.latched
    }
}
