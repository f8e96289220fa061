//! Changes while both witnesses are read: none of them is taken for a divergence, and no divergence for one of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use avouch_collect::observe::{Observer, Scope};
use avouch_pairs::{PairFinding, Severity, judge};
use avouch_testkit::{Config, FakeSystemd};

use crate::scene::observer;

/// Operations in all, each of several steps between which the model may be observed.
const OPERATIONS: u32 = 6000;
/// Units that the operations go over.
const RESTLESS: u32 = 12;
/// Between two operations: 500 a second, ten times the rate of a busy machine.
const PACE: Duration = Duration::from_millis(2);

fn restless(number: u32) -> String {
    format!("restless{number}.service")
}

/// One operation of the five kinds in turn, over the units in turn.
fn operate(systemd: &FakeSystemd, number: u32) {
    let name = restless(number / 5 % RESTLESS);
    match number % 5 {
        0 => systemd.restart(&name),
        1 => systemd.reload(&name),
        2 => systemd.set_property(&name, u64::from(number + 1) << 20, u64::from(number) + 10),
        3 => systemd.stop(&name),
        _ => systemd.start(&name),
    }
}

/// Critical findings on units.
fn critical(observer: &mut Observer) -> Vec<PairFinding> {
    let judged = judge(&observer.observe(&Scope::default()), None);
    let of_units = judged.findings.into_iter().filter(|finding| finding.subject.starts_with("unit:"));
    of_units.filter(|finding| finding.severity == Severity::Critical).collect()
}

#[test]
fn thousands_of_changes_make_no_critical_finding_and_hide_none() {
    let systemd = FakeSystemd::new();
    for number in 0..RESTLESS {
        systemd.add_service(&restless(number), if number % 2 == 0 { Config::hardened() } else { Config::default() });
    }
    for name in ["written.service", "unlocked.service", "calm.service"] {
        systemd.add_service(name, Config::hardened());
    }
    let mut observer = observer(&systemd);
    let calm = critical(&mut observer);
    assert!(calm.is_empty(), "before anything happens: {calm:#?}");

    let (done, over) = (AtomicU32::new(0), AtomicBool::new(false));
    let mut observations = 0;
    let mut false_alarms = Vec::new();
    let mut missed = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..OPERATIONS {
                operate(&systemd, number);
                done.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(PACE);
            }
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            // From a third of the way on two units lastingly diverge.
            let diverge = done.load(Ordering::Relaxed) > OPERATIONS / 3;
            if diverge {
                systemd.write("written.service", "memory.max", "max");
                systemd.unlock_main("unlocked.service");
            }
            let found = critical(&mut observer);
            observations += 1;
            let planted = |finding: &PairFinding| {
                ["unit:written.service", "unit:unlocked.service"].contains(&finding.subject.as_str())
            };
            let subjects: BTreeSet<&str> =
                found.iter().filter(|finding| planted(finding)).map(|finding| finding.subject.as_str()).collect();
            missed += usize::from(diverge && subjects.len() != 2);
            false_alarms.extend(found.iter().filter(|finding| !planted(finding) || !diverge).cloned());
        }
    });
    let operations = done.load(Ordering::Relaxed);
    println!(
        "{operations} operations, {observations} observations, {} false alarms, {missed} missed",
        false_alarms.len()
    );
    assert!(operations >= 5000 && observations >= 3);
    assert!(false_alarms.is_empty(), "{false_alarms:#?}");
    assert_eq!(missed, 0);

    // What diverges on a unit that was restless is found once it rests.
    systemd.start(&restless(0));
    systemd.write(&restless(0), "pids.max", "max");
    let found = critical(&mut observer);
    assert!(found.iter().any(|finding| finding.subject == format!("unit:{}", restless(0))), "{found:#?}");
}
