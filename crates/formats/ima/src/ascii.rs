//! `ascii_runtime_measurements` (`ima_ascii_measurements_show` in `ima_fs.c`): rebuilt into the binary spelling, so
//! that both are read and replayed by the same code.

use alloc::vec::Vec;

use avouch_tpm_wire::HashAlg;

use crate::body::{Field, builtin_fields};
use crate::entry::OLD_NAME_BYTES;
use crate::{DigestAlg, Entries, Entry, Fault, IMA_PCR, ImaError, MAX_TEMPLATE_DATA, parse_binary};

/// Reads an ASCII list, or the rest of one: `first_index` is the number of entries before it.
///
/// Lines are `PCR template-hash template-name fields…`. Names are not escaped by the kernel: a name that holds a line
/// break cannot be told from two lines, and stops the reading there or fails to replay; the binary spelling has no
/// such limit. Templates other than `ima`, `ima-ng`, `ima-sig`, `ima-buf`, `ima-modsig`, `ima-ngv2` and `ima-sigv2`
/// are refused, because their data cannot be rebuilt from text.
pub fn parse_ascii(text: &[u8], first_index: u64) -> AsciiList {
    let mut list = AsciiList {
        binary: Vec::new(),
        lines: Vec::new(),
        hash: HashAlg::Sha1,
        pcr: IMA_PCR,
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
    first_index: u64,
    error: Option<ImaError>,
}

impl AsciiList {
    /// The entries; their offsets are those of the text. The last item is the error, if the text had one.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry<'_>, ImaError>> {
        let binary: Entries<'_> = parse_binary(&self.binary, self.first_index).template_hash(self.hash).pcr(self.pcr);
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
        if pcr != self.pcr {
            return Err(Fault::Pcr { wanted: self.pcr, got: pcr });
        }
        let (hash, rest) = word(rest, "template hash")?;
        let (template, fields) = word(rest, "template name")?;
        self.binary.extend_from_slice(&pcr.to_le_bytes());
        self.template_hash(hash)?;
        self.framed(|out| {
            out.extend_from_slice(template);
            Ok(())
        })?;
        if template == b"ima" {
            return old(&mut self.binary, fields);
        }
        let known = core::str::from_utf8(template).ok().filter(|name| *name != "evm-sig").and_then(builtin_fields);
        let known = known.ok_or(Fault::Template { got: template.len() })?;
        self.framed(|out| rebuild(out, known, fields))
    }

    /// The first line tells the width for the whole list.
    fn template_hash(&mut self, hex: &[u8]) -> Result<(), Fault> {
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

/// Splits the text into the template's fields and writes each as the kernel has it. The name comes second and is the
/// only field that may hold spaces, so the fields behind it are taken from the end.
fn rebuild(out: &mut Vec<u8>, fields: &[Field], text: &[u8]) -> Result<(), Fault> {
    let (digest, mut name) = word(text, "digest")?;
    let behind = fields.get(2..).unwrap_or_default();
    let mut values: [&[u8]; 3] = [&[]; 3];
    for (value, _) in values.iter_mut().zip(behind).rev() {
        // Copies of lists often have lost the trailing spaces that stand for empty fields.
        if let Some(space) = name.iter().rposition(|byte| *byte == b' ')
            && let Some((head, [_, tail @ ..])) = name.split_at_checked(space)
            && is_field_text(tail)
        {
            (name, *value) = (head, tail);
        }
    }
    framed(out, |out| push_digest(out, digest))?;
    framed(out, |out| {
        out.extend_from_slice(name);
        out.push(0);
        Ok(())
    })?;
    for (field, value) in behind.iter().zip(values) {
        framed(out, |out| match field {
            Field::ModsigDigest if !value.is_empty() => push_digest(out, value),
            _ => push_hex(out, value, "template field"),
        })?;
    }
    Ok(())
}

/// Hexadecimal, with an algorithm in front in `d-modsig`; empty for an empty field.
fn is_field_text(text: &[u8]) -> bool {
    let hex = text.rsplit(|byte| *byte == b':').next().unwrap_or(text);
    hex.len().is_multiple_of(2) && hex.iter().all(|digit| nibble(*digit).is_some())
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
