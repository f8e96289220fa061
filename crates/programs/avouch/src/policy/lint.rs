//! What the author of a policy should look at.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::file::{malformed, read};
use crate::arguments::Global;
use crate::failure::Failure;
use crate::inspect::policy;
use crate::output::Output;

#[derive(Args, Debug)]
pub(crate) struct Lint {
    /// The policy file
    policy: PathBuf,
}

/// Exit status when there is something to look at.
const ADVICE: u8 = 1;

pub(super) fn run(global: &Global, options: &Lint) -> Result<Output, Failure> {
    let bytes = read(&options.policy)?;
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let advice = policy::lint(&bytes, now).map_err(|error| malformed(&options.policy, error))?;
    let exit = if advice.is_empty() { 0 } else { ADVICE };
    if global.json {
        return Ok(Output::json(&json!({ "policy": options.policy, "lint": advice })).with_exit(exit));
    }
    let mut lines: Vec<String> =
        advice.iter().map(|advice| format!("? {}\n    to do: {}", advice.what, advice.remedy)).collect();
    if lines.is_empty() {
        lines.push("nothing to look at".into());
    }
    Ok(Output::lines(&lines).with_exit(exit))
}
