//! Measures Avouch and writes what it measured, with the physical limit of the same machine beside each figure.
//!
//! Nothing here passes or fails by time. What must hold is checked (every round that is counted ended in a receipt
//! that says `pass`); how fast it was is written down.
#![forbid(unsafe_code)]

mod agent;
mod appraisal;
mod boot_log;
mod caller;
mod disk;
mod fleet;
mod gate;
mod handshake;
mod ima;
mod logs;
mod measure;
mod node;
mod observe;
mod page;
mod peer;
mod place;
mod quote;
mod rounds;
mod server;
mod tpm;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use crate::measure::Effort;
use crate::page::{Page, Section};

/// Measures Avouch; prints a page, or writes it.
#[derive(Debug, Parser)]
#[command(name = "avouch-bench")]
struct Arguments {
    /// Write the page to this file, too.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Run only these; may be repeated.
    #[arg(long, value_name = "NAME", value_enum)]
    only: Vec<Name>,
    /// CPU seconds for each figure, shared by its repetitions; seconds of each repetition of full rounds.
    #[arg(long, value_name = "N", default_value_t = 4.0)]
    seconds: f64,
    /// Simulated nodes in full rounds.
    #[arg(long, value_name = "N", default_value_t = 32)]
    nodes: usize,
    /// Also build the agent as it is shipped, which takes minutes, and measure it.
    #[arg(long)]
    agent: bool,
    /// What the memory of an observing process is measured of: one pass over this many units, whose systemd is at
    /// standard input.
    #[arg(long, value_name = "UNITS", hide = true)]
    observe_once: Option<usize>,
    /// List what can be measured, and stop.
    #[arg(long)]
    list: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Authenticating one quote.
    Quote,
    /// Parsing, replaying and judging long IMA lists.
    Ima,
    /// Parsing, replaying and judging boot logs.
    BootLog,
    /// A first and a later appraisal, from bytes to verdict.
    Appraisal,
    /// Both witnesses of many units: CPU, bytes and memory.
    Observe,
    /// The peer's verification of the same lists (only where it is installed).
    Peer,
    /// Full rounds of a fleet against `avouch serve`.
    Rounds,
    /// The local attestor API at a fixed rate, while attestations run (only with --only; it has a page of its own).
    Gate,
    /// The agent's binary and memory (only with --agent or --only).
    Agent,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(units) = arguments.observe_once {
        return observe::observe_once(units);
    }
    if arguments.list {
        for name in Name::value_variants() {
            let value = name.to_possible_value().context("every name can be written")?;
            println!("{:<10} {}", value.get_name(), value.get_help().map(ToString::to_string).unwrap_or_default());
        }
        return Ok(());
    }
    let effort = Effort::new(arguments.seconds);
    let mut page = Page::begin();
    for name in chosen(&arguments) {
        eprintln!("measuring {name:?} ...");
        page.add(run(name, effort, arguments.nodes).with_context(|| format!("{name:?}"))?);
    }
    let text = page.finish();
    println!("{text}");
    if let Some(path) = arguments.write {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn chosen(arguments: &Arguments) -> Vec<Name> {
    let wanted = |name: &Name| match arguments.only.is_empty() {
        true => (*name != Name::Agent || arguments.agent) && *name != Name::Gate,
        false => arguments.only.contains(name) || (*name == Name::Agent && arguments.agent),
    };
    Name::value_variants().iter().copied().filter(wanted).collect()
}

fn run(name: Name, effort: Effort, nodes: usize) -> Result<Section> {
    match name {
        Name::Quote => quote::measure(effort),
        Name::Ima => ima::measure(effort),
        Name::BootLog => boot_log::measure(effort),
        Name::Appraisal => appraisal::measure(effort),
        Name::Observe => observe::measure(effort),
        Name::Peer => peer::measure(effort),
        Name::Rounds => rounds::measure(effort, nodes),
        Name::Gate => gate::measure(effort),
        Name::Agent => agent::measure(),
    }
}
