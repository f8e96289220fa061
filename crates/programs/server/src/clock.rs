//! Server time: what decides every verdict, and never goes back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Seconds that the wall clock may lie behind the highest time that was ever used before the server stops serving
/// rounds: more than any sane clock discipline steps, less than the shortest interval.
pub const BACKWARD_STEP_SECONDS: u64 = 5;
/// Seconds that the wall clock may run ahead of CLOCK_BOOTTIME before the difference counts as a step.
pub const FORWARD_STEP_SECONDS: u64 = 5;
/// Clock discipline may slew by 500 ppm; twice that is taken for drift, not for a step.
const DRIFT_PER_MILLE: u64 = 1;

/// The two clocks of the machine that the server runs on.
pub trait Clock: Send + Sync {
    /// Unix seconds by the wall clock (CLOCK_REALTIME).
    fn wall(&self) -> u64;
    /// Time since the machine booted, suspend included (CLOCK_BOOTTIME).
    fn boottime(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// Server time = max(wall clock, highest time ever stored).
pub(crate) struct ServerClock {
    clock: Box<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// Highest time that was ever handed out or stored.
    highest: u64,
    /// The pair of readings that later ones are compared with.
    anchor: (u64, Duration),
}

/// What one look at the clocks tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Server time in unix seconds.
    pub(crate) now: u64,
    /// Whether rounds may be served by it.
    pub(crate) sound: Result<(), ClockFault>,
    /// A forward step that CLOCK_BOOTTIME does not confirm, seen now for the first time.
    pub(crate) jump: Option<Jump>,
}

/// The wall clock lies behind the highest time that was ever used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockFault {
    /// What the wall clock says.
    pub(crate) wall: u64,
    /// The highest time that was ever used.
    pub(crate) highest: u64,
}

/// The wall clock went ahead by more than the time that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Jump {
    /// What the wall clock should have said.
    pub(crate) expected: u64,
    /// What it says.
    pub(crate) wall: u64,
}

// === impl Clock ===

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn wall(&self) -> u64 {
        (**self).wall()
    }

    fn boottime(&self) -> Duration {
        (**self).boottime()
    }
}

// === impl SystemClock ===

impl Clock for SystemClock {
    fn wall(&self) -> u64 {
        // A clock before 1970 reads as zero, which the highest stored time then shows to be a backward step.
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn boottime(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}

// === impl ServerClock ===

impl ServerClock {
    /// Starts from the highest time that the store holds; 0 for a new store.
    pub(crate) fn new(clock: impl Clock + 'static, highest_stored: u64) -> Self {
        let anchor = (clock.wall(), clock.boottime());
        Self { clock: Box::new(clock), state: Mutex::new(State { highest: highest_stored, anchor }) }
    }

    /// Looks at both clocks.
    pub(crate) fn read(&self) -> Reading {
        // Both readings are taken under the lock: a pair taken before another thread's newer pair would look like a
        // step back.
        let mut state = self.state();
        let (wall, boottime) = (self.clock.wall(), self.clock.boottime());
        let jump = state.jump(wall, boottime);
        if jump.is_some() || wall < state.anchor.0 {
            // A backward step is judged against the highest time; the way forward is measured from here on.
            state.anchor = (wall, boottime);
        }
        let fault = ClockFault { wall, highest: state.highest };
        let sound = if wall.saturating_add(BACKWARD_STEP_SECONDS) < state.highest { Err(fault) } else { Ok(()) };
        state.highest = state.highest.max(wall);
        Reading { now: state.highest, sound, jump }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is two numbers that are valid after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn jump(&self, wall: u64, boottime: Duration) -> Option<Jump> {
        let (wall_then, boottime_then) = self.anchor;
        let passed = boottime.saturating_sub(boottime_then).as_secs();
        let expected = wall_then.saturating_add(passed);
        let allowed = FORWARD_STEP_SECONDS.saturating_add(passed.saturating_mul(DRIFT_PER_MILLE) / 1_000);
        (wall > expected.saturating_add(allowed)).then_some(Jump { expected, wall })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Hands {
        wall: AtomicU64,
        boot: AtomicU64,
    }

    impl Hands {
        fn at(wall: u64) -> Arc<Self> {
            Arc::new(Self { wall: wall.into(), boot: 50.into() })
        }

        fn pass(&self, seconds: u64) {
            self.wall.fetch_add(seconds, Ordering::Relaxed);
            self.boot.fetch_add(seconds, Ordering::Relaxed);
        }
    }

    impl Clock for Hands {
        fn wall(&self) -> u64 {
            self.wall.load(Ordering::Relaxed)
        }
        fn boottime(&self) -> Duration {
            Duration::from_secs(self.boot.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn server_time_never_goes_back() {
        let hands = Hands::at(1_000);
        let clock = ServerClock::new(hands.clone(), 0);
        assert_eq!(clock.read(), Reading { now: 1_000, sound: Ok(()), jump: None });
        hands.wall.store(997, Ordering::Relaxed);
        assert_eq!(clock.read(), Reading { now: 1_000, sound: Ok(()), jump: None });
    }

    #[test]
    fn a_backward_step_beyond_five_seconds_is_a_fault_until_the_wall_has_caught_up() {
        let hands = Hands::at(1_000);
        let clock = ServerClock::new(hands.clone(), 0);
        clock.read();
        hands.wall.store(994, Ordering::Relaxed);
        assert_eq!(clock.read().sound, Err(ClockFault { wall: 994, highest: 1_000 }));
        assert_eq!(clock.read().now, 1_000);
        hands.pass(1);
        assert_eq!(clock.read().sound, Ok(()));
    }

    #[test]
    fn a_stored_time_ahead_of_the_wall_is_a_fault_from_the_first_look() {
        let clock = ServerClock::new(Hands::at(1_000), 5_000);
        assert_eq!(
            clock.read(),
            Reading { now: 5_000, sound: Err(ClockFault { wall: 1_000, highest: 5_000 }), jump: None }
        );
    }

    #[test]
    fn a_forward_step_that_boottime_does_not_confirm_is_told_once() {
        let hands = Hands::at(1_000);
        let clock = ServerClock::new(hands.clone(), 0);
        hands.pass(100_000);
        assert_eq!(clock.read().jump, None);
        hands.wall.fetch_add(1_000, Ordering::Relaxed);
        assert_eq!(clock.read().jump, Some(Jump { expected: 101_000, wall: 102_000 }));
        assert_eq!(clock.read().jump, None);
    }

    #[test]
    fn many_small_forward_steps_add_up_to_one() {
        let hands = Hands::at(1_000);
        let clock = ServerClock::new(hands.clone(), 0);
        let jumps = (0..6).filter(|_| {
            hands.wall.fetch_add(4, Ordering::Relaxed);
            clock.read().jump.is_some()
        });
        assert!(jumps.count() >= 1);
    }

    #[test]
    fn a_correction_backwards_and_a_step_forwards_again_is_a_jump() {
        let hands = Hands::at(1_000);
        let clock = ServerClock::new(hands.clone(), 0);
        hands.wall.store(900, Ordering::Relaxed);
        clock.read();
        hands.wall.store(1_000, Ordering::Relaxed);
        assert!(clock.read().jump.is_some());
    }
}
