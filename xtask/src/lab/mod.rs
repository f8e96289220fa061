//! The virtual machine from the command line: prepare it, run its scenarios, and what the demo shares with them.

mod dual_source;
mod gate;
mod scenarios;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use avouch_lab::packages::Packages;
use avouch_lab::{Chip, Job, Lab, Machine, PowerOn, Step};
use clap::Subcommand;

pub(crate) use self::dual_source::rows;
use crate::command::cargo;
use crate::demo::{path_text, say};
use crate::tally::Tally;
use crate::verifier::{Build, Programs, Verifier, build_agent, build_programs};

/// A boot needs about 20 s under software emulation; a loaded host gets nine times that.
pub(crate) const BOOT_DEADLINE: Duration = Duration::from_secs(180);
/// Enrolment and the first quote need about two seconds in the guest.
const ENROL_DEADLINE: Duration = Duration::from_secs(60);

/// Name of the scenario about the lab itself.
const GROUND_TRUTH: &str = "ground-truth";
/// Name of the dual-source scenarios that need no server.
const OBSERVE: &str = "observe";
/// Name of the scenario of the local gate; by this name it runs whole, and without a server.
const GATE: &str = "gate";

/// What can be done with the lab.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Installs packages, builds every artefact of the machine and shows where they are.
    Prepare,
    /// Runs one scenario; without a name, those that `cargo xtask test lab` runs.
    Run {
        /// Its name; `cargo xtask lab list` shows them.
        scenario: Option<String>,
        /// Run the agent as it is shipped, not as it is built for tests.
        #[arg(long)]
        shipped: bool,
    },
    /// Lists the scenarios.
    List,
}

/// Runs one action.
pub(crate) fn run(action: &Action) -> Result<ExitCode> {
    match action {
        Action::Prepare => {
            packages()?;
            let lab = prepare()?;
            println!(
                "boot medium {}\nroot image  {}\nlogs        {}",
                lab.uki().esp.display(),
                lab.bare_image().display(),
                lab.logs().display()
            );
            Ok(ExitCode::SUCCESS)
        }
        Action::List => {
            scenarios::ALL.iter().for_each(|scenario| println!("{:<16} {}", scenario.name, scenario.what));
            println!(
                "{OBSERVE:<16} the part of dual-source that needs no server, on a node that never enrols (by name only)"
            );
            println!("{GROUND_TRUTH:<16} equal boot events across TPMs, reboots and power cuts (by name only)");
            Ok(ExitCode::SUCCESS)
        }
        Action::Run { scenario, shipped } => {
            packages()?;
            let build = if *shipped { Build::Shipped } else { Build::Debug };
            let tally = run_scenarios(scenario.as_deref(), build)?;
            println!("{tally}");
            Ok(tally.exit_code())
        }
    }
}

/// All scenarios, for `cargo xtask test lab`.
pub(crate) fn suite() -> Result<Tally> {
    run_scenarios(None, Build::Debug)
}

fn run_scenarios(only: Option<&str>, build: Build) -> Result<Tally> {
    if only == Some(GROUND_TRUTH) {
        return ground_truth();
    }
    if let Some(name @ (OBSERVE | GATE)) = only {
        let agent = build_agent(build)?;
        let lab = prepare()?;
        let disk = lab.image(&agent, &mut print_step)?;
        return if name == GATE { gate::run(&lab, &disk) } else { dual_source::standalone(&lab, &disk) };
    }
    let picked = |s: &&scenarios::Scenario| only.is_none_or(|name| s.name == name);
    let wanted: Vec<_> = scenarios::ALL.iter().filter(picked).collect();
    ensure!(!wanted.is_empty(), "there is no such scenario; `cargo xtask lab list` shows them");
    let programs = build_programs(build)?;
    let lab = prepare()?;
    let disk = lab.image(&programs.agent, &mut print_step)?;
    scenarios::run(&wanted, &lab, &programs, &disk)
}

/// What the lab promises of its machines, four boots long: everything else stands on it, and the demo passes only when
/// it holds, so it runs by name alone.
fn ground_truth() -> Result<Tally> {
    let programs = build_programs(Build::Debug)?;
    let output = cargo(&["run", "--quiet", "-p", "avouch-lab-checks", "--", path_text(&programs.agent)?])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().and_then(Tally::read).context("the checks of the lab did not come to their end")
}

