//! What a command prints, and with which status it ends.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use serde::Serialize;

/// Exit status of errors and bad usage; verdicts have others.
pub(crate) const ERROR: u8 = 2;

/// Everything for standard output, printed at once when the command is through.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    exit: u8,
}

impl Output {
    /// Text for people, a line each.
    pub(crate) fn lines(lines: &[String]) -> Self {
        Self::bytes(lines.iter().flat_map(|line| [line, "\n"]).collect::<String>().into_bytes())
    }

    /// JSON for programs.
    pub(crate) fn json(value: &impl Serialize) -> Self {
        // Strings, numbers, lists and maps with string keys always serialise.
        Self::bytes((serde_json::to_string_pretty(value).unwrap_or_default() + "\n").into_bytes())
    }

    /// These bytes and no other.
    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, exit: 0 }
    }

    /// The same with an exit status other than 0.
    pub(crate) fn with_exit(self, exit: u8) -> Self {
        Self { exit, ..self }
    }

    /// Prints it. That the reader went away, as in `avouch node list | head`, is no error.
    pub(crate) fn print(&self) -> ExitCode {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(&self.bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                eprintln!("avouch: cannot write to standard output: {error}");
                ExitCode::from(ERROR)
            }
            _ => ExitCode::from(self.exit),
        }
    }
}
