//! The two halves of a rule's result, what is demanded and what was found, and the pair that comes of them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::{Case, Of, lines};
use crate::{CauseHint, PairVerdict, Severity};

/// What is stated, in normal form.
#[derive(Default)]
pub(crate) struct Demand {
    pub(crate) norm: Option<String>,
    /// Whether there is anything to enforce.
    pub(crate) configured: bool,
    /// Why it is not known.
    pub(super) unreadable: Option<String>,
    /// Whether the intent is already part of it.
    pub(super) by_intent: bool,
}

/// What a comparison came to.
pub(crate) struct Compared {
    pub(crate) norm: Option<String>,
    pub(crate) verdict: PairVerdict,
    pub(crate) note: Option<String>,
    pub(crate) severity: Option<Severity>,
    pub(crate) cause: Option<CauseHint>,
    /// Whether it is another process than the main one that shows it.
    pub(crate) beside_main: bool,
}

/// A pair before the unit's steadiness and the second source were looked at.
pub(crate) struct Outcome {
    pub(crate) orchestrator: Option<String>,
    pub(crate) kernel: Option<String>,
    pub(crate) verdict: PairVerdict,
    pub(crate) note: Option<String>,
    pub(crate) severity: Option<Severity>,
    pub(crate) cause: Option<CauseHint>,
    pub(crate) beside_main: bool,
    /// Whether an undecided verdict counts: it does not where nothing is configured.
    pub(crate) weighs: bool,
    pub(crate) of: Of,
}

// === impl Demand ===

impl Demand {
    /// Something to enforce.
    pub(crate) fn of(norm: impl Into<String>) -> Self {
        Self { norm: Some(norm.into()), configured: true, ..Self::default() }
    }

    /// The default: nothing to enforce.
    pub(crate) fn unset(norm: impl Into<String>) -> Self {
        Self { norm: Some(norm.into()), ..Self::default() }
    }

    pub(crate) fn unknown(why: &str) -> Self {
        Self { unreadable: Some(why.to_owned()), ..Self::default() }
    }

    /// What the intent demands of something that systemd does not state.
    pub(crate) fn intent(case: &Case<'_>) -> Self {
        Self { configured: case.intent.is_some(), by_intent: true, ..Self::default() }
    }

    /// `norm` to enforce, or nothing.
    pub(crate) fn when(configured: bool, norm: impl Into<String>) -> Self {
        if configured { Self::of(norm) } else { Self::unset(norm) }
    }
}

// === impl Compared ===

impl Compared {
    pub(crate) fn new(norm: impl Into<String>, verdict: PairVerdict) -> Self {
        Self { norm: Some(norm.into()), verdict, note: None, severity: None, cause: None, beside_main: false }
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    pub(crate) fn severity(self, severity: Severity) -> Self {
        Self { severity: Some(severity), ..self }
    }

    /// The kernel's value is spelled in a way that nobody foresaw.
    pub(crate) fn odd(raw: &str) -> Self {
        Self::new(lines(raw), PairVerdict::Unreadable)
            .note("the kernel's value is spelled in a way that this release does not know")
    }
}

// === impl Outcome ===

impl Outcome {
    /// What systemd alone says.
    pub(crate) fn stated(norm: &str, verdict: PairVerdict) -> Self {
        let demand = Demand::of(norm);
        Self { note: None, ..Self::undecided(verdict, &demand, Of::Anything, "") }
    }

    pub(super) fn undecided(verdict: PairVerdict, demand: &Demand, of: Of, why: &str) -> Self {
        Self {
            orchestrator: demand.norm.clone(),
            kernel: None,
            verdict,
            note: Some(why.to_owned()),
            severity: None,
            cause: None,
            beside_main: false,
            weighs: true,
            of,
        }
    }

    /// Holds a pair that is in order against the intent: in normal form of the orchestrator column, or of the kernel's
    /// where systemd states nothing.
    pub(super) fn beside(self, intent: Option<&str>) -> Self {
        let Some(intent) = intent else { return self };
        let found = self.orchestrator.as_deref().or(self.kernel.as_deref());
        if !self.verdict.is_green() {
            return self;
        }
        match found {
            Some(found) if found == intent => match self.verdict {
                PairVerdict::NotConfigured => Self { verdict: PairVerdict::Match, ..self },
                _ => self,
            },
            Some(_) => {
                let note = format!("the intent demands {intent}");
                Self { verdict: PairVerdict::IntentDrift, note: Some(note), ..self }
            }
            None => {
                let note = "the intent demands it and neither witness shows it".to_owned();
                Self { verdict: PairVerdict::IntentDrift, note: Some(note), ..self }
            }
        }
    }
}
