//! `ascii_runtime_measurements` (`ima_ascii_measurements_show` in `ima_fs.c`): rebuilt into the binary spelling, so
//! that both are read and replayed by the same code.

use alloc::vec::Vec;

use avouch_tpm_wire::HashAlg;

use crate::entry::OLD_NAME_BYTES;
use crate::field::{Field, Fields, Spelling};
use crate::{DigestAlg, Entries, Entry, Fault, IMA_PCR, ImaError, MAX_TEMPLATE_DATA, OtherPcrs, parse_binary};

/// Reads an ASCII list, or the rest of one: `first_index` is the number of entries before it.
///
/// Lines are `PCR template-hash template-name fields…`. Names are not escaped by the kernel: a name that holds a line
/// break cannot be told from two lines, and stops the reading there or fails to replay; the binary spelling has no
/// such limit. Every built-in template and every custom one of known fields is rebuilt; others are refused with
/// [`Fault::Template`], because nothing tells how their text was made.
///
/// Memory is bounded by four times the text: the rebuilt list, and 16 bytes for each line.
pub fn parse_ascii(text: &[u8], first_index: u64) -> AsciiList {
    parse_ascii_of(text, first_index, IMA_PCR, OtherPcrs::Refuse)
}

/// [`parse_ascii`] for another PCR than [`IMA_PCR`], or with the entries of other PCRs kept.
pub fn parse_ascii_of(text: &[u8], first_index: u64, pcr: u32, other_pcrs: OtherPcrs) -> AsciiList {
    let mut list = AsciiList {
        binary: Vec::new(),
        lines: Vec::new(),
        hash: HashAlg::Sha1,
        pcr,
        other_pcrs,
        first_index,
        error: None,
    };
    list.read(text);
    list
}

/// An ASCII list, rebuilt.
#[derive(Clone, Debug)]
pub struct AsciiList {
    binary: Vec<u8>,
    /// `(first byte, first byte after)` of each line in the text.
    lines: Vec<(usize, usize)>,
    hash: HashAlg,
    pcr: u32,
    other_pcrs: OtherPcrs,
    first_index: u64,
    error: Option<ImaError>,
}

impl AsciiList {
    /// The entries; their offsets are those of the text. The last item is the error, if the text had one.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry<'_>, ImaError>> {
        let binary: Entries<'_> = parse_binary(&self.binary, self.first_index)
            .template_hash(self.hash)
            .pcr(self.pcr)
            .other_pcrs(self.other_pcrs);
        let mut lines = self.lines.iter();
        let entries = binary.map(move |entry| {
            let &(offset, end_offset) = lines.next().unwrap_or(&(0, 0));
            match entry {
                Ok(entry) => Ok(Entry { offset, end_offset, ..entry }),
                // The text was read as an entry that the binary reader refuses, e.g. a digest of a wrong size.
                Err(error) => Err(ImaError { offset, ..error }),
            }
        });
        entries.chain(self.error.iter().cloned().map(Err)).scan(false, |failed, item| {
            let go_on = !*failed;
            *failed = item.is_err();
            go_on.then_some(item)
        })
    }

    /// The algorithm of the template hashes, by the width in the first line; SHA-1 for an empty list.
    pub fn template_hash(&self) -> HashAlg {
        self.hash
    }

    /// The list in the binary spelling, as far as the text is good.
    pub fn as_binary(&self) -> &[u8] {
        &self.binary
    }

    fn read(&mut self, text: &[u8]) {
        let mut start = 0_usize;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let end = start.saturating_add(line.len());
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            if !content.is_empty() {
                let before = self.binary.len();
                if let Err(fault) = self.line(content) {
                    self.binary.truncate(before);
                    let fault = cut_or_wrong(fault, line);
                    let index = u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
                    let index = self.first_index.saturating_add(index);
                    self.error = Some(ImaError { index, offset: start, fault });
                    return;
                }
                self.lines.push((start, end));
            }
            start = end;
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        // Fewer digits are padded with a space by the kernel (`%2d`).
        let line = line.strip_prefix(b" ").unwrap_or(line);
        let (pcr, rest) = word(line, "PCR index")?;
        let pcr = number(pcr).ok_or(Fault::Field { field: "PCR index", wanted: "a decimal number", got: pcr.len() })?;
        if pcr != self.pcr && self.other_pcrs == OtherPcrs::Refuse {
            return Err(Fault::Pcr { wanted: self.pcr, got: pcr });
        }
        let (hash, rest) = word(rest, "template hash")?;
        let (template, fields) = word(rest, "template name")?;
        self.binary.extend_from_slice(&pcr.to_le_bytes());
        self.push_template_hash(hash)?;
        self.framed(|out| {
            out.extend_from_slice(template);
            Ok(())
        })?;
        if template == b"ima" {
            return old(&mut self.binary, fields);
        }
        let known = core::str::from_utf8(template).ok().and_then(Fields::of);
        let known = known.ok_or(Fault::Template { got: template.len() })?;
        self.framed(|out| rebuild(out, known, fields))
    }

    /// The first line tells the width for the whole list.
    fn push_template_hash(&mut self, hex: &[u8]) -> Result<(), Fault> {
        let before = self.binary.len();
        push_hex(&mut self.binary, hex, "template hash")?;
        let got = self.binary.len().saturating_sub(before);
        if self.lines.is_empty()
            && let Some(alg) = HashAlg::ALL.into_iter().find(|alg| alg.size() == got)
        {
            self.hash = alg;
        }
        if got == self.hash.size() { Ok(()) } else { Err(Fault::DigestSize { wanted: self.hash.size(), got }) }
    }

    fn framed(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>) -> Result<(), Fault> {
        framed(&mut self.binary, write)
    }
}

