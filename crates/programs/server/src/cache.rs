//! What is parsed once and used often. Everything here can be dropped at any time: the store has it all.

use std::collections::HashMap;
use std::hash::Hash as Key;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use avouch_appraise::{NodeKeys, Policy};
use avouch_protocol::{Hash, NodeTag};

/// Policies kept parsed; a cluster has a few, each up to some ten MiB.
const POLICIES: usize = 8;
/// Nodes whose keys are kept parsed, under 1 KiB each.
const NODES: usize = 16_384;
/// Seconds between two walks over all nodes for the metrics, however often they are asked for.
const COUNT_SECONDS: u64 = 5;

/// The caches of one server.
pub(crate) struct Caches {
    pub(crate) policies: Bounded<Hash, Policy>,
    /// By generation, so that a node with new keys is never judged by its old ones.
    pub(crate) keys: Bounded<(NodeTag, u32), NodeKeys>,
    counted: AtomicU64,
}

/// A map that forgets something when it is full.
pub(crate) struct Bounded<K, V> {
    most: usize,
    held: Mutex<HashMap<K, Arc<V>>>,
}

impl Caches {
    pub(crate) fn new() -> Self {
        Self { policies: Bounded::new(POLICIES), keys: Bounded::new(NODES), counted: AtomicU64::new(0) }
    }

    /// True for one caller when the counts are old.
    pub(crate) fn count_due(&self, now: u64) -> bool {
        let last = self.counted.load(Ordering::Relaxed);
        now >= last.saturating_add(COUNT_SECONDS)
            && self.counted.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl<K: Key + Eq + Clone, V> Bounded<K, V> {
    fn new(most: usize) -> Self {
        Self { most, held: Mutex::new(HashMap::new()) }
    }

    /// What is held under `key`, or what `make` makes. Two callers may both make it; one result is kept.
    pub(crate) fn find<E>(&self, key: &K, make: impl FnOnce() -> Result<Option<V>, E>) -> Result<Option<Arc<V>>, E> {
        if let Some(value) = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(Some(value.clone()));
        }
        let Some(value) = make()?.map(Arc::new) else { return Ok(None) };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= self.most
            && let Some(any) = held.keys().next().cloned()
        {
            held.remove(&any);
        }
        held.insert(key.clone(), value.clone());
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_stays_bounded_and_keeps_the_newest() {
        let cache = Bounded::new(2);
        for key in 0..100 {
            let made = cache.find(&key, || Ok::<_, ()>(Some(key * 2))).unwrap();
            assert_eq!(made.as_deref(), Some(&(key * 2)));
            assert!(cache.held.lock().unwrap().len() <= 2);
        }
        let again = cache.find(&99, || Err::<Option<i32>, _>("made again")).unwrap();
        assert_eq!(again.as_deref(), Some(&198));
    }

    #[test]
    fn an_error_or_nothing_is_not_kept() {
        let cache: Bounded<u8, u8> = Bounded::new(2);
        assert_eq!(cache.find(&1, || Err("broken")), Err("broken"));
        assert_eq!(cache.find(&1, || Ok::<_, ()>(None)), Ok(None));
        assert_eq!(cache.find(&1, || Ok::<_, ()>(Some(5))).unwrap().as_deref(), Some(&5));
    }

    #[test]
    fn nodes_are_counted_at_most_every_five_seconds() {
        let caches = Caches::new();
        assert!(caches.count_due(1_000));
        assert!(!caches.count_due(1_004));
        assert!(caches.count_due(1_005));
    }
}
