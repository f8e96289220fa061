//! `avouch policy build | confirm | intent | allow | lint | apply | rule | list | show`.

pub(crate) mod allow;
mod apply;
mod build;
mod confirm;
mod expected;
mod file;
pub(crate) mod intent;
pub(crate) mod lint;
mod list;
mod rule;
mod show;

use crate::arguments::{Global, Policy};
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the commands.
pub(crate) fn run(global: &Global, command: &Policy) -> Result<Output, Failure> {
    match command {
        Policy::Build(options) => build::run(global, options),
        Policy::Confirm(options) => confirm::run(global, options),
        Policy::Intent(options) => intent::run(global, options),
        Policy::Allow(options) => allow::run(global, options),
        Policy::Lint(options) => lint::run(global, options),
        Policy::Apply(options) => apply::run(global, options),
        Policy::Rule(options) => rule::run(global, options),
        Policy::List => list::run(global),
        Policy::Show { policy } => show::run(global, policy),
    }
}
