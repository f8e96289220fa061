//! Strings inside event data, as they stand there.

use core::fmt;

use crate::text::is_harmless;

/// A string that firmware or a boot loader logged, without trailing NULs.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// UTF-8, which ASCII is.
    Utf8(&'a str),
    /// UTF-16, little-endian.
    Utf16(Utf16<'a>),
}

/// A UTF-16LE string, borrowed, without trailing NULs; unpaired surrogates read as U+FFFD.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Utf16<'a>(&'a [[u8; 2]]);

impl<'a> Text<'a> {
    /// `bytes` as text: UTF-16 when every second byte is zero, else UTF-8; `None` when it is neither, or empty.
    ///
    /// UTF-16 goes first: an ASCII string in UTF-16 is also UTF-8 with NULs, never the reverse. A last NUL may be cut
    /// in half, as older systemd-boot does.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let (units, tail) = bytes.as_chunks::<2>();
        if bytes.len() >= 4 && units.iter().all(|[_, high]| *high == 0) && matches!(tail, [] | [0]) {
            let text = Utf16::until_nul(units);
            return (!text.is_empty() && text.spans(units)).then_some(Self::Utf16(text));
        }
        let end = bytes.iter().rposition(|byte| *byte != 0)?;
        let text = core::str::from_utf8(bytes.get(..=end)?).ok()?;
        (!text.contains('\0')).then_some(Self::Utf8(text))
    }

    /// The characters as they stand; control characters are not replaced.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        let (narrow, wide) = match *self {
            Self::Utf8(text) => (text, Utf16(&[])),
            Self::Utf16(text) => ("", text),
        };
        narrow.chars().chain(wide.chars())
    }

    /// True when the text begins with `label`.
    pub fn starts_with(&self, label: &str) -> bool {
        self.strip_prefix(label).is_some()
    }

    /// The text behind `label`, when it begins with it.
    pub fn strip_prefix(&self, label: &str) -> Option<Self> {
        match *self {
            Self::Utf8(text) => text.strip_prefix(label).map(Self::Utf8),
            Self::Utf16(text) => {
                let mut rest = text.0.iter();
                label
                    .encode_utf16()
                    .all(|unit| rest.next().is_some_and(|have| u16::from_le_bytes(*have) == unit))
                    .then_some(Self::Utf16(Utf16(rest.as_slice())))
            }
        }
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl PartialEq for Text<'_> {
    /// Equal characters, whatever the encoding.
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for Text<'_> {}

/// The text with control, formatting and line characters replaced.
impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        clean(f, self.chars())
    }
}

impl<'a> Utf16<'a> {
    /// Everything before the first NUL.
    pub(crate) fn until_nul(units: &'a [[u8; 2]]) -> Self {
        let end = units.iter().position(|unit| *unit == [0, 0]).unwrap_or(units.len());
        Self(units.get(..end).unwrap_or(units))
    }

    /// All of `bytes`; `None` when their number is odd.
    pub(crate) fn whole(bytes: &'a [u8]) -> Option<Self> {
        match bytes.as_chunks::<2>() {
            (units, []) => Some(Self(units)),
            _ => None,
        }
    }

    /// True when nothing but NULs follows this text in `units`.
    fn spans(&self, units: &[[u8; 2]]) -> bool {
        units.iter().skip(self.0.len()).all(|unit| *unit == [0, 0])
    }

    /// True for the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// UTF-16 units.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The characters as they stand.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        let units = self.0.iter().map(|unit| u16::from_le_bytes(*unit));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

impl PartialEq<str> for Utf16<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

/// The text with control, formatting and line characters replaced.
impl fmt::Display for Utf16<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        clean(f, self.chars())
    }
}

impl fmt::Debug for Utf16<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn clean(f: &mut fmt::Formatter<'_>, mut chars: impl Iterator<Item = char>) -> fmt::Result {
    use fmt::Write;
    chars.try_for_each(|c| f.write_char(if is_harmless(c) { c } else { char::REPLACEMENT_CHARACTER }))
}
