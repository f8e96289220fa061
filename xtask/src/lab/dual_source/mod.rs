//! Two witnesses in a real guest: tampering that systemd does not show, and differences that are none.
//!
//! Tampering is done in waves, each case on units of its own: one look at the whole machine then shows whether every
//! case was found exactly and whether anything else was.

mod cases;
mod intent;
mod load;
mod report;
mod rounds;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use avouch_lab::{Chip, Job, Lab, Machine, PowerOn};

use super::BOOT_DEADLINE;
use super::scenarios::Scene;
use crate::command::root;
use crate::demo::say;
use crate::tally::Tally;
use cases::{Case, WAVES, Wave};
use report::{Found, Seen, covers};
pub(super) use rounds::changed_command_line;

/// One pass over the machine, and one script; a loaded host is slow.
const OBSERVE_DEADLINE: Duration = Duration::from_secs(120);
const SCRIPT_DEADLINE: Duration = Duration::from_secs(180);

/// Units that differ from what systemd says in ways that are none, and those that are simply there.
const BENIGN: &[&str] = &[
    "t-plain.service",
    "t-round.service",
    "t-round2.service",
    "t-round3.service",
    "t-child.service",
    "t-par.slice",
    "t-hard.service",
    "t-hardroot.service",
    "t-implied.service",
    "t-dyn.service",
    "t-pusers.service",
    "t-aa-missing.service",
    "t-oneshot.service",
    "t-idle.socket",
    "t-sock.socket",
    "t-sock.service",
    "dbus.service",
    "systemd-journald.service",
    "systemd-udevd.service",
];

/// The collector's own units, which must agree with what systemd says of them.
const COLLECTOR: &[&str] = &["avouch-collector.service", "avouch-collector.socket"];
/// The talker, which runs on an enrolled node.
const TALKER: &str = "avouch-agent.service";

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// What fits among the other scenarios of the suite: the first wave, and a finding that fails the node.
    Short,
    /// Everything, with reboots and a minute of load.
    Whole,
}

/// Rows of the acceptance suite with the names of the scenarios that stand for them.
pub(crate) fn rows() -> Vec<(&'static str, &'static str)> {
    let cases = WAVES.iter().flat_map(|wave| wave.cases).map(|case| (case.rows, case.name));
    let others = rounds::ROWS.iter().chain(load::ROWS).copied();
    cases.flat_map(|(rows, name)| rows.iter().map(move |row| (*row, name))).chain(others).collect()
}

/// Adds units and scripts to a node's job.
pub(super) fn files(mut job: Job) -> Result<Job> {
    for folder in ["lab/dual-source", "lab/dual-source/units"] {
        for entry in fs::read_dir(root().join(folder)).with_context(|| format!("cannot read {folder}"))? {
            let path: PathBuf = entry?.path();
            if let (true, Some(name)) = (path.is_file(), path.file_name().and_then(|name| name.to_str())) {
                job = job.file(name, fs::read(&path)?);
            }
        }
    }
    for wave in WAVES {
        job = job.file(&format!("{}-tamper", wave.name), script(wave, |case| case.tamper));
        job = job.file(&format!("{}-restore", wave.name), script(wave, |case| case.restore));
    }
    Ok(job)
}

/// The script that takes one step per case.
fn script(wave: &Wave, part: impl Fn(&Case) -> &'static str) -> String {
    let steps = wave.cases.iter().map(|case| format!("step {} <<'STEP'\n{}\nSTEP\n", case.name, part(case)));
    format!(". /job/tools\n{}", steps.collect::<String>())
}

