//! Firmware images: flash volumes, the files in them, and the volumes packed inside (UEFI Platform Initialization 1.8,
//! volume 3, sections 2 and 3).
//!
//! Firmware made from the reference code keeps the volumes with its drivers in one packed section and unpacks them
//! into memory before it measures them. Unpacking is the caller's work: the formats have no compression.

use alloc::vec::Vec;

use crate::cursor::{Cursor, length, wide};
use crate::{Guid, PeError};

/// Volumes begin at multiples of this in a flash image, as erase blocks do.
const BLOCK: usize = 4096;
const SIGNATURE_AT: usize = 40;
const FILE_HEADER: usize = 24;
/// `EFI_FV_FILETYPE_FIRMWARE_VOLUME_IMAGE`.
const VOLUME_FILE: u8 = 0x0B;
/// `EFI_SECTION_GUID_DEFINED`.
const GUID_DEFINED: u8 = 0x02;
/// `EFI_SECTION_FIRMWARE_VOLUME_IMAGE`.
const VOLUME_SECTION: u8 = 0x17;
/// A size of three bytes with all bits set: the real size follows.
const EXTENDED: u32 = 0x00FF_FFFF;
const FILE_SYSTEM_2: Guid = Guid::of(0x8C8C_E578, 0x8A3D, 0x4F1C, [0x99, 0x35, 0x89, 0x61, 0x85, 0xC3, 0x2D, 0xD3]);
const FILE_SYSTEM_3: Guid = Guid::of(0x5473_C07A, 0x3DCB, 0x4DCA, [0xBD, 0x6F, 0x1E, 0x96, 0x89, 0xE7, 0x34, 0x9A]);
/// A section packed with LZMA, in the format with a header of 13 bytes.
const LZMA: Guid = Guid::of(0xEE4E_5898, 0x3914, 0x4259, [0x9D, 0x6E, 0xDC, 0x7B, 0xD7, 0x94, 0x03, 0xCF]);

/// A firmware volume with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume<'a> {
    /// Byte of the image where it begins.
    pub offset: usize,
    /// The whole volume, header included.
    pub bytes: &'a [u8],
    files: usize,
}

/// A file of a volume (FFS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// Byte of the image where it begins.
    pub offset: usize,
    /// Its name.
    pub name: Guid,
    /// EFI_FV_FILETYPE_*.
    pub kind: u8,
    /// What follows its header.
    pub body: &'a [u8],
    body_offset: usize,
}

/// A section of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSection<'a> {
    /// Byte of the image, or of the unpacked sections, where it begins.
    pub offset: usize,
    /// EFI_SECTION_*.
    pub kind: u8,
    /// What follows its header.
    pub body: &'a [u8],
}

/// The volumes with files in a flash image; what lies between them, such as stored variables, is passed over.
///
/// # Errors
/// [`PeError`] when a volume ends outside the image; [`PeError::Missing`] when there is none.
pub fn volumes(image: &[u8]) -> Result<Vec<Volume<'_>>, PeError> {
    let mut volumes = Vec::new();
    let mut at = 0_usize;
    while let Some(rest) = image.get(at..).filter(|rest| !rest.is_empty()) {
        let step = match volume(rest, at)? {
            Some((volume, size)) => {
                volumes.extend(volume);
                size.next_multiple_of(BLOCK)
            }
            None => BLOCK,
        };
        at = at.saturating_add(step);
    }
    match volumes.len() {
        0 => Err(PeError::Missing { offset: 0, field: "firmware volume" }),
        _ => Ok(volumes),
    }
}

/// The sections packed with LZMA in the volumes' files that hold further volumes, each from the packer's header on.
///
/// # Errors
/// [`PeError`] when a file or section ends outside what holds it.
pub fn packed_volumes<'a>(volumes: &[Volume<'a>]) -> Result<Vec<&'a [u8]>, PeError> {
    let mut packed = Vec::new();
    for volume in volumes {
        for file in volume.files()?.into_iter().filter(|file| file.kind == VOLUME_FILE) {
            for section in file.sections()?.into_iter().filter(|section| section.kind == GUID_DEFINED) {
                packed.extend(lzma(&section)?);
            }
        }
    }
    Ok(packed)
}

/// The volumes among unpacked sections, as they will stand in memory when they are measured.
///
/// # Errors
/// [`PeError`] when a section ends outside.
pub fn volume_images(unpacked: &[u8]) -> Result<Vec<&[u8]>, PeError> {
    let sections = sections(Cursor::new(unpacked, 0))?;
    Ok(sections.into_iter().filter(|section| section.kind == VOLUME_SECTION).map(|section| section.body).collect())
}

// === impl Volume ===

impl<'a> Volume<'a> {
    /// Its files in order.
    ///
    /// # Errors
    /// [`PeError`] when a file ends outside the volume.
    pub fn files(&self) -> Result<Vec<File<'a>>, PeError> {
        let mut files = Vec::new();
        let mut at = self.files;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| rest.len() >= FILE_HEADER) {
            let mut cursor = Cursor::new(rest, self.offset.saturating_add(at));
            // Free space has the erased flash's bits.
            if rest.iter().take(FILE_HEADER).all(|byte| *byte == 0xFF) {
                break;
            }
            let file = file(&mut cursor)?;
            files.push(file);
            let end = cursor.offset().saturating_sub(self.offset);
            at = end.next_multiple_of(8);
        }
        Ok(files)
    }
}

