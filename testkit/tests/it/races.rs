//! Changes while both witnesses are read: none of them is taken for a divergence, and no divergence for one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use avouch_collect::observe::{Observer, Scope};
use avouch_pairs::{PairFinding, Severity, judge};
use avouch_testkit::{Config, FakeSystemd};

use crate::scene::observer;

/// Operations in all, each of several steps between which the model may be observed.
const OPERATIONS: u32 = 5400;
/// Units that the operations go over.
const RESTLESS: u32 = 12;
/// Between two operations: at most 1,000 a second, so twenty times as many as on a busy node (50 a second).
const PACE: Duration = Duration::from_millis(1);

/// What lastingly diverges from a third of the way on, and is the only thing to be found.
const LASTING: [(&str, &str); 4] = [
    ("unit:lying.service", "KERNEL_VIEWS_DISAGREE"),
    ("unit:unlocked.service", "V5.no_new_privs.kernel_weaker"),
    ("unit:written.service", "V4.memory.max.kernel_weaker"),
    ("unit:written.service", "V4.pids.max.kernel_weaker"),
];

type Found = BTreeMap<(String, String), PairFinding>;

fn restless(number: u32) -> String {
    format!("restless{number}.service")
}

/// One operation of the four kinds in turn, over the units in turn: each is running again after the fourth.
fn operate(systemd: &FakeSystemd, number: u32) {
    let name = restless(number / 4 % RESTLESS);
    match number % 4 {
        0 => systemd.reload(&name),
        1 => systemd.set_property(&name, u64::from(number + 1) << 20, u64::from(number) + 10),
        2 => systemd.stop(&name),
        _ => systemd.start(&name),
    }
}

fn diverge(systemd: &FakeSystemd) {
    systemd.write("written.service", "memory.max", "max");
    systemd.write("written.service", "pids.max", "max");
    systemd.unlock_main("unlocked.service");
    systemd.make_kernel_lie("lying.service");
}

/// Findings on units by subject and code, whatever they weigh.
fn findings(observer: &mut Observer) -> Found {
    let judged = judge(&observer.observe(&Scope::default()), None);
    let of_units = judged.findings.into_iter().filter(|finding| finding.subject.starts_with("unit:"));
    of_units.map(|finding| ((finding.subject.clone(), finding.code.clone()), finding)).collect()
}

fn lasting() -> BTreeSet<(String, String)> {
    LASTING.into_iter().map(|(subject, code)| (subject.to_owned(), code.to_owned())).collect()
}

#[test]
fn thousands_of_changes_make_no_finding_and_hide_none() {
    let systemd = FakeSystemd::new();
    for number in 0..RESTLESS {
        systemd.add_service(&restless(number), if number % 2 == 0 { Config::hardened() } else { Config::default() });
    }
    for name in ["written.service", "unlocked.service", "lying.service", "calm.service"] {
        systemd.add_service(name, Config::hardened());
    }
    let mut observer = observer(&systemd);
    assert!(findings(&mut observer).is_empty(), "nothing happened yet");

    let (done, over) = (AtomicU32::new(0), AtomicBool::new(false));
    let (mut observations, mut diverged) = (0, 0);
    let (mut false_alarms, mut missed) = (Vec::new(), Vec::new());
    let begun = Instant::now();
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
            let due = if done.load(Ordering::Relaxed) > OPERATIONS / 3 { lasting() } else { BTreeSet::new() };
            if !due.is_empty() {
                diverge(&systemd);
                diverged += 1;
            }
            let found = findings(&mut observer);
            observations += 1;
            missed.extend(due.iter().filter(|finding| !found.contains_key(*finding)).cloned());
            false_alarms.extend(found.into_iter().filter(|(key, _)| !due.contains(key)).map(|(_, finding)| finding));
        }
    });
    let (operations, took) = (done.load(Ordering::Relaxed), begun.elapsed().as_secs_f64());
    println!(
        "{operations} starts, stops, reloads and set-property calls, {:.0} a second; {observations} observations, \
         {diverged} of them of a machine that diverges; {} false alarms, {} missed",
        f64::from(operations) / took,
        false_alarms.len(),
        missed.len()
    );
    assert!(operations >= 5000 && diverged >= 2 && observations > diverged);
    assert!(false_alarms.is_empty(), "{false_alarms:#?}");
    assert!(missed.is_empty(), "{missed:#?}");

    // What diverges on a unit that was restless is found once it rests, and nothing else is.
    let rested = restless(0);
    systemd.restart(&rested);
    systemd.write(&rested, "pids.max", "max");
    let found = findings(&mut observer);
    let mut due = lasting();
    due.insert((format!("unit:{rested}"), "V4.pids.max.kernel_weaker".to_owned()));
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), due);
    let lie = &found[&("unit:lying.service".to_owned(), "KERNEL_VIEWS_DISAGREE".to_owned())];
    assert_eq!(lie.severity, Severity::Critical);
}