/// Only the last line of a list can be cut, and then most of what is wrong with it comes from that.
fn cut_or_wrong(fault: Fault, line: &[u8]) -> Fault {
    match (line.ends_with(b"\n"), fault) {
        (true, Fault::Cut { field, got, .. }) => Fault::Field { field, wanted: "followed by another field", got },
        (
            false,
            Fault::DigestSize { .. } | Fault::Template { .. } | Fault::Field { field: "digest" | "template hash", .. },
        ) => Fault::Cut { field: "line", wanted: line.len().saturating_add(1), got: line.len() },
        (_, fault) => fault,
    }
}

/// Writes a 32-bit length and what `write` appends.
fn framed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>) -> Result<(), Fault> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let data = out.len();
    write(out)?;
    let got = out.len().saturating_sub(data);
    let too_long = Fault::TooLong { field: "template data", wanted: MAX_TEMPLATE_DATA, got };
    let len = u32::try_from(got).map_err(|_| too_long)?;
    if let Some(room) = out.get_mut(start..data) {
        room.copy_from_slice(&len.to_le_bytes());
    }
    Ok(())
}

/// Fields of the longest custom template that is taken; the kernel's own limit is 15.
const MAX_FIELDS: usize = 16;

/// Splits the text into the template's fields and writes each as the kernel has it. The first name is the only field
/// that may hold spaces, so the fields behind it are taken from the end.
fn rebuild(out: &mut Vec<u8>, fields: Fields<'_>, text: &[u8]) -> Result<(), Fault> {
    let mut values: [(Option<Field>, &[u8]); MAX_FIELDS] = [(None, &[]); MAX_FIELDS];
    let count = fields.clone().count();
    let too_long = Fault::TooLong { field: "template", wanted: MAX_FIELDS, got: count };
    let values = values.get_mut(..count).ok_or(too_long)?;
    values.iter_mut().zip(fields).for_each(|(value, field)| value.0 = Some(field));

    let name = values.iter().position(|(field, _)| field.is_some_and(Field::is_name)).unwrap_or(count);
    let (front, rest) = values.split_at_mut(name);
    let mut text = text;
    let mut in_front = front.iter_mut().peekable();
    while let Some((field, value)) = in_front.next() {
        // Without a name the last of these ends the line.
        let last = in_front.peek().is_none() && rest.is_empty();
        (*value, text) = if last { (text, [].as_slice()) } else { word(text, field.map_or("field", Field::id))? };
    }
    if let [(_, name), behind @ ..] = rest {
        for (field, value) in behind.iter_mut().rev() {
            // Copies of lists often have lost the trailing spaces that stand for empty fields.
            if let Some(space) = text.iter().rposition(|byte| *byte == b' ')
                && let Some((head, [_, tail @ ..])) = text.split_at_checked(space)
                && field.is_some_and(|field| reads_as(field, tail))
            {
                (text, *value) = (head, tail);
            }
        }
        *name = text;
    }
    values.iter().try_for_each(|(field, value)| match field {
        Some(field) => framed(out, |out| push_field(out, *field, value)),
        None => Ok(()),
    })
}

