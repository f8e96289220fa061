//! Runs Rust tests through cargo-nextest where it is installed and through `cargo test` elsewhere, and counts them.
//!
//! A test that cannot run here prints a line that starts with `skipped:` and returns; it is counted as skipped. So
//! the output of passing tests is read too, and kept under `target/xtask/`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, in_ci, root};
use crate::tally::Tally;

/// Modules whose tests form suites of their own, apart from the unit tests.
const SUITE_MODULES: [&str; 4] = ["corpus", "mutations", "attacks", "faults"];

/// Which tests.
pub(crate) enum Pick {
    /// All but the named suites.
    Unit,
    /// One named suite: the tests in modules of this name.
    Module(&'static str),
}

/// Runs the picked tests of `packages` (arguments such as `-p avouch-ima`, or `--workspace`).
///
/// # Errors
/// When the runner cannot start, or prints no summary.
pub(crate) fn run(name: &str, packages: &[&str], pick: &Pick) -> Result<Tally> {
    run_with(name, packages, pick, None)
}

/// [`run`] with a variable that names a folder.
pub(crate) fn run_with(name: &str, packages: &[&str], pick: &Pick, variable: Option<(&str, PathBuf)>) -> Result<Tally> {
    let (runner, mut command) = runner(packages, pick);
    command.envs(variable);
    let log_path = root().join("target/xtask").join(format!("{name}.log"));
    fs::create_dir_all(root().join("target/xtask"))?;
    let mut log = fs::File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let output: Box<dyn std::io::Read> = match (child.stderr.take(), child.stdout.take()) {
        (Some(stderr), _) => Box::new(stderr),
        (None, Some(stdout)) => Box::new(stdout),
        (None, None) => bail!("the test runner has no output"),
    };
    let mut counted = Counted::by(runner);
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(log, "{line}")?;
        counted.read(&line);
    }
    let status = child.wait()?;
    let Some(mut tally) = counted.tally(in_ci()) else {
        bail!("the test runner printed no summary and ended with {status}; see {}", log_path.display());
    };
    if matches!(pick, Pick::Module(_)) && tally == Tally::default() {
        bail!("no test ran: a suite without tests proves nothing");
    }
    if !status.success() && tally.failed == 0 {
        tally += Tally::failure(&format!("the test runner ended with {status}; see {}", log_path.display()));
    }
    Ok(tally)
}

/// The runner and its command, with the stream piped that it reports on.
fn runner(packages: &[&str], pick: &Pick) -> (Runner, Command) {
    if have_nextest() {
        let mut command = nextest_command(packages, pick);
        // nextest reports on standard error; the shell joins the streams so that one reader sees their order.
        command.stdin(Stdio::null()).stdout(Stdio::inherit()).stderr(Stdio::piped());
        return (Runner::Nextest, command);
    }
    let mut command = cargo_test_command(packages, pick);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    (Runner::CargoTest, command)
}

fn have_nextest() -> bool {
    Command::new("cargo-nextest").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn nextest_command(packages: &[&str], pick: &Pick) -> Command {
    let wanted = |module: &str| format!("test(/(^|::){module}::/)");
    let filter = match pick {
        Pick::Unit => format!("not ({})", SUITE_MODULES.map(wanted).join(" | ")),
        Pick::Module(module) => wanted(module),
    };
    let mut command = cargo(&["nextest", "run", "--no-fail-fast", "--color=never", "--cargo-quiet"]);
    command.args(["--success-output=immediate", "--failure-output=immediate", "--no-tests=pass", "-E", &filter]);
    command.args(packages);
    command
}

fn cargo_test_command(packages: &[&str], pick: &Pick) -> Command {
    let mut command = cargo(&["test", "--quiet", "--no-fail-fast", "--all-targets"]);
    command.args(packages).arg("--").arg("--show-output");
    match pick {
        Pick::Unit => {
            for module in SUITE_MODULES {
                command.args(["--skip", &format!("{module}::")]);
            }
        }
        Pick::Module(module) => {
            command.arg(format!("{module}::"));
        }
    }
    command
}

/// Whose summary counts. Under nextest every test is a process of the standard harness and prints a summary of its
/// own, which must not be counted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runner {
    Nextest,
    CargoTest,
}

/// What the runner's lines say.
struct Counted {
    runner: Runner,
    passed: u64,
    failed: u64,
    skipped: u64,
    failures: Vec<String>,
    summaries: u64,
    showing: bool,
    /// False in this file's own tests: what they printed would be counted by the run that they are part of.
    echo: bool,
}

impl Counted {
    fn by(runner: Runner) -> Self {
        Self {
            runner,
            passed: 0,
            failed: 0,
            skipped: 0,
            failures: Vec::new(),
            summaries: 0,
            showing: false,
            echo: true,
        }
    }

    fn echo(&self, line: &str) {
        if self.echo {
            eprintln!("{line}");
        }
    }

