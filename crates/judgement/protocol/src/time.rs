//! Rounds, slots and expiry: arithmetic over server time, in unix seconds; days of the calendar.

use crate::limits::{INTERVAL_RANGE, ROUND_GRACE_SECONDS};
use crate::{NodeTag, Sha256};

/// Seconds between rounds, 5 s to 24 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(u64);

/// A round: floor(server time / interval).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Round(pub u64);

/// A node's place within a round, as seconds from the round's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u64);

// === impl Interval ===

impl Interval {
    /// Five minutes.
    pub const DEFAULT: Interval = Interval(300);

    /// `None` outside [`INTERVAL_RANGE`].
    pub fn new(seconds: u64) -> Option<Self> {
        INTERVAL_RANGE.contains(&seconds).then_some(Self(seconds))
    }

    /// Length in seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// The round that `time` falls into.
    pub fn round_at(self, time: u64) -> Round {
        // The interval is at least five.
        Round(time.checked_div(self.0).unwrap_or(0))
    }
}

// === impl Round ===

impl Round {
    /// First second of the round.
    pub fn start(self, interval: Interval) -> u64 {
        self.0.saturating_mul(interval.0)
    }

    /// First second after the round.
    pub fn end(self, interval: Interval) -> u64 {
        self.start(interval).saturating_add(interval.0)
    }

    /// When the round takes no more evidence.
    pub fn closes(self, interval: Interval) -> u64 {
        self.end(interval).saturating_add(ROUND_GRACE_SECONDS)
    }

    /// When a verdict from this round expires: the end of the next round and the grace.
    pub fn verdict_expires(self, interval: Interval) -> u64 {
        Round(self.0.saturating_add(1)).closes(interval)
    }
}

// === impl Slot ===

impl Slot {
    /// H(node_tag ‖ resetCount) mod 0.8·interval: spread over the fleet, steady within a boot session.
    pub fn of(node: &NodeTag, reset_count: u32, interval: Interval, sha256: Sha256) -> Self {
        let digest = sha256(&[&node.0, &reset_count.to_be_bytes()]).0;
        let head = digest.iter().take(8).fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
        let window = interval.0.saturating_mul(4).checked_div(5).unwrap_or(1).max(1);
        Self(head.checked_rem(window).unwrap_or(0))
    }

    /// Seconds from `now` to this slot in the round after the one that `now` falls into.
    pub fn next_in(self, now: u64, interval: Interval) -> u64 {
        interval.round_at(now).end(interval).saturating_add(self.0).saturating_sub(now)
    }
}

/// Year, month (1 to 12) and day (1 to 31), so many days after 1970-01-01, in the proleptic Gregorian calendar.
pub fn date(days: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01: years begin in March, so that a leap day ends one.
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hash;

    fn fake(parts: &[&[u8]]) -> Hash {
        let mut out = [0; 32];
        for (i, byte) in parts.iter().flat_map(|p| p.iter()).enumerate() {
            out[i % 32] ^= byte.wrapping_mul(31).wrapping_add(i as u8);
        }
        Hash(out)
    }

    #[test]
    fn an_interval_outside_the_range_is_refused() {
        assert_eq!(Interval::new(4), None);
        assert_eq!(Interval::new(86_401), None);
        assert_eq!(Interval::new(5).map(Interval::seconds), Some(5));
    }

    #[test]
    fn a_verdict_expires_thirty_seconds_after_the_next_round() {
        let interval = Interval::new(10).unwrap();
        let round = interval.round_at(1_000_003);
        assert_eq!(round, Round(100_000));
        assert_eq!(round.verdict_expires(interval), 1_000_020 + 30);
    }

    #[test]
    fn a_slot_lies_in_the_first_four_fifths_of_the_next_round() {
        let interval = Interval::new(300).unwrap();
        for reset in 0..200 {
            let slot = Slot::of(&NodeTag([7; 32]), reset, interval, fake);
            assert!(slot.0 < 240);
            let next = 1_000 + slot.next_in(1_000, interval);
            assert_eq!(interval.round_at(next), Round(1_000 / 300 + 1));
        }
    }
}