// === impl File ===

impl<'a> File<'a> {
    /// Its sections in order.
    ///
    /// # Errors
    /// [`PeError`] when a section ends outside the file.
    pub fn sections(&self) -> Result<Vec<FileSection<'a>>, PeError> {
        sections(Cursor::new(self.body, self.body_offset))
    }
}

/// A volume and its size, when one begins here; without the volume when it holds something else than files.
fn volume(bytes: &[u8], offset: usize) -> Result<Option<(Option<Volume<'_>>, usize)>, PeError> {
    if bytes.get(SIGNATURE_AT..SIGNATURE_AT.saturating_add(4)) != Some(b"_FVH".as_slice()) {
        return Ok(None);
    }
    let mut cursor = Cursor::new(bytes, offset);
    cursor.take(16, "the reset vector")?;
    let system = cursor.guid("the file system of a volume")?;
    let at = cursor.offset();
    let size = u64::from_le_bytes(cursor.array("the length of a volume")?);
    cursor.take(8, "the header of a volume")?;
    let header = usize::from(cursor.u16("the length of a volume's header")?);
    cursor.take(2, "the checksum of a volume's header")?;
    let extended = usize::from(cursor.u16("the place of a volume's extended header")?);
    let whole = usize::try_from(size).ok().and_then(|size| bytes.get(..size)).filter(|whole| whole.len() > header);
    let Some(whole) = whole else {
        let wanted = wide(bytes.len()).saturating_add(wide(offset));
        let got = size.saturating_add(wide(offset));
        return Err(PeError::Outside { offset: at, field: "a firmware volume", wanted, got });
    };
    if system != FILE_SYSTEM_2 && system != FILE_SYSTEM_3 {
        return Ok(Some((None, whole.len())));
    }
    let files = if extended == 0 { header } else { behind_extended(whole, extended, offset)? };
    Ok(Some((Some(Volume { offset, bytes: whole, files: files.next_multiple_of(8) }), whole.len())))
}

/// Where the extended header ends: a name of sixteen bytes, then its own size.
fn behind_extended(volume: &[u8], at: usize, offset: usize) -> Result<usize, PeError> {
    let rest = volume.get(at..).unwrap_or_default();
    let mut cursor = Cursor::new(rest, offset.saturating_add(at));
    cursor.take(16, "the name of a volume")?;
    Ok(at.saturating_add(length(cursor.u32("the size of a volume's extended header")?)))
}

fn file<'a>(cursor: &mut Cursor<'a>) -> Result<File<'a>, PeError> {
    const LARGE: u8 = 0x01;
    let offset = cursor.offset();
    let name = cursor.guid("the name of a file")?;
    cursor.take(2, "the checksum of a file")?;
    let [kind, attributes, low, middle, high, _state] = cursor.array("the header of a file")?;
    let mut size = wide(length(u32::from_le_bytes([low, middle, high, 0])));
    if attributes & LARGE != 0 {
        size = u64::from_le_bytes(cursor.array("the size of a large file")?);
    }
    let header = cursor.offset().saturating_sub(offset);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let Some(left) = size.checked_sub(header) else {
        let (field, wanted) = ("the size of a file", "at least that of its header");
        return Err(PeError::Value { offset, field, wanted, got: wide(size) });
    };
    let body_offset = cursor.offset();
    Ok(File { offset, name, kind, body: cursor.take(left, "a file")?, body_offset })
}

fn sections(mut cursor: Cursor<'_>) -> Result<Vec<FileSection<'_>>, PeError> {
    let mut sections = Vec::new();
    let start = cursor.offset();
    while !cursor.is_at_end() {
        let offset = cursor.offset();
        let [low, middle, high, kind] = cursor.array("the header of a section")?;
        let mut size = u32::from_le_bytes([low, middle, high, 0]);
        if size == EXTENDED {
            size = cursor.u32("the size of a section")?;
        }
        let header = cursor.offset().saturating_sub(offset);
        let Some(left) = length(size).checked_sub(header) else {
            let (field, wanted) = ("the size of a section", "at least that of its header");
            return Err(PeError::Value { offset, field, wanted, got: size.into() });
        };
        sections.push(FileSection { offset, kind, body: cursor.take(left, "a section")? });
        let over = cursor.offset().saturating_sub(start) % 4;
        let filling = if over == 0 { 0 } else { 4_usize.saturating_sub(over) };
        cursor.take(filling.min(cursor.rest().len()), "the filling behind a section")?;
    }
    Ok(sections)
}

fn lzma<'a>(section: &FileSection<'a>) -> Result<Option<&'a [u8]>, PeError> {
    let mut cursor = Cursor::new(section.body, section.offset);
    let packer = cursor.guid("the GUID of a section")?;
    let data = usize::from(cursor.u16("the place of a section's data")?);
    if packer != LZMA {
        return Ok(None);
    }
    // Counted from the section's header, which has 4 bytes or 8.
    let header = if wide(section.body.len()) >= u64::from(EXTENDED.saturating_sub(8)) { 8 } else { 4 };
    let body = data.checked_sub(header).and_then(|data| section.body.get(data..));
    body.map(Some).ok_or(PeError::Value {
        offset: section.offset,
        field: "the place of a section's data",
        wanted: "a place in the section",
        got: wide(data),
    })
}
