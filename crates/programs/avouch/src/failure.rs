//! Why a command did not do what was asked: a code for programs, what happened, and what to do.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The one shape of errors, also of those that the server sends.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Failure {
    code: Cow<'static, str>,
    what: String,
    remedy: String,
    /// Seconds after which another try makes sense, when the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_in: Option<u64>,
}

impl Failure {
    pub(crate) fn new(code: &'static str, what: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self { code: code.into(), what: what.to_string(), remedy: remedy.into(), retry_in: None }
    }

    /// Tells it on standard error: in two lines for people, or as one line of JSON.
    pub(crate) fn tell(&self, json: bool) {
        match serde_json::to_string(self) {
            Ok(line) if json => eprintln!("{line}"),
            _ => eprintln!("{self}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "avouch: {} ({})", self.what, self.code)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n  to do: {}", self.remedy) }
    }
}
