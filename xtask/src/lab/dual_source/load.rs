//! Units that change while they are read, and many of them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use avouch_lab::Machine;
use serde_json::{Deserializer, Value};

use super::report::Seen;
use super::{SCRIPT_DEADLINE, count, observe, seen};
use crate::demo::say;
use crate::tally::Tally;

/// Rows that these scenarios stand for.
pub(super) const ROWS: &[(&str, &str)] = &[("d10", "a minute of restarts and set-property")];

/// How long units change.
const CHANGING: Duration = Duration::from_secs(60);
/// Starting a hundred units takes most of a minute under emulation.
const MANY_DEADLINE: Duration = Duration::from_secs(300);
/// Longest report of 150 units, in bytes.
const REPORT_BYTES: usize = 60 * 1_024;
/// Most memory, in KiB, beside the pages of the program's file: with those of the shipped program, which has less than
/// 6 MiB, 15 MiB. The file of a debug build is several times as large.
const OWN_KIB: u64 = 9 * 1_024;

pub(super) fn run(machine: &mut Machine<'_>, tally: &mut Tally) -> Result<()> {
    say("units that restart and change for a minute, as fast as the guest can");
    *tally += count(ROWS[0].1, changing(machine));
    say("150 units");
    let many = many(machine);
    *tally += count("150 units: each is green", many.as_ref().map_err(clone).and_then(Many::green));
    *tally += count("150 units: bytes of the report", many.as_ref().map_err(clone).and_then(Many::bytes));
    *tally += count("150 units: memory", many.as_ref().map_err(clone).and_then(Many::memory));
    machine.run("many-stop", MANY_DEADLINE)?;
    *tally += verity(machine)?;
    Ok(())
}

/// A device of dm-verity, whole and with one byte of its data flipped.
fn verity(machine: &mut Machine<'_>) -> Result<Tally> {
    const NAME: &str = "dm-verity: a flipped byte";
    let open = machine.run("verity-open", SCRIPT_DEADLINE)?;
    if open.status == 77 {
        eprintln!("skipped: {NAME}: {}", open.text().trim());
        return Ok(Tally::skip());
    }
    let result = (|| {
        ensure!(open.status == 0, "no device: {}", open.text());
        let whole = observe(machine, "")?;
        let corrupted = machine.run("verity-corrupt", SCRIPT_DEADLINE)?;
        ensure!(corrupted.status == 0, "the flipped byte was read: {}", corrupted.text());
        let seen = observe(machine, "")?;
        ensure!(whole.codes("dm:*").is_empty(), "before: {:?}", whole.codes("dm:*"));
        ensure!(!whole.pairs("dm:t-verity").is_empty(), "the device is not among the subjects");
        let found = seen.codes("dm:t-verity");
        ensure!(found.iter().any(|code| code.starts_with("V2.dm.table.")), "{found:?}");
        anyhow::Ok(())
    })();
    machine.run("verity-close", SCRIPT_DEADLINE)?;
    Ok(count(NAME, result))
}

fn clone(error: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

fn changing(machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run(&format!("race {}", CHANGING.as_secs()), CHANGING + SCRIPT_DEADLINE)?;
    ensure!(answer.status == 0, "{}", answer.text());
    let mut reports = 0;
    let mut changes = 0;
    for document in Deserializer::from_slice(&answer.output).into_iter::<Value>() {
        let document = document.with_context(|| format!("after {reports} reports"))?;
        if let Some(count) = document["changes"].as_u64() {
            changes = count;
            continue;
        }
        let seen = Seen::read(document.to_string().as_bytes())?;
        reports += 1;
        for code in seen.codes("unit:t-race.service") {
            let finding = seen.finding("unit:t-race.service", &code).context("a code comes from a finding")?;
            ensure!(finding["severity"] != "critical", "report {reports} calls a changing unit critical: {finding}");
        }
        let lasting = seen.finding("unit:t-four.service", "V4.memory.max.kernel_weaker");
        ensure!(lasting.is_some(), "report {reports} missed what stayed different all the time");
    }
    ensure!(reports >= 2 && changes >= 40, "{changes} changes and {reports} reports show nothing");
    eprintln!("{changes} changes, {reports} reports");
    let after = observe(machine, "--unit t-race.service --unit t-four.service")?;
    let found = after.codes("unit:t-race.service");
    ensure!(found.contains("V4.memory.max.kernel_weaker"), "what was written at the end is not found: {found:?}");
    ensure!(machine.run("race-undo", SCRIPT_DEADLINE)?.status == 0, "the units could not be set back");
    let restored = observe(machine, "--unit t-race.service --unit t-four.service")?;
    restored.green("unit:t-race.service").and(restored.green("unit:t-four.service"))
}

/// One pass over a machine of 150 units.
struct Many {
    /// How many of them were started for it.
    started: u64,
    /// Resident memory at most, with the program's file and without it.
    peak_kib: u64,
    own_kib: u64,
    seen: Seen,
}

fn many(machine: &mut Machine<'_>) -> Result<Many> {
    let answer = machine.run("many", MANY_DEADLINE)?;
    ensure!(answer.status == 0, "{}", answer.text());
    let mut documents = Deserializer::from_slice(&answer.output).into_iter::<Value>();
    let cost = documents.next().context("the guest measured nothing")??;
    let report = documents.next().context("the guest observed nothing")??;
    let number = |name: &str| cost[name].as_u64().with_context(|| format!("no {name} in {cost}"));
    Ok(Many {
        started: number("started")?,
        peak_kib: number("peak_kib")?,
        own_kib: number("own_kib")?,
        seen: seen(report.to_string().as_bytes())?,
    })
}

impl Many {
    fn green(&self) -> Result<()> {
        ensure!(self.started > 50, "only {} units were started", self.started);
        (1..=self.started).try_for_each(|number| self.seen.green(&format!("unit:t-many@{number}.service")))
    }

    fn bytes(&self) -> Result<()> {
        let text = self.seen.value()["report"]["bytes"].as_str().context("the document holds no report")?;
        // Base64: three bytes in four characters.
        let bytes = text.trim_end_matches('=').len() * 3 / 4;
        eprintln!("a whole report of 150 units has {bytes} bytes");
        ensure!(bytes <= REPORT_BYTES, "{bytes} bytes, and not at most {REPORT_BYTES}");
        Ok(())
    }

    fn memory(&self) -> Result<()> {
        eprintln!("it took {} KiB at most, {} KiB of them its own", self.peak_kib, self.own_kib);
        ensure!(self.own_kib <= OWN_KIB, "{} KiB of its own, and not at most {OWN_KIB}", self.own_kib);
        Ok(())
    }
}