/// Runs what `extent` says on an enrolled node that passes.
pub(super) fn run(scene: &Scene<'_>, machine: &mut Machine<'_>, extent: Extent) -> Tally {
    let mut tally = Tally::default();
    let result = (|| {
        // It looks at the machine every ten seconds, which is most of what an emulated processor can do.
        talker(machine, "stop")?;
        local(machine, &mut tally, extent)?;
        talker(machine, "start")?;
        let now = observe(machine, &format!("--unit {TALKER}"))?;
        tally += count(&format!("no false alarm: {TALKER}"), now.green(&format!("unit:{TALKER}")));
        rounds::run(scene, machine, extent, &mut tally)?;
        if extent == Extent::Whole {
            load::run(machine, &mut tally)?;
            rounds::last(scene, machine, &mut tally)?;
        }
        anyhow::Ok(())
    })();
    if let Err(error) = result {
        tally += count("dual-source", Err(error));
    }
    tally
}

/// Runs what needs no server on a node that never enrols.
pub(super) fn standalone(lab: &Lab, disk: &Path) -> Result<Tally> {
    say("booting a node that never enrols");
    let mut node = lab.node("observe", Chip::Spare, disk)?;
    let mut machine = node.power_on(&PowerOn::new(lab.uki(), files(Job::new())?))?;
    machine.wait_ready(BOOT_DEADLINE)?;
    let mut tally = Tally::default();
    let result = local(&mut machine, &mut tally, Extent::Whole).and_then(|()| {
        load::run(&mut machine, &mut tally)?;
        machine.cut_power()
    });
    if let Err(error) = result {
        tally += count("observe", Err(error));
    }
    Ok(tally)
}

/// Everything that `avouch-agent observe` shows by itself.
fn local(machine: &mut Machine<'_>, tally: &mut Tally, extent: Extent) -> Result<()> {
    say("starting the units of the dual-source scenarios");
    setup(machine)?;
    let first = observe(machine, "")?;
    *tally += untouched(&first);
    let mut before = first;
    // Every look at the whole machine takes many seconds under emulation.
    let waves = if extent == Extent::Whole { WAVES } else { &WAVES[..1] };
    for wave in waves {
        before = run_wave(wave, machine, before, tally)?;
    }
    if extent == Extent::Whole {
        *tally += intent::run(machine)?;
    }
    Ok(())
}

/// Prints what came of a scenario and counts it.
fn count(name: &str, result: Result<()>) -> Tally {
    match &result {
        Ok(()) => eprintln!("PASS {name}"),
        Err(error) => eprintln!("FAIL {name}: {error:#}"),
    }
    Tally::one(name, result.is_ok())
}

fn talker(machine: &mut Machine<'_>, step: &str) -> Result<()> {
    let answer = machine.run(&format!("talker {step}"), SCRIPT_DEADLINE)?;
    ensure!(answer.status == 0, "{TALKER} did not {step}: {}", answer.text());
    Ok(())
}

fn setup(machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run("setup", SCRIPT_DEADLINE)?;
    ensure!(answer.status == 0 && answer.output.is_empty(), "units did not start: {}", answer.text());
    Ok(())
}

/// The report of one pass; `words` are further arguments of `observe`.
fn observe(machine: &mut Machine<'_>, words: &str) -> Result<Seen> {
    let start = Instant::now();
    let answer = machine.run(format!("observe {words}").trim_end(), OBSERVE_DEADLINE)?;
    eprintln!("observed in {:.1} s", start.elapsed().as_secs_f64());
    keep(&answer.output)?;
    ensure!((0..=2).contains(&answer.status), "observe ended with {}: {}", answer.status, answer.text());
    let seen = Seen::read(&answer.output)?;
    let found = !seen.findings().is_empty();
    ensure!(!found || answer.status != 0, "there are findings, and the exit status says that all is well");
    Ok(seen)
}

/// What one pass printed, for scenarios elsewhere.
pub(super) fn seen(report: &[u8]) -> Result<Seen> {
    keep(report)?;
    Seen::read(report)
}

/// Keeps a report where a person finds it after a failure.
fn keep(report: &[u8]) -> Result<()> {
    static KEPT: AtomicU32 = AtomicU32::new(0);
    let folder = root().join("target/lab-observed");
    fs::create_dir_all(&folder)?;
    let number = KEPT.fetch_add(1, Ordering::Relaxed);
    Ok(fs::write(folder.join(format!("{number:02}.json")), report)?)
}