/// Makes sure that every package is there.
///
/// # Errors
/// Without root, the error is the line to run.
pub(crate) fn packages() -> Result<()> {
    match avouch_lab::packages::ensure()? {
        Packages::Present => Ok(()),
        Packages::Installed(names) => {
            eprintln!("installed {}", names.join(" "));
            Ok(())
        }
        Packages::Missing { line, .. } => {
            bail!("some packages are missing and only root can install them; run:\n  {line}")
        }
    }
}

/// The tree of boot programs that unit tests read as `AVOUCH_EFI_ROOT`; none where mmdebstrap is not installed or
/// cannot fetch them, so that those tests say themselves what they miss.
pub(crate) fn boot_programs() -> Option<PathBuf> {
    avouch_lab::packages::find("mmdebstrap")?;
    avouch_lab::boot_programs(&mut print_step)
        .inspect_err(|error| eprintln!("no boot programs for the unit tests: {error:#}"))
        .ok()
}

/// Prepares the lab, with a line per step.
pub(crate) fn prepare() -> Result<Lab> {
    say("preparing the virtual machine (kept under target/lab)");
    Lab::prepare(&mut print_step)
}

/// One line per step of the lab.
pub(crate) fn print_step(step: Step) {
    let how = if step.cached { "kept" } else { "built" };
    eprintln!("{:<10} {how} in {:.1} s", step.name, step.took.as_secs_f64());
}

/// The job disk of a node that is to enrol as `label`.
pub(crate) fn enrolment_job(label: &str, token: &str) -> Job {
    let enrol = format!(
        "set -e\navouch-agent enroll --token-file /job/token --label {label}\nsystemctl start avouch-agent.service\n"
    );
    Job::new().file("token", token).file("enrol", enrol)
}

/// Enrols a machine that was powered on with [`enrolment_job`], and starts its agent.
pub(crate) fn enrol(machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run("enrol", ENROL_DEADLINE)?;
    ensure!(answer.status == 0, "enrolment failed in the guest:\n{}", answer.text());
    Ok(())
}

/// A policy from the lab's artefacts, with the boot of the reference machine confirmed. The reference machine has
/// another TPM than any node, and its boot is kept as long as the artefacts are the same.
pub(crate) fn confirmed_policy(verifier: &Verifier, lab: &Lab, programs: &Programs, disk: &Path) -> Result<PathBuf> {
    let kept = lab.logs().with_file_name("confirmed").join(format!("{}.json", artefact_names(lab, disk)?));
    if kept.exists() {
        say("the reference machine's boot was confirmed before, for the same artefacts");
        return Ok(kept);
    }
    let folder = kept.parent().context("a file has a folder")?;
    fs::create_dir_all(folder)?;
    let draft = folder.join("draft.json");
    say("computing reference values from the artefacts");
    let (root, initrd) = (lab.root_tree(), lab.initrd());
    let agent = format!("/usr/bin/avouch-agent={}", programs.agent.display());
    let build = ["policy", "build", "--name", "lab", "--root", path_text(&root)?, "--initrd", path_text(&initrd)?];
    verifier.show(&[&build, ["--file", &agent, "--output", path_text(&draft)?].as_slice()].concat())?;

    say("booting the reference machine, which has another TPM, to confirm its boot");
    let job = enrolment_job("reference", &verifier.token()?);
    let mut node = lab.node("reference", Chip::Reference, disk)?;
    let mut machine = node.power_on(&PowerOn::new(lab.uki(), job))?;
    machine.wait_ready(BOOT_DEADLINE)?;
    enrol(&mut machine)?;
    verifier.wait("reference", ENROL_DEADLINE, |answer| answer["node"]["last_status"].is_string())?;
    let whole = folder.join("whole.json");
    verifier.show(&[
        "policy",
        "confirm",
        path_text(&draft)?,
        "--from",
        "reference",
        "--yes",
        "--output",
        path_text(&whole)?,
    ])?;
    machine.cut_power()?;
    // Renamed last: a policy under its final name was confirmed to the end.
    fs::rename(&whole, &kept).context("the reference boot was not confirmed; see above")?;
    Ok(kept)
}

/// Names of the cache folders of image and boot medium: they carry the hash of everything that went in.
fn artefact_names(lab: &Lab, disk: &Path) -> Result<String> {
    let folder = |path: &Path| {
        let name = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        name.map(str::to_owned).with_context(|| format!("{} is not in the lab's cache", path.display()))
    };
    Ok(format!("{}-{}", folder(disk)?, folder(&lab.uki().esp)?))
}
