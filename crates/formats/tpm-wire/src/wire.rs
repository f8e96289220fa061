//! Big-endian reading and writing (TPM 2.0 Part 1, "Canonical form"), the same type for both directions.

use alloc::vec::Vec;

use crate::{HashAlg, Wanted, WireError};

/// A cursor over untrusted bytes that knows its offset in the whole.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.error(Wanted::Bytes(widen(count)), widen(self.rest.len())));
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(count);
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error(Wanted::Bytes(widen(N)), widen(self.rest.len())));
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(N);
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    /// The bytes of a TPM2B, without its length.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], WireError> {
        let count = self.u16()?;
        self.bytes(usize::from(count))
    }

    /// The bytes of a TPM2B of at most `max` bytes.
    pub(crate) fn sized_up_to(&mut self, max: u16) -> Result<&'a [u8], WireError> {
        let start = self.offset;
        let count = self.u16()?;
        if count > max {
            return Err(WireError {
                offset: start,
                wanted: Wanted::Range { min: 0, max: max.into() },
                got: count.into(),
            });
        }
        self.bytes(usize::from(count))
    }

    /// A reader of the next `count` bytes alone; its errors keep the offsets of the whole.
    pub(crate) fn inner(&mut self, count: usize) -> Result<Reader<'a>, WireError> {
        let offset = self.offset;
        let rest = self.bytes(count)?;
        Ok(Reader { rest, offset })
    }

    /// One value, then nothing more.
    pub(crate) fn whole<T: Wire<'a>>(mut self) -> Result<T, WireError> {
        let value = T::read(&mut self)?;
        self.end()?;
        Ok(value)
    }

    pub(crate) fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error(Wanted::End, widen(self.rest.len()))) }
    }

    /// Where a list of `count` elements may have at most `max`.
    pub(crate) fn count(&mut self, max: u32) -> Result<u32, WireError> {
        let start = self.offset;
        let count = self.u32()?;
        if count > max {
            return Err(WireError {
                offset: start,
                wanted: Wanted::Range { min: 0, max: max.into() },
                got: count.into(),
            });
        }
        Ok(count)
    }

    pub(crate) fn error(&self, wanted: Wanted, got: u64) -> WireError {
        WireError { offset: self.offset, wanted, got }
    }
}

/// Bytes under construction. The first field that its length prefix cannot hold is kept and refuses the whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
    refused: Option<WireError>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// A 16-bit length, then the bytes.
    pub(crate) fn sized(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(count) => self.u16(count),
            Err(_) => self.refuse(widen(u16::MAX.into()), bytes.len()),
        }
        self.bytes(bytes);
    }

    /// A 32-bit number of elements.
    pub(crate) fn count(&mut self, count: usize, max: u32) {
        match u32::try_from(count) {
            Ok(count) if count <= max => self.u32(count),
            _ => self.refuse(max.into(), count),
        }
    }

    /// A 16-bit length, then what `write` writes.
    pub(crate) fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::new();
        write(&mut inner);
        self.refused = self.refused.or(inner.refused);
        self.sized(&inner.out);
    }

    pub(crate) fn refuse(&mut self, max: u64, got: usize) {
        let error = WireError { offset: self.out.len(), wanted: Wanted::Range { min: 0, max }, got: widen(got) };
        self.refused = self.refused.or(Some(error));
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, WireError> {
        self.refused.map_or(Ok(self.out), Err)
    }
}

/// A structure with one byte form.
pub(crate) trait Wire<'a>: Sized {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError>;
    fn write(&self, writer: &mut Writer);
}

/// Encodes one value alone.
pub(crate) fn encode<'a>(value: &impl Wire<'a>) -> Result<Vec<u8>, WireError> {
    let mut writer = Writer::new();
    value.write(&mut writer);
    writer.finish()
}

macro_rules! integer {
    ($($name:ident),*) => {$(
        impl<'a> Wire<'a> for $name {
            fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
                reader.$name()
            }

            fn write(&self, writer: &mut Writer) {
                writer.$name(*self);
            }
        }
    )*};
}

integer!(u8, u16, u32, u64);

/// TPMI_YES_NO.
impl<'a> Wire<'a> for bool {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(WireError { offset: start, wanted: Wanted::Range { min: 0, max: 1 }, got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(u8::from(*self));
    }
}

/// TPMI_ALG_HASH.
impl<'a> Wire<'a> for HashAlg {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        let id = reader.u16()?;
        Self::from_id(id).ok_or(WireError { offset: start, wanted: Wanted::Known("hash algorithm"), got: id.into() })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.id());
    }
}

/// A TPM2B whose content is not looked into.
impl<'a> Wire<'a> for &'a [u8] {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        reader.sized()
    }

    fn write(&self, writer: &mut Writer) {
        writer.sized(self);
    }
}

/// `usize` as `u64`; saturates on a machine with wider addresses than 64 bits.
pub(crate) fn widen(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
