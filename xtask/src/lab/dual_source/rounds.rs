//! Reports that a verifier appraises: what fails a node, what it cannot hide, and what never leaves it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use avouch_lab::{Machine, Node, PowerOn};
use serde_json::{Value, json};

use super::super::scenarios::Scene;
use super::super::{BOOT_DEADLINE, print_step};
use super::{Extent, SCRIPT_DEADLINE, count, files, observe, setup};
use crate::demo::{path_text, say};
use crate::tally::Tally;

/// Rows that these scenarios stand for.
pub(super) const ROWS: &[(&str, &str)] = &[
    ("d1", "a direct write fails the node"),
    ("d9", "another agent is an unknown program"),
    ("d12", "a dropped report"),
];

/// Levels that the policy of these scenarios demands.
const REQUIRED: [&str; 7] = ["V4", "V5", "V6", "V7", "V8", "V9", "V10"];
/// What is planted where secrets stand.
const SECRETS: [&str; 5] = [
    "canary-environment-6b1f",
    "canary-file-6b1f",
    "canary-credential-6b1f",
    "canary-argument-6b1f",
    "canary-user-6b1f",
];

/// The cap needs three rounds: two looks that find the same, and a quote over what that extended. With the units of these
/// scenarios a look takes half a minute under emulation.
const CAP_DEADLINE: Duration = Duration::from_secs(240);

/// The node of the shared boot.
const NODE: &str = "lab";

/// What leaves the node passing.
pub(super) fn run(scene: &Scene<'_>, machine: &mut Machine<'_>, extent: Extent, tally: &mut Tally) -> Result<()> {
    demand_levels(scene)?;
    *tally += count("a pass under a policy that demands levels", scene.passes_again(NODE));
    *tally += count(ROWS[0].1, direct_write(scene, machine));
    match extent {
        Extent::Whole => *tally += count("no secret leaves the node", no_secret(scene, machine)),
        // The scenarios that follow are about other policies.
        Extent::Short => scene.verifier.borrow().show(&["policy", "apply", path_text(&scene.policy)?, "--default"])?,
    }
    Ok(())
}

/// What leaves it failing until it boots again.
pub(super) fn last(scene: &Scene<'_>, machine: &mut Machine<'_>, tally: &mut Tally) -> Result<()> {
    *tally += count(ROWS[1].1, changed_agent(scene, machine));
    say("booting again: an unknown program stays in the list until then");
    reboot(scene, machine)?;
    *tally += count("a cap holds until the next boot", cap(scene, machine));
    say("booting again: the cap holds until then");
    *tally += count("the next boot is without the cap", reboot(scene, machine));
    *tally += count(ROWS[2].1, dropped_report(scene, machine));
    Ok(())
}

/// The node again, with one more word on its kernel command line: the key that signs reports is bound to the boot
/// state of before.
pub(in super::super) fn changed_command_line(scene: &Scene<'_>, node: &mut Node) -> Tally {
    say("booting the same node with one more word on its kernel command line");
    count("the report key refuses another boot state", refuses(scene, node))
}

/// Makes the policy that is in force demand levels.
fn demand_levels(scene: &Scene<'_>) -> Result<()> {
    let mut policy: Value = serde_json::from_slice(&fs::read(&scene.policy)?).context("the policy is not JSON")?;
    policy["observation"] = json!({
        "required": REQUIRED,
        "not_applicable": [],
        "tolerate_inconclusive": false,
        "cap": {"pcr": 14, "on": ["V4.memory.max.*"]},
    });
    let file = scene.folder.join("levels.json");
    fs::write(&file, serde_json::to_vec_pretty(&policy)?)?;
    scene.verifier.borrow().show(&["policy", "apply", path_text(&file)?, "--default"])
}

fn direct_write(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    ensure!(machine.run("write-memory-max", SCRIPT_DEADLINE)?.status == 0, "memory.max could not be written");
    let answer = scene.wait(NODE, |answer| answer["node"]["verdict"] == "fail");
    ensure!(machine.run("heal", SCRIPT_DEADLINE)?.status == 0, "memory.max could not be restored");
    let text = answer?.to_string();
    ensure!(
        text.contains("V4.memory.max.kernel_weaker") && text.contains("t-four.service"),
        "the verdict does not name the finding: {text}"
    );
    let pairs = scene.verifier.borrow().cli(&["node", "pairs", NODE, "--unit", "t-four.service"])?.to_string();
    ensure!(pairs.contains("4294967296"), "the server does not show the pair: {pairs}");
    scene.passes_again(NODE)
}

