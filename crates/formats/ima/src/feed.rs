//! A binary list that comes in pieces, in bounded memory.

use alloc::vec::Vec;

use avouch_tpm_wire::HashAlg;

use crate::{Entries, Entry, Fault, IMA_PCR, ImaError, MAX_TEMPLATE_DATA, MAX_TEMPLATE_NAME, OtherPcrs, parse_binary};

/// Longest entry: PCR index, SHA-512 template hash, name and data with their lengths.
pub const MAX_ENTRY: usize = 4 + 64 + 4 + MAX_TEMPLATE_NAME + 4 + MAX_TEMPLATE_DATA;

/// Reads a list piece by piece and hands out each entry once it is whole.
///
/// Keeps the beginning of one entry at most, [`MAX_ENTRY`] bytes, however long the list is; entries that lie whole in a
/// piece are not copied. What an entry borrows ends with the call, so replay and judge it there.
///
/// ```
/// # use avouch_ima::Feed;
/// let mut feed = Feed::new(0);
/// let list = [&[10, 0, 0, 0][..], &[1; 20], &[3, 0, 0, 0], b"ima", &[9; 20], &[2, 0, 0, 0], b"/a"].concat();
/// let mut read = 0;
/// for piece in list.chunks(7) {
///     feed.push(piece, |_| read += 1).unwrap();
/// }
/// assert_eq!((feed.finish(), read), (Ok(1), 1));
/// ```
#[derive(Clone, Debug)]
pub struct Feed {
    /// The beginning of an entry that has not ended yet.
    begun: Vec<u8>,
    /// Byte of the list that `begun` starts at.
    offset: usize,
    index: u64,
    alg: HashAlg,
    pcr: u32,
    other_pcrs: OtherPcrs,
    error: Option<ImaError>,
}

impl Feed {
    /// Before the entry number `first_index`.
    pub fn new(first_index: u64) -> Self {
        Self {
            begun: Vec::new(),
            offset: 0,
            index: first_index,
            alg: HashAlg::Sha1,
            pcr: IMA_PCR,
            other_pcrs: OtherPcrs::Refuse,
            error: None,
        }
    }

    /// As [`Entries::template_hash`]; set it before the first piece.
    pub fn template_hash(mut self, alg: HashAlg) -> Self {
        self.alg = alg;
        self
    }

    /// As [`Entries::pcr`].
    pub fn pcr(mut self, pcr: u32) -> Self {
        self.pcr = pcr;
        self
    }

    /// As [`Entries::other_pcrs`].
    pub fn other_pcrs(mut self, other_pcrs: OtherPcrs) -> Self {
        self.other_pcrs = other_pcrs;
        self
    }

    /// Takes the next piece, of any size, and calls `each` for every entry that ends in it, in order. Offsets are those
    /// of the whole list.
    ///
    /// # Errors
    /// [`ImaError`] of the first bad entry; the entries before it were handed out. From then on every call gives the
    /// same error.
    pub fn push(&mut self, piece: &[u8], mut each: impl FnMut(&Entry<'_>)) -> Result<(), ImaError> {
        self.error.clone().map_or(Ok(()), Err)?;
        let result = match self.complete(piece, &mut each) {
            // Nothing but the rest of the piece is left to be read.
            Ok(rest) if self.begun.is_empty() => self.read(rest, &mut each),
            other => other.map(|_| ()),
        };
        self.error = result.as_ref().err().cloned();
        result
    }

    /// Number of the next entry.
    pub fn next_index(&self) -> u64 {
        self.index
    }

    /// Bytes of the list that whole entries cover.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes that are kept because their entry has not ended.
    pub fn kept(&self) -> usize {
        self.begun.len()
    }

    /// Ends the list and gives the number of the entry that would come next.
    ///
    /// # Errors
    /// [`ImaError`] of an earlier piece, or of a list that ends inside an entry; see [`ImaError::is_cut`].
    pub fn finish(self) -> Result<u64, ImaError> {
        self.error.clone().map_or(Ok(()), Err)?;
        match self.entries(&self.begun).next() {
            None => Ok(self.index),
            Some(Err(error)) => Err(self.moved(error)),
            // A whole entry is never kept.
            Some(Ok(entry)) => Err(self.moved(ImaError {
                index: entry.index,
                offset: entry.offset,
                fault: Fault::Trailing { got: self.begun.len() },
            })),
        }
    }

    fn entries<'b>(&self, bytes: &'b [u8]) -> Entries<'b> {
        parse_binary(bytes, self.index).template_hash(self.alg).pcr(self.pcr).other_pcrs(self.other_pcrs)
    }

    fn moved(&self, error: ImaError) -> ImaError {
        ImaError { offset: self.offset.saturating_add(error.offset), ..error }
    }

    /// Ends the entry that was begun, and gives what is left of the piece.
    fn complete<'b>(&mut self, piece: &'b [u8], each: &mut impl FnMut(&Entry<'_>)) -> Result<&'b [u8], ImaError> {
        let mut piece = piece;
        while !self.begun.is_empty() && !piece.is_empty() {
            match self.entries(&self.begun).next() {
                // The fault says how many bytes the entry lacks at least.
                Some(Err(ImaError { fault: Fault::Cut { wanted, got, .. }, .. })) => {
                    let lacks = wanted.saturating_sub(got).max(1);
                    let (head, tail) = piece.split_at_checked(lacks).unwrap_or((piece, &[]));
                    self.begun.extend_from_slice(head);
                    piece = tail;
                }
                Some(Err(error)) => return Err(self.moved(error)),
                Some(Ok(_)) | None => break,
            }
        }
        let whole = matches!(self.entries(&self.begun).next(), Some(Ok(_)));
        if whole {
            let begun = core::mem::take(&mut self.begun);
            self.read(&begun, each)?;
        }
        Ok(piece)
    }

    /// Hands out the whole entries and keeps the rest.
    fn read(&mut self, bytes: &[u8], each: &mut impl FnMut(&Entry<'_>)) -> Result<(), ImaError> {
        let mut entries = self.entries(bytes);
        let result = loop {
            match entries.next() {
                Some(Ok(entry)) => {
                    let (offset, end) = (self.offset, entry.end_offset);
                    each(&Entry {
                        offset: offset.saturating_add(entry.offset),
                        end_offset: offset.saturating_add(end),
                        ..entry
                    });
                }
                Some(Err(error)) if error.is_cut() => break Ok(()),
                Some(Err(error)) => break Err(self.moved(error)),
                None => break Ok(()),
            }
        };
        let done = entries.offset();
        self.index = entries.next_index();
        self.offset = self.offset.saturating_add(done);
        self.begun.clear();
        self.begun.extend_from_slice(bytes.get(done..).unwrap_or_default());
        result
    }
}
