//! Evidence messages cut into parts that are stored once each.

use std::cell::RefCell;

use avouch_crypto::sha256;
use avouch_protocol::{Hash, MAX_EVIDENCE_BYTES};

use zstd::bulk::Compressor;

use crate::StoreError;

/// An evidence message, ready to be stored: digested and compressed on the caller's thread, so that the one writer
/// only writes.
///
/// The message is cut at offsets that the caller names. Each piece is stored under the SHA-256 of its plain bytes;
/// a piece that is there already, such as the boot log of a machine that boots the same way every day, is not stored
/// again. Reading joins the pieces and checks the SHA-256 of the whole.
#[derive(Clone, Debug)]
pub struct EvidenceParts {
    digest: Hash,
    size: u64,
    parts: Vec<Part>,
}

/// What was observed on a node, ready to be stored: digested and compressed on the caller's thread. Bytes are of another
/// crate's format.
#[derive(Clone, Debug)]
pub struct ObservationBytes(Part);

/// One piece.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) digest: Hash,
    pub(crate) size: u64,
    pub(crate) codec: Codec,
    pub(crate) stored: Vec<u8>,
}

thread_local! {
    /// Setting up a compressor costs more than compressing a steady round's message; each thread keeps one.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(Part::LEVEL).ok());
}

/// How a piece lies in the store; the numbers are part of the database's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Plain,
    Zstd,
}

// === impl EvidenceParts ===

impl EvidenceParts {
    /// A shared byte string shorter than this is not cut out: a row of its own costs more than it can save.
    pub const SMALLEST_SHARED: usize = 1024;
    /// Most pieces of one message; further cuts are ignored.
    pub const MOST_PIECES: usize = 16;

    /// The message as one piece.
    pub fn whole(message: &[u8]) -> Self {
        Self::split(message, &[])
    }

    /// The message, cut at `offsets`, in any order; those outside the message are ignored.
    pub fn split(message: &[u8], offsets: &[usize]) -> Self {
        let mut cuts: Vec<usize> = offsets.iter().copied().filter(|&cut| 0 < cut && cut < message.len()).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts.truncate(Self::MOST_PIECES - 1);
        let mut parts = Vec::new();
        let mut rest = message;
        let mut end = message.len();
        for cut in cuts.into_iter().rev() {
            let (before, piece) = rest.split_at(cut);
            parts.push(Part::new(piece));
            (rest, end) = (before, cut);
        }
        debug_assert_eq!(rest.len(), end, "the cuts are inside the message and ascend");
        parts.push(Part::new(rest));
        parts.reverse();
        Self { digest: digest(message), size: widen(message.len()), parts }
    }

    /// The message, cut around each of the byte strings `shared` that stands in it, so that it becomes a piece of its
    /// own. The search is linear in the message whatever the bytes are.
    pub fn sharing(message: &[u8], shared: &[&[u8]]) -> Self {
        let mut cuts = Vec::new();
        for part in shared.iter().filter(|part| part.len() >= Self::SMALLEST_SHARED) {
            if let Some(start) = memchr::memmem::find(message, part) {
                cuts.extend([start, start + part.len()]);
            }
        }
        Self::split(message, &cuts)
    }

    /// SHA-256 of the whole message.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// Length of the whole message in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

// === impl ObservationBytes ===

impl ObservationBytes {
    /// Observations that are kept of a node: the newest, and the one before it.
    pub const KEPT: u32 = 2;

    /// These bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Part::new(bytes))
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> Hash {
        self.0.digest
    }

    pub(crate) fn part(&self) -> &Part {
        &self.0
    }
}

// === impl Part ===

impl Part {
    /// Level 1: four times as fast as the usual level 3, and IMA lists, mostly digests, hardly shrink further.
    const LEVEL: i32 = 1;

    fn new(piece: &[u8]) -> Self {
        let (codec, stored) = match COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(piece).ok()) {
            Some(compressed) if compressed.len() < piece.len() => (Codec::Zstd, compressed),
            // Digests and signatures do not compress; a compressor out of memory costs space, not evidence.
            _ => (Codec::Plain, piece.to_vec()),
        };
        Self { digest: digest(piece), size: widen(piece.len()), codec, stored }
    }
}

