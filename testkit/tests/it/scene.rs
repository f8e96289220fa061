//! What the tests share.

use std::time::Duration;

use avouch_collect::observe::Observer;
use avouch_kernel::Kernel;
use avouch_pairs::{Attribute, Fact, Observation, Reading};
use avouch_systemd::{How, Manager};
use avouch_testkit::FakeSystemd;

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
