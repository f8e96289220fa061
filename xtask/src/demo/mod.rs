//! `cargo xtask demo`: the main job on a real (virtual) node, as a person would watch it.

mod summary;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use avouch_lab::{Accelerator, Chip, Lab, Machine, Node, PowerOn};
use clap::Args;
use serde_json::Value;

use crate::command::root;
use crate::lab::{self, BOOT_DEADLINE};
use crate::tally::Tally;
use crate::verifier::{Build, INTERVAL_SECONDS, VERDICT_DEADLINE, Verifier, build_programs};
use summary::Summary;

/// A program that no policy knows.
const UNKNOWN_PROGRAM: &str = "#!/bin/sh\n# A copy with one byte more is a program that nobody approved.\ncp /usr/bin/true /root/unknown && printf x >> /root/unknown && chmod +x /root/unknown && /root/unknown\n";

/// Options of the demo.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Use KVM instead of software emulation; only where you know that it works.
    #[arg(long)]
    kvm: bool,
}

/// Runs the demo and counts it as one test.
pub(crate) fn suite() -> Result<Tally> {
    run(&Options::default())?;
    Ok(Tally::one("demo", true))
}

/// Runs the demo; an error says what was expected and did not happen.
pub(crate) fn run(options: &Options) -> Result<()> {
    print_plan();
    let start = Instant::now();
    lab::packages()?;
    say("building avouch and the static agent");
    let programs = build_programs(Build::Debug)?;
    let lab = lab::prepare()?;
    let disk = lab.image(&programs.agent, &mut lab::print_step)?;
    let built = start.elapsed();
    let folder = root().join("target/demo");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot clear target/demo")?;
    }
    fs::create_dir_all(folder.join("answers"))?;

    let verifier = Verifier::start(&folder, &programs, &lab.ek_roots())?;
    let mut stage = Stage { verifier, summary: Summary::new(&folder), accelerator: options.accelerator() };
    let policy = lab::confirmed_policy(&stage.verifier, &lab, &programs, &disk)?;
    stage.verifier.show(&["policy", "apply", path_text(&policy)?, "--default"])?;
    stage.play(&lab, &disk)?;
    stage.summary.write(start.elapsed())?;
    say(&format!(
        "done in {:.0} s ({:.0} s of it building); the answers are in target/demo/answers/",
        start.elapsed().as_secs_f64(),
        built.as_secs_f64()
    ));
    Ok(())
}

impl Options {
    fn accelerator(self) -> Accelerator {
        if self.kvm { Accelerator::Kvm } else { Accelerator::Emulation }
    }
}

fn print_plan() {
    eprintln!(
        "Avouch demo. The plan:\n\
         1. build the verifier and a virtual machine: UEFI Secure Boot, TPM 2.0 (software), IMA, systemd\n\
         2. take reference values from the artefacts, and the boot from another machine of the same build\n\
         3. boot the node: it enrols and passes, with its coverage\n\
         4. run a program in it that no policy knows: it fails, with path and digest\n\
         5. reboot it orderly, then cut its power: new boot sessions, no false alarm\n"
    );
}

/// Says what happens next, on standard error like all progress.
pub(crate) fn say(text: &str) {
    eprintln!("\n--- {text}");
}

/// A path as an argument of the CLI.
pub(crate) fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

struct Stage {
    verifier: Verifier,
    summary: Summary,
    accelerator: Accelerator,
}

impl Stage {
    fn play(&mut self, lab: &Lab, disk: &Path) -> Result<()> {
        let job = lab::enrolment_job("node", &self.verifier.token()?).file("unknown", UNKNOWN_PROGRAM);
        let mut node = lab.node("node", Chip::Node, disk)?;
        let power = PowerOn { accelerator: self.accelerator, ..PowerOn::new(lab.uki(), job) };

        say("booting the node");
        let mut machine = node.power_on(&power)?;
        self.first_verdict(&mut machine)?;
        self.tamper(&mut machine)?;
        self.reboot(&mut machine)?;
        say("cutting the power and booting again");
        machine.cut_power()?;
        self.power_cut(&mut node, &power)
    }

