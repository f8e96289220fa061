//! What a comparison comes to: the closed sets of words, and the values that carry them.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{Attribute, Level};

/// What comparing the witnesses of one fact came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairVerdict {
    /// The kernel enforces what systemd states.
    Match,
    /// The kernel enforces more than systemd states; nothing is lost.
    KernelStricter,
    /// The kernel enforces less than systemd states.
    KernelWeaker,
    /// systemd states it, and the kernel has no object that would enforce it.
    KernelMissing,
    /// The kernel shows something that no unit and no intent accounts for.
    Unmanaged,
    /// The unit was changed after its processes started: it is not in force before a restart or a reload.
    PendingRestart,
    /// Both witnesses agree with each other and not with the intent.
    IntentDrift,
    /// A witness that is needed could not be read.
    Unreadable,
    /// This kernel or systemd cannot show it.
    NotSupported,
    /// Nothing is configured and nothing is enforced.
    NotConfigured,
    /// The unit changed while it was read.
    Racing,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing that is read of this machine can be believed, or it is open to whoever is on it.
    Critical,
    /// A boundary that somebody relies on is gone.
    High,
    /// A boundary is lower than stated.
    Medium,
    /// Worth mending, with little to gain from it.
    Low,
    /// To be known.
    Notice,
}

/// What probably brought a discrepancy about. A hint, never a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseHint {
    /// A file of the unit is newer than its start.
    PendingRestart,
    /// Somebody wrote to the kernel behind systemd's back.
    DirectWrite,
    /// systemd tried, and the kernel refused or has no such control.
    SwallowedError,
    /// Not to be seen from here.
    Unknown,
}

/// One fact: both witnesses and the intent in normal form, and what they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The subject's name ([`crate::subject`]).
    pub subject: String,
    /// The attribute.
    pub attribute: Attribute,
    /// What the intent demands.
    pub intent: Option<String>,
    /// What systemd states.
    pub orchestrator: Option<String>,
    /// What the kernel shows.
    pub kernel: Option<String>,
    /// What a second interface of the kernel shows.
    pub second: Option<String>,
    /// What they come to.
    pub verdict: PairVerdict,
    /// What probably brought it about, where the verdict is a discrepancy.
    pub cause: Option<CauseHint>,
    /// What a reader should know beside the columns.
    pub note: Option<String>,
    /// Two interfaces of the kernel contradict each other.
    pub views_disagree: bool,
}

/// A deviation that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFinding {
    /// `V4.memory.max.kernel_weaker`, or one of [`code`].
    pub code: String,
    /// The level that it counts against.
    pub level: Level,
    /// The subject's name.
    pub subject: String,
    /// The attribute.
    pub attribute: Attribute,
    /// The pair's verdict.
    pub verdict: PairVerdict,
    /// How much it weighs.
    pub severity: Severity,
    /// What probably brought it about.
    pub cause: Option<CauseHint>,
    /// What it means for whoever relies on the setting.
    pub implication: &'static str,
    /// What to do, with the unit's name filled in.
    pub remedy: String,
}

/// Codes of findings that are not made of level, attribute and verdict.
pub mod code {
    /// Two interfaces of the kernel contradict each other about one fact.
    pub const KERNEL_VIEWS_DISAGREE: &str = "KERNEL_VIEWS_DISAGREE";
    /// A unit that the intent names is not active.
    pub const UNIT_ABSENT: &str = "UNIT_ABSENT";
}

/// What a level comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LevelResult {
    /// Every pair is in order and at least one was evaluated.
    Pass,
    /// A pair is a discrepancy.
    Fail,
    /// No discrepancy was seen, and not everything could be seen.
    Inconclusive,
    /// The intent says that the level does not apply.
    NotApplicable,
    /// Nothing of this level was observed.
    NotEvaluated,
}

/// A level and what its pairs come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelVerdict {
    /// The level.
    pub level: Level,
    /// What it comes to.
    pub result: LevelResult,
    /// How many pairs it has.
    pub pairs: u32,
    /// How many of them are discrepancies.
    pub discrepant: u32,
    /// How many of them could not be decided.
    pub inconclusive: u32,
}

