//! Units that change, machines that cannot show, and strings that nobody foresaw.

use std::time::Instant;

use avouch_pairs::PairVerdict::{self, Match, NotSupported, Racing};
use avouch_pairs::attribute::*;
use avouch_pairs::{
    Attribute, Fact, Intent, Level, LevelResult, Observation, Reading, Subject, UnitIdentity, judge, learn,
};
use proptest::prelude::*;

use crate::machine::{Machine, value};

#[test]
fn a_unit_that_changed_while_it_was_read_is_racing_and_no_finding() {
    let machine = Machine::running("t.service")
        .identity(|identity| identity.steady = false)
        .pair(MEMORY_MAX, "4096", "max")
        .pair(PIDS_MAX, "20", "20")
        .seen(CAP_EFFECTIVE, "0000000000000000")
        .second(CAP_EFFECTIVE, value("000001ffffffffff"));
    let judged = machine.judged();
    assert_eq!(judged.findings, Vec::new());
    assert_eq!(machine.verdict(MEMORY_MAX), Racing);
    assert_eq!(machine.verdict(PIDS_MAX), Match);
    assert_eq!(judged.level(Level::V4).result, LevelResult::Inconclusive);
}

#[test]
fn control_processes_of_a_unit_that_starts_have_settings_of_their_own() {
    let machine = |state: &str, values: &str| {
        Machine::running("t.service")
            .identity(|identity| identity.active_state = state.to_owned())
            .pair(NO_NEW_PRIVS, "yes", values)
            .verdict(NO_NEW_PRIVS)
    };
    assert_eq!(machine("reloading", "1\t221\n0\t300"), Racing);
    assert_eq!(machine("active", "1\t221\n0\t300"), PairVerdict::KernelWeaker);
    assert_eq!(machine("reloading", "0\t221\n1\t300"), PairVerdict::KernelWeaker);
}

#[test]
fn systemd_that_does_not_answer_leaves_everything_open() {
    let silent = || Reading::Unreadable("systemd did not answer in 5 s".to_owned());
    let machine =
        Machine::running("t.service").fact(MEMORY_MAX, silent(), value("max")).fact(NO_NEW_PRIVS, silent(), value("1"));
    let judged = machine.judged();
    assert_eq!(judged.findings, Vec::new());
    assert_eq!(judged.level(Level::V4).result, LevelResult::Inconclusive);
    assert_eq!(machine.find(MEMORY_MAX).unwrap().kernel.as_deref(), Some("max"));
}

#[test]
fn a_host_with_the_old_hierarchy_cannot_show_limits() {
    let machine = Machine::running("t.service")
        .subject("host")
        .seen(CGROUP_HIERARCHY, "legacy")
        .unit("t.service")
        .fact(MEMORY_MAX, value("4096"), Reading::Absent);
    assert_eq!(machine.verdict(MEMORY_MAX), NotSupported);
    assert_eq!(machine.codes(), Vec::<String>::new());
}

#[test]
fn nothing_observed_is_no_verdict() {
    let judged = judge(&Observation::default(), None);
    assert!(judged.levels.iter().all(|level| level.result == LevelResult::NotEvaluated));
    assert_eq!(judged.attained(), None);
}

/// Strings like those of collectors, and others.
fn raw() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,22}( [0-9]{1,22})?",
        "(yes|no|max|host|none|strict|allow|deny|2 3|private 1)(\t[0-9]{1,4})?(\n(yes|no|0|max|/x|-)\t[0-9]{1,4}){0,3}",
        "(/[a-z ]{0,6}\t(ro|rw)(,nosuid)?\t(ext4|tmpfs|proc)\t/[a-z/]{0,9}\n){0,5}",
        "[0-9a-f]{16}",
        "[^\\PC]{0,40}",
        "(-|\\+)?/[a-zé]{0,5}(\t[0-7]{1,5} [0-9] [0-9])?",
        "[0-9]{1,3}-[0-9]{1,11}(,[0-9]{1,9}){0,3}",
    ]
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        6 => raw().prop_map(Reading::Value),
        1 => Just(Reading::Absent),
        1 => Just(Reading::NotRead),
        1 => raw().prop_map(Reading::Unreadable),
        1 => raw().prop_map(Reading::NotSupported),
    ]
}