    fn first_verdict(&mut self, machine: &mut Machine<'_>) -> Result<()> {
        machine.wait_ready(BOOT_DEADLINE)?;
        lab::enrol(machine)?;
        let answer = self.verifier.wait("node", VERDICT_DEADLINE, judged)?;
        self.summary.answer("first", &answer)?;
        self.summary.set("enrolled", Value::Bool(true));
        self.summary.set("first_verdict", answer["node"]["verdict"].clone());
        self.verifier.show(&["node", "why", "node"])?;
        ensure!(answer["node"]["verdict"] == "pass", "the untouched node should pass; see above why it does not");
        Ok(())
    }

    fn tamper(&mut self, machine: &mut Machine<'_>) -> Result<()> {
        say("running a program that no policy knows");
        machine.run("unknown", Duration::from_secs(30))?;
        let ran = Instant::now();
        let answer = self.verifier.wait("node", VERDICT_DEADLINE, |answer| answer["node"]["verdict"] != "pass")?;
        say(&format!("seen after {:.1} s; the interval is {INTERVAL_SECONDS} s", ran.elapsed().as_secs_f64()));
        self.summary.answer("tamper", &answer)?;
        self.summary.set("tamper_verdict", answer["node"]["verdict"].clone());
        let finding = failing_finding(&answer).context("the verdict names no finding")?;
        self.summary.set("tamper_finding", finding);
        self.verifier.show(&["node", "why", "node"])?;
        ensure!(answer["node"]["verdict"] == "fail", "an unknown program should fail the node");
        Ok(())
    }

    fn reboot(&mut self, machine: &mut Machine<'_>) -> Result<()> {
        say("rebooting orderly, disk and TPM state kept");
        let before = self.session()?;
        machine.reboot(BOOT_DEADLINE)?;
        let answer = self.verifier.wait("node", VERDICT_DEADLINE, |answer| in_session_after(answer, before))?;
        self.summary.answer("reboot", &answer)?;
        self.summary.set("reboot_verdict", answer["node"]["verdict"].clone());
        self.verifier.show(&["node", "list"])?;
        ensure!(answer["node"]["verdict"] == "pass", "an orderly reboot should be no alarm");
        Ok(())
    }

    fn power_cut(&mut self, node: &mut Node, power: &PowerOn) -> Result<()> {
        let before = self.session()?;
        let mut machine = node.power_on(power)?;
        machine.wait_ready(BOOT_DEADLINE)?;
        let answer = self.verifier.wait("node", VERDICT_DEADLINE, |answer| in_session_after(answer, before))?;
        self.summary.answer("powercut", &answer)?;
        self.summary.set("powercut_verdict", answer["node"]["verdict"].clone());
        self.verifier.show(&["node", "why", "node"])?;
        ensure!(answer["node"]["verdict"] == "pass", "a power cut should be no alarm");
        machine.shut_down(Duration::from_secs(60))
    }

    fn session(&self) -> Result<u64> {
        let answer = self.verifier.cli(&["node", "show", "node"])?;
        answer["node"]["reset_count"].as_u64().context("the node has no boot session")
    }
}

fn judged(answer: &Value) -> bool {
    answer["node"]["last_status"].is_string() && answer["node"]["verdict"] != "stale"
}

fn in_session_after(answer: &Value, reset_count: u64) -> bool {
    judged(answer) && answer["node"]["reset_count"].as_u64().is_some_and(|now| now > reset_count)
}

fn failing_finding(answer: &Value) -> Option<Value> {
    let claims = answer["node"]["detail"]["claims"].as_array()?;
    let findings = claims.iter().filter_map(|claim| claim["findings"].as_array()).flatten();
    findings.into_iter().find(|finding| finding["effect"] == "fail").cloned()
}
