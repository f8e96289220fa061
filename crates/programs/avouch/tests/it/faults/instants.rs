//! Random instants that can be had again.

use std::time::{Duration, Instant};

/// Names a seed of an earlier run.
const SEED: &str = "AVOUCH_FAULTS_SEED";

/// SplitMix64: good enough to choose instants, and the same on every machine.
pub(crate) struct Instants(u64);

impl Instants {
    /// From the seed in the environment, or a new one; either way it is printed.
    pub(crate) fn new() -> Self {
        let given = std::env::var(SEED).ok().map(|text| text.parse().unwrap());
        let seed = given.unwrap_or_else(|| u64::from_le_bytes(avouch_crypto::random()));
        println!("instants from {SEED}={seed}");
        Self(seed)
    }

    /// For what no result depends on.
    pub(crate) fn unseeded() -> Self {
        Self(u64::from_le_bytes(avouch_crypto::random()))
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }

    /// Lets a random time below `most` pass.
    pub(crate) fn let_pass(&mut self, most: Duration) {
        let nanos = self.below(u64::try_from(most.as_nanos()).unwrap());
        let end = Instant::now() + Duration::from_nanos(nanos);
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::park_timeout(left);
        }
    }
}

/// Waits until `condition` gives something.
pub(crate) fn until<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < deadline, "within {deadline:?} it did not come to this: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
