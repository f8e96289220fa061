//! `avouch-agent`: lets this node's TPM answer for it.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use avouch_agent::cli::{Cli, Exit};
use avouch_agent::commands;
use clap::Parser;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log_to_stderr();
    match commands::execute(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("avouch-agent: {error}\n  to do: {}", error.remedy());
            error.exit().into()
        }
    }
}

/// clap's own status for a wrong command line is 2, which here means unverifiable.
fn usage(error: &clap::Error) -> ExitCode {
    // Where the message cannot be printed nobody reads it.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

/// systemd's journal stamps the time itself.
fn log_to_stderr() {
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).with_max_level(LevelFilter::INFO);
    if io::stderr().is_terminal() {
        log.init();
    } else {
        log.without_time().with_ansi(false).init();
    }
}
