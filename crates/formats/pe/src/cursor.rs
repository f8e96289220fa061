//! A position in borrowed bytes that can only move forward.

use crate::{Guid, PeError};

#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    /// `offset` is where `bytes` begins in the whole input, so that errors point into it.
    pub(crate) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self, wanted: usize, field: &'static str) -> Result<&'a [u8], PeError> {
        let Some((head, tail)) = self.bytes.split_at_checked(wanted) else {
            return Err(PeError::Cut { offset: self.offset, field, wanted, got: self.bytes.len() });
        };
        self.bytes = tail;
        // `wanted` is at most the length of a slice that exists, so the sum stays below the input's length.
        self.offset = self.offset.saturating_add(wanted);
        Ok(head)
    }

    /// A cursor over the next `wanted` bytes, which this one passes over.
    pub(crate) fn part(&mut self, wanted: usize, field: &'static str) -> Result<Self, PeError> {
        let offset = self.offset;
        Ok(Self::new(self.take(wanted, field)?, offset))
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], PeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, field)?);
        Ok(out)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, PeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, PeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn guid(&mut self, field: &'static str) -> Result<Guid, PeError> {
        self.array(field).map(Guid)
    }
}

/// A 32-bit length; saturates where `usize` is narrower, which [`Cursor::take`] then refuses.
pub(crate) fn length(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A length for an error or a digest; lossless, since no `usize` is wider than 64 bits.
pub(crate) fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
