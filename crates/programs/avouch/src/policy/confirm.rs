//! Taking the boot of a reference machine into a policy, after a person has looked at it.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use avouch_appraise::{Confirmation, PolicyDraft, ReferenceBoot};
use serde_json::json;

use crate::arguments::{Confirm, Global};
use crate::connection::Connection;
use crate::node::escape;
use crate::settings::now_text;
use crate::table::Table;

pub(crate) fn run(global: &Global, options: &Confirm) -> Result<ExitCode> {
    let bytes = super::read(&options.policy)?;
    let mut draft =
        PolicyDraft::from_bytes(&bytes).with_context(|| format!("{} is not a policy", options.policy.display()))?;
    let connection = Connection::open(global)?;
    let boot: ReferenceBoot = connection.get(&format!("/v1/nodes/{}/reference-boot", escape(&options.from)))?;
    let confirmation = draft.confirm(&boot, &options.from, &now_text())?;
    if !global.json {
        describe(&boot, &confirmation, &options.from);
    }
    if !options.yes && !agreed()? {
        bail!("nothing was confirmed; the policy is unchanged");
    }
    let output = options.output.as_ref().unwrap_or(&options.policy);
    super::write(output, &draft.to_bytes())?;
    if global.json {
        let answer = json!({
            "policy": output, "policy_ref": draft.reference().to_hex(), "from": options.from, "boot": boot,
            "not_from_artefacts": confirmation.not_from_artefacts, "new_buffers": confirmation.new_buffers,
        });
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        println!("wrote {}; next: avouch policy apply {0} --default", output.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(boot: &ReferenceBoot, confirmation: &Confirmation, from: &str) {
    println!("Boot of {from}, as its TPM signed it ({} bank):", boot.bank);
    let mut table = Table::new(&["pcr", "events", "first digests"]);
    for (pcr, digests) in &boot.pcrs {
        let first: Vec<_> = digests.iter().take(3).map(|d| d.chars().take(12).collect::<String>()).collect();
        table.row([pcr.to_string(), digests.len().to_string(), first.join(" ")]);
    }
    table.print();
    println!("{} files ran before the IMA policy was loaded; {} buffers.", boot.early.len(), boot.buffers.len());
    if !confirmation.not_from_artefacts.is_empty() {
        println!("\n! These early files are in none of the artefacts of the policy. Know where each comes from:");
        confirmation.not_from_artefacts.iter().for_each(|file| println!("    {} {}", file.sha256, file.path));
    }
    if confirmation.already_confirmed {
        println!("This very boot was confirmed before.");
    }
    println!(
        "\nConfirm only if you know that {from} was set up from the artefacts of this policy and nobody else had it."
    );
}

fn agreed() -> Result<bool> {
    print!("Confirm this boot? Type yes: ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}
