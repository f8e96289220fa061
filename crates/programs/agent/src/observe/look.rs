//! How a terminal takes what is printed: its width, whether it has colour, and which signs it can show.

use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal};

use avouch_pairs::{LevelResult, PairVerdict, Severity};

/// Narrower than this, two columns are no columns any more.
const NARROWEST: usize = 60;
/// Wider than this, the eye loses the line between them.
const WIDEST: usize = 140;
/// Where the output is no terminal.
const UNKNOWN: usize = 100;

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// SGR colours. They never carry a meaning that sign and word do not carry.
    pub colour: bool,
    /// Signs beyond ASCII.
    pub signs: bool,
}

/// The colours that are used, by what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Bad,
    Doubt,
    Good,
    Slim,
    Strong,
    Plain,
}

// === impl Look ===

impl Look {
    /// That of standard output. `no_color` is the option; the variable `NO_COLOR`, not empty, says the same, as does
    /// output that is no terminal.
    pub fn of_stdout(no_color: bool) -> Self {
        let refused = no_color || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = terminal_size::terminal_size().map_or(UNKNOWN, |(columns, _)| usize::from(columns.0));
        Self {
            width: width.clamp(NARROWEST, WIDEST),
            colour: !refused && io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb"),
            signs: speaks_utf8(),
        }
    }

    /// `text` in a colour, or as it is.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> Cow<'_, str> {
        match tone.sgr().filter(|_| self.colour) {
            Some(sgr) => format!("\x1b[{sgr}m{text}\x1b[0m").into(),
            None => text.to_owned().into(),
        }
    }

    pub(crate) fn sign(self, tone: Tone) -> &'static str {
        match (tone, self.signs) {
            (Tone::Bad, true) => "✗",
            (Tone::Bad, false) => "X",
            (Tone::Doubt, _) => "?",
            (Tone::Good, true) => "✓",
            (Tone::Good, false) => "+",
            (_, true) => "·",
            (_, false) => "-",
        }
    }

    pub(crate) fn rule(self) -> &'static str {
        if self.signs { "│" } else { "|" }
    }

    pub(crate) fn ellipsis(self) -> &'static str {
        if self.signs { "…" } else { "..." }
    }
}

/// As setlocale(3) chooses: the first of these that is set and not empty.
fn speaks_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(env::var_os).find(|value| !value.is_empty());
    set.is_some_and(|value| {
        let value = value.to_string_lossy().to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

// === impl Tone ===

impl Tone {
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Bad => Some("1;31"),
            Self::Doubt => Some("33"),
            Self::Good => Some("32"),
            Self::Slim => Some("2"),
            Self::Strong => Some("1"),
            Self::Plain => None,
        }
    }

    /// Of a pair.
    pub(crate) fn of(verdict: PairVerdict) -> Self {
        match verdict {
            PairVerdict::Match | PairVerdict::KernelStricter => Self::Good,
            PairVerdict::KernelWeaker
            | PairVerdict::KernelMissing
            | PairVerdict::Unmanaged
            | PairVerdict::PendingRestart
            | PairVerdict::IntentDrift => Self::Bad,
            PairVerdict::Unreadable | PairVerdict::Racing => Self::Doubt,
            PairVerdict::NotSupported | PairVerdict::NotConfigured => Self::Slim,
        }
    }

    pub(crate) fn of_level(result: LevelResult) -> Self {
        match result {
            LevelResult::Pass => Self::Good,
            LevelResult::Fail => Self::Bad,
            LevelResult::Inconclusive => Self::Doubt,
            LevelResult::NotApplicable | LevelResult::NotEvaluated => Self::Slim,
        }
    }

    pub(crate) fn of_severity(severity: Severity) -> Self {
        match severity {
            Severity::Critical | Severity::High => Self::Bad,
            Severity::Medium | Severity::Low => Self::Doubt,
            Severity::Notice => Self::Slim,
        }
    }
}
