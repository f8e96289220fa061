//! The conversation with PID 1.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use avouch_pairs::Subject;

use crate::{Changes, Identity, SystemdError, UnitRef, UnitState};

/// How long one exchange with systemd may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// How systemd is reached.
#[derive(Debug, Default)]
pub enum How {
    /// systemd's private socket, which leaves the message bus out of the way of trust; else the system bus.
    #[default]
    Auto,
    /// A socket that speaks D-Bus without a bus, like `/run/systemd/private`.
    Private(PathBuf),
    /// The system bus.
    Bus,
    /// A connected stream whose other end speaks D-Bus without a bus.
    Stream(UnixStream),
}

/// A connection to PID 1. Blocking, without threads; every exchange has a deadline, and after one that failed the next
/// connects anew (but for [`How::Stream`], which cannot).
pub struct Manager {
    _private: (),
}

impl Manager {
    /// Connects within [`DEADLINE`].
    ///
    /// # Errors
    /// When nobody answers at any of the places that `how` names.
    pub fn connect(how: &How) -> Result<Self, SystemdError> {
        Self::connect_within(how, DEADLINE)
    }

    /// Connects; each exchange, this one and later ones, has this deadline.
    ///
    /// # Errors
    /// When nobody answers at any of the places that `how` names.
    pub fn connect_within(how: &How, deadline: Duration) -> Result<Self, SystemdError> {
        let _ = (how, deadline);
        Err(SystemdError::Refused { answer: "not yet".into() })
    }

    /// The units in scope: services, sockets, scopes, slices and mounts that are active or on their way, and services
    /// that failed.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn units(&mut self) -> Result<Vec<UnitRef>, SystemdError> {
        Err(SystemdError::Refused { answer: "not yet".into() })
    }

    /// The unit of this name, whether or not it is in scope or even loaded (then `not-found`).
    ///
    /// # Errors
    /// When systemd does not answer, or refuses the name.
    pub fn find(&mut self, name: &str) -> Result<UnitRef, SystemdError> {
        let _ = name;
        Err(SystemdError::Refused { answer: "not yet".into() })
    }

    /// All allow-listed properties of a unit.
    ///
    /// # Errors
    /// When systemd does not answer; a single property that it does not have is a reading, not an error.
    pub fn unit(&mut self, unit: &UnitRef) -> Result<UnitState, SystemdError> {
        let _ = unit;
        Err(SystemdError::Refused { answer: "not yet".into() })
    }

    /// Which run of the unit it is now.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn identity(&mut self, unit: &UnitRef) -> Result<Identity, SystemdError> {
        let _ = unit;
        Err(SystemdError::Refused { answer: "not yet".into() })
    }

    /// Facts of systemd itself: how it was asked, its version, its taint flags.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn host(&mut self) -> Result<Subject, SystemdError> {
        Err(SystemdError::Refused { answer: "not yet".into() })
    }

    /// Subscribes to changes, over a second connection.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn watch(&mut self) -> Result<Changes, SystemdError> {
        Err(SystemdError::Refused { answer: "not yet".into() })
    }
}
