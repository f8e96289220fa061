//! Times as arguments, and how they are written.

use core::time::Duration;

use avouch_protocol::date;

/// Both clocks, read together.
///
/// Ages are differences of `boot_ms`, so that setting the wall clock neither refreshes a stale answer nor ends a fresh
/// one; a suspended machine's answers grow old, because CLOCK_BOOTTIME goes on. `unix_ms` is only ever shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Milliseconds since 1970-01-01 UTC, of the wall clock.
    pub unix_ms: u64,
    /// Milliseconds since boot, time asleep included (CLOCK_BOOTTIME).
    pub boot_ms: u64,
}

impl Moment {
    /// Time from `earlier` to this one; zero where it is not earlier.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.boot_ms.saturating_sub(earlier.boot_ms))
    }

    /// This moment, `duration` later.
    pub fn after(self, duration: Duration) -> Moment {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Moment { unix_ms: self.unix_ms.saturating_add(ms), boot_ms: self.boot_ms.saturating_add(ms) }
    }
}

/// A time as RFC 3339 in UTC (ISO 8601), e.g. `2026-03-13T12:00:00Z`; milliseconds only where there are some, without
/// zeros at their end.
pub fn rfc3339(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1_000, unix_ms % 1_000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let fraction = match ms {
        0 => String::new(),
        ms => format!(".{ms:03}").trim_end_matches('0').to_owned(),
    };
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_clients_expect_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_773_403_200_000), "2026-03-13T12:00:00Z");
        assert_eq!(rfc3339(951_825_600_250), "2000-02-29T12:00:00.25Z");
        assert_eq!(rfc3339(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn an_age_knows_nothing_of_the_wall_clock() {
        let taken = Moment { unix_ms: 5_000, boot_ms: 1_000 };
        let set_back = Moment { unix_ms: 1, boot_ms: 4_000 };
        assert_eq!(set_back.since(taken), Duration::from_secs(3));
        assert_eq!(taken.since(set_back), Duration::ZERO);
    }
}
