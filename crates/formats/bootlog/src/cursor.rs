//! A position in borrowed bytes that can only move forward.

use crate::LogError;

#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    /// `offset` is where `bytes` begins in the whole log, so that errors point into the log.
    pub(crate) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn take(&mut self, wanted: usize, field: &'static str) -> Result<&'a [u8], LogError> {
        let Some((head, tail)) = self.bytes.split_at_checked(wanted) else {
            return Err(LogError::Cut { offset: self.offset, field, wanted, got: self.bytes.len() });
        };
        self.bytes = tail;
        // `wanted` is at most the length of a slice that exists, so the sum stays below the log's length.
        self.offset = self.offset.saturating_add(wanted);
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], LogError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, field)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, LogError> {
        self.array(field).map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, LogError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, LogError> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// Big-endian, as the canonical event log has it.
    pub(crate) fn u32_be(&mut self, field: &'static str) -> Result<u32, LogError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, LogError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A 32-bit length; saturates where `usize` is narrower, which `take` then refuses.
    pub(crate) fn length(&mut self, field: &'static str) -> Result<usize, LogError> {
        self.u32(field).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    }
}
