//! Scenarios: what must happen to a real node, asserted on the host. Scenarios that need nothing special share a boot.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use avouch_lab::{Chip, Lab, Machine, PowerOn};
use serde_json::Value;

use super::dual_source::{self, Extent};
use super::gate;
use super::{BOOT_DEADLINE, confirmed_policy, enrol, enrolment_job};
use crate::command::root;
use crate::demo::{path_text, say};
use crate::tally::Tally;
use crate::verifier::{Programs, VERDICT_DEADLINE, Verifier};

/// Scripts in the guest are short.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(60);

/// One scenario.
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub what: &'static str,
    /// The boot that it needs.
    boot: Boot,
}

/// Boots that scenarios share; each happens at most once per run.
enum Boot {
    /// The approved UKI, on a node that enrols.
    Approved(fn(&Scene<'_>, &mut Machine<'_>) -> Result<()>),
    /// The same one, for scenarios that count themselves; alone they are run to their end, which needs further boots.
    DualSource,
    /// The same one, for services that wait for the machine's own verdict; they count themselves too.
    Gate,
    /// A UKI with one more word on its kernel command line, signed by the same key.
    ChangedWord,
    /// A UKI that nobody signed.
    Unsigned,
}

/// All of them. Those of the approved boot run in this order; the last ones leave the node failing.
pub(crate) const ALL: &[Scenario] = &[
    Scenario { name: "status", what: "the agent says how it stands", boot: Boot::Approved(status) },
    Scenario {
        name: "server-crash",
        what: "kill -9 of the server: the agent goes on by itself",
        boot: Boot::Approved(server_crash),
    },
    Scenario {
        name: "agent-crash",
        what: "kill -9 of the agent: systemd starts it, its chain goes on",
        boot: Boot::Approved(agent_crash),
    },
    Scenario {
        name: "busy-tpm",
        what: "another program keeps the TPM busy: rounds still pass",
        boot: Boot::Approved(busy_tpm),
    },
    Scenario {
        name: "known-module",
        what: "loading a module of the artefacts is no alarm",
        boot: Boot::Approved(known_module),
    },
    Scenario {
        name: "dual-source",
        what: "what systemd says beside what the kernel does (by name: all of it, with reboots and load)",
        boot: Boot::DualSource,
    },
    Scenario {
        name: super::GATE,
        what: "services wait for their machine's own verdict (by name: also without Secure Boot)",
        boot: Boot::Gate,
    },
    Scenario {
        name: "tmpfs-program",
        what: "an unknown program on tmpfs fails the node",
        boot: Boot::Approved(tmpfs_program),
    },
    Scenario {
        name: "changed-word",
        what: "one changed word of the kernel command line fails",
        boot: Boot::ChangedWord,
    },
    Scenario { name: "unsigned", what: "an unsigned kernel does not boot", boot: Boot::Unsigned },
];

/// What scenarios work with.
pub(super) struct Scene<'a> {
    pub(super) verifier: std::cell::RefCell<Verifier>,
    pub(super) lab: &'a Lab,
    disk: &'a Path,
    /// Where the verifier keeps everything.
    pub(super) folder: PathBuf,
    /// The policy's file.
    pub(super) policy: PathBuf,
}

/// Runs `wanted` with as few boots as they need.
pub(crate) fn run(wanted: &[&Scenario], lab: &Lab, programs: &Programs, disk: &Path) -> Result<Tally> {
    let folder = root().join("target/lab-run");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let verifier = Verifier::start(&folder, programs, &lab.ek_roots())?;
    let policy = confirmed_policy(&verifier, lab, programs, disk)?;
    verifier.show(&["policy", "apply", path_text(&policy)?, "--default"])?;
    let scene = Scene { verifier: verifier.into(), lab, disk, folder, policy };
    let mut tally = Tally::default();
    let approved: Vec<_> =
        wanted.iter().filter(|s| matches!(s.boot, Boot::Approved(_) | Boot::DualSource | Boot::Gate)).collect();
    if !approved.is_empty() {
        tally += approved_boot(&scene, &approved);
    }
    for scenario in wanted {
        match scenario.boot {
            Boot::Approved(_) | Boot::DualSource | Boot::Gate => {}
            Boot::ChangedWord => tally += count(scenario, changed_word(&scene)),
            Boot::Unsigned => tally += count(scenario, unsigned(&scene)),
        }
    }
    Ok(tally)
}

fn count(scenario: &Scenario, result: Result<()>) -> Tally {
    match &result {
        Ok(()) => eprintln!("PASS {}: {}", scenario.name, scenario.what),
        Err(error) => eprintln!("FAIL {}: {error:#}", scenario.name),
    }
    Tally::one(scenario.name, result.is_ok())
}

