//! Stages of a test run with their time budgets.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::command::in_ci;
use crate::tally::Tally;

/// The stages of one run so far.
#[derive(Default)]
pub(crate) struct Stages {
    tally: Tally,
    lines: Vec<String>,
}

impl Stages {
    /// Runs one stage and counts it. A stage that cannot run is one failure, not the end of the run. In continuous
    /// integration a stage that takes more than twice its budget is a failure too.
    pub(crate) fn run(&mut self, name: &str, budget: Duration, body: impl FnOnce() -> Result<Tally>) {
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let mut tally = body().unwrap_or_else(|error| {
            eprintln!("{name}: {error:#}");
            Tally::failure(&format!("{error:#}"))
        });
        let took = start.elapsed();
        if in_ci() && took > budget * 2 {
            tally += Tally::failure("took more than twice its budget; make it faster or split it");
        }
        let line = format!("=== {name}: {tally} in {:.1} s (budget {} s)", took.as_secs_f64(), budget.as_secs());
        eprintln!("{line}");
        self.lines.push(line);
        self.lines.extend(tally.failures.iter().map(|failure| format!("    failed: {failure}")));
        self.tally += tally;
    }

    /// Every stage in a line, with what failed in it: the place where a person looks first.
    pub(crate) fn summary(&self) {
        eprintln!("\n=== summary");
        self.lines.iter().for_each(|line| eprintln!("{line}"));
    }

    /// Over all stages.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }
}
