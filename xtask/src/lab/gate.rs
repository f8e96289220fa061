//! The gate on a real machine: services that wait for it, that it refuses, and that come back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use avouch_lab::{Chip, Job, Lab, Machine, PowerOn};
use serde_json::Value;

use super::BOOT_DEADLINE;
use super::dual_source::seen;
use crate::command::root;
use crate::demo::say;
use crate::tally::Tally;

/// A script of this scenario, on a host that is busy; the longest waits for a start that fails after 30 seconds.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(240);
/// From the machine's recovery to the start of a service that waits for it.
const RECOVERY: Duration = Duration::from_secs(2);
/// Resident memory of the gate, in kilobytes, without the pages of its file: the lab's program is a debug build, several
/// times as large as the shipped one, whose whole memory `cargo xtask bench` measures.
const MOST_RSS_KB: u64 = 12 * 1024;
/// What `systemd-analyze security` may find, of 10.
const MOST_EXPOSURE: f64 = 2.0;

/// What the gate needs of its sandbox; everything else that is tried must be denied.
const NEEDED: [&str; 4] = ["read-cmdline", "read-lockdown", "open-tpm", "write-state"];

/// The node and the lines that its scripts print.
struct Gate<'a, 'b> {
    machine: &'a mut Machine<'b>,
}

/// An HTTP answer as the guest's shell printed it.
struct Http {
    status: u16,
    body: Value,
}

/// Runs the story on a node of other scenarios, whose agent attests it to a server meanwhile.
pub(super) fn beside_the_agent(machine: &mut Machine<'_>) -> Tally {
    let mut tally = Tally::default();
    if let Err(error) = (Gate { machine }).story(&mut tally) {
        tally += count("the gate beside the agent", Err(error));
    }
    tally
}

/// Runs everything: a node with Secure Boot, then one without.
pub(super) fn run(lab: &Lab, disk: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for (name, secure_boot) in [("gate", true), ("gate-plain", false)] {
        say(if secure_boot { "booting a node with Secure Boot" } else { "booting a node without Secure Boot" });
        let mut node = lab.node(name, Chip::Spare, disk)?;
        let job = files(Job::new())?.file("observe", fs::read(root().join("lab/dual-source/observe"))?);
        let power = PowerOn { secure_boot, ..PowerOn::new(lab.uki(), job) };
        let mut machine = node.power_on(&power)?;
        machine.wait_ready(BOOT_DEADLINE)?;
        let mut gate = Gate { machine: &mut machine };
        let ran = if secure_boot { gate.with_secure_boot(&mut tally) } else { gate.without(&mut tally) };
        if let Err(error) = ran.and_then(|()| machine.cut_power()) {
            tally += count(name, Err(error));
        }
    }
    Ok(tally)
}

/// Adds units and scripts to a node's job.
pub(super) fn files(mut job: Job) -> Result<Job> {
    for entry in fs::read_dir(root().join("lab/gate")).context("cannot read lab/gate")? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            job = job.file(name, fs::read(&path)?);
        }
    }
    for shipped in ["avouch-gate.sysusers", "avouch-gate-dependant.conf"] {
        job = job.file(shipped, fs::read(root().join("dist").join(shipped))?);
    }
    Ok(job)
}

fn count(name: &str, result: Result<()>) -> Tally {
    match &result {
        Ok(()) => eprintln!("PASS gate: {name}"),
        Err(error) => eprintln!("FAIL gate: {name}: {error:#}"),
    }
    Tally::one(name, result.is_ok())
}

/// What systemd makes of the limits of the unit as it is shipped.
fn limited(shown: &str) -> Result<()> {
    for limit in ["CPUQuotaPerSecUSec=100ms", "MemoryMax=134217728", "TasksMax=32"] {
        ensure!(shown.lines().any(|line| line == limit), "{limit} is not among {shown}");
    }
    Ok(())
}

// === impl Gate ===

impl Gate<'_, '_> {
    /// Services that wait, are refused and come back, on a machine that has what is demanded.
    fn story(&mut self, tally: &mut Tally) -> Result<()> {
        let limits = self.script("gate-setup require_tpm require_secure_boot")?;
        *tally += count("the shipped limits are a tenth of a processor, 128 MB and 32 tasks", limited(&limits));
        *tally += count("the chain is what systemd reads", self.chain());
        *tally += count("dependants wait for the gate, and start in their order", self.starts());
        *tally += count("a TPM's quote is verified, and every fact is read", self.quoted());
        *tally += count("a replaced program: degraded, 503, and no restart", self.refused());
        *tally += count("restored: 200, and the whole chain is back", self.recovers());
        *tally += count("the audit log is whole, and a line that is taken out shows", self.audited());
        Ok(())
    }

    /// The story, and what takes longer.
    fn with_secure_boot(&mut self, tally: &mut Tally) -> Result<()> {
        self.story(tally)?;
        *tally += count("a quiet machine is not attested on and on", self.quiet());
        *tally += count("no TPM where one is demanded: failed until acknowledged", self.latched());
        *tally += count("the sandbox denies what it should, and nothing that the gate needs", self.sandboxed());
        *tally += count("systemd finds the unit little exposed", self.exposure());
        *tally += count("no false alarm: avouch-gate.service", self.observed());
        Ok(())
    }

