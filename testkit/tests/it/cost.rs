//! Many units. Nothing here passes or fails by the clock: what a pass costs is measured by `avouch-bench`.

use std::time::Duration;

use avouch_collect::observe::{Observer, Scope};
use avouch_kernel::Kernel;
use avouch_pairs::{Judged, Observation, PairVerdict, Reading, attribute as a, judge};
use avouch_protocol::{Hash, Message, Report, ReportHead, Trigger};
use avouch_testkit::fleet;

use crate::scene::{DEADLINE, manager, observer};

/// Longest whole report of 150 units, and longest difference of an unchanged machine.
const WHOLE: usize = 60 * 1024;
const UNCHANGED: usize = 2 * 1024;

fn head(seq: u64) -> ReportHead {
    ReportHead {
        seq,
        prev: Hash::ZERO,
        trigger: Trigger::Slot,
        started_ms: 86_400_000 * seq,
        finished_ms: 86_400_500 * seq,
        agent_version: "0.1.0".into(),
    }
}

fn units(observation: &Observation) -> usize {
    observation.subjects.keys().filter(|name| name.starts_with("unit:app")).count()
}

fn discrepant(judged: &Judged) -> Vec<String> {
    let of_units = judged.findings.iter().filter(|finding| finding.subject.starts_with("unit:"));
    of_units.map(|finding| format!("{} {}", finding.subject, finding.code)).collect()
}

#[test]
fn the_first_report_of_150_units_and_an_unchanged_one_are_small() {
    let systemd = fleet(150);
    let mut observer = observer(&systemd);
    let first = observer.observe(&Scope::default());
    assert_eq!((units(&first), discrepant(&judge(&first, None))), (150, vec![]));
    let whole = Report::whole(&first, head(1)).expect("it is written").to_cbor();
    let second = observer.observe(&Scope::default());
    let difference = Report::difference(&second, &first, Hash::ZERO, head(2)).expect("it is written");
    let unchanged = difference.to_cbor();
    println!("150 units: a whole report has {} bytes, one of no change {}", whole.len(), unchanged.len());
    assert!(whole.len() <= WHOLE, "{} bytes", whole.len());
    assert!(unchanged.len() <= UNCHANGED, "{} bytes", unchanged.len());
    assert_eq!(difference.observation(Some(&first)).expect("it is read"), second);
}

#[test]
fn a_thousand_units_are_read_whole() {
    let systemd = fleet(1_000);
    let observation = observer(&systemd).observe(&Scope::default());
    let judged = judge(&observation, None);
    assert_eq!((units(&observation), discrepant(&judged)), (1_000, vec![]));
    let steady = |subject: &avouch_pairs::Subject| subject.identity.as_ref().is_none_or(|identity| identity.steady);
    assert!(observation.subjects.values().all(steady));
    let report = Report::whole(&observation, head(1)).expect("it is written");
    println!("1,000 units: a whole report has {} bytes", report.to_cbor().len());
    assert_eq!(report.observation(None).expect("it is read"), observation);
}

/// A unit that systemd was not asked about in time is there, read from the kernel alone, and nothing of it matches.
#[test]
fn thousands_of_units_end_in_time_and_what_was_not_asked_for_does_not_match() {
    let systemd = fleet(3_000);
    let kernel = Kernel::of(Box::new(systemd.kernel()));
    let root = tempfile::tempdir().expect("a directory");
    let mut observer = Observer::new(Some(manager(&systemd, DEADLINE)), kernel)
        .rooted(root.path())
        .within(Duration::from_millis(1_500));
    let observation = observer.observe(&Scope::default());
    assert_eq!(units(&observation), 3_000);
    let judged = judge(&observation, None);
    assert_eq!(discrepant(&judged), Vec::<String>::new());
    let unasked = |name: &str| {
        let memory = &observation.subjects[name].facts[&a::MEMORY_MAX];
        matches!(&memory.orchestrator, Reading::Unreadable(why) if why.contains("longer than"))
            && matches!(memory.kernel, Reading::Value(_))
    };
    let left: Vec<&str> =
        observation.subjects.keys().filter(|n| n.starts_with("unit:app") && unasked(n)).map(String::as_str).collect();
    println!("3,000 units: {} of them were read from the kernel alone", left.len());
    assert!(!left.is_empty() && left.len() < 3_000, "{}", left.len());
    let stated = |pair: &&avouch_pairs::Pair| {
        pair.attribute.spec().is_some_and(|spec| !spec.orchestrator.is_empty() && !spec.kernel.is_empty())
    };
    let matches = judged.pairs.iter().filter(stated).filter(|pair| left.binary_search(&&*pair.subject).is_ok());
    let matches: Vec<_> = matches.filter(|pair| pair.verdict == PairVerdict::Match).collect();
    assert!(matches.is_empty(), "{:?}", matches.first());
}
