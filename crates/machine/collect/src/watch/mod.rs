//! What happens between two observations.

use std::time::Duration;

use avouch_systemd::How;

/// Why to observe before the next slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// systemd says that this unit came, went or changed.
    UnitChanged(String),
    /// Somebody wrote into a file of this unit's cgroup.
    CgroupWritten(String),
    /// A socket listens that did not before, or no longer does.
    Listener,
    /// A kernel module was loaded or unloaded.
    Module,
    /// More happened than was kept apart, or a source of events ended: observe everything.
    Everything,
}

/// Waits for triggers. What cannot be watched on this machine is said once, in [`Watch::blind`], and left to the slots.
pub struct Watch {
    blind: Vec<String>,
}

impl Watch {
    /// Begins to watch what can be watched.
    pub fn start(how: How) -> Self {
        let _ = how;
        Self { blind: vec!["not yet".into()] }
    }

    /// What cannot be watched here, and why; for people.
    pub fn blind(&self) -> &[String] {
        &self.blind
    }

    /// What happened, without repetitions and at most once in a second; empty when nothing did within `wait`.
    pub fn next(&mut self, wait: Duration) -> Vec<Trigger> {
        std::thread::sleep(wait);
        Vec::new()
    }
}
