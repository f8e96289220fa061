//! Lengths of time as people write and read them.

/// Seconds of `90`, `30m`, `24h` or `7d`.
///
/// # Errors
/// A sentence that says which forms are taken.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let seconds = avouch_server::seconds_of(text).filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| format!("{text:?} is not a length of time; write seconds, or 30m, 24h, 7d"))
}

/// `12 s ago`, `3 min ago`; `in 40 s` for what is to come.
pub(crate) fn relative(now: u64, then: u64) -> String {
    let distance = now.abs_diff(then);
    let text = match distance {
        0..=119 => format!("{distance} s"),
        120..=7_199 => format!("{} min", distance / 60),
        7_200..=172_799 => format!("{} h", distance / 3_600),
        _ => format!("{} d", distance / 86_400),
    };
    if then > now { format!("in {text}") } else { format!("{text} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        assert_eq!(parse("90"), Ok(90));
        assert_eq!(parse("30m"), Ok(1_800));
        assert_eq!(parse("7d"), Ok(604_800));
    }

    #[test]
    fn anything_else_is_refused_with_the_forms() {
        for text in ["", "m", "0", "5w", "1.5h", "99999999999999999999d"] {
            assert!(parse(text).is_err_and(|why| why.contains("24h")), "{text}");
        }
    }

    #[test]
    fn distances_are_said_in_one_unit() {
        assert_eq!(relative(1_000, 988), "12 s ago");
        assert_eq!(relative(1_000, 1_040), "in 40 s");
        assert_eq!(relative(1_000_000, 0), "11 d ago");
    }
}
