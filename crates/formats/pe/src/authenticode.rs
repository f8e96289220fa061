//! The digest of an image (Windows Authenticode PE Signature Format, "Calculating the PE Image Hash"; the same steps
//! are in the reference firmware's measurement of images).

use alloc::vec::Vec;

use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::cursor::wide;
use crate::{Image, PeError};

const CHECKSUM: usize = 4;
const DIRECTORY: usize = 8;

pub(crate) fn digest(image: &Image<'_>, alg: HashAlg, hasher: &impl Hasher) -> Digest {
    hasher.hash(alg, &parts(image))
}

/// Headers and section data together must not be longer than what precedes the certificate table: what lies behind
/// them would otherwise have a negative length, at which firmware gives up.
pub(crate) fn check(image: &Image<'_>) -> Result<(), PeError> {
    let layout = image.layout();
    let hashed = hashed(image);
    let (end, _) = layout.table;
    if hashed <= end {
        return Ok(());
    }
    let (wanted, got) = (wide(end), wide(hashed));
    Err(PeError::Outside { offset: layout.checksum, field: "the headers and sections together", wanted, got })
}

/// SUM_OF_BYTES_HASHED of the specification: the header area and every section's data.
fn hashed(image: &Image<'_>) -> usize {
    image.sections().iter().fold(image.layout().headers, |sum, section| sum.saturating_add(section.raw.len()))
}

fn parts<'a>(image: &Image<'a>) -> Vec<&'a [u8]> {
    let (bytes, layout) = (image.bytes(), image.layout());
    let slice = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
    let mut parts = Vec::with_capacity(image.sections().len().saturating_add(4));
    parts.push(slice(0, layout.checksum));
    let behind_checksum = layout.checksum.saturating_add(CHECKSUM);
    match layout.directory {
        Some(directory) => {
            parts.push(slice(behind_checksum, directory));
            parts.push(slice(directory.saturating_add(DIRECTORY), layout.headers));
        }
        None => parts.push(slice(behind_checksum, layout.headers)),
    }
    let mut sections: Vec<_> = image.sections().iter().filter(|section| !section.raw.is_empty()).collect();
    sections.sort_by_key(|section| section.data_offset);
    parts.extend(sections.into_iter().map(|section| section.raw));
    // The sum, not the last section's end: the specification says so, and the two differ where sections leave gaps.
    let (end, _) = layout.table;
    parts.push(slice(hashed(image), end));
    parts
}
