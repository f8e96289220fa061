//! Child processes, started from the root of the tree.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// A cargo command in the root of the tree.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    if let Some(corpus) = std::env::var_os("AVOUCH_CORPUS") {
        // Tests run in their package's folder, so a path that is relative to the root is made whole here.
        command.env("AVOUCH_CORPUS", root().join(corpus));
    }
    command
}

/// Runs `command` with its output on the terminal.
///
/// # Errors
/// When it cannot start or ends with another status than zero.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// Whether `command` ran and ended with status zero.
pub(crate) fn holds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

/// True in continuous integration, where a missing tool is a failure instead of a skipped test.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
