//! Images, firmware volumes and tables: what a measurement points at without holding it.

use alloc::string::String;

use super::Text;
use crate::cursor::Cursor;
use crate::device_path;

/// `UEFI_IMAGE_LOAD_EVENT` (PFP section 10.2.3). The event's digest is the image's Authenticode digest; nothing here
/// is covered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Where it was in memory.
    pub location: u64,
    /// Its length in memory, bytes.
    pub len: u64,
    /// Address it was linked for.
    pub link_address: u64,
    /// Device path, empty when the loader had the image in memory.
    pub path: &'a [u8],
}

/// `UEFI_PLATFORM_FIRMWARE_BLOB` and its second version (PFP section 10.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareBlob<'a> {
    /// Name, in the second version.
    pub description: Option<Text<'a>>,
    /// Physical address.
    pub base: u64,
    /// Bytes.
    pub len: u64,
}

/// `UEFI_HANDOFF_TABLE_POINTERS` and its second version (PFP section 10.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandoffTables<'a> {
    /// Name, in the second version.
    pub description: Option<Text<'a>>,
    /// `(GUID, address)` pairs as they stand, 24 bytes each.
    pub entries: &'a [[u8; 24]],
}

/// `UEFI_GPT_DATA` (PFP section 10.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpt<'a> {
    /// The GPT header, 92 bytes.
    pub header: &'a [u8; 92],
    /// The used partition entries as they stand.
    pub entries: &'a [[u8; 128]],
}

impl<'a> Image<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data, 0);
        let location = cursor.u64("image location").ok()?;
        let len = cursor.u64("image length").ok()?;
        let link_address = cursor.u64("link time address").ok()?;
        let path_len = usize::try_from(cursor.u64("device path length").ok()?).ok()?;
        let path = cursor.take(path_len, "device path").ok()?;
        Some(Self { location, len, link_address, path })
    }

    /// The device path in words, when there is one.
    pub fn path_text(&self) -> Option<String> {
        device_path::describe(self.path)
    }
}

impl<'a> FirmwareBlob<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Option<Self> {
        let (base, len) = two_words(data)?;
        Some(Self { description: None, base, len })
    }

    pub(crate) fn parse_named(data: &'a [u8]) -> Option<Self> {
        let (name, rest) = counted(data)?;
        let (base, len) = two_words(rest)?;
        Some(Self { description: Text::of(name), base, len })
    }
}

impl<'a> HandoffTables<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Option<Self> {
        let (count, entries) = data.split_first_chunk()?;
        let (entries, tail) = entries.as_chunks();
        let whole = tail.is_empty() && u64::try_from(entries.len()).ok() == Some(u64::from_le_bytes(*count));
        whole.then_some(Self { description: None, entries })
    }

    pub(crate) fn parse_named(data: &'a [u8]) -> Option<Self> {
        let (name, rest) = counted(data)?;
        Some(Self { description: Text::of(name), ..Self::parse(rest)? })
    }
}

impl<'a> Gpt<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Option<Self> {
        let (header, rest) = data.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (entries, tail) = rest.as_chunks();
        let whole = tail.is_empty() && u64::try_from(entries.len()).ok() == Some(u64::from_le_bytes(*count));
        whole.then_some(Self { header, entries })
    }
}

fn two_words(data: &[u8]) -> Option<(u64, u64)> {
    let (base, rest) = data.split_first_chunk()?;
    let len: &[u8; 8] = rest.try_into().ok()?;
    Some((u64::from_le_bytes(*base), u64::from_le_bytes(*len)))
}

/// A field behind its length of one byte.
pub(crate) fn counted(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*len))
}