/// The machine before anything is done to it.
fn untouched(seen: &Seen) -> Tally {
    let mut tally = Tally::default();
    for unit in BENIGN.iter().chain(COLLECTOR) {
        tally += count(&format!("no false alarm: {unit}"), seen.green(&format!("unit:{unit}")));
    }
    for number in 4..=14 {
        let level = format!("V{number}");
        let verdict = seen.level(&level).and_then(|verdict| {
            let of_level: Vec<_> =
                seen.findings().into_iter().filter(|(_, code)| code.starts_with(&format!("{level}."))).collect();
            ensure!(matches!(verdict, "pass" | "not_applicable"), "it is {verdict}: {of_level:?}");
            Ok(())
        });
        tally += count(&format!("untouched machine: {level}"), verdict);
    }
    tally += count("a never started unit is no alarm", {
        let codes = seen.codes("unit:t-never.service");
        if codes.is_empty() { Ok(()) } else { Err(anyhow::anyhow!("{codes:?}")) }
    });
    tally += count("an ancestor's smaller limit is shown", smaller_ancestor(seen));
    tally
}

/// `t-child.service` may use 1 GiB, its slice 32 MiB.
fn smaller_ancestor(seen: &Seen) -> Result<()> {
    let pair = seen.pair("unit:t-child.service", "memory.effective")?;
    let shown = pair["kernel"].to_string();
    ensure!(shown.contains("33554432") && shown.contains("t-par.slice"), "the effective limit is shown as {shown}");
    Ok(())
}

/// What the guest's shell said of a step.
enum Step {
    Done,
    Skipped(String),
}

fn steps(machine: &mut Machine<'_>, name: &str) -> Result<BTreeMap<String, Result<Step>>> {
    let answer = machine.run(name, SCRIPT_DEADLINE)?;
    let mut steps = BTreeMap::new();
    for line in answer.text().lines() {
        let (word, rest) = line.split_once(' ').with_context(|| format!("{name} said '{line}'"))?;
        let (case, why) = rest.split_once(' ').unwrap_or((rest, ""));
        let step = match word {
            "done" => Ok(Step::Done),
            "skipped" => Ok(Step::Skipped(why.trim().to_owned())),
            "failed" => Err(anyhow::anyhow!("the guest could not do it: {}", why.trim())),
            _ => bail!("{name} said '{line}'"),
        };
        steps.insert(case.to_owned(), step);
    }
    Ok(steps)
}

/// A wave as it was seen: before it, while tampered with, and restored.
struct Wavelet {
    before: Seen,
    tampered: Seen,
    restored: Seen,
}

/// Runs a wave on a machine that was just seen as `before`; returns what it looks like afterwards.
fn run_wave(wave: &Wave, machine: &mut Machine<'_>, before: Seen, tally: &mut Tally) -> Result<Seen> {
    say(&format!("tampering: {}", wave.name));
    let mut done = steps(machine, &format!("{}-tamper", wave.name))?;
    let tampered = observe(machine, "")?;
    let mut undone = steps(machine, &format!("{}-restore", wave.name))?;
    let restored = observe(machine, "")?;
    let seen = Wavelet { before, tampered, restored };
    for case in wave.cases {
        let step = done.remove(case.name).unwrap_or_else(|| bail!("the guest did not come to it"));
        match step {
            Ok(Step::Skipped(why)) => {
                eprintln!("skipped: {}: {why}", case.name);
                tally.skipped += 1;
            }
            Ok(Step::Done) => {
                let undone = undone.remove(case.name).unwrap_or_else(|| bail!("the guest did not undo it"));
                *tally += count(case.name, seen.check(case).and(undone.map(drop).context("undoing")));
            }
            Err(error) => *tally += count(case.name, Err(error)),
        }
    }
    *tally += count(&format!("{}: nothing else is found", wave.name), seen.nothing_else(wave));
    *tally += count(&format!("{}: all is as before", wave.name), seen.as_before());
    Ok(seen.restored)
}