/// Secrets are planted in every place that may hold one; what was sent, what the server keeps and what both log is
/// searched. The unit's name shows that the search would have found them.
fn no_secret(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    let again = machine.run("canary-again", SCRIPT_DEADLINE)?;
    ensure!(again.status == 0, "{}", again.text());
    scene.passes_again(NODE)?;
    let report = observe(machine, "")?.value().to_string();
    let sent = machine.run("sent", SCRIPT_DEADLINE)?;
    ensure!(sent.status == 0, "the agent does not show what it sent: {}", sent.text());
    let pairs = scene.verifier.borrow().cli(&["node", "pairs", NODE])?.to_string();
    for (name, text) in [("the report", &report), ("what was sent", &sent.text()), ("the server's pairs", &pairs)] {
        ensure!(holds(text.as_bytes(), "t-canary.service"), "{name} does not speak of the unit at all");
        without_secrets(name, text.as_bytes())?;
    }
    let mut files = 0;
    each_file(&scene.folder, &mut |path, bytes| {
        files += 1;
        without_secrets(&path.display().to_string(), bytes)
    })?;
    ensure!(files > 3, "the server keeps {files} files; that cannot be all");
    Ok(())
}

fn without_secrets(name: &str, bytes: &[u8]) -> Result<()> {
    let found: Vec<_> = SECRETS.iter().filter(|secret| holds(bytes, secret)).collect();
    ensure!(found.is_empty(), "{name} holds {found:?}");
    Ok(())
}

/// Whether bytes hold a text, as it is or in hexadecimal.
fn holds(bytes: &[u8], text: &str) -> bool {
    let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    [text.as_bytes(), hexadecimal.as_bytes()].iter().any(|wanted| bytes.windows(wanted.len()).any(|at| at == *wanted))
}

fn each_file(folder: &Path, visit: &mut impl FnMut(&Path, &[u8]) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            each_file(&path, visit)?;
        } else {
            visit(&path, &fs::read(&path)?)?;
        }
    }
    Ok(())
}

fn changed_agent(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    machine.run("changed-agent", SCRIPT_DEADLINE)?;
    // The dm-verity device of before has its table in the list and fails the node already.
    let names = |answer: &Value| answer["node"]["detail"].to_string().contains("/run/other/avouch-agent");
    scene.wait(NODE, |answer| answer["node"]["verdict"] == "fail" && names(answer)).map(drop)
}

fn reboot(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    machine.reboot(BOOT_DEADLINE)?;
    scene.passes_again(NODE)
}

fn cap(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    setup(machine)?;
    ensure!(machine.run("cap-on", SCRIPT_DEADLINE)?.status == 0, "the cap could not be switched on");
    scene.passes_again(NODE)?;
    ensure!(machine.run("write-memory-max", SCRIPT_DEADLINE)?.status == 0, "memory.max could not be written");
    let capped = scene.wait_for(NODE, CAP_DEADLINE, |answer| answer.to_string().contains("NODE_CAPPED"));
    ensure!(machine.run("heal", SCRIPT_DEADLINE)?.status == 0, "memory.max could not be restored");
    capped?;
    // Nothing is wrong any more, and two rounds later it still fails.
    let head = scene.head(NODE)?;
    let later = |answer: &Value| answer["node"]["head_seq"].as_u64().is_some_and(|at| at >= head + 3);
    let answer = scene.wait_for(NODE, CAP_DEADLINE, later)?;
    ensure!(answer["node"]["verdict"] == "fail", "it stands at {}", answer["node"]["verdict"]);
    ensure!(answer.to_string().contains("NODE_CAPPED"), "it fails for another reason: {answer}");
    Ok(())
}

/// A chain PCR that moved without a report: what the node hides costs it the boot session.
fn dropped_report(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run("withhold", SCRIPT_DEADLINE)?;
    ensure!(answer.status == 0, "no report could be dropped: {}", answer.text());
    let answer = scene.wait(NODE, |answer| answer["node"]["verdict"] == "fail")?;
    ensure!(answer.to_string().contains("REPORT_WITHHELD"), "it fails for another reason: {answer}");
    Ok(())
}

fn refuses(scene: &Scene<'_>, node: &mut Node) -> Result<()> {
    let uki = scene.lab.other_uki("avouch.changed=1", true, &mut print_step)?;
    let job = files(super::super::enrolment_job(NODE, "none"))?;
    let mut machine = node.power_on(&PowerOn::new(&uki, job))?;
    machine.wait_ready(BOOT_DEADLINE)?;
    let refused = machine.run("refused", SCRIPT_DEADLINE)?;
    machine.cut_power()?;
    ensure!(refused.status == 0, "the key of the approved boot did not refuse: {}", refused.text());
    Ok(())
}
