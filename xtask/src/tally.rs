//! How many tests passed, failed and were skipped; the last line of every test command.

use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;

/// Counts over all runners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and held.
    pub passed: u64,
    /// Tests that ran and did not hold, and stages that could not run or overran.
    pub failed: u64,
    /// Tests that could not run here and said why.
    pub skipped: u64,
}

impl Tally {
    /// One check with one outcome.
    pub(crate) fn one(passed: bool) -> Self {
        Self { passed: passed.into(), failed: (!passed).into(), skipped: 0 }
    }

    /// Failure when something failed, and also when nothing ran: an empty run proves nothing.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.failed > 0 || self.passed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}