    fn read(&mut self, line: &str) {
        let text = line.trim_start();
        if text.starts_with("skipped:") {
            self.skipped += 1;
            self.failures.extend(in_ci().then(|| text.to_owned()));
            self.echo(&format!("    {text}"));
        } else if let Some(rest) = text.strip_prefix("Summary [").filter(|_| self.runner == Runner::Nextest) {
            self.summaries += 1;
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed") + number_before(rest, " timed out");
            self.echo(&format!("    {text}"));
        } else if let Some(rest) = text.strip_prefix("test result:").filter(|_| self.runner == Runner::CargoTest) {
            self.summaries += 1;
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed");
            self.skipped += number_before(rest, " ignored");
        } else {
            self.show(line, text);
        }
    }

    /// Failures are shown whole, and what tests count for people; the rest stays in the log.
    fn show(&mut self, line: &str, text: &str) {
        if text.starts_with("PASS [") || text.starts_with("SLOW [") {
            self.showing = false;
        } else if let Some(name) = failed_test(text) {
            // nextest names each failure again after its summary.
            if self.summaries == 0 {
                self.failures.push(name.to_owned());
            }
            self.showing = true;
        } else if text.starts_with("error") {
            self.showing = true;
        }
        if self.showing || text.starts_with("counted:") || text.starts_with("warning: unused") {
            self.echo(line);
        }
    }

    /// A test that skipped itself passed in the runner's eyes, so it moves from one count to the other. In
    /// continuous integration every tool is installed, so there a skipped test is a failure.
    fn tally(&self, in_ci: bool) -> Option<Tally> {
        (self.summaries > 0).then(|| {
            let passed = self.passed.saturating_sub(self.skipped);
            if in_ci && self.skipped > 0 {
                self.echo(&format!("{} tests were skipped, which CI does not allow", self.skipped));
                let failures = self.failures.clone();
                return Tally { passed, failed: self.failed + self.skipped, skipped: 0, failures };
            }
            Tally { passed, failed: self.failed, skipped: self.skipped, failures: self.failures.clone() }
        })
    }
}

/// The name of a test that failed, timed out or was ended by a signal, in nextest's line about it.
fn failed_test(line: &str) -> Option<&str> {
    let (state, rest) = line.split_once(" [")?;
    let ended = matches!(state, "FAIL" | "TIMEOUT" | "ABORT") || state.starts_with("SIG");
    ended.then(|| rest.split_once(']').map_or(rest, |(_, name)| name.trim()))
}

fn number_before(text: &str, unit: &str) -> u64 {
    let Some(end) = text.find(unit) else { return 0 };
    let head = text.get(..end).unwrap_or_default();
    let digits: String = head.chars().rev().take_while(char::is_ascii_digit).collect();
    digits.chars().rev().collect::<String>().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(runner: Runner, lines: &[&str]) -> Counted {
        let mut counted = Counted { echo: false, ..Counted::by(runner) };
        lines.iter().for_each(|line| counted.read(line));
        counted
    }

    const ONE: &str = "test result: ok. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";

    #[test]
    fn a_nextest_summary_is_counted_and_those_of_its_processes_are_not() {
        let summary = "     Summary [   0.231s] 14 tests run: 12 passed (1 slow), 2 failed, 3 skipped";
        let counted = read(Runner::Nextest, &[ONE, summary]);
        assert_eq!((counted.passed, counted.failed, counted.skipped), (12, 2, 0));
    }

    #[test]
    fn failures_are_named_once() {
        let fail = "        FAIL [   0.012s] (3/9) avouch-ima template::tests::all_widths";
        let signal = "     SIGSEGV [   0.012s] avouch-ima other";
        let summary = "     Summary [   0.231s] 14 tests run: 12 passed, 2 failed, 3 skipped";
        let counted = read(Runner::Nextest, &[fail, signal, summary, fail, signal]);
        assert_eq!(counted.failures, ["(3/9) avouch-ima template::tests::all_widths", "avouch-ima other"]);
    }

    #[test]
    fn cargo_test_results_are_summed() {
        let counted = read(Runner::CargoTest, &[ONE, ONE]);
        assert_eq!((counted.passed, counted.failed), (6, 2));
    }

    #[test]
    fn a_test_that_skipped_itself_did_not_pass() {
        let mut counted = read(Runner::Nextest, &["     Summary [   0.231s] 2 tests run: 2 passed, 0 skipped"]);
        // Not read from a line: the runner of this very test would count it.
        counted.skipped = 1;
        assert_eq!(counted.tally(false), Some(Tally { passed: 1, skipped: 1, ..Tally::default() }));
        assert_eq!(counted.tally(true), Some(Tally { passed: 1, failed: 1, ..Tally::default() }));
    }

    #[test]
    fn no_summary_is_no_result() {
        assert!(read(Runner::Nextest, &["nothing", ONE]).tally(false).is_none());
    }
}
