//! What it costs; nothing here fails by the clock.

use avouch_collect::observe::Scope;
use avouch_testkit::{Config, FakeSystemd};
use rustix::time::{ClockId, clock_gettime};

use crate::scene::observer;

fn cpu_ms(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

/// Observes `count` units; prints what it cost this thread, which is what a node pays besides PID 1.
fn measured(count: usize) {
    let systemd = FakeSystemd::new();
    for number in 0..count {
        let config = if number % 2 == 0 { Config::hardened() } else { Config::default() };
        systemd.add_service(&format!("unit{number}.service"), config);
    }
    let mut observer = observer(&systemd);
    let (own, all) = (cpu_ms(ClockId::ThreadCPUTime), cpu_ms(ClockId::ProcessCPUTime));
    let before = std::time::Instant::now();
    let observation = observer.observe(&Scope::default());
    let (own, all) = (cpu_ms(ClockId::ThreadCPUTime) - own, cpu_ms(ClockId::ProcessCPUTime) - all);
    let wall = before.elapsed().as_millis();
    let text: usize = observation
        .subjects
        .values()
        .flat_map(|subject| subject.facts.values())
        .flat_map(|fact| [&fact.orchestrator, &fact.kernel, &fact.second])
        .filter_map(|reading| reading.value().map(str::len))
        .sum();
    let (calls, bytes) = (systemd.lock().calls, systemd.lock().bytes);
    println!(
        "{count} units: {own:.0} ms CPU of the observer, {all:.0} ms with the fake systemd and the fake kernel, {wall} ms; \
         {calls} D-Bus calls, {bytes} bytes of calls, {text} bytes of readings"
    );
    assert_eq!(observation.subjects.keys().filter(|name| name.starts_with("unit:unit")).count(), count);
    let steady = |subject: &avouch_pairs::Subject| subject.identity.as_ref().is_none_or(|identity| identity.steady);
    assert!(observation.subjects.values().all(steady));
}

#[test]
fn a_hundred_and_fifty_units() {
    measured(150);
}

#[test]
fn a_thousand_units() {
    measured(1000);
}
