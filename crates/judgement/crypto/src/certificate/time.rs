//! UTCTime and GeneralizedTime (RFC 5280 section 4.1.2.5) as Unix seconds.

use crate::tlv::{Fault, Tlv, tag};

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`. Years from 0001 on, which some tools write for "never"; before 1970 negative.
pub(super) fn read(tlv: Tlv<'_>) -> Result<i64, Fault> {
    let digits = tlv.value.strip_suffix(b"Z").ok_or(tlv.fault())?;
    let (year, rest) = match (tlv.tag, digits.len()) {
        (tag::UTC_TIME, 12) => {
            let (year, rest) = digits.split_at_checked(2).ok_or(tlv.fault())?;
            let year = number(year).ok_or(tlv.fault())?;
            (if year < 50 { year + 2000 } else { year + 1900 }, rest)
        }
        (tag::GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at_checked(4).ok_or(tlv.fault())?;
            (number(year).ok_or(tlv.fault())?, rest)
        }
        _ => return Err(tlv.fault()),
    };
    let mut parts = rest.chunks(2).map(number);
    let mut part = || parts.next().flatten().ok_or(tlv.fault());
    let (month, day, hour, minute, second) = (part()?, part()?, part()?, part()?, part()?);
    let days_in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    };
    let valid = (1..=12).contains(&month)
        && (1..=days_in_month).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    if !valid {
        return Err(tlv.fault());
    }
    Ok(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    let leap = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap + of_year - 719_468
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seconds(tag: u8, text: &str) -> Option<i64> {
        read(Tlv { tag, value: text.as_bytes(), whole: text.as_bytes(), offset: 0 }).ok()
    }

    #[test]
    fn dates_become_unix_seconds() {
        assert_eq!(seconds(tag::UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(tag::UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(tag::UTC_TIME, "500101000000Z"), Some(-631_152_000));
        assert_eq!(seconds(tag::GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        assert_eq!(seconds(tag::GENERALIZED_TIME, "00010101000000Z"), Some(-62_135_596_800));
        assert_eq!(seconds(tag::GENERALIZED_TIME, "20000229120000Z"), Some(951_825_600));
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for text in ["700001000000Z", "701301000000Z", "700230000000Z", "700100000000Z", "700101240000Z", "7001010000Z"]
        {
            assert_eq!(seconds(tag::UTC_TIME, text), None, "{text}");
        }
        assert_eq!(seconds(tag::GENERALIZED_TIME, "19000229000000Z"), None);
        assert_eq!(seconds(tag::UTC_TIME, "700101000000+0100"), None);
    }
}