    /// A machine without Secure Boot, where it is demanded and where it is not.
    fn without(&mut self, tally: &mut Tally) -> Result<()> {
        self.script("gate-setup require_tpm require_secure_boot")?;
        *tally += count("Secure Boot demanded and off: failed, 503", self.secure_boot_off());
        Ok(())
    }

    fn chain(&mut self) -> Result<()> {
        let text = self.script("gate-chain")?;
        let last = text.lines().last().unwrap_or_default();
        ensure!(text.lines().count() <= 1, "systemd-analyze verify says: {text}");
        ensure!(last.contains("avouch-gate.service"), "After= and Requires= are {last}");
        Ok(())
    }

    fn starts(&mut self) -> Result<()> {
        let answer = self.http("gate-start")?;
        answer.is(200, "attested")?;
        let journal = self.journal()?;
        let order = ["gate", "first: attested", "first", "second: attested", "second"];
        let times = [
            journal.first("avouch-gate.service", "Started ")?,
            journal.first("lab-first.service", "may start: this machine is attested")?,
            journal.first("lab-first.service", "Started ")?,
            journal.first("lab-second.service", "may start: this machine is attested")?,
            journal.first("lab-second.service", "Started ")?,
        ];
        ensure!(times.is_sorted(), "{order:?} came at {times:?}");
        Ok(())
    }

    fn quoted(&mut self) -> Result<()> {
        let answer = self.http("gate-refresh")?;
        let bundle = &answer.body;
        ensure!(answer.status == 200 && bundle["tpm_quote_verified"] == true, "{bundle}");
        ensure!(bundle["boot_measurements"]["secure_boot_enabled"] == true, "{bundle}");
        let line = bundle["kernel_cmdline"].as_str().unwrap_or_default();
        ensure!(line.contains("root=/dev/nvme0n1"), "the command line is {line:?}");
        let lockdown = bundle["kernel_lockdown"].as_str().unwrap_or_default();
        ensure!(lockdown.contains('['), "lockdown is {lockdown:?}");
        Ok(())
    }

    fn refused(&mut self) -> Result<()> {
        let bundle = self.http("gate-replace")?.body;
        ensure!(bundle["state"] == "degraded", "{bundle}");
        let status = self.script("gate-status")?;
        ensure!(status.contains("SERVICE_DRIFT"), "the status names no drift: {status}");
        self.http("gate-verify")?.is(503, "degraded")?;
        let text = self.script("gate-restart")?;
        let held = text.contains("activating start-pre") && text.contains("inactive dead");
        ensure!(held, "while they are held back they are {text}");
        ensure!(text.contains("may not start") && text.contains("changed since"), "it says {text}");
        Ok(())
    }

    fn recovers(&mut self) -> Result<()> {
        self.http("gate-restore")?.is(200, "attested")?;
        let journal = self.journal()?;
        let recovered = journal.last("avouch-gate.service", "attested")?;
        let started = journal.last("lab-first.service", "Started ")?;
        let took = Duration::from_micros(started.saturating_sub(recovered));
        eprintln!("back {:.2} s after the machine's recovery", took.as_secs_f64());
        ensure!(started > recovered && took <= RECOVERY, "it took {took:?}");
        ensure!(journal.last("lab-second.service", "Started ")? >= started, "what requires it did not come back");
        Ok(())
    }

    /// What the gate sets off itself, such as the collector's start, must not be an event to it.
    fn quiet(&mut self) -> Result<()> {
        let text = self.script("gate-quiet")?;
        let counts: Vec<_> = text.lines().collect();
        ensure!(counts.len() == 2 && counts[0] == counts[1], "the numbers of attestations are {counts:?}");
        Ok(())
    }

    fn latched(&mut self) -> Result<()> {
        let bundle = self.http("gate-no-tpm away")?.body;
        ensure!(bundle["state"] == "failed", "without its TPM it is {bundle}");
        self.http("gate-verify")?.is(503, "failed")?;
        // A latch lives as long as the gate; what it stood for is in the audit log.
        let back = self.http("gate-no-tpm back")?.body;
        ensure!(back["state"] == "failed" || back["state"] == "attested", "with its TPM it is {back}");
        if back["state"] == "failed" {
            self.script("gate-ack")?;
        }
        self.http("gate-verify")?.is(200, "attested")
    }

