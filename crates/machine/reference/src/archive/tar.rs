//! tar (POSIX.1-2017 pax and ustar, and the long names of GNU tar).

use std::io::Read;

use super::{Members, Other};
use crate::ArtefactError;
use crate::input::Input;
use crate::path::text;

const BLOCK: u64 = 512;
/// Extended headers hold names and attributes; 1 MiB is what GNU tar's own limit on names suggests.
const MAX_EXTENDED: u64 = 1024 * 1024;

/// What extended headers say about the next member.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
}

struct Header {
    block: [u8; 512],
    offset: u64,
}

/// Reads one archive to its end marker.
pub(crate) fn read<R: Read>(
    input: &mut Input<R>,
    members: &mut Members,
    each: &mut dyn FnMut(u64),
) -> Result<(), ArtefactError> {
    let mut extended = Extended::default();
    loop {
        let offset = input.offset();
        let header = Header { block: input.array("a tar header")?, offset };
        if header.block.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        header.check()?;
        if !extended.read(input, &header)? {
            let about = core::mem::take(&mut extended);
            member(input, members, &header, about)?;
            each(members.count());
        }
    }
}

fn member<R: Read>(
    input: &mut Input<R>,
    members: &mut Members,
    header: &Header,
    about: Extended,
) -> Result<(), ArtefactError> {
    let path = about.path.map_or_else(|| header.path(), Ok)?;
    let target = about.target.unwrap_or_else(|| header.field(157, 100).to_vec());
    let size = about.size.map_or_else(|| header.size(), Ok)?;
    match header.kind() {
        // Links, directories and special files have no content, whatever their size says (POSIX, ustar typeflag).
        // A regular file whose name ends in a slash is how tar before POSIX wrote a directory.
        0 | b'0' if path.ends_with(b"/") => members.other(&path, Other::Directory),
        0 | b'0' | b'7' if members.keeps(&path, size)? => {
            let content = input.bytes(usize::try_from(size).unwrap_or(usize::MAX), "the content of a file")?;
            pad(input, size)?;
            members.kept(&path, content)
        }
        0 | b'0' | b'7' => {
            let sha256 = input.sha256(size)?;
            pad(input, size)?;
            members.file(&path, sha256)
        }
        b'1' => {
            let sha256 = members.digest(&target)?.ok_or_else(|| ArtefactError::Damaged {
                offset: header.offset,
                wanted: "a hard link to an earlier file",
                got: text(&target),
            })?;
            members.file(&path, sha256)
        }
        b'2' => members.symlink(&path, target),
        b'5' => members.other(&path, Other::Directory),
        b'3' | b'4' | b'6' => members.other(&path, Other::Special),
        b'S' => Err(ArtefactError::Unsupported { what: "a sparse file in tar", offset: header.offset }),
        _ => Err(ArtefactError::Unsupported { what: "this kind of tar member", offset: header.offset }),
    }
}

// === impl Extended ===

impl Extended {
    /// Takes in an extended header; false when this is none.
    fn read<R: Read>(&mut self, input: &mut Input<R>, header: &Header) -> Result<bool, ArtefactError> {
        let kind = header.kind();
        if !matches!(kind, b'x' | b'g' | b'L' | b'K') {
            return Ok(false);
        }
        let size = header.size()?;
        if size > MAX_EXTENDED {
            return Err(ArtefactError::TooLarge { what: "bytes in a tar extended header", limit: MAX_EXTENDED });
        }
        let mut content = input.bytes(usize::try_from(size).unwrap_or(usize::MAX), "an extended header")?;
        pad(input, size)?;
        match kind {
            b'x' => self.pax(&content, header.offset)?,
            b'L' | b'K' => {
                content.truncate(content.iter().position(|byte| *byte == 0).unwrap_or(content.len()));
                *(if kind == b'L' { &mut self.path } else { &mut self.target }) = Some(content);
            }
            // A global header holds comments and defaults of attributes, never the name or size of one member.
            _ => {}
        }
        Ok(true)
    }

    /// Records of the form `length key=value\n`.
    fn pax(&mut self, mut rest: &[u8], offset: u64) -> Result<(), ArtefactError> {
        let damaged = |got: &[u8]| ArtefactError::Damaged {
            offset,
            wanted: "a pax record",
            got: text(&got[..got.len().min(40)]),
        };
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(|| damaged(rest))?;
            let length = decimal(&rest[..space]).and_then(|length| usize::try_from(length).ok());
            let length =
                length.filter(|length| (space + 2..=rest.len()).contains(length)).ok_or_else(|| damaged(rest))?;
            let (record, after) = rest.split_at(length);
            let body = record[space + 1..].strip_suffix(b"\n").ok_or_else(|| damaged(record))?;
            let equals = body.iter().position(|byte| *byte == b'=').ok_or_else(|| damaged(record))?;
            let (key, value) = (&body[..equals], &body[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(decimal(value).ok_or_else(|| damaged(record))?),
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err(ArtefactError::Unsupported { what: "a sparse file in tar", offset });
                }
                _ => {}
            }
            rest = after;
        }
        Ok(())
    }
}

// === impl Header ===

impl Header {
    fn check(&self) -> Result<(), ArtefactError> {
        let sum: u64 = self
            .block
            .iter()
            .enumerate()
            .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        if number(&self.block[148..156]) == Some(sum) {
            return Ok(());
        }
        let got = "a checksum that does not hold".to_owned();
        Err(ArtefactError::Damaged { offset: self.offset, wanted: "a tar header", got })
    }

    fn kind(&self) -> u8 {
        self.block[156]
    }

    fn size(&self) -> Result<u64, ArtefactError> {
        let field = &self.block[124..136];
        let damaged = || ArtefactError::Damaged { offset: self.offset + 124, wanted: "a size", got: text(field) };
        number(field).ok_or_else(damaged)
    }

    /// Name, with the prefix that only POSIX headers have.
    fn path(&self) -> Result<Vec<u8>, ArtefactError> {
        let (name, prefix) = (self.field(0, 100), self.field(345, 155));
        let posix = &self.block[257..263] == b"ustar\0";
        Ok(if posix && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() })
    }

    fn field(&self, at: usize, length: usize) -> &[u8] {
        let field = &self.block[at..at + length];
        &field[..field.iter().position(|byte| *byte == 0).unwrap_or(length)]
    }
}

/// Octal digits between spaces and zeros, or GNU's big-endian binary with the top bit set.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        let (high, low) = rest.split_at(rest.len().checked_sub(8)?);
        return high.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(low.try_into().unwrap_or_default()));
    }
    let blank = |byte: &u8| matches!(*byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = field[start..].split(blank).next().unwrap_or_default();
    if !field[start + digits.len()..].iter().all(blank) {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = char::from(*digit).to_digit(8)?;
        value.checked_mul(8)?.checked_add(u64::from(digit))
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Contents are filled up to 512 bytes.
fn pad<R: Read>(input: &mut Input<R>, size: u64) -> Result<(), ArtefactError> {
    input.skip((BLOCK - size % BLOCK) % BLOCK, "filling")
}
