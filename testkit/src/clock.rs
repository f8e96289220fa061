//! Both clocks of the server's machine, in the hands of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use avouch_server::{Clock, SystemClock};

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct HandClock {
    wall: AtomicU64,
    boot: AtomicU64,
}

impl HandClock {
    /// Starts at the real time, because TLS checks certificates against that.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { wall: SystemClock.wall().into(), boot: 1_000.into() })
    }

    /// Unix seconds.
    pub fn now(&self) -> u64 {
        self.wall.load(Ordering::SeqCst)
    }

    /// Time passes, on both clocks.
    pub fn pass(&self, seconds: u64) {
        self.boot.fetch_add(seconds, Ordering::SeqCst);
        self.wall.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock; CLOCK_BOOTTIME knows nothing of it.
    pub fn set_wall(&self, unix_seconds: u64) {
        self.wall.store(unix_seconds, Ordering::SeqCst);
    }

    /// Another clock that shows the same and then goes its own way.
    pub fn fork(&self) -> Arc<Self> {
        Arc::new(Self { wall: self.now().into(), boot: self.boot.load(Ordering::SeqCst).into() })
    }
}

impl Clock for HandClock {
    fn wall(&self) -> u64 {
        self.now()
    }

    fn boottime(&self) -> Duration {
        Duration::from_secs(self.boot.load(Ordering::SeqCst))
    }
}
