//! How many tests passed, failed and were skipped; the last line of every test command.

use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;

/// Counts over all runners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and held.
    pub passed: u64,
    /// Tests that ran and did not hold, and stages that could not run or overran.
    pub failed: u64,
    /// Tests that could not run here and said why.
    pub skipped: u64,
    /// What did not hold, as far as it has a name; repeated at the end of a long run, where it is looked for.
    pub failures: Vec<String>,
}

impl Tally {
    /// One check with one outcome.
    pub(crate) fn one(name: &str, passed: bool) -> Self {
        if passed { Self { passed: 1, ..Self::default() } } else { Self::failure(name) }
    }

    /// One check that did not hold.
    pub(crate) fn failure(name: &str) -> Self {
        Self { failed: 1, failures: vec![name.to_owned()], ..Self::default() }
    }

    /// One check that cannot be made here.
    pub(crate) fn skip() -> Self {
        Self { skipped: 1, ..Self::default() }
    }

    /// Reads the line that [`Tally`]'s `Display` writes.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut numbers = ["passed", "failed", "skipped"]
            .into_iter()
            .zip(line.split(", "))
            .map(|(word, part)| part.strip_suffix(word).and_then(|number| number.trim().parse().ok()));
        let (passed, failed, skipped) = (numbers.next()??, numbers.next()??, numbers.next()??);
        Some(Self { passed, failed, skipped, failures: Vec::new() })
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
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_is_written_is_read() {
        let tally = Tally { passed: 9, failed: 1, skipped: 12, ..Tally::default() };
        assert_eq!(Tally::read(&tally.to_string()), Some(tally));
        assert_eq!(Tally::read("9 passed, 1 failed"), None);
        assert_eq!(Tally::read("nothing"), None);
    }

    #[test]
    fn a_run_of_nothing_is_no_success() {
        assert_eq!(Tally::default().exit_code(), ExitCode::FAILURE);
    }
}
