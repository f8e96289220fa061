//! Measures what `bench/RESULTS.md` states.

use std::process::ExitCode;

use anyhow::Result;

use crate::command::{cargo, must};

/// Builds the benches in the release profile and lets them write their page.
pub(crate) fn run() -> Result<ExitCode> {
    must(&mut cargo(&["run", "--release", "-p", "avouch-bench", "--", "--write", "bench/RESULTS.md"]))?;
    Ok(ExitCode::SUCCESS)
}
