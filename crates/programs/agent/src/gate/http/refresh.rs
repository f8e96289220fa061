//! Attestations on request: any number of callers, one run.
//!
//! A caller is answered by a run that began after its call, never by an older one: whoever has just put a file back
//! must not be told what was found before. Callers that wait together share the next run; one with a nonce also serves
//! all that wait without one. A run takes the TPM and reads files, so runs have a rate, and callers beyond what may
//! wait are turned away at once: the places of other callers are not theirs to fill.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, mem};

use avouch_attestor::{Hash, Standing};
use tokio::sync::{Semaphore, oneshot};

use super::{Attestor, NotRefreshed};

/// How runs follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Before a run, so that callers who come at once share it.
    pub(super) gather: Duration,
    /// Between two runs in the long term.
    pub(super) period: Duration,
    /// Runs beyond that which may follow each other at once.
    pub(super) burst: u32,
}

/// Callers that may wait at once; fewer than there are connections, so that the state can always be asked for.
pub(super) const MAX_WAITING: usize = 24;
/// Different nonces that may wait; each needs a quote of its own.
pub(super) const MAX_NONCES: usize = 4;
/// How long a caller waits; the answer must still be written within [`super::Limits::answer`].
const PATIENCE: Duration = Duration::from_secs(25);

/// What a run came to.
type Refreshed = Result<Arc<Standing>, NotRefreshed>;

/// Where callers wait. Dropping it ends its thread after the present run.
pub(super) struct Refresher {
    waiting: Semaphore,
    queue: Arc<Queue>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asks: VecDeque<Ask>,
    stopped: bool,
}

/// One run to come.
struct Ask {
    nonce: Option<Hash>,
    callers: Vec<oneshot::Sender<Refreshed>>,
}

/// When the next run may begin.
struct Allowance {
    rate: Rate,
    /// When the runs so far would have ended, had they kept the period.
    due: Instant,
}

// === impl Refresher ===

impl Refresher {
    /// Starts the thread that asks `attestor`.
    pub(super) fn start(attestor: Arc<dyn Attestor>, rate: Rate) -> io::Result<Self> {
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new() });
        let shared = Arc::clone(&queue);
        let work = move || {
            let mut allowance = Allowance { rate, due: Instant::now() };
            while let Some(ask) = shared.next(&mut allowance) {
                let refreshed = attestor.refresh(ask.nonce);
                for caller in ask.callers {
                    // It may have gone.
                    let _ = caller.send(refreshed.clone());
                }
            }
        };
        thread::Builder::new().name("gate-refresh".to_owned()).spawn(work)?;
        Ok(Self { waiting: Semaphore::new(MAX_WAITING), queue })
    }

    /// The result of a run that begins after this call.
    pub(super) async fn refresh(&self, nonce: Option<Hash>) -> Refreshed {
        let _place = self.waiting.try_acquire().map_err(|_| NotRefreshed::Busy)?;
        let result = self.queue.join(nonce)?;
        let refreshed = tokio::time::timeout(PATIENCE, result).await.map_err(|_| NotRefreshed::Slow)?;
        refreshed.unwrap_or(Err(NotRefreshed::Stopping))
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        // A run is not waited for: it may be waiting for the TPM.
        self.queue.stop();
    }
}

// === impl Queue ===

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-done between two statements here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    fn join(&self, nonce: Option<Hash>) -> Result<oneshot::Receiver<Refreshed>, NotRefreshed> {
        let (caller, result) = oneshot::channel();
        let mut state = self.lock();
        if state.stopped {
            return Err(NotRefreshed::Stopping);
        }
        // Callers that went away leave their places to others.
        state.asks.retain(Ask::is_wanted);
        let is_full = state.asks.len() == MAX_NONCES;
        let fits = |ask: &&mut Ask| nonce.is_none() || ask.nonce.is_none() || ask.nonce == nonce;
        match state.asks.iter_mut().find(fits) {
            Some(ask) => {
                ask.nonce = ask.nonce.or(nonce);
                ask.callers.push(caller);
            }
            None if is_full => return Err(NotRefreshed::Busy),
            None => state.asks.push_back(Ask { nonce, callers: vec![caller] }),
        }
        self.changed.notify_all();
        Ok(result)
    }

    /// Waits for callers and for the rate; `None` when the service stops.
    fn next(&self, allowance: &mut Allowance) -> Option<Ask> {
        let mut state = self.lock();
        loop {
            state = self
                .changed
                .wait_while(state, |state| state.asks.is_empty() && !state.stopped)
                .unwrap_or_else(PoisonError::into_inner);
            let wait = allowance.wait(Instant::now());
            let waited = self.changed.wait_timeout_while(state, wait, |state| !state.stopped);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.stopped {
                // Senders that are dropped tell their callers.
                drop(mem::take(&mut state.asks));
                return None;
            }
            if let Some(ask) = state.asks.pop_front().filter(Ask::is_wanted) {
                allowance.take(Instant::now());
                return Some(ask);
            }
        }
    }
}

