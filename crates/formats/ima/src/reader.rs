//! Little-endian fields of borrowed bytes.

use crate::Fault;

/// Reads fields; every failure is a [`Fault`] and the offset of the field that failed is [`Reader::offset`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset }
    }

    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub(crate) fn take(&mut self, wanted: usize, field: &'static str) -> Result<&'a [u8], Fault> {
        let Some((head, tail)) = self.bytes.split_at_checked(wanted) else {
            return Err(Fault::Cut { field, wanted, got: self.bytes.len() });
        };
        self.bytes = tail;
        // `wanted` is at most the length of a slice that exists, so the sum stays below the list's length.
        self.offset = self.offset.saturating_add(wanted);
        Ok(head)
    }

    #[inline]
    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Fault> {
        match self.take(4, field)? {
            &[a, b, c, d] => Ok(u32::from_le_bytes([a, b, c, d])),
            short => Err(Fault::Cut { field, wanted: 4, got: short.len() }),
        }
    }

    /// A length that may not exceed `limit`; on failure the position stays at the length.
    #[inline]
    pub(crate) fn length(&mut self, limit: usize, field: &'static str) -> Result<usize, Fault> {
        let mut ahead = *self;
        let got = usize::try_from(ahead.u32(field)?).unwrap_or(usize::MAX);
        if got > limit {
            return Err(Fault::TooLong { field, wanted: limit, got });
        }
        *self = ahead;
        Ok(got)
    }

    /// A template field: 32-bit length, then as many bytes.
    #[inline]
    pub(crate) fn field(&mut self, field: &'static str) -> Result<&'a [u8], Fault> {
        let len = self.length(self.bytes.len(), field)?;
        self.take(len, field)
    }
}
