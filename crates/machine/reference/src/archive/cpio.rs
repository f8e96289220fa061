//! The newc format of cpio (kernel documentation, "initramfs buffer format"), as the kernel unpacks it.

use std::collections::HashMap;
use std::io::Read;

use super::{Members, Other};
use crate::ArtefactError;
use crate::input::Input;
use crate::path::MAX_PATH;

/// How an archive member starts; 070702 carries a checksum, which the kernel does not check either.
pub(crate) const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];

const HEADER: usize = 110;
const END: &[u8] = b"TRAILER!!!";
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

/// Device and inode number: members that share them are one file.
type FileId = (u32, u32, u32);

struct Header {
    id: FileId,
    mode: u32,
    links: u32,
    size: u32,
    name_size: u32,
}

/// A file with several links. The content comes with one of its names, in practice the last.
#[derive(Default)]
struct Linked {
    /// Names that came before the content.
    names: Vec<Vec<u8>>,
    sha256: Option<[u8; 32]>,
}

/// Reads one archive to its trailer.
pub(crate) fn read<R: Read>(
    input: &mut Input<R>,
    members: &mut Members,
    each: &mut dyn FnMut(u64),
) -> Result<(), ArtefactError> {
    let mut linked: HashMap<FileId, Linked> = HashMap::new();
    loop {
        let header = Header::read(input)?;
        let name = read_name(input, &header)?;
        if name == END {
            input.skip(u64::from(header.size), "the trailer")?;
            return Ok(());
        }
        match header.mode & KIND {
            REGULAR => regular(input, members, &mut linked, &header, &name)?,
            SYMLINK => {
                let target = read_target(input, &header)?;
                members.symlink(&name, target)?;
            }
            kind => {
                input.skip(u64::from(header.size), "the content of a special file")?;
                members.other(&name, if kind == DIRECTORY { Other::Directory } else { Other::Special })?;
            }
        }
        pad(input, u64::from(header.size))?;
        each(members.count());
    }
}

fn regular<R: Read>(
    input: &mut Input<R>,
    members: &mut Members,
    linked: &mut HashMap<FileId, Linked>,
    header: &Header,
    name: &[u8],
) -> Result<(), ArtefactError> {
    let offset = input.offset();
    let sha256 = input.sha256(u64::from(header.size))?;
    if header.links < 2 {
        return members.file(name, sha256);
    }
    let group = linked.entry(header.id).or_default();
    match group.sha256 {
        Some(known) if header.size == 0 || known == sha256 => members.file(name, known),
        Some(_) => {
            let wanted = "one content for all names of a file";
            Err(ArtefactError::Damaged { offset, wanted, got: "another content".into() })
        }
        None if header.size == 0 => {
            group.names.push(name.to_vec());
            members.file(name, sha256)
        }
        None => {
            group.sha256 = Some(sha256);
            let earlier = core::mem::take(&mut group.names);
            earlier.iter().try_for_each(|earlier| members.file(earlier, sha256))?;
            members.file(name, sha256)
        }
    }
}

impl Header {
    fn read<R: Read>(input: &mut Input<R>) -> Result<Self, ArtefactError> {
        let offset = input.offset();
        let bytes = input.array::<HEADER>("a cpio header")?;
        if !MAGICS.contains(&&bytes[..6]) {
            let got = crate::path::text(&bytes[..6]);
            return Err(ArtefactError::Damaged { offset, wanted: "a cpio header (070701)", got });
        }
        let field =
            |number: usize| hexadecimal(&bytes[6 + number * 8..14 + number * 8], offset + 6 + number as u64 * 8);
        Ok(Self {
            id: (field(7)?, field(8)?, field(0)?),
            mode: field(1)?,
            links: field(4)?,
            size: field(6)?,
            name_size: field(11)?,
        })
    }
}

fn read_name<R: Read>(input: &mut Input<R>, header: &Header) -> Result<Vec<u8>, ArtefactError> {
    let offset = input.offset();
    let damaged = |got: String| ArtefactError::Damaged { offset, wanted: "a name that ends in a zero byte", got };
    let size = header.name_size as usize;
    if size == 0 || size > MAX_PATH {
        return Err(damaged(format!("a name of {size} bytes")));
    }
    let mut name = input.bytes(size, "a name")?;
    pad(input, (HEADER + size) as u64)?;
    // Everything after the first zero byte is filling; some tools align with it.
    let end = name.iter().position(|byte| *byte == 0).ok_or_else(|| damaged("none".into()))?;
    if name[end..].iter().any(|byte| *byte != 0) {
        return Err(damaged("bytes after the zero byte".into()));
    }
    name.truncate(end);
    Ok(name)
}

fn read_target<R: Read>(input: &mut Input<R>, header: &Header) -> Result<Vec<u8>, ArtefactError> {
    let (offset, size) = (input.offset(), header.size as usize);
    if size == 0 || size >= MAX_PATH {
        let got = format!("{size} bytes");
        return Err(ArtefactError::Damaged { offset, wanted: "the target of a symbolic link", got });
    }
    input.bytes(size, "the target of a symbolic link")
}

/// Names and contents are filled up to four bytes.
fn pad<R: Read>(input: &mut Input<R>, length: u64) -> Result<(), ArtefactError> {
    input.skip(length.next_multiple_of(4) - length, "filling")
}

fn hexadecimal(digits: &[u8], offset: u64) -> Result<u32, ArtefactError> {
    digits.iter().try_fold(0_u32, |value, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or_else(|| ArtefactError::Damaged {
            offset,
            wanted: "eight hexadecimal digits",
            got: crate::path::text(digits),
        })?;
        Ok(value << 4 | digit)
    })
}