/// Everything that an observation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Every pair, by subject and attribute.
    pub pairs: Vec<Pair>,
    /// What somebody should look at, in the order of the pairs.
    pub findings: Vec<PairFinding>,
    /// Every level, lowest first.
    pub levels: [LevelVerdict; 14],
}

// === impl PairVerdict ===

impl PairVerdict {
    /// Every verdict.
    pub const ALL: [Self; 11] = [
        Self::Match,
        Self::KernelStricter,
        Self::KernelWeaker,
        Self::KernelMissing,
        Self::Unmanaged,
        Self::PendingRestart,
        Self::IntentDrift,
        Self::Unreadable,
        Self::NotSupported,
        Self::NotConfigured,
        Self::Racing,
    ];

    /// The word for it in codes, JSON and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::KernelStricter => "kernel_stricter",
            Self::KernelWeaker => "kernel_weaker",
            Self::KernelMissing => "kernel_missing",
            Self::Unmanaged => "unmanaged",
            Self::PendingRestart => "pending_restart",
            Self::IntentDrift => "intent_drift",
            Self::Unreadable => "unreadable",
            Self::NotSupported => "not_supported",
            Self::NotConfigured => "not_configured",
            Self::Racing => "racing",
        }
    }

    /// Whether a level passes with it.
    pub const fn is_green(self) -> bool {
        matches!(self, Self::Match | Self::KernelStricter | Self::NotConfigured)
    }

    /// Whether a level fails with it.
    pub const fn is_discrepant(self) -> bool {
        matches!(
            self,
            Self::KernelWeaker | Self::KernelMissing | Self::Unmanaged | Self::PendingRestart | Self::IntentDrift
        )
    }

    /// Whether nothing can be said: neither green nor a discrepancy.
    pub const fn is_inconclusive(self) -> bool {
        matches!(self, Self::Unreadable | Self::NotSupported | Self::Racing)
    }
}

// === impl Severity ===

impl Severity {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Notice => "notice",
        }
    }
}

// === impl CauseHint ===

impl CauseHint {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PendingRestart => "pending_restart",
            Self::DirectWrite => "direct_write",
            Self::SwallowedError => "swallowed_error",
            Self::Unknown => "unknown",
        }
    }
}

// === impl LevelResult ===

impl LevelResult {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::NotApplicable => "not_applicable",
            Self::NotEvaluated => "not_evaluated",
        }
    }
}

// === impl Judged ===

impl Judged {
    /// The highest level up to which every level passes or does not apply, counted from V1; `None` where V1 does not.
    pub fn attained(&self) -> Option<Level> {
        let held = |verdict: &&LevelVerdict| matches!(verdict.result, LevelResult::Pass | LevelResult::NotApplicable);
        self.levels.iter().take_while(held).last().map(|verdict| verdict.level)
    }

    /// What a level comes to.
    pub fn level(&self, level: Level) -> LevelVerdict {
        let nothing =
            LevelVerdict { level, result: LevelResult::NotEvaluated, pairs: 0, discrepant: 0, inconclusive: 0 };
        self.levels.iter().find(|verdict| verdict.level == level).copied().unwrap_or(nothing)
    }

    /// Sets what a level comes to by evidence beside the pairs: the verifier's claims of V1 to V3 and of V14.
    /// A level that its pairs fail stays failed, and one that the intent leaves out stays out.
    pub fn set(&mut self, level: Level, result: LevelResult) {
        let Some(verdict) = self.levels.iter_mut().find(|verdict| verdict.level == level) else { return };
        verdict.result = match (verdict.result, result) {
            (LevelResult::NotApplicable, _) => LevelResult::NotApplicable,
            (LevelResult::Fail, _) | (_, LevelResult::Fail) => LevelResult::Fail,
            (LevelResult::Inconclusive, _) => LevelResult::Inconclusive,
            (_, given) => given,
        };
    }
}