fn approved_boot(scene: &Scene<'_>, scenarios: &[&&Scenario]) -> Tally {
    say("booting the node of the lab");
    let mut tally = Tally::default();
    let extent = if scenarios.len() == 1 { Extent::Whole } else { Extent::Short };
    let result = (|| {
        let job = enrolment_job("lab", &scene.verifier.borrow().token()?)
            .file("status", "avouch-agent status --json")
            .file("kill-agent", "systemctl kill --signal=KILL avouch-agent.service; for _ in {1..60}; do sleep 0.5; systemctl is-active -q avouch-agent.service && exit 0; done; systemctl is-active avouch-agent.service")
            .file("busy", "timeout 25 bash -c 'while :; do tpm2_pcrread sha256:0 -T device:/dev/tpmrm0; done' >/dev/null 2>&1; true")
            .file("module", "modprobe dummy && lsmod | grep -w dummy")
            .file("tmpfs", "mkdir -p /run/x && cp /usr/bin/true /run/x/from-tmpfs && printf x >>/run/x/from-tmpfs && /run/x/from-tmpfs");
        let job = gate::files(dual_source::files(job)?)?;
        let mut node = scene.lab.node("lab", Chip::Node, scene.disk)?;
        let mut machine = node.power_on(&PowerOn::new(scene.lab.uki(), job))?;
        machine.wait_ready(BOOT_DEADLINE)?;
        enrol(&mut machine)?;
        scene.passes_from("lab", 1)?;
        for scenario in scenarios {
            match scenario.boot {
                Boot::Approved(body) => tally += count(scenario, body(scene, &mut machine)),
                Boot::DualSource => tally += dual_source::run(scene, &mut machine, extent),
                Boot::Gate => tally += gate::beside_the_agent(&mut machine),
                Boot::ChangedWord | Boot::Unsigned => {}
            }
        }
        machine.cut_power()?;
        if extent == Extent::Whole && matches!(scenarios, [Scenario { boot: Boot::DualSource, .. }]) {
            tally += dual_source::changed_command_line(scene, &mut node);
        }
        anyhow::Ok(())
    })();
    if let Err(error) = result {
        eprintln!("FAIL the lab's node: {error:#}");
        tally += Tally::failure("the node of the lab");
    }
    tally
}

impl Scene<'_> {
    pub(super) fn wait(&self, node: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait_for(node, VERDICT_DEADLINE, wanted)
    }

    pub(super) fn wait_for(&self, node: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.verifier.borrow().wait(node, limit, wanted)
    }

    /// Waits for a pass that rests on record `seq` or a later one.
    fn passes_from(&self, node: &str, seq: u64) -> Result<u64> {
        let answer = self.wait(node, |answer| {
            answer["node"]["verdict"] == "pass" && answer["node"]["seq"].as_u64().is_some_and(|at| at >= seq)
        })?;
        answer["node"]["seq"].as_u64().context("a pass rests on a record")
    }

    pub(super) fn passes_again(&self, node: &str) -> Result<()> {
        self.passes_from(node, self.head(node)? + 1).map(drop)
    }

    /// The number of the node's newest record.
    pub(super) fn head(&self, node: &str) -> Result<u64> {
        let answer = self.verifier.borrow().cli(&["node", "show", node])?;
        answer["node"]["head_seq"].as_u64().context("the node has records")
    }
}

fn status(_: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run("status", SCRIPT_DEADLINE)?;
    let value: Value = serde_json::from_slice(&answer.output).with_context(|| answer.text())?;
    ensure!(value["enrolled"] == true, "status does not say that the node is enrolled: {value}");
    Ok(())
}

fn server_crash(scene: &Scene<'_>, _: &mut Machine<'_>) -> Result<()> {
    scene.verifier.borrow_mut().stop();
    scene.verifier.borrow_mut().resume()?;
    scene.passes_again("lab")
}

fn agent_crash(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run("kill-agent", SCRIPT_DEADLINE)?;
    ensure!(answer.status == 0, "systemd did not start the agent again: {}", answer.text());
    scene.passes_again("lab")
}

fn busy_tpm(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    machine.run("busy", SCRIPT_DEADLINE)?;
    scene.passes_again("lab")
}

fn known_module(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run("module", SCRIPT_DEADLINE)?;
    ensure!(answer.status == 0, "the module did not load: {}", answer.text());
    scene.passes_again("lab")
}

fn tmpfs_program(scene: &Scene<'_>, machine: &mut Machine<'_>) -> Result<()> {
    machine.run("tmpfs", SCRIPT_DEADLINE)?;
    let answer = scene.wait("lab", |answer| answer["node"]["verdict"] == "fail")?;
    let text = answer["node"]["detail"].to_string();
    ensure!(text.contains("from-tmpfs"), "the verdict does not name the program: {text}");
    Ok(())
}

fn changed_word(scene: &Scene<'_>) -> Result<()> {
    say("booting a kernel command line with one more word");
    let uki = scene.lab.other_uki("avouch.changed=1", true, &mut super::print_step)?;
    let job = enrolment_job("changed", &scene.verifier.borrow().token()?);
    let mut node = scene.lab.node("changed", Chip::Spare, scene.disk)?;
    let mut machine = node.power_on(&PowerOn::new(&uki, job))?;
    machine.wait_ready(BOOT_DEADLINE)?;
    enrol(&mut machine)?;
    let answer = scene.wait("changed", |answer| answer["node"]["last_status"].is_string())?;
    machine.cut_power()?;
    ensure!(answer["node"]["verdict"] == "fail", "it stands at {}", answer["node"]["verdict"]);
    ensure!(answer["node"]["code"] == "BOOT_EVENT_UNKNOWN", "its code is {}", answer["node"]["code"]);
    Ok(())
}

fn unsigned(scene: &Scene<'_>) -> Result<()> {
    say("booting a kernel that nobody signed");
    let uki = scene.lab.other_uki("", false, &mut super::print_step)?;
    let job = enrolment_job("unsigned", "none");
    let mut node = scene.lab.node("unsigned", Chip::Spare, scene.disk)?;
    let mut machine = node.power_on(&PowerOn::new(&uki, job))?;
    machine.wait_console("Access Denied", BOOT_DEADLINE)?;
    machine.cut_power()
}