/// Gives the plain bytes of a stored piece. At most `size` bytes are produced, whatever the compressed bytes claim.
///
/// # Errors
/// [`StoreError::Corrupt`] when the bytes are not a piece of that size and digest.
pub(crate) fn unpack(codec: Codec, stored: Vec<u8>, size: u64, wanted: &Hash) -> Result<Vec<u8>, StoreError> {
    let damaged = |why: &str| StoreError::Corrupt(format!("evidence piece {wanted}: {why}"));
    let size = usize::try_from(size).ok().filter(|&size| size <= MAX_EVIDENCE_BYTES);
    let size = size.ok_or_else(|| damaged("recorded size beyond the largest message"))?;
    let plain = match codec {
        Codec::Plain => stored,
        Codec::Zstd => zstd::bulk::decompress(&stored, size).map_err(|error| damaged(&error.to_string()))?,
    };
    if plain.len() != size || digest(&plain) != *wanted {
        return Err(damaged("the bytes do not have the recorded size and digest"));
    }
    Ok(plain)
}

pub(crate) fn digest(bytes: &[u8]) -> Hash {
    Hash(sha256(&[bytes]))
}

fn widen(length: usize) -> u64 {
    // No supported platform has lengths beyond 64 bits.
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(parts: &EvidenceParts) -> Vec<u8> {
        let plain = |part: &Part| unpack(part.codec, part.stored.clone(), part.size, &part.digest).unwrap();
        parts.parts.iter().flat_map(plain).collect()
    }

    #[test]
    fn pieces_join_to_the_message_wherever_it_is_cut() {
        let message: Vec<u8> = (0..=255).collect();
        for cuts in [&[][..], &[0], &[256], &[999], &[10, 10], &[200, 10, 255, 1], &Vec::from_iter(0..300)] {
            let parts = EvidenceParts::split(&message, cuts);
            assert_eq!(joined(&parts), message, "{cuts:?}");
            assert_eq!((parts.digest(), parts.size()), (digest(&message), 256));
            assert!(parts.parts.len() <= EvidenceParts::MOST_PIECES);
            assert!(parts.parts.iter().all(|part| part.size > 0));
        }
        assert_eq!(joined(&EvidenceParts::whole(&[])), Vec::<u8>::new());
    }

    #[test]
    fn shared_bytes_become_a_piece_of_their_own() {
        let shared: Vec<u8> = (0..2_000_u32).flat_map(u32::to_be_bytes).collect();
        for (before, after) in [(&b"before"[..], &b"after"[..]), (b"", b"after"), (b"before", b""), (b"", b"")] {
            let message = [before, &shared, after].concat();
            let parts = EvidenceParts::sharing(&message, &[&shared, b"not there", &[9; 5_000]]);
            assert!(parts.parts.iter().any(|part| part.digest == digest(&shared)));
            assert_eq!(joined(&parts), message);
        }
    }

    #[test]
    fn search_for_shared_bytes_is_linear_in_hostile_ones() {
        // A quadratic search would compare 10^12 bytes here and not come back.
        let message = vec![0; 8 << 20];
        let almost = [vec![0; 1 << 20], vec![1]].concat();
        assert_eq!(EvidenceParts::sharing(&message, &[&almost]).parts.len(), 1);
    }

    #[test]
    fn frame_that_unpacks_to_more_than_was_recorded_is_refused() {
        let bomb = Part::new(&vec![0; 16 << 20]);
        assert!(bomb.codec == Codec::Zstd && bomb.stored.len() < 10_000);
        assert!(unpack(bomb.codec, bomb.stored.clone(), bomb.size, &bomb.digest).is_ok());
        for size in [0, 1, bomb.size - 1, bomb.size + 1, u64::MAX] {
            let result = unpack(bomb.codec, bomb.stored.clone(), size, &bomb.digest);
            assert!(matches!(result, Err(StoreError::Corrupt(_))), "{size}");
        }
    }
}
