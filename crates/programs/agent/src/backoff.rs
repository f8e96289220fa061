//! How long to wait after a failure.

use std::time::Duration;

/// Shortest wait: a server that restarts is back within seconds.
const FLOOR: Duration = Duration::from_secs(1);
/// Longest wait, whatever the interval: a fleet should be seen again within a minute of its server.
const CEILING: Duration = Duration::from_secs(60);

/// Exponential back-off with jitter between one second and the smaller of interval and one minute.
#[derive(Debug)]
pub struct Backoff {
    ceiling: Duration,
    failures: u32,
}

// === impl Backoff ===

impl Backoff {
    /// For rounds `interval` apart.
    pub fn new(interval: Duration) -> Self {
        Self { ceiling: interval.clamp(FLOOR, CEILING), failures: 0 }
    }

    /// The wait after one more failure. `random` picks a point in the upper half of the step, so that a fleet that
    /// lost its server at one instant does not come back at one instant.
    pub fn next(&mut self, random: u32) -> Duration {
        let step = FLOOR.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.ceiling);
        self.failures = self.failures.saturating_add(1);
        let half = step / 2;
        (half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))).max(FLOOR)
    }

    /// The server answered.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_between_one_second_and_the_ceiling() {
        for (interval, ceiling) in [(5, 5), (10, 10), (300, 60), (86_400, 60)] {
            let mut backoff = Backoff::new(Duration::from_secs(interval));
            let mut last = Duration::ZERO;
            for _ in 0..100 {
                let wait = backoff.next(u32::MAX);
                assert!(wait >= last && wait >= FLOOR && wait <= Duration::from_secs(ceiling), "{wait:?}");
                last = wait;
            }
            assert_eq!(last, Duration::from_secs(ceiling));
        }
    }

    #[test]
    fn jitter_never_falls_below_half_of_the_step() {
        let mut backoff = Backoff::new(Duration::from_secs(300));
        for _ in 0..100 {
            assert!(backoff.next(0) >= FLOOR);
        }
        assert_eq!(backoff.next(0), Duration::from_secs(30));
    }

    #[test]
    fn an_answer_starts_over() {
        let mut backoff = Backoff::new(Duration::from_secs(300));
        for _ in 0..9 {
            backoff.next(u32::MAX);
        }
        backoff.reset();
        assert_eq!(backoff.next(u32::MAX), FLOOR);
    }
}
