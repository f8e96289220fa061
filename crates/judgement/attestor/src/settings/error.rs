//! Why a file of settings is refused, and what is told of one that is not.

use core::fmt;

use serde::Serialize;

use super::MAX_SETTINGS_BYTES;
use crate::local_url::LocalUrlError;

/// Why a file of settings is refused. Most often: a hand edit went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// More than [`MAX_SETTINGS_BYTES`].
    TooLong {
        /// How many.
        got: usize,
    },
    /// Not the TOML or YAML that it should be.
    Syntax {
        /// Line, from 1.
        line: usize,
        /// What the parser met.
        reason: String,
    },
    /// A key that does not exist.
    UnknownKey {
        /// Line, from 1.
        line: usize,
        /// The key as written, with its section.
        key: String,
        /// The known key that looks most like it.
        nearest: &'static str,
    },
    /// A value of the wrong kind or out of its range.
    Value {
        /// Line, from 1.
        line: usize,
        /// Which key, with its section.
        key: String,
        /// What it must be.
        wanted: &'static str,
        /// What stands there.
        got: String,
    },
    /// A receiver of reports that cannot be called.
    Webhook {
        /// Line, from 1.
        line: usize,
        /// What stands there.
        got: String,
        /// Why it is not called.
        why: LocalUrlError,
    },
    /// A section without a key that it must have.
    Incomplete {
        /// Line of the section, from 1.
        line: usize,
        /// The key that is not there.
        key: &'static str,
    },
}

/// Something that is accepted and probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingsWarning {
    /// Line, from 1.
    pub line: usize,
    /// Which key.
    pub key: String,
    /// What is odd, and what to do.
    pub text: String,
}

impl SettingsError {
    /// The line, from 1; `None` where no one line is at fault.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::TooLong { .. } => None,
            Self::Syntax { line, .. }
            | Self::UnknownKey { line, .. }
            | Self::Value { line, .. }
            | Self::Webhook { line, .. }
            | Self::Incomplete { line, .. } => Some(*line),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line() {
            write!(f, "line {line}: ")?;
        }
        match self {
            Self::TooLong { got } => {
                write!(f, "the settings have {got} bytes, at most {MAX_SETTINGS_BYTES} are read")
            }
            Self::Syntax { reason, .. } => f.write_str(reason),
            Self::UnknownKey { key, nearest, .. } => {
                write!(f, "there is no key `{key}`; did you mean `{nearest}`?")
            }
            Self::Value { key, wanted, got, .. } => write!(f, "`{key}` must be {wanted}, not {got}"),
            Self::Webhook { got, why, .. } => write!(
                f,
                "`webhook.url` cannot be {got}: {why}. Reports and their token stay on this machine: write \
                 \"http://127.0.0.1:PORT/PATH\", and put a forwarder on this machine in front of a receiver elsewhere"
            ),
            Self::Incomplete { key, .. } => write!(f, "the section has no `{key}`, which it must have"),
        }
    }
}

impl std::error::Error for SettingsError {}
