//! A gate that is killed, and a disk that is full.

use std::fs;
use std::time::Duration;

use super::world::{Appliance, codes, tear};
use crate::instants::Instants;
use crate::small_disk::SmallDisk;

/// Kills while the gate attests.
const KILLS: u32 = 30;

#[test]
fn a_gate_killed_at_any_instant_leaves_a_whole_log_and_publishes_nothing_else() {
    let mut instants = Instants::new();
    let mut appliance = Appliance::new("");
    let (mut lines, mut with_line) = (0, 0);
    for _ in 0..KILLS {
        appliance.start();
        instants.let_pass(Duration::from_millis(40));
        appliance.kill();
        let now = fs::read(appliance.audit_log()).unwrap_or_default().split(|byte| *byte == b'\n').count();
        with_line += u32::from(now > lines);
        lines = now;
    }
    appliance.start();
    assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
    let verified = appliance.run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    println!("counted: {KILLS} kills, {with_line} of them after a line was written; {} lines", appliance.lines().len());
}

#[test]
fn a_torn_line_is_cut_off_and_the_chain_goes_on() {
    let mut appliance = Appliance::new("");
    appliance.start();
    appliance.settled();
    appliance.kill();
    let whole = fs::read(appliance.audit_log()).unwrap();
    for end in [1, whole.len() / 2, whole.len() - 1] {
        let before = fs::read(appliance.audit_log()).unwrap();
        tear(&appliance.audit_log(), &whole[..end]);
        let torn = appliance.run(&["audit", "verify"]);
        assert_eq!(torn.status.code(), Some(2), "{torn:?}");
        appliance.start();
        assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
        appliance.kill();
        assert!(appliance.told().contains("torn line"), "{}", appliance.told());
        let after = fs::read(appliance.audit_log()).unwrap();
        assert!(after.starts_with(&before), "whole lines were touched");
        assert_eq!(appliance.run(&["audit", "verify"]).status.code(), Some(0));
    }
}

#[test]
fn a_full_disk_publishes_nothing_as_attested_and_heals() {
    let Some(disk) = SmallDisk::mount(256) else { return };
    let log_dir = disk.path().join("log");
    let mut appliance = Appliance::logging_to(&log_dir, "latch_failed = false");
    appliance.start();
    assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
    let before = fs::read(appliance.audit_log()).unwrap();

    disk.leave(0);
    // The last page of the log has room for a while.
    let mut bundle = appliance.refresh();
    for _ in 0..4 {
        if bundle["state"] == "failed" {
            break;
        }
        bundle = appliance.refresh();
    }
    assert_eq!((&bundle["state"], codes(&bundle)), (&"failed".into(), vec!["AUDIT_NOT_WRITTEN".to_owned()]));
    assert!(bundle["failures"][0].as_str().unwrap().contains("make room"), "{bundle}");
    assert_eq!(appliance.verify(), (503, "failed".into()));
    assert_eq!(appliance.run(&["audit", "verify"]).status.code(), Some(0), "half a line was left");
    assert!(fs::read(appliance.audit_log()).unwrap().starts_with(&before));

    disk.free();
    assert_eq!(appliance.refresh()["state"], "attested");
    assert_eq!(appliance.verify(), (200, "attested".into()));
    assert_eq!(appliance.run(&["audit", "verify"]).status.code(), Some(0));
}
