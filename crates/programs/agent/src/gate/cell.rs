//! The one place that the runner and everybody who asks it share: the newest standing, and what was asked for.
//!
//! One lock and one condition; nothing slow happens under the lock. What holds, and is modelled exhaustively in the
//! tests (this file has no other dependency than `sync`, which the model replaces):
//! - a reader gets a whole published value, and never an older one than it got before;
//! - an answer comes from a run that began after its question, and from the first such run that fits it;
//! - nobody waits for a runner that has ended.

use std::time::{Duration, Instant};

use super::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Questions that may wait for a run. Callers over HTTP share one; this bounds everybody else.
pub const MAX_WAITING: usize = 16;

/// What somebody wants of the runner. All of it is answered by the standing that comes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A run that begins from now on.
    Fresh,
    /// The same, with this value in the quote.
    Nonce([u8; 32]),
}

/// Why nothing came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// [`MAX_WAITING`] questions wait already.
    Busy,
    /// The run takes longer than the asker waits.
    Late,
    /// The runner ends.
    Stopping,
}

/// What the runner has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Somebody asked: [`StateCell::begin`] says what.
    Asked,
    /// Something happened on the machine.
    Event,
    /// Nothing, within the time it wanted to wait.
    Nothing,
    /// End.
    Stop,
}

/// The newest value and the questions.
pub struct StateCell<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    published: Arc<T>,
    waiting: Vec<Question>,
    /// Those that the run which has begun answers.
    begun: Vec<Question>,
    answered: Vec<(u64, Arc<T>)>,
    next_ticket: u64,
    event: bool,
    stopped: bool,
}

struct Question {
    ask: Ask,
    ticket: u64,
}

// === impl StateCell ===

impl<T> StateCell<T> {
    /// A cell that shows `first` until something is published.
    pub fn new(first: Arc<T>) -> Self {
        let state = State {
            published: first,
            waiting: Vec::new(),
            begun: Vec::new(),
            answered: Vec::new(),
            next_ticket: 0,
            event: false,
            stopped: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// What was published last.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.lock().published)
    }

    /// Asks, and waits for the value that comes of it.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn ask(&self, ask: Ask, patience: Duration) -> Result<Arc<T>, Unanswered> {
        let until = Instant::now().checked_add(patience);
        let mut state = self.lock();
        let ticket = state.join(ask)?;
        self.changed.notify_all();
        loop {
            if let Some(value) = state.take_answer(ticket) {
                return Ok(value);
            }
            if state.stopped {
                return Err(Unanswered::Stopping);
            }
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                state.leave(ticket);
                return Err(Unanswered::Late);
            }
            state = self.wait(state, left);
        }
    }

    /// Something happened that makes another look worthwhile.
    pub fn event(&self) {
        self.lock().event = true;
        self.changed.notify_all();
    }

    /// Ends the runner, and all waiting.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits at most `patience` for something to do. For the runner alone.
    pub fn wake(&self, patience: Duration) -> Wake {
        let until = Instant::now().checked_add(patience);
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Wake::Stop;
            }
            if !state.waiting.is_empty() {
                return Wake::Asked;
            }
            if std::mem::take(&mut state.event) {
                return Wake::Event;
            }
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Wake::Nothing;
            }
            state = self.wait(state, left);
        }
    }

    /// A run begins: it answers the oldest question, and everybody whom any run will do. For the runner alone.
    pub fn begin(&self) -> Ask {
        let mut state = self.lock();
        // What happened until now, the run sees.
        state.event = false;
        let first = if state.waiting.is_empty() { None } else { Some(state.waiting.remove(0)) };
        let ask = first.as_ref().map_or(Ask::Fresh, |question| question.ask);
        let (fresh, others): (Vec<_>, Vec<_>) = state.waiting.drain(..).partition(|other| other.ask == Ask::Fresh);
        state.waiting = others;
        state.begun.extend(first.into_iter().chain(fresh));
        ask
    }

    /// The run ended: its value is what readers get from now on, and what its questions are answered with.
    pub fn publish(&self, value: Arc<T>) {
        let mut state = self.lock();
        state.published = Arc::clone(&value);
        let begun = std::mem::take(&mut state.begun);
        state.answered.extend(begun.into_iter().map(|question| (question.ticket, Arc::clone(&value))));
        drop(state);
        self.changed.notify_all();
    }

    /// No code panics while it holds the lock, and every change is complete between two statements.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>, most: Duration) -> MutexGuard<'a, State<T>> {
        self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }
}

// === impl State ===

impl<T> State<T> {
    fn join(&mut self, ask: Ask) -> Result<u64, Unanswered> {
        if self.stopped {
            return Err(Unanswered::Stopping);
        }
        if self.waiting.len() == MAX_WAITING {
            return Err(Unanswered::Busy);
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.push(Question { ask, ticket });
        Ok(ticket)
    }

    fn take_answer(&mut self, ticket: u64) -> Option<Arc<T>> {
        let at = self.answered.iter().position(|(of, _)| *of == ticket)?;
        Some(self.answered.swap_remove(at).1)
    }

    /// Nobody is left to take an answer, and answers must not pile up.
    fn leave(&mut self, ticket: u64) {
        self.begun.retain(|question| question.ticket != ticket);
        self.waiting.retain(|question| question.ticket != ticket);
    }
}
