//! The table of a report's distinct lines, and how a line stands on the wire.

use std::collections::{HashMap, HashSet};

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::limits::MAX_REPORT_LINES;

/// Hexadecimal digits at the end of a line from which on they travel as bytes: a digest, an invocation id.
const HEX_DIGITS: usize = 32;

/// Longest text before a digest that is named by number, so that a line unfolds to a bounded multiple of its bytes.
const MAX_HEAD: usize = 256;

/// Distinct lines. On the wire each is a text; one that ends in 32 or more lower-case hexadecimal digits is the bytes
/// that these spell (an even number of digits), behind the text before them if there is any, which is the number of an
/// earlier line where one is that text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines(pub(super) Vec<String>);

/// A line that stands by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(pub(super) String);

impl<C> Encode<C> for Lines {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(u64::try_from(self.0.len()).unwrap_or(u64::MAX))?;
        let mut earlier: HashMap<&str, u32> = HashMap::new();
        for (line, number) in self.0.iter().zip(0..) {
            let head = head(line).filter(|head| head.len() <= MAX_HEAD).and_then(|head| earlier.get(head));
            write(line, head.copied(), e)?;
            earlier.insert(line, number);
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Lines {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let at = d.position();
        let refused = |why| Err(decode::Error::message(why).at(at));
        let count = d.array()?.ok_or_else(|| decode::Error::message("a definite length was wanted").at(at))?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > MAX_REPORT_LINES {
            return refused("too many lines");
        }
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(read(d, &lines)?);
        }
        if lines.iter().collect::<HashSet<_>>().len() != lines.len() {
            return refused("a line stands twice");
        }
        Ok(Self(lines))
    }
}

impl<C> Encode<C> for Line {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        write(&self.0, None, e)
    }
}

impl<'b, C> Decode<'b, C> for Line {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        read(d, &[]).map(Self)
    }
}

/// The text before the digits, of a line that has both.
pub(super) fn head(line: &str) -> Option<&str> {
    let (head, bytes) = halves(line);
    (bytes.is_some() && !head.is_empty()).then_some(head)
}

fn write<W: encode::Write>(line: &str, head: Option<u32>, e: &mut Encoder<W>) -> Result<(), encode::Error<W::Error>> {
    match (halves(line), head) {
        ((_, None), _) => e.str(line)?.ok(),
        (("", Some(bytes)), _) => e.bytes(&bytes)?.ok(),
        ((_, Some(bytes)), Some(head)) => e.array(2)?.u32(head)?.bytes(&bytes)?.ok(),
        ((text, Some(bytes)), None) => e.array(2)?.str(text)?.bytes(&bytes)?.ok(),
    }
}

/// Of the spellings of one line only that of [`write`] passes the comparison with the encoding of the whole report.
fn read(d: &mut Decoder<'_>, earlier: &[String]) -> Result<String, decode::Error> {
    let at = d.position();
    let refused = |why| decode::Error::message(why).at(at);
    let line = match d.datatype()? {
        Type::Bytes => hex(d.bytes()?),
        Type::Array => {
            if d.array()? != Some(2) {
                return Err(refused("a text and bytes were wanted"));
            }
            let head = match d.datatype()? {
                Type::String => d.str()?,
                _ => {
                    let head = usize::try_from(d.u32()?).ok().and_then(|number| earlier.get(number));
                    let head = head.filter(|head| head.len() <= MAX_HEAD);
                    head.ok_or_else(|| refused("a short earlier line was wanted"))?
                }
            };
            [head, &hex(d.bytes()?)].concat()
        }
        _ => d.str()?.to_owned(),
    };
    match line.contains('\n') {
        true => Err(refused("a line with a line break")),
        false => Ok(line),
    }
}

/// A line as the text that stays and the bytes that its last digits spell.
fn halves(line: &str) -> (&str, Option<Vec<u8>>) {
    let digits = line.bytes().rev().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
    let even = digits & !1;
    let parts = line.len().checked_sub(even).and_then(|at| line.split_at_checked(at));
    match parts {
        Some((text, digits)) if even >= HEX_DIGITS => (text, data_encoding::HEXLOWER.decode(digits.as_bytes()).ok()),
        _ => (line, None),
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
