//! Time of this thread, repeated, and what repetition shows.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// Repetitions of each figure of this process.
pub(crate) const REPETITIONS: usize = 7;
/// Calls between two looks at the clock take about this long.
const BATCH: Duration = Duration::from_micros(500);

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Seconds for one figure, or for one repetition of full rounds.
    pub(crate) seconds: f64,
}

/// Least, middle and greatest of some repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

/// Something to be timed, by the name that the page gives it.
pub(crate) struct Subject<'a> {
    pub(crate) name: String,
    call: Box<dyn FnMut() -> Result<()> + 'a>,
}

// === impl Effort ===

impl Effort {
    pub(crate) fn new(seconds: f64) -> Self {
        Self { seconds: seconds.clamp(0.05, 3_600.0) }
    }

    pub(crate) fn repetition(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

// === impl Spread ===

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }

    /// A value that was measured once.
    pub(crate) fn once(value: f64) -> Self {
        Self { min: value, median: value, max: value }
    }

    /// `change` must keep the order, or turn it round as a whole.
    pub(crate) fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self::of(vec![change(self.min), change(self.median), change(self.max)])
    }

    /// Things per second, when this is microseconds for `things`.
    pub(crate) fn per_second(self, things: f64) -> Self {
        self.map(|micros| things * 1e6 / micros)
    }
}

// === impl Subject ===

impl<'a> Subject<'a> {
    pub(crate) fn new<T>(name: impl Into<String>, mut call: impl FnMut() -> Result<T> + 'a) -> Self {
        let call = move || {
            std::hint::black_box(call()?);
            Ok(())
        };
        Self { name: name.into(), call: Box::new(call) }
    }

    /// Microseconds of this thread's CPU for one call, over about `slice` of it.
    fn time(&mut self, slice: Duration, batch: u32) -> Result<f64> {
        let (start, mut calls) = (thread_cpu(), 0_u32);
        loop {
            for _ in 0..batch {
                (self.call)()?;
            }
            calls = calls.saturating_add(batch);
            let spent = thread_cpu().saturating_sub(start);
            if spent >= slice {
                return Ok(spent.as_secs_f64() * 1e6 / f64::from(calls));
            }
        }
    }
}

/// Microseconds of CPU for one call of each subject. Repetitions go round robin, so that subjects which are compared
/// meet the same machine.
pub(crate) fn cpu_micros(effort: Effort, mut subjects: Vec<Subject<'_>>) -> Result<Vec<(String, Spread)>> {
    let slice = effort.repetition().div_f64(f64::from(u32::try_from(REPETITIONS)?));
    let mut batches = Vec::new();
    for subject in &mut subjects {
        // Warm caches, then one call for the size of a batch.
        subject.time(slice.div_f64(4.0), 1)?;
        let one = Duration::from_secs_f64(subject.time(Duration::ZERO, 1)? / 1e6).max(Duration::from_nanos(1));
        batches.push(u32::try_from(BATCH.as_nanos() / one.as_nanos())?.max(1));
    }
    let mut values = vec![Vec::new(); subjects.len()];
    for _ in 0..REPETITIONS {
        for ((subject, batch), values) in subjects.iter_mut().zip(&batches).zip(&mut values) {
            values.push(subject.time(slice, *batch)?);
        }
    }
    Ok(subjects.into_iter().zip(values).map(|(subject, values)| (subject.name, Spread::of(values))).collect())
}

/// CPU that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

/// CPU that this process has used.
pub(crate) fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Calls of `work` per second of wall time, over `slice`.
pub(crate) fn per_second(slice: Duration, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < slice {
        work()?;
        calls += 1;
    }
    Ok(f64::from(calls) / start.elapsed().as_secs_f64())
}

/// The value that `share` (0 to 1) of `values` do not exceed.
pub(crate) fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let index = (last as f64 * share).round() as usize;
    values.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_ordered_and_turns_round_with_rates() {
        let spread = Spread::of(vec![4.0, 1.0, 2.0]);
        assert_eq!(spread, Spread { min: 1.0, median: 2.0, max: 4.0 });
        assert_eq!(spread.per_second(1.0), Spread { min: 250_000.0, median: 500_000.0, max: 1_000_000.0 });
    }

    #[test]
    fn twice_the_work_takes_more_cpu() {
        let hash = |times: u32| {
            Subject::new(times.to_string(), move || {
                Ok((0..times).fold([0; 32], |state, _| avouch_crypto::sha256(&[&state])))
            })
        };
        let times = cpu_micros(Effort::new(0.1), vec![hash(100), hash(1_000)]).unwrap();
        assert!(times[1].1.median > 3.0 * times[0].1.median, "{times:?}");
    }

    #[test]
    fn percentiles_are_of_the_sorted_values() {
        let mut values: Vec<Duration> = (0..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut values, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&mut values, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&mut [], 0.5), Duration::ZERO);
    }
}