    fn sandboxed(&mut self) -> Result<()> {
        let text = self.script("gate-sandbox")?;
        let probes: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.strip_prefix("probe ")?.split_once(' ')).collect();
        ensure!(probes.len() >= 10, "the probe did not run: {text}");
        for (probe, came) in &probes {
            let wanted = if NEEDED.contains(probe) { "allowed" } else { "denied" };
            ensure!(came == &wanted, "{probe} is {came}");
        }
        ensure!(NEEDED.iter().all(|needed| probes.contains_key(needed)), "not everything was tried: {text}");
        let kernel =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        ensure!(kernel("NoNewPrivs") == Some("1") && kernel("Seccomp") == Some("2"), "{text}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            let none = kernel(set).is_some_and(|mask| mask.chars().all(|digit| digit == '0'));
            ensure!(none, "{set} is {:?}", kernel(set));
        }
        ensure!(!kernel("Uid").unwrap_or("0").starts_with('0'), "it runs as root");
        let kib = |name| kernel(name).and_then(|size| size.split(' ').next()?.parse::<u64>().ok()).context(name);
        let (rss, own) = (kib("VmRSS")?, kib("RssAnon")?);
        eprintln!("the gate's resident memory: {rss} kB, {own} kB without the program's file");
        ensure!(own <= MOST_RSS_KB, "resident memory without the program's file is {own} kB");
        ensure!(text.contains("Max core file size        0"), "core dumps are not off: {text}");
        Ok(())
    }

    fn exposure(&mut self) -> Result<()> {
        let text = self.script("gate-score")?;
        let line = text.lines().rev().find(|line| line.contains("exposure level")).context("no score")?;
        let score = line.split_whitespace().find_map(|word| word.parse::<f64>().ok()).context("no score")?;
        eprintln!("systemd-analyze security avouch-gate.service: {score}");
        ensure!(score <= MOST_EXPOSURE, "{line}");
        Ok(())
    }

    fn audited(&mut self) -> Result<()> {
        let text = self.script("gate-audit")?;
        let exits: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("exit ")).collect();
        ensure!(exits == ["0", "1"], "{text}");
        Ok(())
    }

    fn observed(&mut self) -> Result<()> {
        let answer = self.machine.run("observe --unit avouch-gate.service", SCRIPT_DEADLINE)?;
        seen(&answer.output)?.green("unit:avouch-gate.service")
    }

    fn secure_boot_off(&mut self) -> Result<()> {
        self.script("gate-up")?;
        let bundle = self.http("gate-refresh")?.body;
        ensure!(bundle["state"] == "failed", "{bundle}");
        ensure!(bundle["tpm_quote_verified"] == true, "the TPM is there: {bundle}");
        let status = self.script("gate-status")?;
        ensure!(status.contains("SECURE_BOOT_OFF"), "{status}");
        self.http("gate-verify")?.is(503, "failed")
    }

    fn script(&mut self, name: &str) -> Result<String> {
        let answer = self.machine.run(name, SCRIPT_DEADLINE)?;
        let text = answer.text();
        ensure!(answer.status == 0, "{name} ended with {}: {text}", answer.status);
        Ok(text)
    }

    /// A script whose last line is an HTTP answer.
    fn http(&mut self, name: &str) -> Result<Http> {
        let text = self.script(name)?;
        let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let (status, body) = line.split_once(' ').with_context(|| format!("{name} said {text:?}"))?;
        let status = status.parse().with_context(|| format!("{name} said {text:?}"))?;
        let body = serde_json::from_str(body).with_context(|| format!("{name} said {text:?}"))?;
        Ok(Http { status, body })
    }

    fn journal(&mut self) -> Result<Journal> {
        let text = self.script("gate-journal")?;
        let lines = text.lines().filter(|line| !line.is_empty());
        Ok(Journal(lines.map(serde_json::from_str).collect::<Result<_, _>>().context("no journal")?))
    }
}

impl Http {
    fn is(&self, status: u16, state: &str) -> Result<()> {
        let verified = state == "attested";
        let fits = self.status == status && self.body["state"] == state && self.body["verified"] == verified;
        ensure!(fits, "the answer is {} {}", self.status, self.body);
        Ok(())
    }
}

/// Entries of systemd's journal, oldest first.
struct Journal(Vec<Value>);

impl Journal {
    /// Monotonic microseconds of the first entry of or about `unit` that says `text`.
    fn first(&self, unit: &str, text: &str) -> Result<u64> {
        self.times(unit, text).next().with_context(|| format!("the journal of {unit} never says {text:?}"))
    }

    fn last(&self, unit: &str, text: &str) -> Result<u64> {
        self.times(unit, text).last().with_context(|| format!("the journal of {unit} never says {text:?}"))
    }

    fn times(&self, unit: &str, text: &str) -> impl Iterator<Item = u64> {
        let of_unit = move |entry: &&Value| entry["UNIT"] == unit || entry["_SYSTEMD_UNIT"] == unit;
        let says = move |entry: &&Value| entry["MESSAGE"].as_str().is_some_and(|message| message.contains(text));
        let time = |entry: &Value| entry["__MONOTONIC_TIMESTAMP"].as_str()?.parse().ok();
        self.0.iter().filter(of_unit).filter(says).filter_map(time)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_script_of_the_guest_is_read_by_its_shell() {
        for entry in fs::read_dir(root().join("lab/gate")).unwrap() {
            let path = entry.unwrap().path();
            let is_script = path.extension().is_none() && !path.ends_with("gate-settings");
            if is_script {
                let output = Command::new("bash").arg("-n").arg(&path).output().unwrap();
                assert!(output.stderr.is_empty(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
            }
        }
    }
}
