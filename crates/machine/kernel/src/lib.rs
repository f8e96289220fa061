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
mod digests;
mod groups;
mod host;
mod live;
pub mod parse;
mod pass;
mod reading;
mod sockets;
pub mod source;
mod sys;
mod unit;

use std::sync::Mutex;

use avouch_pairs::{Observation, Subject};
use thiserror::Error;

use crate::host::Sweep;
use crate::parse::stat::Stat;
use crate::source::Root;

pub use ask::HostAsk;
pub use avouch_pairs::UnitAsk;
pub use pass::Pass;
pub use source::{Directory, Source};

/// The kernel of this machine, or a recording of one.
pub struct Kernel {
    source: Box<dyn Source>,
    digests: digests::Digests,
    sweep: Mutex<Sweep>,
}

/// Why the kernel cannot be asked at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// There is no procfs, or something else stands in its place: nothing can be read of any process.
    #[error("/proc cannot be used: {0}; mount procfs there, and nothing over it")]
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
        Ok(Self::of(Box::new(live::Machine::open()?)))
    }

    /// What `source` shows.
    pub fn of(source: Box<dyn Source>) -> Self {
        Self { source, digests: digests::Digests::default(), sweep: Mutex::default() }
    }

    /// Begins a pass.
    pub fn begin(&self) -> Pass<'_> {
        Pass::new(self, digests::BUDGET)
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
        let proc = self.source.root(Root::Proc).ok()?;
        let stat = proc.read(&format!("{pid}/stat"), pass::SMALL).ok()?;
        Stat::parse(&stat).ok().map(|stat| stat.start)
    }
}
