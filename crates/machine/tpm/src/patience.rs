//! How long a busy TPM is waited for.

use std::time::Duration;

use avouch_tpm_wire::rc::Class;

/// Bounds on sending a command again that the TPM was too busy to start (RETRY, YIELDED, TESTING, NV_RATE,
/// NV_UNAVAILABLE). Such an answer means that nothing was done, so every command may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// First wait; each further one is twice as long.
    pub first: Duration,
    /// Longest single wait.
    pub longest: Duration,
    /// Most time spent in waits for one command.
    pub total: Duration,
    /// Most times that one command is sent.
    pub attempts: u32,
}

impl Default for Patience {
    /// From 2 ms to 1 s, 30 s together, 64 times: a self-test of a slow chip takes a few seconds.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(2),
            longest: Duration::from_secs(1),
            total: Duration::from_secs(30),
            attempts: 64,
        }
    }
}

/// The waits for one command.
#[derive(Debug)]
pub(crate) struct Waits {
    patience: Patience,
    next: Duration,
    pub(crate) waited: Duration,
    pub(crate) attempts: u32,
}

impl Waits {
    pub(crate) fn new(patience: Patience) -> Self {
        Self { patience, next: patience.first, waited: Duration::ZERO, attempts: 1 }
    }

    /// How long to wait before the next attempt; `None` when patience has run out.
    pub(crate) fn next(&mut self, class: Class) -> Option<Duration> {
        // A TPM that spares its memory counts in hundreds of milliseconds.
        let wait = match class {
            Class::ResubmitLater => self.next.max(self.patience.first * 64),
            _ => self.next,
        }
        .min(self.patience.longest);
        let waited = self.waited + wait;
        if self.attempts >= self.patience.attempts || waited > self.patience.total {
            return None;
        }
        self.attempts += 1;
        self.waited = waited;
        self.next = (wait * 2).min(self.patience.longest);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let mut waits = Waits::new(Patience::default());
        let all: Vec<_> = std::iter::from_fn(|| waits.next(Class::Resubmit)).collect();
        assert_eq!(all[..3], [2, 4, 8].map(Duration::from_millis));
        assert!(all.iter().all(|wait| *wait <= Duration::from_secs(1)));
        assert!(all.iter().sum::<Duration>() <= Duration::from_secs(30));
        assert!(waits.attempts <= 64 && waits.attempts > 20);
    }

    #[test]
    fn rate_limited_memory_is_given_more_time() {
        let mut waits = Waits::new(Patience::default());
        assert_eq!(waits.next(Class::ResubmitLater), Some(Duration::from_millis(128)));
    }

    #[test]
    fn attempts_alone_end_it_too() {
        let mut waits = Waits::new(Patience { first: Duration::ZERO, attempts: 3, ..Patience::default() });
        assert_eq!(std::iter::from_fn(|| waits.next(Class::Resubmit)).count(), 2);
    }
}
