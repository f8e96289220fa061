//! SHA-256 of programs and files, remembered between passes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::Pass;
use crate::source::{Directory, Refusal, Stat};

/// Most bytes that one pass hashes; what is beyond is hashed by the next one, and until then unreadable.
pub(crate) const BUDGET: u64 = 512 * 1024 * 1024;
/// Most digests that are remembered.
const MOST: usize = 65_536;

/// A file in the state it was hashed in. Whoever changes it without a trace in these has written to the block device,
/// which IMA does not see either; the digests are forgotten when the observing program restarts.
type State = ((u32, u32), u64, u64, i128, i128);

/// Digests of files by the state they were hashed in.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<HashMap<State, [u8; 32]>>);

// === impl Digests ===

impl Digests {
    fn of(&self, state: &State) -> Option<[u8; 32]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(state).copied()
    }

    fn remember(&self, state: State, digest: [u8; 32]) {
        let mut digests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() >= MOST {
            digests.clear();
        }
        digests.insert(state, digest);
    }
}

fn state(stat: &Stat) -> State {
    (stat.device, stat.inode, stat.size, stat.modified, stat.changed)
}

// === impl Pass ===

impl Pass<'_> {
    /// The digest of the file at `path` below `directory`, whose state is `stat` as `look` shows it.
    pub(crate) fn digest(
        &self,
        directory: &dyn Directory,
        path: &str,
        look: impl Fn() -> Result<Stat, Refusal>,
    ) -> Result<[u8; 32], Refusal> {
        let before = look()?;
        if let Some(known) = self.kernel.digests.of(&state(&before)) {
            return Ok(known);
        }
        let left = self.budget.get();
        if before.size > left {
            let why = format!("this pass has hashed {} MiB already; the next pass goes on", BUDGET >> 20);
            return Err(Refusal::Failed(why));
        }
        self.budget.set(left - before.size);
        let digest = self.noted(directory.digest(path, before.size.saturating_add(1 << 20)))?;
        // A file that changed while it was read is hashed again the next time.
        if state(&look()?) == state(&before) {
            self.kernel.digests.remember(state(&before), digest);
        }
        Ok(digest)
    }
}
