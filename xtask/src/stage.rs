//! Stages of a test run with their time budgets.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::command::in_ci;
use crate::tally::Tally;

/// Runs one stage and counts it. A stage that cannot run is one failure, not the end of the run. In continuous
/// integration a stage that takes more than twice its budget is a failure too.
pub(crate) fn stage(name: &str, budget: Duration, body: impl FnOnce() -> Result<Tally>) -> Tally {
    eprintln!("\n=== {name}");
    let start = Instant::now();
    let mut tally = body().unwrap_or_else(|error| {
        eprintln!("{name}: {error:#}");
        Tally::one(false)
    });
    let took = start.elapsed();
    eprintln!("=== {name}: {tally} in {:.1} s (budget {} s)", took.as_secs_f64(), budget.as_secs());
    if in_ci() && took > budget * 2 {
        eprintln!("{name}: took more than twice its budget of {} s; make it faster or split it", budget.as_secs());
        tally += Tally::one(false);
    }
    tally
}
