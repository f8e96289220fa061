//! Taking the boot of a reference machine into a policy, after a person has looked at it.

use std::io::{BufRead, IsTerminal, stdin};

use avouch_appraise::{Confirmation, PolicyDraft, ReferenceBoot};
use serde_json::json;

use super::file::{malformed, read, write};
use crate::arguments::{Confirm, Global};
use crate::connection::{Connection, segment};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::now_text;
use crate::table::Table;

pub(super) fn run(global: &Global, options: &Confirm) -> Result<Output, Failure> {
    if !options.yes && (global.json || !stdin().is_terminal()) {
        let what = "nobody can be asked whether this boot is good";
        return Err(Failure::new("NOT_CONFIRMED", what, "Look at the boot in a terminal first, then add --yes."));
    }
    let bytes = read(&options.policy)?;
    let mut draft = PolicyDraft::from_bytes(&bytes).map_err(|error| malformed(&options.policy, error))?;
    let connection = Connection::open(global)?;
    let boot: ReferenceBoot = connection.get(&format!("/v1/nodes/{}/reference-boot", segment(&options.from)))?;
    let confirmation = draft.confirm(&boot, &options.from, &now_text()).map_err(|error| {
        let remedy = "Put the reference machine or the policy right, and confirm again.";
        Failure::new("REFERENCE_BOOT", error, remedy)
    })?;
    if !global.json {
        description(&boot, &confirmation, &options.from).iter().for_each(|line| eprintln!("{line}"));
    }
    if !options.yes && !agreed() {
        let what = "nothing was confirmed; the policy is unchanged";
        return Err(Failure::new("NOT_CONFIRMED", what, "Type yes when the boot is known to be good."));
    }
    let output = options.output.as_ref().unwrap_or(&options.policy);
    write(output, &draft.to_bytes())?;
    if global.json {
        return Ok(Output::json(&json!({
            "policy": output,
            "policy_ref": draft.reference().to_hex(),
            "from": options.from,
            "boot": boot,
            "already_confirmed": confirmation.already_confirmed,
            "not_from_artefacts": confirmation.not_from_artefacts,
            "new_buffers": confirmation.new_buffers,
        })));
    }
    let output = output.display();
    Ok(Output::lines(&[format!("wrote {output}; next: avouch policy apply {output} --default")]))
}

fn description(boot: &ReferenceBoot, confirmation: &Confirmation, from: &str) -> Vec<String> {
    let mut lines = vec![format!("Boot of {from}, as its TPM signed it ({} bank):", boot.bank)];
    let mut table = Table::new(&["pcr", "events", "first digests"]);
    for (pcr, digests) in &boot.pcrs {
        let first: Vec<_> = digests.iter().take(3).map(|d| d.chars().take(12).collect::<String>()).collect();
        table.row([pcr.to_string(), digests.len().to_string(), first.join(" ")]);
    }
    lines.extend(table.lines());
    let (early, buffers) = (boot.early.len(), boot.buffers.len());
    lines.push(format!("{early} files ran before the IMA policy was loaded; {buffers} buffers were measured."));
    if !confirmation.not_from_artefacts.is_empty() {
        lines.push(String::new());
        lines.push("! These early files are in none of the policy's artefacts. Know where each comes from:".into());
        let files = confirmation.not_from_artefacts.iter();
        lines.extend(files.map(|file| format!("    {} {}", file.sha256, file.path)));
    }
    if confirmation.already_confirmed {
        lines.push("This very boot was confirmed before.".into());
    }
    lines.push(String::new());
    lines.push(format!(
        "Confirm only if you know that {from} was set up from the artefacts of this policy and nobody else had it."
    ));
    lines
}

fn agreed() -> bool {
    eprint!("Confirm this boot? Type yes: ");
    let mut line = String::new();
    stdin().lock().read_line(&mut line).is_ok() && line.trim() == "yes"
}
