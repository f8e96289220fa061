//! What is parsed once and used often. Everything here can be dropped at any time: the store has it all.

use std::collections::{HashMap, HashSet};
use std::hash::Hash as Key;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avouch_appraise::SeenSignatures;
use avouch_protocol::{Hash, NodeTag};
use avouch_rules::RuledPolicy;

use crate::caller::EnrolledKeys;
use crate::standing::Validity;

/// Policies kept parsed; a cluster has a few, each up to some ten MiB.
const POLICIES: usize = 8;
/// Nodes whose keys are kept parsed, under 1 KiB each.
const NODES: usize = 16_384;
/// File signatures remembered as good, 32 bytes each: a distribution signs some 100,000 files.
const SIGNATURES: usize = 262_144;
/// Seconds for which a count of all nodes serves the metrics, however often they are asked for, as long as no verdict
/// that it counted ends.
const COUNT_SECONDS: u64 = 5;

/// The caches of one server.
pub(crate) struct Caches {
    pub(crate) policies: Bounded<Hash, RuledPolicy>,
    /// By generation, so that a node with new keys is never judged by its old ones.
    pub(crate) keys: Bounded<(NodeTag, u32), EnrolledKeys>,
    pub(crate) signatures: GoodSignatures,
    counted: Mutex<Option<Counted>>,
}

/// When nodes were counted, and the last second in which every verdict still has the word that it was counted under.
#[derive(Clone, Copy)]
struct Counted {
    at: Validity,
    holds: u64,
}

/// File signatures that were good for some node of this server.
pub(crate) struct GoodSignatures {
    most: usize,
    held: Mutex<HashSet<[u8; 32]>>,
}

/// A map that forgets something when it is full.
pub(crate) struct Bounded<K, V> {
    most: usize,
    held: Mutex<HashMap<K, Arc<V>>>,
    /// What is being made now: one lock for each key, so that many callers wait for one maker.
    making: Mutex<HashMap<K, Arc<Mutex<()>>>>,
}

impl Caches {
    pub(crate) fn new() -> Self {
        Self {
            policies: Bounded::new(POLICIES),
            keys: Bounded::new(NODES),
            signatures: GoodSignatures::new(SIGNATURES),
            counted: Mutex::new(None),
        }
    }

    /// True for one caller when the counts are old or say more than verdicts are worth by now. That caller counts, and
    /// says then how long the counts hold, or that there are none.
    pub(crate) fn count_due(&self, now: Validity) -> bool {
        let mut counted = self.counted();
        let due = counted.is_none_or(|counted| {
            now.now >= counted.at.now.saturating_add(COUNT_SECONDS)
                || now.now > counted.holds
                || (now.sound, now.gap_end) != (counted.at.sound, counted.at.gap_end)
        });
        if due {
            *counted = Some(Counted { at: now, holds: u64::MAX });
        }
        due
    }

    /// The counts hold until the end of this second; `None` when counting failed.
    pub(crate) fn counts_hold(&self, until: Option<u64>) {
        let mut counted = self.counted();
        *counted = until.and_then(|holds| counted.map(|counted| Counted { holds, ..counted }));
    }

    fn counted(&self) -> MutexGuard<'_, Option<Counted>> {
        lock(&self.counted)
    }
}

impl GoodSignatures {
    fn new(most: usize) -> Self {
        Self { most, held: Mutex::new(HashSet::new()) }
    }

    fn held(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeenSignatures for GoodSignatures {
    fn is_known(&self, check: &[u8; 32]) -> bool {
        self.held().contains(check)
    }

    fn remember(&self, check: &[u8; 32]) {
        let mut held = self.held();
        if held.len() >= self.most
            && let Some(any) = held.iter().next().copied()
        {
            held.remove(&any);
        }
        held.insert(*check);
    }
}

impl<K: Key + Eq + Clone, V> Bounded<K, V> {
    fn new(most: usize) -> Self {
        Self { most, held: Mutex::new(HashMap::new()), making: Mutex::new(HashMap::new()) }
    }

    /// What is held under `key`, or what `make` makes. It is made once, however many ask at the same time: the others
    /// wait, and make it themselves only when the first one did not succeed.
    pub(crate) fn find<E>(&self, key: &K, make: impl FnOnce() -> Result<Option<V>, E>) -> Result<Option<Arc<V>>, E> {
        if let Some(value) = self.held(key) {
            return Ok(Some(value));
        }
        let turn = lock(&self.making).entry(key.clone()).or_default().clone();
        let made = {
            let _turn = lock(&turn);
            match self.held(key) {
                Some(value) => Ok(Some(value)),
                None => make().map(|made| made.map(|value| self.keep(key, value))),
            }
        };
        // Whoever comes now either finds the value or begins anew; those that wait keep their turn alive.
        lock(&self.making).remove(key);
        made
    }

    /// What is held under `key` already.
    pub(crate) fn held(&self, key: &K) -> Option<Arc<V>> {
        lock(&self.held).get(key).cloned()
    }

    fn keep(&self, key: &K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut held = lock(&self.held);
        if held.len() >= self.most
            && let Some(any) = held.keys().next().cloned()
        {
            held.remove(&any);
        }
        held.insert(key.clone(), value.clone());
        value
    }
}

/// What is behind these locks is whole at every instant, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn many_that_ask_at_once_have_it_made_once() {
        use std::sync::Barrier;
        use std::sync::atomic::{AtomicUsize, Ordering};
        const ASKING: usize = 16;
        let (cache, made, together) = (Bounded::new(2), AtomicUsize::new(0), Barrier::new(ASKING));
        std::thread::scope(|scope| {
            for _ in 0..ASKING {
                scope.spawn(|| {
                    together.wait();
                    let make = || {
                        made.fetch_add(1, Ordering::SeqCst);
                        // Long enough that every other thread has asked.
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        Ok::<_, ()>(Some(7))
                    };
                    assert_eq!(cache.find(&1, make).unwrap().as_deref(), Some(&7));
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert!(cache.making.lock().unwrap().is_empty());
    }

    #[test]
    fn good_signatures_are_known_again_and_stay_bounded() {
        let cache = GoodSignatures::new(2);
        for number in 0..100 {
            assert!(!cache.is_known(&[number; 32]));
            cache.remember(&[number; 32]);
            assert!(cache.is_known(&[number; 32]) && cache.held().len() <= 2);
        }
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
        let at = |now| Validity { now, sound: true, gap_end: 0 };
        assert!(caches.count_due(at(1_000)));
        caches.counts_hold(Some(2_000));
        assert!(!caches.count_due(at(1_004)));
        assert!(caches.count_due(at(1_005)));
    }

    #[test]
    fn counts_do_not_outlive_a_verdict_or_the_soundness_of_the_clock() {
        let at = |now, sound, gap_end| Validity { now, sound, gap_end };
        let counted = |until| {
            let caches = Caches::new();
            assert!(caches.count_due(at(1_000, true, 0)));
            caches.counts_hold(until);
            caches
        };
        assert!(!counted(Some(1_001)).count_due(at(1_001, true, 0)));
        assert!(counted(Some(1_001)).count_due(at(1_002, true, 0)), "a verdict ended");
        assert!(counted(Some(2_000)).count_due(at(1_000, false, 0)), "the clock went back");
        assert!(counted(Some(2_000)).count_due(at(1_000, true, 1_000)), "the clock went ahead");
        assert!(counted(None).count_due(at(1_000, true, 0)), "counting failed");
    }
}
