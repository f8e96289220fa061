//! A systemd and the kernel below it, in memory: units that start, stop, restart, reload and crash, and both witnesses'
//! views of them.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`FakeSystemd`] | the model; operations on it go through the same steps, in the same order, as on a real machine |
//! | [`FakeSystemd::connect`] | a stream at whose other end zbus answers for the model, as PID 1's private socket does |
//! | [`FakeSystemd::kernel`] | the same machine as a [`Source`](avouch_kernel::Source): proc and cgroup files made when read |
//!
//! [`FakeSystemd::recorded`] is another one: of a unit that `systemctl show` was asked about, it says over D-Bus what was
//! printed then.
//!
//! Between two steps of an operation the model is unlocked: whoever observes sees what an observer of a real machine
//! may see, such as a process that is forked but has not given up its privileges yet. What systemd does within one turn
//! of its event loop, such as writing the limits that `set-property` changed, is one step. Whoever called `Subscribe`
//! hears of units and jobs as PID 1 announces them.

mod config;
mod files;
mod fleet;
mod model;
mod operations;
mod process;
mod recorded;
mod server;
mod signals;
mod source;

use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use config::Config;
pub use fleet::fleet;
pub use model::{Asked, FakeUnit, Fault, Hook, Model};
pub use process::FakeProcess;
pub use source::FakeKernel;

/// A machine with systemd, in memory.
#[derive(Clone, Default)]
pub struct FakeSystemd {
    model: Arc<Mutex<Model>>,
}

// === impl FakeSystemd ===

impl FakeSystemd {
    /// systemd 252 with its root slice, `system.slice`, its own scope and no other unit.
    pub fn new() -> Self {
        Self::default()
    }

    /// The model, locked: nobody reads meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection like one to `/run/systemd/private`; a thread serves it until it is closed.
    ///
    /// # Errors
    /// When no pair of sockets or no thread can be made.
    pub fn connect(&self) -> std::io::Result<UnixStream> {
        server::serve(self.clone())
    }

    /// The kernel's view.
    pub fn kernel(&self) -> FakeKernel {
        FakeKernel::of(self.clone())
    }
}
