//! Initial RAM disks: cpio archives one after the other, each plain or compressed (kernel documentation, "initramfs
//! buffer format").

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::archive::{Members, cpio};
use crate::compression::Compression;
use crate::input::Input;
use crate::{ArtefactError, FileDigests, Progress};

/// What one segment may unpack to; the RAM of small nodes is less.
const MAX_UNPACKED: u64 = 8 * 1024 * 1024 * 1024;
/// An early microcode archive, the main archive and a handful of additions.
const MAX_SEGMENTS: u32 = 64;

/// The regular files of an initial RAM disk, under the paths that IMA reports for them before the root is switched.
///
/// Plain archives, gzip, zstd, and LZ4 in its legacy and its frame format are read, in any sequence, with zeros
/// between them. Later members replace earlier ones, as they do when the kernel unpacks.
///
/// # Errors
/// [`ArtefactError`]; xz, lzma, bzip2 and lzo are [`ArtefactError::Unsupported`]. Bytes that are neither archive nor
/// zeros are refused.
pub fn initrd(reader: impl Read, progress: &dyn Fn(Progress)) -> Result<FileDigests, ArtefactError> {
    let mut input = Input::new(reader, MAX_UNPACKED);
    let mut members = Members::default();
    let mut each = |done| progress(Progress { done, total: None });
    let mut segments = 0;
    loop {
        input.skip_zeros()?;
        if input.is_at_end()? {
            break;
        }
        segments += 1;
        if segments > MAX_SEGMENTS {
            return Err(ArtefactError::TooLarge {
                what: "archives in one initial RAM disk",
                limit: MAX_SEGMENTS.into(),
            });
        }
        segment(&mut input, &mut members, &mut each)?;
    }
    let files = members.finish()?;
    if files.is_empty() { Err(ArtefactError::Empty) } else { Ok(files) }
}

/// [`initrd`] of a file.
///
/// # Errors
/// As [`initrd`]; [`ArtefactError::Read`] when it cannot be opened.
pub fn initrd_file(path: &Path, progress: &dyn Fn(Progress)) -> Result<FileDigests, ArtefactError> {
    let file = File::open(path).map_err(|source| ArtefactError::Read { path: path.to_owned(), source })?;
    initrd(file, progress)
}

fn segment<R: Read>(
    input: &mut Input<R>,
    members: &mut Members,
    each: &mut dyn FnMut(u64),
) -> Result<(), ArtefactError> {
    let offset = input.offset();
    let magic = input.peek(Compression::MAGIC)?.to_vec();
    let Some(compression) = Compression::detect(&magic, offset)? else {
        return cpio::read(input, members, each);
    };
    let mut unpacked = Input::new(compression.unpack(input)?, MAX_UNPACKED);
    loop {
        unpacked.skip_zeros()?;
        if unpacked.is_at_end()? {
            return Ok(());
        }
        cpio::read(&mut unpacked, members, each)?;
    }
}
