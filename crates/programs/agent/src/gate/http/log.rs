//! Who was turned away, without letting them fill the journal.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::access::Peer;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// Counts refusals and writes at most one line a minute.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    untold: u64,
    told: Option<Instant>,
}

// === impl Refusals ===

impl Refusals {
    pub(super) fn add(&self, peer: Option<Peer>, what: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.untold += 1;
        if state.told.is_some_and(|told| told.elapsed() < PAUSE) {
            return;
        }
        let count = std::mem::take(&mut state.untold);
        state.told = Some(Instant::now());
        match peer {
            Some(Peer { uid, gid, pid }) => {
                tracing::warn!(count, uid, gid, pid, what, "requests refused; the last came from this process");
            }
            None => tracing::warn!(count, what, "requests refused; the last came over TCP"),
        }
    }
}
