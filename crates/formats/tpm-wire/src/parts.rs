//! Structures that commands and responses are made of.

use alloc::vec::Vec;

use crate::wire::{Reader, Wire, Writer, encode};
use crate::{Digest, Handle, HashAlg, SelectionList, Wanted, WireError};

/// TPMS_SENSITIVE_CREATE in its TPM2B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SensitiveCreate<'a> {
    /// Authorisation value of the new object.
    pub user_auth: &'a [u8],
    /// Data to seal; empty for a key.
    pub data: &'a [u8],
}

impl<'a> Wire<'a> for SensitiveCreate<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let count = reader.u16()?;
        let mut inner = reader.inner(usize::from(count))?;
        let sensitive = Self { user_auth: inner.sized()?, data: inner.sized()? };
        inner.end()?;
        Ok(sensitive)
    }

    fn write(&self, writer: &mut Writer) {
        writer.nested(|inner| {
            inner.sized(self.user_auth);
            inner.sized(self.data);
        });
    }
}

/// TPMT_TK_CREATION, TPMT_TK_AUTH and their like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket<'a> {
    /// TPM_ST of the ticket.
    pub tag: u16,
    /// Hierarchy whose proof made it.
    pub hierarchy: Handle,
    /// HMAC.
    pub digest: &'a [u8],
}

impl Ticket<'_> {
    /// TPMT_TK_HASHCHECK of a digest that the TPM did not make: a null ticket.
    pub const NO_HASHCHECK: Ticket<'static> = Ticket { tag: 0x8024, hierarchy: Handle::NULL, digest: &[] };
}

impl<'a> Wire<'a> for Ticket<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self { tag: reader.u16()?, hierarchy: Handle::read(reader)?, digest: reader.sized()? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.tag);
        self.hierarchy.write(writer);
        writer.sized(self.digest);
    }
}

/// TPMS_NV_PUBLIC in its TPM2B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NvPublic<'a> {
    /// The index.
    pub index: Handle,
    /// Hash of its Name and policy.
    pub name_alg: HashAlg,
    /// TPMA_NV.
    pub attributes: u32,
    /// Policy, or empty.
    pub auth_policy: &'a [u8],
    /// Size of the data in bytes.
    pub data_size: u16,
}

impl<'a> Wire<'a> for NvPublic<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let count = reader.u16()?;
        let mut inner = reader.inner(usize::from(count))?;
        let public = Self {
            index: Handle::read(&mut inner)?,
            name_alg: HashAlg::read(&mut inner)?,
            attributes: inner.u32()?,
            auth_policy: inner.sized()?,
            data_size: inner.u16()?,
        };
        inner.end()?;
        Ok(public)
    }

    fn write(&self, writer: &mut Writer) {
        writer.nested(|inner| {
            self.index.write(inner);
            self.name_alg.write(inner);
            inner.u32(self.attributes);
            inner.sized(self.auth_policy);
            inner.u16(self.data_size);
        });
    }
}

/// TPMT_HA.
impl<'a> Wire<'a> for Digest {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let alg = HashAlg::read(reader)?;
        let start = reader.offset();
        let bytes = reader.bytes(alg.size())?;
        // `bytes` has the algorithm's size; the error is for a reader that cannot exist.
        Self::new(alg, bytes).ok_or(WireError { offset: start, wanted: Wanted::Known("digest"), got: 0 })
    }

    fn write(&self, writer: &mut Writer) {
        self.alg().write(writer);
        writer.bytes(self.as_bytes());
    }
}

/// A counted list: at most `max` elements are read, so that a count from outside reserves nothing.
macro_rules! list {
    ($element:ty, $max:expr) => {
        impl<'a> Wire<'a> for Vec<$element> {
            fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
                let count = reader.count($max)?;
                (0..count).map(|_| <$element>::read(reader)).collect()
            }

            fn write(&self, writer: &mut Writer) {
                writer.count(self.len(), $max);
                self.iter().for_each(|element| element.write(writer));
            }
        }
    };
}

// TPML_DIGEST_VALUES, TPML_DIGEST, TPML_HANDLE and TPML_TAGGED_TPM_PROPERTY with the limits of the specification
// (HASH_COUNT taken as 16).
list!(Digest, 16);
list!(&'a [u8], 8);
list!(Handle, 254);
list!(Property, 127);

/// TPMS_TAGGED_PROPERTY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// TPM_PT.
    pub tag: u32,
    /// Its value.
    pub value: u32,
}

impl Property {
    /// TPM_PT_FAMILY_INDICATOR: "2.0" and a zero byte.
    pub const FAMILY: u32 = 0x100;
    /// TPM_PT_MANUFACTURER: four letters of the TCG vendor registry.
    pub const MANUFACTURER: u32 = 0x105;
    /// TPM_PT_VENDOR_STRING_1; three more follow.
    pub const VENDOR_STRING_1: u32 = 0x106;
    /// TPM_PT_FIRMWARE_VERSION_1: the upper half.
    pub const FIRMWARE_VERSION_1: u32 = 0x10B;
    /// TPM_PT_FIRMWARE_VERSION_2: the lower half.
    pub const FIRMWARE_VERSION_2: u32 = 0x10C;
}

impl<'a> Wire<'a> for Property {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self { tag: reader.u32()?, value: reader.u32()? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.tag);
        writer.u32(self.value);
    }
}

/// TPMS_CAPABILITY_DATA: the three kinds that Avouch asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// TPM_CAP_HANDLES.
    Handles(Vec<Handle>),
    /// TPM_CAP_PCRS: the banks that are allocated.
    Pcrs(SelectionList),
    /// TPM_CAP_TPM_PROPERTIES.
    Properties(Vec<Property>),
}

impl Capability {
    /// TPM_CAP_HANDLES.
    pub const HANDLES: u32 = 1;
    /// TPM_CAP_PCRS.
    pub const PCRS: u32 = 5;
    /// TPM_CAP_TPM_PROPERTIES.
    pub const PROPERTIES: u32 = 6;
}

impl<'a> Wire<'a> for Capability {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        match reader.u32()? {
            Self::HANDLES => Wire::read(reader).map(Self::Handles),
            Self::PCRS => Wire::read(reader).map(Self::Pcrs),
            Self::PROPERTIES => Wire::read(reader).map(Self::Properties),
            other => Err(WireError { offset: start, wanted: Wanted::Known("capability"), got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Handles(handles) => {
                writer.u32(Self::HANDLES);
                handles.write(writer);
            }
            Self::Pcrs(banks) => {
                writer.u32(Self::PCRS);
                banks.write(writer);
            }
            Self::Properties(properties) => {
                writer.u32(Self::PROPERTIES);
                properties.write(writer);
            }
        }
    }
}

/// A TPM2B around `bytes`.
///
/// # Errors
/// [`WireError`] when they are more than 65535.
pub fn sized(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    encode(&bytes)
}

/// The content of a TPM2B that fills `bytes`.
///
/// # Errors
/// [`WireError`] when its length is not that of the rest.
pub fn unsized_of(bytes: &[u8]) -> Result<&[u8], WireError> {
    Reader::new(bytes).whole()
}