impl Wavelet {
    /// Exactly this case's findings about its subjects, none of them before or after.
    fn check(&self, case: &Case) -> Result<()> {
        for (subject, attribute, verdict) in case.shows {
            let pair = self.tampered.pair(subject, attribute)?;
            ensure!(pair["verdict"] == *verdict, "{subject}#{attribute} is {}, and not {verdict}", pair["verdict"]);
            ensure!(pair["note"].is_string(), "{subject}#{attribute} has no note");
        }
        for (subject, code, cause) in case.causes {
            let finding = self.tampered.finding(subject, code).context("it is not found")?;
            ensure!(finding["cause_hint"] == *cause, "{subject} {code}: the cause is {}", finding["cause_hint"]);
        }
        let subjects: BTreeSet<&str> = case.findings.iter().map(|(subject, _)| *subject).collect();
        for subject in subjects {
            let wanted: BTreeSet<String> =
                case.findings.iter().filter(|(of, _)| *of == subject).map(|(_, code)| (*code).to_owned()).collect();
            let found = self.tampered.codes(subject);
            let exact = if subject == "host" { found.is_superset(&wanted) } else { found == wanted };
            ensure!(exact, "{subject}: {found:?}, and not {wanted:?}");
            for (when, other) in [("before", &self.before), ("after", &self.restored)] {
                let left: Vec<_> = other.codes(subject).intersection(&wanted).cloned().collect();
                ensure!(left.is_empty(), "{subject} has {left:?} {when} it was tampered with");
                if subject.starts_with("unit:") && !other.pairs(subject).is_empty() {
                    other.green(subject).with_context(|| format!("{when} it was tampered with"))?;
                }
            }
        }
        Ok(())
    }

    /// No finding that was not there before and that no case of the wave explains.
    fn nothing_else(&self, wave: &Wave) -> Result<()> {
        let explained = |(subject, code): &Found| {
            let mut findings = wave.cases.iter().flat_map(|case| case.findings);
            findings.any(|(of, wanted)| covers(of, subject) && code == wanted)
        };
        let before = self.before.findings();
        let other: Vec<_> =
            self.tampered.findings().into_iter().filter(|found| !before.contains(found) && !explained(found)).collect();
        ensure!(other.is_empty(), "{other:?}");
        Ok(())
    }

    fn as_before(&self) -> Result<()> {
        let before = self.before.findings();
        let left: Vec<_> = self.restored.findings().into_iter().filter(|found| !before.contains(found)).collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_script_of_the_guest_is_read_by_its_shell() {
        let mut scripts = Vec::new();
        for entry in fs::read_dir(root().join("lab/dual-source")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                scripts.push(fs::read_to_string(path).unwrap());
            }
        }
        for wave in WAVES {
            for case in wave.cases {
                scripts.extend([case.tamper.to_owned(), case.restore.to_owned()]);
            }
            scripts.push(script(wave, |case| case.tamper));
        }
        for script in scripts {
            let output = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
            assert!(output.stderr.is_empty(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    #[test]
    fn every_case_has_units_of_its_own() {
        for wave in WAVES {
            let mut taken = BTreeMap::new();
            for case in wave.cases {
                for (subject, code) in case.findings.iter().filter(|(subject, _)| subject.starts_with("unit:")) {
                    let other = taken.insert(subject, case.name);
                    assert!(
                        other.is_none_or(|name| name == case.name),
                        "{subject} {code}: {other:?} and {}",
                        case.name
                    );
                    let file = root().join("lab/dual-source/units").join(subject.trim_start_matches("unit:"));
                    assert!(file.is_file(), "{}", file.display());
                }
            }
        }
    }
}