// === impl Ask ===

impl Ask {
    fn is_wanted(&self) -> bool {
        self.callers.iter().any(|caller| !caller.is_closed())
    }
}

// === impl Allowance ===

impl Allowance {
    fn wait(&self, now: Instant) -> Duration {
        let ahead = self.due.saturating_duration_since(now);
        ahead.saturating_sub(self.rate.period * self.rate.burst).max(self.rate.gather)
    }

    fn take(&mut self, now: Instant) {
        self.due = self.due.max(now) + self.rate.period;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use avouch_attestor::{Machine, Moment, NothingToAcknowledge, Profile, Settings};
    use tokio::runtime::{Builder, Runtime};
    use tokio::task::JoinHandle as Task;

    use super::*;

    /// Each run waits until it is let through, and notes its nonce.
    struct Held {
        standing: Arc<Standing>,
        let_through: Mutex<usize>,
        changed: Condvar,
        nonces: Mutex<Vec<Option<Hash>>>,
        begun: AtomicUsize,
    }

    impl Held {
        fn new() -> Arc<Self> {
            let machine = Machine::new(&Settings::defaults(Profile::Avouch), None);
            Arc::new(Self {
                standing: machine.standing(),
                let_through: Mutex::new(0),
                changed: Condvar::new(),
                nonces: Mutex::default(),
                begun: AtomicUsize::new(0),
            })
        }

        fn release(&self, runs: usize) {
            *self.let_through.lock().unwrap() += runs;
            self.changed.notify_all();
        }

        fn nonces(&self) -> Vec<Option<Hash>> {
            self.nonces.lock().unwrap().clone()
        }
    }

    impl Attestor for Held {
        fn now(&self) -> Moment {
            Moment { unix_ms: 1, boot_ms: 1 }
        }

        fn standing(&self) -> Arc<Standing> {
            Arc::clone(&self.standing)
        }

        fn refresh(&self, nonce: Option<Hash>) -> Result<Arc<Standing>, NotRefreshed> {
            self.nonces.lock().unwrap().push(nonce);
            self.begun.fetch_add(1, Ordering::SeqCst);
            let mut left = self.changed.wait_while(self.let_through.lock().unwrap(), |left| *left == 0).unwrap();
            *left -= 1;
            Ok(self.standing())
        }

        fn acknowledge(&self, _by: &str) -> Result<(), NothingToAcknowledge> {
            Err(NothingToAcknowledge)
        }
    }

    const AT_ONCE: Rate = Rate { gather: Duration::ZERO, period: Duration::ZERO, burst: 0 };

    struct Rig {
        runtime: Runtime,
        attestor: Arc<Held>,
        refresher: Arc<Refresher>,
    }

    impl Rig {
        fn new(rate: Rate) -> Self {
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            let attestor = Held::new();
            let refresher = Arc::new(Refresher::start(attestor.clone(), rate).unwrap());
            Self { runtime, attestor, refresher }
        }

        /// A caller that has joined the queue or was turned away.
        fn call(&self, nonce: Option<u8>) -> Task<Refreshed> {
            let refresher = Arc::clone(&self.refresher);
            let task = self.runtime.spawn(async move { refresher.refresh(nonce.map(|n| Hash([n; 32]))).await });
            self.runtime.block_on(tokio::task::yield_now());
            task
        }

        fn result(&self, task: Task<Refreshed>) -> Result<(), NotRefreshed> {
            self.runtime.block_on(task).unwrap().map(|_| ())
        }

        /// Waits for the thread that runs attestations.
        fn until_begun(&self, runs: usize) {
            while self.attestor.begun.load(Ordering::SeqCst) < runs {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn whoever_comes_during_a_run_gets_the_next_one_and_all_of_them_the_same() {
        let rig = Rig::new(AT_ONCE);
        let first = rig.call(None);
        rig.until_begun(1);
        let later: Vec<_> = (1..MAX_WAITING).map(|_| rig.call(None)).collect();
        let beyond = rig.call(None);
        assert_eq!(rig.result(beyond), Err(NotRefreshed::Busy));
        rig.attestor.release(2);
        assert_eq!(rig.result(first), Ok(()));
        for caller in later {
            assert_eq!(rig.result(caller), Ok(()));
        }
        assert_eq!(rig.attestor.nonces().len(), 2);
    }

    #[test]
    fn each_nonce_has_a_run_and_callers_without_one_share_it() {
        let rig = Rig::new(AT_ONCE);
        let first = rig.call(None);
        rig.until_begun(1);
        let callers: Vec<_> = [None, Some(1), Some(2), Some(1), None, Some(3), Some(4)]
            .into_iter()
            .map(|nonce| rig.call(nonce))
            .collect();
        let beyond = rig.call(Some(5));
        assert_eq!(rig.result(beyond), Err(NotRefreshed::Busy), "each further nonce would be a quote of its own");
        rig.attestor.release(5);
        assert_eq!(rig.result(first), Ok(()));
        for caller in callers {
            assert_eq!(rig.result(caller), Ok(()));
        }
        let nonce = |n| Some(Hash([n; 32]));
        assert_eq!(rig.attestor.nonces(), [None, nonce(1), nonce(2), nonce(3), nonce(4)]);
    }

    #[test]
    fn callers_that_went_away_cost_no_run_and_leave_their_places() {
        let rig = Rig::new(AT_ONCE);
        let first = rig.call(None);
        rig.until_begun(1);
        for round in 0..3 {
            let gone: Vec<_> = (1..MAX_WAITING).map(|_| rig.call(Some(round))).collect();
            gone.iter().for_each(Task::abort);
            rig.runtime.block_on(tokio::task::yield_now());
        }
        let last = rig.call(Some(9));
        rig.attestor.release(2);
        assert_eq!((rig.result(first), rig.result(last)), (Ok(()), Ok(())));
        assert_eq!(rig.attestor.nonces(), [None, Some(Hash([9; 32]))]);
    }

    #[test]
    fn a_service_that_stops_tells_its_callers() {
        let rig = Rig::new(AT_ONCE);
        let first = rig.call(None);
        rig.until_begun(1);
        let waiting = rig.call(None);
        rig.refresher.queue.stop();
        rig.attestor.release(1);
        assert_eq!(rig.result(first), Ok(()));
        assert_eq!(rig.result(waiting), Err(NotRefreshed::Stopping));
        let late = rig.call(None);
        assert_eq!(rig.result(late), Err(NotRefreshed::Stopping));
    }

    #[test]
    fn runs_keep_their_rate_beyond_a_burst() {
        let second = Duration::from_secs(1);
        let rate = Rate { gather: second / 100, period: second, burst: 2 };
        let start = Instant::now();
        let mut allowance = Allowance { rate, due: start };
        let mut take = |after: u32| {
            let now = start + second * after;
            let wait = allowance.wait(now);
            allowance.take(now + wait);
            wait
        };
        let waits: Vec<_> = [0, 0, 0, 0, 2, 60, 60, 60, 60].map(&mut take).into();
        let gather = second / 100;
        let after_gathering = |wait: Duration| wait.abs_diff(second) < second / 10;
        assert_eq!(waits[..3], [gather; 3]);
        assert!(after_gathering(waits[3]), "{waits:?}");
        assert_eq!(waits[5..8], [gather; 3]);
        assert!(after_gathering(waits[8]), "{waits:?}");
    }
}
