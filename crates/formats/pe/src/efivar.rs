//! UEFI variables: as Linux shows them in `/sys/firmware/efi/efivars`, and as firmware measures them.

use alloc::vec::Vec;

use crate::cursor::{Cursor, wide};
use crate::siglist::{self, SignatureList};
use crate::{Guid, PeError};

const ATTRIBUTES: usize = 4;

/// A file of efivarfs: four bytes of attributes, then the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    /// EFI_VARIABLE_* bits.
    pub attributes: Attributes,
    /// The value.
    pub value: &'a [u8],
}

/// Attributes of a variable (UEFI 2.10 section 8.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub u32);

/// The name of an efivarfs file, `NAME-GUID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VariableName<'a> {
    /// The variable's name.
    pub name: &'a str,
    /// Its vendor.
    pub guid: Guid,
}

/// [`Variable::parse`].
///
/// # Errors
/// As [`Variable::parse`].
pub fn parse(bytes: &[u8]) -> Result<Variable<'_>, PeError> {
    Variable::parse(bytes)
}

/// `UEFI_VARIABLE_DATA` (PFP section 10.2.6): what an EV_EFI_VARIABLE_* event holds and, for all but boot options of
/// old firmware, what its digest covers. A variable that is not set is measured with an empty value.
pub fn measured(guid: Guid, name: &str, value: &[u8]) -> Vec<u8> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let mut out = Vec::with_capacity(value.len().saturating_add(units.len().saturating_mul(2)).saturating_add(32));
    out.extend(guid.0);
    out.extend(wide(units.len()).to_le_bytes());
    out.extend(wide(value.len()).to_le_bytes());
    units.iter().for_each(|unit| out.extend(unit.to_le_bytes()));
    out.extend(value);
    out
}

// === impl Variable ===

impl<'a> Variable<'a> {
    /// Reads a file of efivarfs.
    ///
    /// # Errors
    /// [`PeError`] when it is shorter than its attributes, or these are no attributes that a variable can have.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PeError> {
        let mut cursor = Cursor::new(bytes, 0);
        let attributes = Attributes(cursor.u32("the attributes")?);
        if !attributes.is_possible() {
            let wanted = "known attributes, boot service access among them";
            let got = attributes.0.into();
            return Err(PeError::Value { offset: 0, field: "the attributes", wanted, got });
        }
        Ok(Self { attributes, value: cursor.rest() })
    }

    /// The value as signature lists, as PK, KEK, db, dbx and MokList have it; errors point into the file.
    ///
    /// # Errors
    /// [`PeError`] when the value is something else.
    pub fn signature_lists(&self) -> Result<Vec<SignatureList<'a>>, PeError> {
        siglist::parse_at(self.value, ATTRIBUTES)
    }

    /// The value as one byte that is 0 or 1, as SecureBoot and SetupMode have it.
    ///
    /// # Errors
    /// [`PeError`] when it is something else.
    pub fn switch(&self) -> Result<bool, PeError> {
        match self.value {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => {
                let (field, wanted) = ("the value", "0 or 1");
                Err(PeError::Value { offset: ATTRIBUTES, field, wanted, got: u64::from(*other) })
            }
            [] => Err(PeError::Cut { offset: ATTRIBUTES, field: "the value", wanted: 1, got: 0 }),
            [_, rest @ ..] => {
                Err(PeError::Trailing { offset: ATTRIBUTES.saturating_add(1), field: "the value", got: rest.len() })
            }
        }
    }
}

// === impl Attributes ===

impl Attributes {
    /// EFI_VARIABLE_BOOTSERVICE_ACCESS.
    const BOOT_SERVICE: u32 = 0x02;
    /// Every bit that the specification defines.
    const KNOWN: u32 = 0xFF;

    /// Kept over a reset.
    pub fn is_non_volatile(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// Visible to the operating system.
    pub fn is_runtime(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Written only with a signature (any of the three ways).
    pub fn is_authenticated(self) -> bool {
        self.0 & 0xB0 != 0
    }

    fn is_possible(self) -> bool {
        self.0 & Self::BOOT_SERVICE != 0 && self.0 & !Self::KNOWN == 0
    }
}

// === impl VariableName ===

impl<'a> VariableName<'a> {
    /// Splits a file's name; `None` when it does not end in a GUID.
    pub fn parse(file: &'a str) -> Option<Self> {
        let (name, guid) = file.split_at_checked(file.len().checked_sub(36)?)?;
        let name = name.strip_suffix('-').filter(|name| !name.is_empty())?;
        Some(Self { name, guid: Guid::from_text(guid)? })
    }

    /// True for the variables that hold signature lists.
    pub fn holds_signature_lists(&self) -> bool {
        const LISTS: [&str; 14] = [
            "PK",
            "PKDefault",
            "KEK",
            "KEKDefault",
            "db",
            "dbDefault",
            "dbx",
            "dbxDefault",
            "dbt",
            "dbr",
            "MokList",
            "MokListRT",
            "MokListX",
            "MokListXRT",
        ];
        [Guid::GLOBAL_VARIABLE, Guid::IMAGE_SECURITY_DATABASE, Guid::SHIM_LOCK].contains(&self.guid)
            && LISTS.contains(&self.name)
    }
}
