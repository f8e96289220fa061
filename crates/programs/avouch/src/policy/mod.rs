//! `avouch policy build | confirm | apply | list`.

mod apply;
mod build;
mod confirm;
mod file;
mod list;

use crate::arguments::{Global, Policy};
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the commands.
pub(crate) fn run(global: &Global, command: &Policy) -> Result<Output, Failure> {
    match command {
        Policy::Build(options) => build::run(global, options),
        Policy::Confirm(options) => confirm::run(global, options),
        Policy::Apply(options) => apply::run(global, options),
        Policy::List => list::run(global),
    }
}
