//! The one entry point for building, testing and showing Avouch: `cargo xtask <command>`.

mod attacks;
mod bench;
mod check;
mod command;
mod demo;
mod generate;
mod lab;
mod lint;
mod nextest;
mod stage;
mod tally;
mod test;
mod verifier;
mod walls;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, tests and shows Avouch.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The inner loop: formatting, clippy and the unit tests of the packages that changed.
    Check,
    /// Runs test suites; without a name, all of them, the demo included.
    Test {
        /// Suites to run, in this order.
        #[arg(value_enum)]
        suites: Vec<test::Suite>,
    },
    /// Attests a real (virtual) node end to end, catches it misbehaving, and explains.
    Demo(demo::Options),
    /// The virtual machine that serves as a real node.
    Lab {
        #[command(subcommand)]
        action: lab::Action,
    },
    /// Checks the walls between the crates.
    Walls,
    /// Lists the attacks of the acceptance suite with the tests that bear their ids.
    Attacks,
    /// Measures what bench/RESULTS.md states and writes it there.
    Bench,
    /// Writes the checked-in man pages and command help anew.
    Generate,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Check => check::run(),
        Task::Test { suites } => test::run(&suites),
        Task::Demo(options) => demo::run(&options).map(|()| ExitCode::SUCCESS),
        Task::Lab { action } => lab::run(&action),
        Task::Attacks => attacks::run(),
        Task::Walls => walls::run(),
        Task::Bench => bench::run(),
        Task::Generate => generate::write().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
