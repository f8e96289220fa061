//! Headers and values of the few shapes that nearly every message has, read without a detour.
//!
//! A pass asks for some two hundred properties of each unit, one by one, and in a profile of it the library's generic
//! reading and writing of messages stood first. Whatever has another shape is `None` here and left to the library, also
//! when it is malformed.

use zbus::Variant;
use zbus::wire::Endian;

use super::message::{ERROR_NAME, FIXED, MEMBER, PATH, REPLY_SERIAL, SIGNATURE};

/// What is taken of a header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) kind: u8,
    pub(super) reply_to: Option<u32>,
    pub(super) path: &'a str,
    pub(super) member: &'a str,
    pub(super) error: &'a str,
    pub(super) signature: &'a str,
    /// Bytes of the body.
    pub(super) length: usize,
}

/// The header of a message in the sender's byte order whose fields have types that the specification's have, one each.
pub(super) fn head(bytes: &[u8]) -> Option<Head<'_>> {
    let mut cursor = Cursor::over(bytes, endian(bytes)?);
    let [_, kind, _, 1] = *cursor.take(4)? else { return None };
    let length = usize::try_from(cursor.number()?).ok()?;
    let _serial = cursor.number()?;
    let fields = usize::try_from(cursor.number()?).ok()?;
    let end = FIXED.checked_add(fields)?;
    let mut head = Head { kind, length, ..Head::default() };
    while cursor.at < end {
        cursor.align(8)?;
        let code = cursor.byte()?;
        match (code, cursor.kind()?) {
            (PATH, b'o') => head.path = cursor.string()?,
            (MEMBER, b's') => head.member = cursor.string()?,
            (ERROR_NAME, b's') => head.error = cursor.string()?,
            (REPLY_SERIAL, b'u') => head.reply_to = Some(cursor.number()?),
            (SIGNATURE, b'g') => {
                let length = cursor.byte()?;
                head.signature = cursor.text(length.into())?;
            }
            (PATH | MEMBER | ERROR_NAME | REPLY_SERIAL | SIGNATURE, _) => return None,
            (_, b's' | b'o') => drop(cursor.string()?),
            (_, b'u') => drop(cursor.number()?),
            _ => return None,
        }
    }
    let padded = end.checked_next_multiple_of(8)?;
    // A structure as the whole body is spelled in parentheses, which the library takes off.
    let usual = !head.signature.starts_with('(');
    (cursor.at == end && usual && padded.checked_add(length)? == bytes.len()).then_some(head)
}

/// The value of a body that is one variant of a basic type.
pub(super) fn value(body: &[u8], endian: Endian) -> Option<Variant<'static>> {
    let mut cursor = Cursor::over(body, endian);
    let value = match cursor.kind()? {
        b'b' => match cursor.number()? {
            0 => Variant::Bool(false),
            1 => Variant::Bool(true),
            _ => return None,
        },
        b'i' => Variant::I32(cursor.number()?.cast_signed()),
        b'u' => Variant::U32(cursor.number()?),
        b't' => Variant::U64(cursor.wide()?),
        b'x' => Variant::I64(cursor.wide()?.cast_signed()),
        b's' => Variant::from(cursor.string()?.to_owned()),
        _ => return None,
    };
    (cursor.at == body.len()).then_some(value)
}

fn endian(bytes: &[u8]) -> Option<Endian> {
    match bytes.first()? {
        b'l' => Some(Endian::Little),
        b'B' => Some(Endian::Big),
        _ => None,
    }
}

/// Bytes of which those before `at` were read.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    endian: Endian,
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    fn over(bytes: &'a [u8], endian: Endian) -> Self {
        Self { bytes, at: 0, endian }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Passes over zeros.
    fn align(&mut self, to: usize) -> Option<()> {
        let padding = self.take(self.at.next_multiple_of(to) - self.at)?;
        padding.iter().all(|byte| *byte == 0).then_some(())
    }

    /// The signature of a variant that is one letter.
    fn kind(&mut self) -> Option<u8> {
        match *self.take(3)? {
            [1, kind, 0] => Some(kind),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4)?;
        let bytes = self.take(4)?.try_into().ok()?;
        Some(match self.endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        })
    }

    fn wide(&mut self) -> Option<u64> {
        self.align(8)?;
        let bytes = self.take(8)?.try_into().ok()?;
        Some(match self.endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        })
    }

    fn string(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        self.text(length)
    }

    /// Text that ends with a NUL and has none inside.
    fn text(&mut self, length: usize) -> Option<&'a str> {
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        (self.byte()? == 0 && !text.contains('\0')).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use zbus::Array;
    use zbus::wire::serialized::Context;
    use zbus::wire::to_bytes;

    use super::*;

    fn encoded(value: &Variant<'_>, endian: Endian) -> Vec<u8> {
        to_bytes(Context::new(endian, 0), value).expect("the library writes it").bytes().to_vec()
    }

    #[test]
    fn basic_values_are_read_as_the_library_writes_them() {
        let values = [
            Variant::Bool(true),
            Variant::Bool(false),
            Variant::I32(-7),
            Variant::U32(u32::MAX),
            Variant::I64(i64::MIN),
            Variant::U64(u64::MAX - 1),
            Variant::from("\u{e4}ctive"),
            Variant::from(""),
        ];
        for value in values {
            for endian in [Endian::Little, Endian::Big] {
                let bytes = encoded(&value, endian);
                assert_eq!(super::value(&bytes, endian).as_ref(), Some(&value));
                for end in 0..bytes.len() {
                    assert_eq!(super::value(&bytes[..end], endian), None, "{value:?} cut at {end}");
                }
                assert_eq!(super::value(&[bytes.as_slice(), &[0]].concat(), endian), None, "{value:?} and a byte more");
            }
        }
    }

    #[test]
    fn other_values_and_malformed_ones_are_left_to_the_library() {
        let others = [Variant::U8(1), Variant::F64(1.0), Variant::Array(Array::from(vec!["a", "b"]))];
        for value in others {
            assert_eq!(super::value(&encoded(&value, Endian::Little), Endian::Little), None, "{value:?}");
        }
        for malformed in [b"\x01b\0\0\x02\0\0\0".as_slice(), b"\x01u\0\x07\x02\0\0\0", b"\x01s\0\0\x01\0\0\0\0\0"] {
            assert_eq!(super::value(malformed, Endian::Little), None, "{malformed:?}");
        }
    }
}
