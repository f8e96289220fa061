//! What was changed through systemd itself: both witnesses agree, and only the confirmed intent does not.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use avouch_lab::Machine;

use super::{SCRIPT_DEADLINE, count, observe};
use crate::tally::Tally;

/// The unit whose properties are set.
const UNIT: &str = "unit:t-drift.service";
/// With the intent that `learn` confirmed.
const WITH_INTENT: &str = "--config /run/lab/with-intent.toml --unit t-drift.service";
/// Without it.
const WITHOUT: &str = "--unit t-drift.service";

pub(super) fn run(machine: &mut Machine<'_>) -> Result<Tally> {
    Ok(count("t14-set-property", set_property(machine)))
}

fn set_property(machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run("learn", SCRIPT_DEADLINE)?;
    ensure!(answer.status == 0, "no intent was confirmed: {}", answer.text());
    let before = observe(machine, WITH_INTENT)?;
    before.green(UNIT)?;
    ensure!(machine.run("drift", SCRIPT_DEADLINE)?.status == 0, "systemctl set-property failed");
    let plain = observe(machine, WITHOUT)?;
    let drifted = observe(machine, WITH_INTENT)?;
    ensure!(machine.run("drift-undo", SCRIPT_DEADLINE)?.status == 0, "the properties could not be set back");
    let after = observe(machine, WITH_INTENT)?;
    // Both witnesses tell the same; without an intent there is nothing to find.
    plain.green(UNIT)?;
    // The drop-ins that systemd wrote for it are files that the intent does not name.
    let wanted = ["V4.memory.max.intent_drift", "V4.pids.max.intent_drift", "V11.unit_files.intent_drift"];
    let wanted: BTreeSet<String> = wanted.into_iter().map(str::to_owned).collect();
    let found = drifted.codes(UNIT);
    ensure!(found == wanted, "{UNIT}: {found:?}, and not {wanted:?}");
    let known = before.findings();
    let other: Vec<_> =
        drifted.findings().into_iter().filter(|found| found.0 != UNIT && !known.contains(found)).collect();
    ensure!(other.is_empty(), "beside it: {other:?}");
    after.green(UNIT)
}
