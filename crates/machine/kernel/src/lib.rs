//! The kernel as a witness: what it enforces on a unit and on the machine, read by system calls of our own.
//!
//! ```text
//! Kernel::open() ─▶ Pass (one walk of /proc, one dump of sockets, one cache of digests)
//!                     ├ unit(UnitAsk) ─▶ Subject       kernel and second columns of a unit
//!                     └ host(HostAsk) ─▶ Observation   host, listener:, sysctl:, dm:, path:
//! ```
//!
//! systemd is never asked here. Nothing is compared either: readings are spelled as [`avouch_pairs::attribute`] states,
//! and whoever judges them holds both columns.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod ask;
mod groups;
pub mod source;

use avouch_pairs::{Observation, Subject};
use thiserror::Error;

pub use ask::{HostAsk, UnitAsk};
pub use source::{Directory, Source};

/// The kernel of this machine, or a recording of one.
pub struct Kernel {
    source: Box<dyn Source>,
}

/// One pass over the machine: what many units share is read once.
pub struct Pass<'k> {
    kernel: &'k Kernel,
}

/// Why the kernel cannot be asked at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// There is no procfs: nothing can be read of any process.
    #[error("/proc cannot be used: {0}; mount procfs there and hide nothing of it (no hidepid=, no subset=)")]
    NoProc(String),
}

// === impl Kernel ===

impl Kernel {
    /// Opens procfs, the cgroup hierarchy, sysfs and securityfs of this machine, and keeps them open. Whatever but
    /// procfs is missing shows in the readings.
    ///
    /// # Errors
    /// [`KernelError`].
    pub fn open() -> Result<Self, KernelError> {
        Err(KernelError::NoProc("not written yet".to_owned()))
    }

    /// What `source` shows.
    pub fn of(source: Box<dyn Source>) -> Self {
        Self { source }
    }

    /// Begins a pass.
    pub fn begin(&self) -> Pass<'_> {
        Pass { kernel: self }
    }

    /// One unit in a pass of its own.
    pub fn unit(&self, ask: &UnitAsk) -> Subject {
        self.begin().unit(ask)
    }

    /// The machine in a pass of its own.
    pub fn host(&self, ask: &HostAsk) -> Observation {
        self.begin().host(ask)
    }

    /// When process `pid` started, in clock ticks since boot (field 22 of its stat); `None` when there is none.
    pub fn process_start(&self, pid: u32) -> Option<u64> {
        let _ = (&self.source, pid);
        None
    }
}

// === impl Pass ===

impl Pass<'_> {
    /// Kernel and second columns of a unit's attributes. The identity is left to systemd.
    pub fn unit(&self, ask: &UnitAsk) -> Subject {
        let _ = (&self.kernel.source, ask);
        Subject::default()
    }

    /// Kernel columns of the host, of every listener, of the sysctls and paths asked for and of device-mapper devices.
    /// Ask it last: problems that units met stand in its [`avouch_pairs::attribute::VIEW`].
    pub fn host(&self, ask: &HostAsk) -> Observation {
        let _ = (&self.kernel.source, ask);
        Observation::default()
    }
}