fn push_field(out: &mut Vec<u8>, field: Field, text: &[u8]) -> Result<(), Fault> {
    match field.spelling() {
        Spelling::Text if field.is_name() || !text.is_empty() => {
            out.extend_from_slice(text);
            out.push(0);
            Ok(())
        }
        // A file has a digest, so only that of an appended signature can be missing.
        Spelling::Digest if !text.is_empty() || field != Field::ModsigDigest => push_digest(out, text),
        Spelling::Hex => push_hex(out, text, "template field"),
        Spelling::Number(size) if !text.is_empty() => {
            let wanted = "a decimal number of the field's size";
            let refused = Fault::Field { field: field.id(), wanted, got: text.len() };
            let bytes = number(text).ok_or(refused.clone())?.to_le_bytes();
            let (kept, high) = bytes.split_at_checked(size).ok_or(refused.clone())?;
            if high.iter().any(|byte| *byte != 0) {
                return Err(refused);
            }
            out.extend_from_slice(kept);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether the text can be the field's: empty, or of its spelling.
fn reads_as(field: Field, text: &[u8]) -> bool {
    match field.spelling() {
        _ if text.is_empty() => true,
        Spelling::Number(_) => number(text).is_some(),
        // Attributes that EVM protects are all of this namespace.
        Spelling::Text if field == Field::XattrNames => text.starts_with(b"security."),
        Spelling::Text => true,
        // An algorithm stands in front.
        Spelling::Digest => text.contains(&b':') && text.rsplit(|byte| *byte == b':').next().is_some_and(is_hex),
        Spelling::Hex => is_hex(text),
    }
}

fn is_hex(text: &[u8]) -> bool {
    text.len().is_multiple_of(2) && text.iter().all(|digit| nibble(*digit).is_some())
}

/// `[kind ':'] algorithm ':' hex` becomes `[kind ':'] algorithm ':' NUL digest`.
fn push_digest(out: &mut Vec<u8>, text: &[u8]) -> Result<(), Fault> {
    let malformed = Fault::Field { field: "digest", wanted: "an algorithm, a colon and hexadecimal", got: text.len() };
    let colon = text.iter().rposition(|byte| *byte == b':').ok_or(malformed.clone())?;
    let (head, [_, hex @ ..]) = text.split_at_checked(colon).ok_or(malformed.clone())? else {
        return Err(malformed);
    };
    out.extend_from_slice(head);
    out.extend_from_slice(b":\0");
    push_hex(out, hex, "digest")
}

/// The `ima` template: a bare digest and the name, without a length around them.
fn old(out: &mut Vec<u8>, text: &[u8]) -> Result<(), Fault> {
    let (digest, name) = word(text, "digest")?;
    let before = out.len();
    push_hex(out, digest, "digest")?;
    // An MD5 digest has zeros behind it up to the width of SHA-1.
    let (got, wanted) = (out.len().saturating_sub(before), DigestAlg::Sha1.size());
    if got != wanted {
        return Err(Fault::DigestSize { wanted, got });
    }
    if name.len() >= OLD_NAME_BYTES {
        return Err(Fault::TooLong { field: "file name", wanted: OLD_NAME_BYTES.saturating_sub(1), got: name.len() });
    }
    framed(out, |out| {
        out.extend_from_slice(name);
        Ok(())
    })
}

fn word<'a>(text: &'a [u8], field: &'static str) -> Result<(&'a [u8], &'a [u8]), Fault> {
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((word, [_, rest @ ..])) if !word.is_empty() => Ok((word, rest)),
        _ => Err(Fault::Cut { field, wanted: end.saturating_add(1), got: text.len() }),
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    let text = core::str::from_utf8(digits).ok()?;
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn push_hex(out: &mut Vec<u8>, hex: &[u8], field: &'static str) -> Result<(), Fault> {
    let malformed = Fault::Field { field, wanted: "hexadecimal", got: hex.len() };
    let (pairs, tail) = hex.as_chunks::<2>();
    if !tail.is_empty() {
        return Err(malformed);
    }
    for &[high, low] in pairs {
        let byte = nibble(high).zip(nibble(low)).map(|(high, low)| (high << 4) | low);
        out.push(byte.ok_or(malformed.clone())?);
    }
    Ok(())
}

pub(crate) fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}
