//! UEFI variables as they were measured, and the load options in them.

use super::Utf16;
use crate::Guid;
use crate::cursor::Cursor;

/// `UEFI_VARIABLE_DATA` (PFP section 10.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Vendor GUID.
    pub guid: Guid,
    /// Name, without a NUL.
    pub name: Utf16<'a>,
    /// Value.
    pub data: &'a [u8],
    /// Bytes behind the structure: early shim logs up to seven.
    pub trailing: usize,
}

/// Most bytes behind the structure that still count as shim's padding.
const MAX_TRAILING: usize = 8;

/// `EFI_LOAD_OPTION` (UEFI 2.10 section 3.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOption<'a> {
    /// Attributes; bit 0 is LOAD_OPTION_ACTIVE.
    pub attributes: u32,
    /// What people see in the firmware's menu.
    pub description: Utf16<'a>,
    /// Device path of what to load.
    pub path: &'a [u8],
    /// Data handed to the image, often its command line.
    pub data: &'a [u8],
}

impl<'a> Variable<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data, 0);
        let guid = Guid(*cursor.take(16, "variable GUID").ok()?.first_chunk()?);
        let name_units = usize::try_from(cursor.u64("variable name length").ok()?).ok()?;
        let value_len = usize::try_from(cursor.u64("variable data length").ok()?).ok()?;
        let name = Utf16::whole(cursor.take(name_units.checked_mul(2)?, "variable name").ok()?)?;
        let value = cursor.take(value_len, "variable data").ok()?;
        let trailing = cursor.rest().len();
        (trailing <= MAX_TRAILING).then_some(Self { guid, name, data: value, trailing })
    }

    /// True for this GUID and name.
    pub fn is(&self, guid: Guid, name: &str) -> bool {
        self.guid == guid && self.name == *name
    }

    /// The number of a `Boot####` variable.
    pub fn boot_number(&self) -> Option<u16> {
        if self.guid != Guid::GLOBAL_VARIABLE || self.name.len() != 8 {
            return None;
        }
        let mut chars = self.name.chars();
        if !chars.by_ref().take(4).eq("Boot".chars()) {
            return None;
        }
        let number = chars.try_fold(0, |number: u32, digit| Some(number * 16 + digit.to_digit(16)?))?;
        u16::try_from(number).ok()
    }
}

impl<'a> LoadOption<'a> {
    /// Reads the value of a `Boot####` variable; `None` when it is not a load option.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(value, 0);
        let attributes = cursor.u32("load option attributes").ok()?;
        let path_len = usize::from(cursor.u16("load option path length").ok()?);
        let (units, _) = cursor.rest().as_chunks::<2>();
        let description = Utf16::until_nul(units);
        cursor.take(description.len().checked_add(1)?.checked_mul(2)?, "load option description").ok()?;
        let path = cursor.take(path_len, "load option path").ok()?;
        Some(Self { attributes, description, path, data: cursor.rest() })
    }

    /// The device path in words.
    pub fn path_text(&self) -> Option<alloc::string::String> {
        crate::device_path::describe(self.path)
    }
}
