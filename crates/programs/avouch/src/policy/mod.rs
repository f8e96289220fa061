//! `avouch policy build | confirm | apply | list`.

mod apply;
mod build;
mod confirm;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use avouch_server::api::Policies;

use crate::arguments::{Global, Policy};
use crate::connection::Connection;
use crate::settings::timestamp;
use crate::table::Table;

/// Runs one of the commands.
pub(crate) fn run(global: &Global, command: &Policy) -> Result<ExitCode> {
    match command {
        Policy::Build(options) => build::run(global, options),
        Policy::Confirm(options) => confirm::run(global, options),
        Policy::Apply(options) => apply::run(global, options),
        Policy::List => list(global),
    }
}

fn list(global: &Global) -> Result<ExitCode> {
    let policies: Policies = Connection::open(global)?.get("/v1/policies")?;
    if global.json {
        println!("{}", serde_json::to_string_pretty(&policies)?);
    } else if policies.policies.is_empty() {
        println!("The server holds no policy, so every verdict is unverifiable. Make one with `avouch policy build`.");
    } else {
        let mut table = Table::new(&["policy", "name", "stored", "applied", ""]);
        for policy in &policies.policies {
            let default = policies.default.as_ref() == Some(&policy.policy_ref);
            table.row([
                policy.policy_ref.clone(),
                policy.name.clone(),
                timestamp(policy.created),
                policy.applied.map_or_else(|| "never".into(), timestamp),
                if default { "default".into() } else { String::new() },
            ]);
        }
        table.print();
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read the policy {}", path.display()))
}

/// Writes beside the target and renames, so that a policy file is whole or is the old one.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write the policy {}", path.display()))
}
