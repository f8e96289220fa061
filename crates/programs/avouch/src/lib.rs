//! The command `avouch`, as a library so that its help and man pages can be written and compared.

mod arguments;
mod connection;
mod duration;
mod enroll;
mod node;
mod policy;
mod serve;
mod settings;
mod table;
mod tree;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command};

/// Exit status of errors and bad usage; a verdict has others.
const ERROR: u8 = 2;

/// The whole command line, for help and man pages.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Reads the command line, does it, and says how it went.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run(&arguments).unwrap_or_else(|error| {
        if arguments.global.json {
            eprintln!("{}", serde_json::json!({ "error": format!("{error:#}") }));
        } else {
            eprintln!("error: {error:#}");
        }
        ExitCode::from(ERROR)
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Serve => serve::run(global),
        Command::Enroll(command) => enroll::run(global, command),
        Command::Node(command) => node::run(global, command),
        Command::Policy(command) => policy::run(global, command),
    }
}
