//! What the tests share.

use std::sync::LazyLock;
use std::time::Duration;

use avouch_collect::observe::{Observer, Scope};
use avouch_kernel::Kernel;
use avouch_pairs::{Attribute, Fact, Intent, Judged, Observation, Pair, Reading, judge, subject};
use avouch_systemd::{How, Manager};
use avouch_testkit::FakeSystemd;
use avouch_testkit::recorded_tree::{DUAL_SOURCE, Recording, Snapshot};

/// Long enough for a busy machine, short enough to wait for a hang.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A manager that talks to `systemd`.
pub(crate) fn manager(systemd: &FakeSystemd, deadline: Duration) -> Manager {
    let stream = systemd.connect().expect("a pair of sockets");
    Manager::connect_within(&How::Stream(stream), deadline).expect("the fake answers")
}

/// An observer of both sides of `systemd`, whose files are those of an empty directory.
pub(crate) fn observer(systemd: &FakeSystemd) -> Observer {
    let kernel = Kernel::of(Box::new(systemd.kernel()));
    let root = tempfile::tempdir().expect("a directory");
    Observer::new(Some(manager(systemd, DEADLINE)), kernel).rooted(root.path())
}

/// A fact, which must be there.
pub(crate) fn fact<'o>(observation: &'o Observation, subject: &str, attribute: Attribute) -> &'o Fact {
    let subject = observation.subjects.get(subject).unwrap_or_else(|| panic!("no {subject}"));
    let name = attribute.spec().map_or("?", |spec| spec.name);
    subject.facts.get(&attribute).unwrap_or_else(|| panic!("no {name}"))
}

/// A value of both witnesses.
pub(crate) fn both(orchestrator: &str, kernel: &str) -> (Reading, Reading) {
    (Reading::Value(orchestrator.into()), Reading::Value(kernel.into()))
}

/// The recorded machine.
pub(crate) static RECORDING: LazyLock<Recording> = LazyLock::new(|| Recording::parse(DUAL_SOURCE));

/// A recorded unit, to be changed.
pub(crate) fn snapshot(phase: &str, unit: &str) -> Snapshot {
    RECORDING.snapshot(phase, unit).clone()
}

/// Both witnesses of a recorded unit: what systemd said goes over D-Bus through the observer's own connection, what the
/// kernel showed through its parsers.
pub(crate) fn observed(unit: &str, snapshot: &Snapshot) -> Observation {
    observed_in(unit, snapshot, &Scope { units: Some(vec![unit.to_owned()]), ..Scope::default() })
}

/// The same, with everything else that the machine shows.
pub(crate) fn observed_whole(unit: &str, snapshot: &Snapshot) -> Observation {
    observed_in(unit, snapshot, &Scope::default())
}

fn observed_in(unit: &str, snapshot: &Snapshot, scope: &Scope) -> Observation {
    let systemd = FakeSystemd::recorded(unit, snapshot);
    let root = tempfile::tempdir().expect("a directory");
    Observer::new(Some(manager(&systemd, DEADLINE)), snapshot.kernel()).rooted(root.path()).observe(scope)
}

/// `SUBJECT CODE` of every finding, of a unit without its kind.
pub(crate) fn codes(judged: &Judged) -> Vec<String> {
    let subject = |name: &str| name.strip_prefix(subject::UNIT).unwrap_or(name).to_owned();
    judged.findings.iter().map(|finding| format!("{} {}", subject(&finding.subject), finding.code)).collect()
}

/// The pair of an attribute of a unit.
pub(crate) fn pair<'j>(judged: &'j Judged, unit: &str, attribute: Attribute) -> Option<&'j Pair> {
    let name = format!("{}{unit}", subject::UNIT);
    judged.pairs.iter().find(|pair| pair.subject == name && pair.attribute == attribute)
}

/// The intent that a fact stays as it is, of which the kernel alone speaks.
pub(crate) fn demanding(observation: &Observation, attribute: Attribute) -> Intent {
    let judged = judge(observation, None);
    let pair = judged.pairs.iter().find(|pair| pair.attribute == attribute).expect("a pair");
    let demanded = [(attribute, pair.kernel.clone().expect("a value"))].into();
    Intent { subjects: [(pair.subject.clone(), demanded)].into(), ..Intent::default() }
}
