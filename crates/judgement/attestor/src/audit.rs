//! The audit log: one line for each attestation, each naming the digest of the line before it.
//!
//! A line is the JSON of the published [`Bundle`], `seq` and `prev` in it, and a line break. Both stand under the
//! bundle's HMAC, so whoever holds any later bundle, or the HMAC key, sees a log that was cut, changed or written anew.

use core::fmt;

use avouch_crypto::sha256;
use avouch_protocol::Hash;
use serde::Deserialize;

use crate::bundle::Bundle;
use crate::request::is_object;
use crate::state::State;

/// Longest line that is read. A bundle of a thousand services of which everything failed stays below it.
pub const MAX_LINE_BYTES: usize = 4 << 20;

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Number of the last line; zero for an empty log.
    pub seq: u64,
    /// SHA-256 of the last line without its line break; zero for an empty log.
    pub hash: Hash,
    /// What the last attestation came to.
    pub state: Option<State>,
}

/// A log that is read line by line.
#[derive(Clone, Debug)]
pub struct Chain {
    tail: Tail,
    lines: u64,
}

/// The first line that breaks the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which, from 1, of what was read.
    pub line: u64,
    /// How.
    pub why: BrokenWhy,
}

/// How a line breaks the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokenWhy {
    /// Longer than [`MAX_LINE_BYTES`].
    TooLong,
    /// No bundle with `seq` and `prev`.
    NoBundle,
    /// Another number than the next.
    Seq {
        /// The next.
        wanted: u64,
        /// What stands there.
        got: u64,
    },
    /// Not the digest of the line before.
    Prev,
    /// The last line has no line break: a write was cut short, by a crash or a full disk. Nothing of it was published.
    Torn,
}

/// What of a line the chain is made of.
#[derive(Deserialize)]
struct Link {
    state: State,
    seq: u64,
    prev: String,
}

// === impl Tail ===

impl Tail {
    /// Of a log without a line.
    pub const EMPTY: Tail = Tail { seq: 0, hash: Hash::ZERO, state: None };

    /// The tail behind a line, given without its line break.
    pub(crate) fn behind(line: &[u8], bundle: &Bundle) -> Self {
        Self { seq: bundle.seq.unwrap_or(0), hash: Hash(sha256(&[line])), state: Some(bundle.state) }
    }
}

// === impl Chain ===

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// A log from its beginning.
    pub fn new() -> Self {
        Self::after(Tail::EMPTY)
    }

    /// A log that goes on where another file ended.
    pub fn after(tail: Tail) -> Self {
        Self { tail, lines: 0 }
    }

    /// Takes the next line, without its line break.
    ///
    /// # Errors
    /// [`Broken`]; the chain stays where it was.
    pub fn push(&mut self, line: &[u8]) -> Result<(), Broken> {
        let number = self.lines.saturating_add(1);
        let broken = |why| Broken { line: number, why };
        if line.len() > MAX_LINE_BYTES {
            return Err(broken(BrokenWhy::TooLong));
        }
        if !is_object(line) {
            return Err(broken(BrokenWhy::NoBundle));
        }
        let link: Link = serde_json::from_slice(line).map_err(|_| broken(BrokenWhy::NoBundle))?;
        let wanted = self.tail.seq.saturating_add(1);
        if link.seq != wanted {
            return Err(broken(BrokenWhy::Seq { wanted, got: link.seq }));
        }
        if link.prev != self.tail.hash.to_hex() {
            return Err(broken(BrokenWhy::Prev));
        }
        self.tail = Tail { seq: link.seq, hash: Hash(sha256(&[line])), state: Some(link.state) };
        self.lines = number;
        Ok(())
    }

    /// Ends the log: `rest` is what stands behind the last line break.
    ///
    /// # Errors
    /// [`BrokenWhy::Torn`] unless `rest` is empty.
    pub fn end(&self, rest: &[u8]) -> Result<Tail, Broken> {
        if rest.is_empty() {
            return Ok(self.tail);
        }
        Err(Broken { line: self.lines.saturating_add(1), why: BrokenWhy::Torn })
    }

    /// Where the good lines end.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Good lines so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

/// Verifies a whole log.
///
/// # Errors
/// [`Broken`] with the first line that does not hold.
pub fn verify(log: &[u8]) -> Result<Tail, Broken> {
    let mut chain = Chain::new();
    let mut pieces = log.split(|byte| *byte == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return chain.end(piece);
        }
        chain.push(piece)?;
    }
    Ok(chain.tail())
}

// === impl Broken ===

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, why } = self;
        match why {
            BrokenWhy::TooLong => write!(f, "line {line} has more than {MAX_LINE_BYTES} bytes"),
            BrokenWhy::NoBundle => write!(f, "line {line} is no attestation: it was changed, or other text was added"),
            BrokenWhy::Seq { wanted, got } if got > wanted => {
                write!(f, "line {line} is number {got}, wanted {wanted}: lines before it were deleted")
            }
            BrokenWhy::Seq { wanted, got } => {
                write!(f, "line {line} is number {got}, wanted {wanted}: it was copied here, or the log was begun anew")
            }
            BrokenWhy::Prev => {
                write!(f, "line {line} does not continue the line before it: one of the two was changed")
            }
            BrokenWhy::Torn => {
                write!(f, "line {line}, the last, was cut short by a crash or a full disk; it was never published")
            }
        }
    }
}

impl std::error::Error for Broken {}
