//! Bytes from the node, made fit for people's eyes.

use core::fmt::Write;

use avouch_protocol::date;

/// Longest piece of a node's text that is shown, in bytes after escaping: findings are stored, so they are bounded.
const MAX_SHOWN: usize = 1_024;
/// Mark of a text that was longer.
pub(crate) const CUT: &str = "[cut]";

/// The bytes as text in which nothing can move the cursor, reverse the line or hide: control and format characters,
/// backslashes and bytes that are not UTF-8 become escapes, and what is too long is cut with a mark.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if out.len() >= MAX_SHOWN {
                return out + CUT;
            }
            push(&mut out, character);
        }
        for byte in chunk.invalid() {
            if out.len() >= MAX_SHOWN {
                return out + CUT;
            }
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn push(out: &mut String, character: char) {
    let plain = character == ' ' || (character.is_ascii_graphic() && character != '\\') || {
        !character.is_ascii() && !character.is_control() && !character.is_whitespace() && !is_format(character)
    };
    if plain {
        out.push(character);
    } else {
        let _ = write!(out, "{}", character.escape_default());
    }
}

/// Characters that change how others are drawn: zero-width, bidirectional marks, variation selectors, tags,
/// interlinear marks, private use (Unicode general categories Cf and Co, and the invisible fillers).
fn is_format(character: char) -> bool {
    matches!(u32::from(character),
        0xAD | 0x34F | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xE000..=0xF8FF | 0xFE00..=0xFE0F | 0xFEFF
        | 0xFFA0 | 0xFFF0..=0xFFFD | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0x10FFFF)
}

/// Unix seconds as a time of day in UTC, e.g. `2026-11-22 03:35 UTC` (proleptic Gregorian calendar).
pub(crate) fn day(unix: u64) -> String {
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads hexadecimal of either case; `None` when a character is not a digit or one is missing.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

/// Reads 64 hexadecimal characters.
pub(crate) fn unhex32(text: &str) -> Option<[u8; 32]> {
    unhex(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_forge_a_line_or_turn_the_text_around() {
        assert_eq!(printable(b"/usr/bin/ls"), "/usr/bin/ls");
        assert_eq!(printable(b"/a\nPASS /b\x1b[2J"), "/a\\nPASS /b\\u{1b}[2J");
        assert_eq!(printable("/a\u{202e}b".as_bytes()), "/a\\u{202e}b");
        assert_eq!(printable(b"/\xff\\"), "/\\xff\\\\");
        assert_eq!(printable("/gr\u{fc}n".as_bytes()), "/gr\u{fc}n");
        for long in ["a", "\u{10ffff}", "\n"] {
            assert!(printable(long.repeat(9_000).as_bytes()).len() < 1_050);
        }
        assert!(printable(&[0xff; 9_000]).len() < 1_050);
    }

    #[test]
    fn a_day_is_the_calendar_s() {
        assert_eq!(day(0), "1970-01-01 00:00 UTC");
        assert_eq!(day(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(day(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(day(1_700_000_000), "2023-11-14 22:13 UTC");
        assert_eq!(day(4_107_542_400), "2100-03-01 00:00 UTC");
        assert!(day(u64::MAX).ends_with("UTC"));
    }

    #[test]
    fn hexadecimal_is_read_back_and_nothing_else_is() {
        assert_eq!(unhex(&hex(&[0, 1, 0xAB, 0xFF])), Some(vec![0, 1, 0xAB, 0xFF]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("+1"), None);
        assert_eq!(unhex32(&"ab".repeat(32)), Some([0xAB; 32]));
        assert_eq!(unhex32(&"ab".repeat(31)), None);
    }
}
