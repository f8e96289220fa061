//! The levels of "what systemd states, what the kernel does", of the units that the gate guards.

use avouch_attestor::{Reading, Wanted, levels_of};
use avouch_pairs::LevelVerdict;

use super::{Reader, machine};
use crate::cli::ObserveArgs;
use crate::intent;
use crate::observe;

// === impl Reader ===

impl Reader {
    /// What both witnesses come to, where the settings demand levels: an observation costs more than all the rest, so
    /// nobody else pays for it. They are judged by the intent of the agent's configuration, and without one by each
    /// other alone.
    pub(super) fn levels(&self, wanted: &Wanted) -> Reading<Vec<LevelVerdict>> {
        if !wanted.levels || !self.appliance.is_running() {
            return Reading::Absent;
        }
        let declared = match intent::pinned(self.intent.as_ref()) {
            Ok(declared) => declared,
            Err(error) => return Reading::Unreadable(format!("{error}; {}", error.remedy())),
        };
        let args = ObserveArgs {
            units: wanted.services.values().map(|service| service.unit.clone()).collect(),
            levels: self.settings.require_levels.clone(),
            ..ObserveArgs::default()
        };
        let scope = observe::Wanted::of(&args, declared.as_ref());
        match self.collector.observe(scope.scope.clone()) {
            Ok(observed) => {
                let part = declared.map(|declared| scope.part_of(&declared.intent));
                Reading::Value(levels_of(&observed.observation, part.as_ref()))
            }
            Err(error) => Reading::Unreadable(format!("{error}; {}", machine::remedy(&error))),
        }
    }
}
