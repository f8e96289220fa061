//! `cargo xtask test`: the suites, in the order of continuous integration.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use crate::command::{cargo, must, root};
use crate::nextest::{self, Pick};
use crate::stage::Stages;
use crate::tally::Tally;
use crate::verifier::{Build, build_programs};
use crate::{demo, lab, lint};

/// A named suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Formatting, clippy and the walls.
    Lint,
    /// Unit and integration tests on this machine.
    Unit,
    /// Attacks that must get their verdict, over HTTPS against a software TPM.
    Attacks,
    /// Inputs that nobody on this project wrote, from $AVOUCH_CORPUS.
    Corpus,
    /// The fuzz targets over their seeds and 100,000 mutations each.
    Mutations,
    /// Kill -9 and full disks.
    Faults,
    /// Scenarios in the virtual machine.
    Lab,
    /// The demo, from start to summary.
    Demo,
}

/// Order and budgets of a whole run, in seconds on two cores.
const ALL: [(Suite, u64); 8] = [
    (Suite::Lint, 210),
    (Suite::Unit, 240),
    (Suite::Attacks, 60),
    (Suite::Corpus, 60),
    (Suite::Mutations, 180),
    (Suite::Faults, 180),
    (Suite::Lab, 540),
    (Suite::Demo, 180),
];

/// Runs `suites`, or all of them; the last line on standard output is the tally.
pub(crate) fn run(suites: &[Suite]) -> Result<ExitCode> {
    let mut stages = Stages::default();
    let needs_lab = |suite: &Suite| matches!(suite, Suite::Lab | Suite::Demo);
    if suites.is_empty() || suites.iter().any(needs_lab) {
        stages.run("packages", Duration::from_secs(180), || packages(suites));
    }
    if suites.is_empty() {
        stages.run("build", Duration::from_secs(360), build);
        stages.run("programs", Duration::from_secs(180), || build_programs(Build::Debug).map(|_| Tally::default()));
    }
    for (suite, budget) in ALL {
        if suites.is_empty() || suites.contains(&suite) {
            stages.run(&format!("{suite:?}").to_lowercase(), Duration::from_secs(budget), || run_suite(suite));
        }
    }
    stages.summary();
    println!("{}", stages.tally());
    Ok(stages.tally().exit_code())
}

/// What is fetched; boot programs too when unit tests follow, whose budget has no time for it.
fn packages(suites: &[Suite]) -> Result<Tally> {
    lab::packages()?;
    let named = std::env::var_os("AVOUCH_EFI_ROOT").is_some();
    if !named && (suites.is_empty() || suites.contains(&Suite::Unit)) {
        lab::boot_programs();
    }
    Ok(Tally::default())
}

/// With the boot programs of the lab, unless the caller names others. As for the corpus, a relative path is one of the
/// root of the tree.
fn unit() -> Result<Tally> {
    let named = std::env::var_os("AVOUCH_EFI_ROOT").map(|named| root().join(named));
    let folder = named.or_else(lab::boot_programs).map(|folder| ("AVOUCH_EFI_ROOT", folder));
    nextest::run_with("unit", &["--workspace"], &Pick::Unit, folder)
}

fn build() -> Result<Tally> {
    must(&mut cargo(&["build", "--workspace", "--all-targets", "--quiet"]))?;
    Ok(Tally::default())
}

fn run_suite(suite: Suite) -> Result<Tally> {
    let module = |name: &'static str| nextest::run(name, &["--workspace"], &Pick::Module(name));
    match suite {
        Suite::Lint => lint::run(),
        Suite::Unit => unit(),
        Suite::Attacks => module("attacks"),
        Suite::Corpus => corpus(),
        Suite::Mutations => module("mutations"),
        Suite::Faults => module("faults"),
        Suite::Lab => lab::suite(),
        Suite::Demo => demo::suite(),
    }
}

/// A corpus that is named and missing is a failure: the run would claim what it did not do.
fn corpus() -> Result<Tally> {
    match std::env::var_os("AVOUCH_CORPUS") {
        None => {
            eprintln!("skipped: AVOUCH_CORPUS is not set; point it at a folder with an INDEX.tsv to run real inputs");
            Ok(Tally::skip())
        }
        Some(path) => {
            let index = root().join(path).join("INDEX.tsv");
            anyhow::ensure!(index.is_file(), "AVOUCH_CORPUS names {}, which has no INDEX.tsv", index.display());
            nextest::run("corpus", &["--workspace"], &Pick::Module("corpus"))
        }
    }
}
