//! Durations as people write them: `5m`, `1h30m`, `30s`.

use core::fmt;
use core::time::Duration;

/// Why a text is no duration. Whoever wrote it is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError {
    /// The text.
    pub got: String,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no duration; write whole numbers with h, m, s or ms, e.g. 30s, 5m or 1h30m", self.got)
    }
}

impl std::error::Error for DurationError {}

/// Reads whole numbers, each with its unit `h`, `m`, `s` or `ms`, one after the other.
///
/// # Errors
/// [`DurationError`] for anything else: a number without a unit, a sign, a fraction, nothing at all, more than `u64`
/// milliseconds.
pub fn duration(text: &str) -> Result<Duration, DurationError> {
    let refused = || DurationError { got: text.chars().take(40).collect() };
    let (mut rest, mut total) = (text, 0_u64);
    if rest.is_empty() {
        return Err(refused());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(refused)?;
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at_checked(letters).ok_or_else(refused)?;
        let ms = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err(refused()),
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(ms)).ok_or_else(refused)?;
        total = total.checked_add(part).ok_or_else(refused)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// The shortest text that [`duration`] reads as this.
pub(crate) fn written(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let parts = [(ms / 3_600_000, "h"), (ms / 60_000 % 60, "m"), (ms / 1_000 % 60, "s"), (ms % 1_000, "ms")];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds) in [("5m", 300), ("1h", 3_600), ("30s", 30), ("1h30m", 5_400), ("0s", 0)] {
            let read = duration(text).unwrap();
            assert_eq!(read, Duration::from_secs(seconds));
            assert_eq!(written(read), text);
        }
        assert_eq!(written(duration("90s").unwrap()), "1m30s");
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "5", "-1s", "abc", "1ns", "10y", "1.5h", "5 m", "m", "s5", "+5s", "99999999999999999999h", "5m "]
        {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
