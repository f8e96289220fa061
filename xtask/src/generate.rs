//! Generated files that are checked in: man pages, command help and the table of what is collected.

use anyhow::{Result, ensure};

use crate::command::{cargo, holds};

/// The tests that compare generated files; with `AVOUCH_GENERATE=1` they write them instead.
const TESTS: [&str; 9] = ["test", "--quiet", "-p", "avouch", "-p", "avouch-agent", "-p", "avouch-testkit", "generated"];

/// Writes them anew.
pub(crate) fn write() -> Result<()> {
    let written = holds(cargo(&TESTS).env("AVOUCH_GENERATE", "1"));
    ensure!(written, "the generated files could not be written; see above");
    Ok(())
}