fn subject() -> impl Strategy<Value = Subject> {
    let all: Vec<Attribute> = Attribute::all().map(|spec| spec.attribute).chain([Attribute(9_999)]).collect();
    let fact = (reading(), reading(), reading()).prop_map(|(orchestrator, kernel, second)| Fact {
        orchestrator,
        kernel,
        second,
    });
    let facts = proptest::collection::btree_map(proptest::sample::select(all), fact, 0..60);
    let identity = (any::<bool>(), any::<bool>(), any::<u64>(), any::<u32>(), "(active|inactive|reloading|x)")
        .prop_map(|(there, steady, started_usec, main_pid, active_state)| {
            there.then(|| UnitIdentity { steady, started_usec, main_pid, active_state, ..UnitIdentity::default() })
        });
    (identity, facts).prop_map(|(identity, facts)| Subject { identity, facts })
}

fn observation() -> impl Strategy<Value = Observation> {
    let name = prop_oneof![
        Just("host".to_owned()),
        "unit:[a-z@]{1,4}\\.(service|socket|slice)",
        "listener:(tcp|udp|unix):[^\\PC]{0,12}(:[0-9]{1,6})?(@[0-9]{1,3})?",
        "(sysctl:kernel.sysrq|dm:x|path:/x)",
        any::<String>(),
    ];
    proptest::collection::btree_map(name, subject(), 0..6).prop_map(|subjects| Observation { subjects })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever collectors read: a judgement, the same each time, that counts what it lists.
    #[test]
    fn any_strings_are_judged(seen in observation(), other in observation()) {
        let judged = judge(&seen, None);
        prop_assert_eq!(&judged, &judge(&seen, None));
        let discrepant = judged.pairs.iter().filter(|pair| pair.verdict.is_discrepant()).count();
        prop_assert_eq!(discrepant, judged.findings.len());
        let counted: u32 = judged.levels.iter().map(|level| level.pairs).sum();
        prop_assert_eq!(counted as usize, judged.pairs.len());
        for pair in &judged.pairs {
            prop_assert_eq!(pair.verdict.is_discrepant(), pair.cause.is_some());
        }
        for finding in &judged.findings {
            prop_assert!(!finding.implication.is_empty() && !finding.remedy.is_empty());
        }
        judge(&seen, Some(&learn(&other)));
    }

    /// What was learned from a machine is no drift on the same machine.
    #[test]
    fn what_was_learned_does_not_drift(seen in observation()) {
        let intent = Intent { units: Default::default(), ..learn(&seen) };
        let judged = judge(&seen, Some(&intent));
        let drift = judged.findings.iter().find(|finding| finding.verdict == PairVerdict::IntentDrift);
        prop_assert!(drift.is_none(), "{:?}", drift);
    }

    /// Of a unit that did not stand still nothing is a finding.
    #[test]
    fn a_racing_unit_makes_no_finding(mut subject in subject()) {
        let identity = subject.identity.get_or_insert_default();
        identity.steady = false;
        let observation = Observation { subjects: [("unit:x.service".to_owned(), subject)].into() };
        prop_assert_eq!(judge(&observation, None).findings, Vec::new());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test measures; what it tests knows no clock")]
fn a_hundred_and_fifty_units_take_little_time() {
    let mut machine = Machine::running("u0.service");
    for number in 0..150 {
        machine = machine.unit(&format!("u{number}.service"));
        for spec in Attribute::all().filter(|spec| (400..1_000).contains(&spec.attribute.0)) {
            machine = machine.pair(spec.attribute, "yes", "1");
        }
        machine = machine.pair(MEMORY_MAX, "67108864", "67108864").seen(MOUNTS, "/\tro\text4\t/");
    }
    let started = Instant::now();
    let judged = machine.judged();
    let took = started.elapsed();
    println!("{} pairs of 150 units in {took:?}", judged.pairs.len());
    assert!(judged.pairs.len() > 5_000);
    // Unoptimized and beside other tests; a square of the number of units would take far longer.
    assert!(took.as_millis() < 2_000, "{took:?}");
}
