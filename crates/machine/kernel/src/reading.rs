//! How what was read is spelled.

use std::collections::BTreeMap;
use std::fmt::Write;

use avouch_pairs::{Attribute, Fact, Reading, subject};

use crate::parse::ParseError;
use crate::source::Refusal;

/// Facts by attribute, kernel columns only.
pub(crate) type Facts = BTreeMap<Attribute, Fact>;

/// Most distinct values that the threads of one unit may show of one attribute.
const MOST_DISTINCT: usize = 1024;
/// Most bytes that a reading of one process is stated with.
const LONGEST: usize = 16 * 1024;

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::Failed(format!("it is not what the kernel writes: {error}"))
    }
}

/// Sets the kernel column.
pub(crate) fn put(facts: &mut Facts, attribute: Attribute, kernel: Reading) {
    facts.insert(attribute, Fact::kernel(kernel));
}

/// Sets both columns of the kernel.
pub(crate) fn put_both(facts: &mut Facts, attribute: Attribute, kernel: Reading, second: Reading) {
    facts.insert(attribute, Fact { orchestrator: Reading::NotRead, kernel, second });
}

/// How often two views of one fact are taken before their difference counts.
pub(crate) const TRIES: usize = 3;

/// Two views of one fact that may change between them, taken until they agree.
pub(crate) fn agreed<T: PartialEq>(look: impl Fn() -> (T, T)) -> (T, T) {
    let mut views = look();
    for _ in 1..TRIES {
        if views.0 == views.1 {
            break;
        }
        views = look();
    }
    views
}

/// The reading of a result.
pub(crate) fn reading(result: Result<String, Refusal>) -> Reading {
    match result {
        Ok(value) => Reading::Value(value),
        Err(refusal) => refusal.reading(),
    }
}

/// A list, one item a line; `none` where it is empty.
pub(crate) fn listed(items: Vec<String>) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join("\n") }
}

/// Bytes of the kernel as text: control characters and what is no UTF-8 as `\xHH`, so that no name breaks a line.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let mut buffer = [0; 4];
                character.encode_utf8(&mut buffer).bytes().for_each(|byte| escape(&mut text, byte));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut text, *byte));
    }
    text
}

fn escape(text: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\x{byte:02x}");
}

/// A path as it may be stated: clean, and without the name of a user.
pub(crate) fn path(bytes: &[u8]) -> String {
    subject::without_user(&clean(bytes))
}

/// A file's content without its last newline, several lines as they stand.
pub(crate) fn content(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.split(|byte| *byte == b'\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the processes or threads of a unit show of one attribute.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Distinct values in the order they were met, each with the smallest number that showed it.
    seen: Vec<(String, u32)>,
    /// Which of them the main process showed.
    main: Option<usize>,
    /// The first refusal that is no end of a process.
    refusal: Option<Refusal>,
}

// === impl Values ===

impl Values {
    /// What `number` shows; the numbers come ascending. A process or thread that ended is left out.
    pub(crate) fn add(&mut self, number: u32, main: bool, shown: Result<String, Refusal>) {
        let value = match shown {
            Ok(value) if value.len() <= LONGEST => value,
            Ok(_) => return self.refuse(Refusal::TooLong(LONGEST)),
            Err(Refusal::Absent | Refusal::Gone) => return,
            Err(refusal) => return self.refuse(refusal),
        };
        let at = match self.seen.iter().position(|(seen, _)| *seen == value) {
            Some(at) => at,
            None if self.seen.len() >= MOST_DISTINCT => return self.refuse(Refusal::TooLong(MOST_DISTINCT)),
            None => {
                self.seen.push((value, number));
                self.seen.len() - 1
            }
        };
        if main && self.main.is_none() {
            self.main = Some(at);
        }
    }

    /// The value that every one of them showed, where there is one.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    /// One line where all show the same, else one for each value, the main process's first.
    pub(crate) fn reading(mut self) -> Reading {
        if let Some(refusal) = self.refusal {
            return refusal.reading();
        }
        if let Some(main) = self.main {
            self.seen.get_mut(..=main).unwrap_or_default().rotate_right(1);
        }
        match self.seen.as_slice() {
            [] => Reading::Absent,
            [(value, _)] => Reading::Value(value.clone()),
            many => {
                let lines: Vec<String> = many.iter().map(|(value, number)| format!("{value}\t{number}")).collect();
                Reading::Value(lines.join("\n"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[(u32, bool, Result<&str, Refusal>)]) -> Reading {
        let mut all = Values::default();
        for (number, main, value) in values {
            all.add(*number, *main, value.clone().map(str::to_owned));
        }
        all.reading()
    }

    #[test]
    fn the_value_of_the_main_process_comes_first_with_the_smallest_number_that_shows_it() {
        let reading = shown(&[(5, false, Ok("1")), (7, false, Ok("0")), (9, true, Ok("0")), (11, false, Ok("2"))]);
        assert_eq!(reading.value(), Some("0\t7\n1\t5\n2\t11"));
        assert_eq!(shown(&[(5, false, Ok("1")), (7, true, Ok("1"))]).value(), Some("1"));
    }

    #[test]
    fn the_dead_are_left_out_and_nothing_left_is_absent() {
        assert_eq!(shown(&[(5, true, Err(Refusal::Gone)), (7, false, Ok("1"))]).value(), Some("1"));
        assert_eq!(shown(&[(5, true, Err(Refusal::Absent))]), Reading::Absent);
    }

    #[test]
    fn one_process_that_may_not_be_read_makes_the_reading_unreadable() {
        let reading = shown(&[(5, true, Ok("1")), (7, false, Err(Refusal::Denied("CAP_SYS_PTRACE")))]);
        assert_eq!(reading, Reading::Unreadable("permission denied; it takes CAP_SYS_PTRACE".to_owned()));
    }

    #[test]
    fn names_cannot_break_lines_or_tell_users() {
        assert_eq!(clean(b"a\nb\tc\xff\xc3\xa4"), "a\\x0ab\\x09c\\xff\u{e4}");
        assert_eq!(path(b"/home/joe/x"), "/home/*/x");
        assert_eq!(content(b"default 100\n8:0 5\n"), "default 100\n8:0 5");
    }
}
