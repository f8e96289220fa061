//! What systemd announces.

use std::time::Duration;

use crate::{How, SystemdError};

/// Something that happened to a unit or to systemd itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A unit came, went, changed or finished a job; its name.
    Unit(String),
    /// systemd began or ended reading all unit files again: any unit may have changed.
    Reloading,
}

/// systemd's announcements, over a connection of their own.
pub struct Changes {
    _private: (),
}

impl Changes {
    /// Subscribes.
    ///
    /// # Errors
    /// When systemd cannot be reached or refuses the subscription.
    pub fn subscribe(how: &How) -> Result<Self, SystemdError> {
        let _ = how;
        Err(SystemdError::Refused { answer: "not yet".into() })
    }

    /// The next announcements, in order; empty when none came within `wait`.
    ///
    /// # Errors
    /// When the connection ended: subscribe again, and take every unit as changed.
    pub fn next(&mut self, wait: Duration) -> Result<Vec<Change>, SystemdError> {
        let _ = wait;
        Ok(Vec::new())
    }
}
