//! The command `avouch`, as a library so that its help and man pages can be written and compared.

mod arguments;
mod connection;
mod dual;
mod duration;
mod enroll;
mod failure;
pub mod inspect;
mod node;
mod output;
mod policy;
mod serve;
mod settings;
mod table;
mod terminal;
mod tree;
mod wanted_pairs;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command};
use failure::Failure;
use output::{ERROR, Output};

/// The whole command line, for help and man pages.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Reads the command line, does it, and says how it went.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match run(&arguments) {
        Ok(output) => output.print(),
        Err(failure) => {
            failure.tell(arguments.global.json);
            ExitCode::from(ERROR)
        }
    }
}

fn run(arguments: &Arguments) -> Result<Output, Failure> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Serve => serve::run(global),
        Command::Enroll(command) => enroll::run(global, command),
        Command::Node(command) => node::run(global, command),
        Command::Policy(command) => policy::run(global, command),
        Command::Inspect(command) => inspect::run(global, command),
    }
}

/// Help and version as they were asked for; a wrong command line as an error, also for programs.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let what = error.to_string();
        let what = what.strip_prefix("error: ").unwrap_or(&what).trim_end();
        Failure::new("USAGE", what, "See the command with --help.").tell(true);
    } else {
        // Where it cannot be printed nobody reads it.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { ERROR } else { 0 })
}
