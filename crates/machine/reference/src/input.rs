//! A stream that can be looked into, knows its offset, and ends at a limit.

use std::io::{self, BufRead, Read};

use avouch_crypto::Sha256Stream;

use crate::ArtefactError;

/// Pieces in which contents are hashed.
const BUFFER: usize = 128 * 1024;

/// A buffered reader for archives.
pub(crate) struct Input<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    limit: u64,
    /// The inner reader has said so once. It is not asked again: a decompressor could take the bytes that follow for
    /// its own.
    ended: bool,
}

impl<R: Read> Input<R> {
    /// Reads from `inner`; more than `limit` bytes are refused.
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        Self::expecting(inner, limit, u64::MAX)
    }

    /// The same for a stream of which `size` bytes are expected: most files are small, and so is their buffer then.
    pub(crate) fn expecting(inner: R, limit: u64, size: u64) -> Self {
        // One more than expected, so that the end shows without a second buffer.
        let room = usize::try_from(size).unwrap_or(BUFFER).saturating_add(1).clamp(512, BUFFER);
        Self { inner, buffer: vec![0; room], start: 0, end: 0, offset: 0, limit, ended: false }
    }

    /// Bytes consumed so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes without consuming them: `count` of them, fewer only at the end of the stream. `count` is small.
    pub(crate) fn peek(&mut self, count: usize) -> Result<&[u8], ArtefactError> {
        debug_assert!(count <= self.buffer.len());
        while self.end - self.start < count && !self.ended {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(got) => self.end += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ArtefactError::Stream { offset: self.offset, source }),
            }
        }
        Ok(&self.buffer[self.start..self.end.min(self.start + count)])
    }

    /// True at the end of the stream.
    pub(crate) fn is_at_end(&mut self) -> Result<bool, ArtefactError> {
        Ok(self.peek(1)?.is_empty())
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, wanted: &'static str) -> Result<[u8; N], ArtefactError> {
        let offset = self.offset;
        let got = self.peek(N)?;
        match <[u8; N]>::try_from(got) {
            Ok(bytes) => {
                self.advance(N)?;
                Ok(bytes)
            }
            Err(_) => Err(ArtefactError::Damaged { offset, wanted, got: format!("the end after {} bytes", got.len()) }),
        }
    }

    /// The next `count` bytes, which the caller has bounded.
    pub(crate) fn bytes(&mut self, count: usize, wanted: &'static str) -> Result<Vec<u8>, ArtefactError> {
        let mut out = Vec::new();
        self.pieces(count as u64, wanted, |piece| out.extend_from_slice(piece))?;
        Ok(out)
    }

    /// SHA-256 of the next `count` bytes.
    pub(crate) fn sha256(&mut self, count: u64) -> Result<[u8; 32], ArtefactError> {
        let mut hash = Sha256Stream::default();
        self.pieces(count, "the content of a file", |piece| hash.update(piece))?;
        Ok(hash.finish())
    }

    /// SHA-256 of all that is left.
    pub(crate) fn sha256_to_end(&mut self) -> Result<[u8; 32], ArtefactError> {
        let mut hash = Sha256Stream::default();
        loop {
            let piece = self.peek(1)?;
            if piece.is_empty() {
                return Ok(hash.finish());
            }
            let piece = &self.buffer[self.start..self.end];
            hash.update(piece);
            self.advance(piece.len())?;
        }
    }

    /// Passes over `count` bytes.
    pub(crate) fn skip(&mut self, count: u64, wanted: &'static str) -> Result<(), ArtefactError> {
        self.pieces(count, wanted, |_| {})
    }

    /// Passes over zero bytes.
    pub(crate) fn skip_zeros(&mut self) -> Result<(), ArtefactError> {
        loop {
            let next = self.peek(4096)?;
            let zeros = next.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                return Ok(());
            }
            self.advance(zeros)?;
        }
    }

    fn pieces(&mut self, count: u64, wanted: &'static str, mut each: impl FnMut(&[u8])) -> Result<(), ArtefactError> {
        let mut left = count;
        while left > 0 {
            let offset = self.offset;
            let piece = self.peek(usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len()))?;
            if piece.is_empty() {
                return Err(ArtefactError::Damaged { offset, wanted, got: format!("the end, {left} bytes too early") });
            }
            each(piece);
            let length = piece.len();
            left -= length as u64;
            self.advance(length)?;
        }
        Ok(())
    }

    fn advance(&mut self, count: usize) -> Result<(), ArtefactError> {
        self.start += count;
        self.offset += count as u64;
        if self.offset > self.limit {
            return Err(ArtefactError::TooLarge { what: "bytes unpacked", limit: self.limit });
        }
        Ok(())
    }
}

/// Lets a decompressor read on from exactly where the archive is.
impl<R: Read> Read for Input<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let count = piece.len().min(out.len());
        out[..count].copy_from_slice(&piece[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end && !self.ended {
            (self.start, self.end) = (0, 0);
            self.end = self.inner.read(&mut self.buffer)?;
            self.ended = self.end == 0;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_without_end_is_refused_at_the_limit() {
        type Read = fn(&mut Input<io::Repeat>) -> Result<(), ArtefactError>;
        let ways: [Read; 4] = [
            |input| input.skip_zeros(),
            |input| input.skip(u64::MAX, "filling"),
            |input| input.sha256(u64::MAX).map(|_| ()),
            |input| input.sha256_to_end().map(|_| ()),
        ];
        for way in ways {
            let mut input = Input::new(io::repeat(0), 1_000_000);
            assert!(matches!(way(&mut input), Err(ArtefactError::TooLarge { limit: 1_000_000, .. })));
            assert!(input.offset() < 1_000_000 + 2 * BUFFER as u64);
        }
    }

    #[test]
    fn looking_ahead_consumes_nothing_and_an_end_stays_the_end() {
        let mut input = Input::new(b"abcdef".as_slice(), 100);
        assert_eq!(input.peek(3).unwrap(), b"abc");
        assert_eq!(input.array::<2>("two bytes").unwrap(), *b"ab");
        assert_eq!(input.peek(100).unwrap(), b"cdef");
        assert_eq!(input.sha256(4).unwrap(), avouch_crypto::sha256(&[b"cdef"]));
        assert!(input.is_at_end().unwrap());
        assert_eq!(input.offset(), 6);
        assert!(matches!(input.array::<1>("a byte"), Err(ArtefactError::Damaged { offset: 6, .. })));
    }

    #[test]
    fn reader_that_goes_on_after_its_end_is_not_asked_again() {
        struct Frames(Vec<&'static [u8]>);
        impl io::Read for Frames {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let next = self.0.remove(0);
                out[..next.len()].copy_from_slice(next);
                Ok(next.len())
            }
        }
        let mut input = Input::new(Frames(vec![b"first", b"", b"second"]), 100);
        assert_eq!(input.peek(100).unwrap(), b"first");
        assert_eq!(input.peek(100).unwrap(), b"first");
    }
}
