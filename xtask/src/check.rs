//! The inner loop: formatting, clippy and unit tests of the packages that differ from the last commit.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::command::{cargo, holds, root};
use crate::nextest;
use crate::tally::Tally;

/// Checks what changed since the last commit; with a clean tree, what the last commit changed.
pub(crate) fn run() -> Result<ExitCode> {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec()?;
    let changed = changed_packages(&metadata)?;
    let mut tally = Tally::one("cargo fmt", holds(&mut cargo(&["fmt", "--all", "--check"])));
    if changed.is_empty() {
        eprintln!("no package changed");
    } else {
        eprintln!("changed: {}", changed.iter().cloned().collect::<Vec<_>>().join(" "));
        let packages: Vec<&str> = changed.iter().flat_map(|name| ["-p", name.as_str()]).collect();
        let clippy = [&["clippy", "--quiet", "--all-targets"], packages.as_slice(), &["--", "-D", "warnings"]].concat();
        tally += Tally::one("cargo clippy", holds(&mut cargo(&clippy)));
        tally += nextest::run("check", &packages, &nextest::Pick::Unit)?;
    }
    println!("{tally}");
    Ok(tally.exit_code())
}

fn changed_packages(metadata: &Metadata) -> Result<BTreeSet<String>> {
    let mut files = git(&["diff", "--name-only", "HEAD"])?;
    files.extend(git(&["ls-files", "--others", "--exclude-standard"])?);
    if files.is_empty() {
        files = git(&["diff", "--name-only", "HEAD~1", "HEAD"]).unwrap_or_default();
    }
    let owner = |file: &String| {
        let path = metadata.workspace_root.join(file);
        metadata
            .packages
            .iter()
            .filter(|package| package.manifest_path.parent().is_some_and(|dir| path.starts_with(dir)))
            .max_by_key(|package| package.manifest_path.as_str().len())
            .map(|package| package.name.to_string())
    };
    Ok(files.iter().filter_map(owner).collect())
}

fn git(arguments: &[&str]) -> Result<Vec<String>> {
    let output = Command::new("git").current_dir(root()).args(arguments).output().context("cannot start git")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
}
