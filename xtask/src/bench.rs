//! Measures what `bench/RESULTS.md` states.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::command::{cargo, must, root};

/// The peer that is measured in the same run, with what its wheel needs and does not declare.
const PEER: [&str; 17] = [
    "keylime==7.14.3",
    "cryptography",
    "pyasn1",
    "pyasn1_modules",
    "PyYAML",
    "jsonschema",
    "lark",
    "requests",
    "SQLAlchemy",
    "alembic",
    "tornado",
    "pyzmq",
    "psutil",
    "Jinja2",
    "packaging",
    "typing_extensions",
    "setuptools",
];

/// Builds the benches in the release profile and lets them write their page.
pub(crate) fn run() -> Result<ExitCode> {
    if let Err(error) = install_peer() {
        eprintln!("the peer is not measured: {error:#}; install python3-venv, and let pip reach PyPI");
    }
    must(&mut cargo(&["run", "--release", "-p", "avouch-bench", "--", "--write", "bench/RESULTS.md"]))?;
    Ok(ExitCode::SUCCESS)
}

/// A virtual environment under `target/` with the peer in it.
fn install_peer() -> Result<()> {
    let folder = root().join("target/peer");
    if folder.join("installed").is_file() {
        return Ok(());
    }
    must(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    must(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check"]).args(PEER))?;
    Ok(std::fs::write(folder.join("installed"), "")?)
}
