//! Formatting and clippy over the whole tree.

use anyhow::Result;

use crate::command::{cargo, holds};
use crate::tally::Tally;
use crate::walls;

/// Formatting, clippy with warnings denied, and the walls; one test each.
pub(crate) fn run() -> Result<Tally> {
    let mut tally = Tally::one("cargo fmt", holds(&mut cargo(&["fmt", "--all", "--check"])));
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    tally += Tally::one("cargo clippy", holds(&mut cargo(&clippy)));
    tally += walls::check()?;
    Ok(tally)
}
