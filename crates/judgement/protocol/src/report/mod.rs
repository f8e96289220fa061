//! The report: what both witnesses said, as it is hashed, chained and sent.
//!
//! A report carries raw strings and no field for a norm or a verdict: whoever holds it judges it. It is whole, or a
//! difference to an earlier report of the same chain. Lines that many facts share stand once, and a subject is told as
//! what differs from another one: in a difference from itself as it was, else from one that it resembles, the name of
//! the unit left open.
//!
//! Decoding takes at most 32 times the bytes that came. Few bytes may stand for many facts, as those of a thousand
//! units of one kind; what they unfold to is at most [`crate::MAX_REPORT_UNFOLDED`], whatever they say, and a
//! difference adds what its base holds. More than that is not written either.

mod body;
mod error;
mod lines;
mod own;
mod read;
mod write;

use avouch_pairs::Observation;
use minicbor::{Decode, Encode};

pub use self::error::ReportError;
use self::{body::Body, lines::Lines};
use crate::cbor::message;
use crate::limits::{MAX_REPORT_BYTES, VERSION};
use crate::{Hash, Sha256};

/// Why a report was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Trigger {
    /// The slot that the server gave.
    #[n(0)]
    Slot,
    /// Something changed on the node.
    #[n(1)]
    Event,
    /// The node's own timer, or a person.
    #[n(2)]
    Standalone,
}

/// What stands at the front of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportHead {
    /// Position in the chain of this boot session, from 1.
    pub seq: u64,
    /// SHA-256 of the report before it in the chain; zero for the first.
    pub prev: Hash,
    /// Why it was made.
    pub trigger: Trigger,
    /// When reading began: CLOCK_BOOTTIME in milliseconds.
    pub started_ms: u64,
    /// When reading ended: CLOCK_BOOTTIME in milliseconds.
    pub finished_ms: u64,
    /// Release of the agent, for people; it decides nothing.
    pub agent_version: String,
}

/// A report. Its digest is SHA-256 over the bytes that are sent; nobody encodes it again to compute it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Report {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// Position in the chain of this boot session, from 1.
    #[n(1)]
    pub seq: u64,
    /// SHA-256 of the report before it in the chain; zero for the first.
    #[n(2)]
    pub prev: Hash,
    /// Why it was made.
    #[n(3)]
    pub trigger: Trigger,
    /// When reading began: CLOCK_BOOTTIME in milliseconds.
    #[n(4)]
    pub started_ms: u64,
    /// When reading ended: CLOCK_BOOTTIME in milliseconds.
    #[n(5)]
    pub finished_ms: u64,
    /// Release of the agent, for people; it decides nothing.
    #[n(6)]
    pub agent_version: String,
    /// SHA-256 of the earlier report of this chain that this one is a difference to; absent when it is whole.
    #[n(7)]
    pub base: Option<Hash>,
    #[n(8)]
    lines: Lines,
    #[n(9)]
    body: Body,
}

/// An observation by itself, whole: how a collector hands it to the process that makes reports.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Observed {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    #[n(8)]
    lines: Lines,
    #[n(9)]
    body: Body,
}

message!(Report, "report", MAX_REPORT_BYTES);
message!(Observed, "observation", MAX_REPORT_BYTES);

// === impl Report ===

impl Report {
    /// A report that stands by itself.
    ///
    /// # Errors
    /// [`ReportError::TooMany`] when the observation has more of something than a report may have.
    pub fn whole(observation: &Observation, head: ReportHead) -> Result<Self, ReportError> {
        let (lines, body) = write::body(observation, None)?;
        Ok(Self::of(head, None, lines, body))
    }

    /// A report that says what differs from `base`, the observation of the report with the digest `base_digest`.
    ///
    /// # Errors
    /// As [`Report::whole`].
    pub fn difference(
        observation: &Observation,
        base: &Observation,
        base_digest: Hash,
        head: ReportHead,
    ) -> Result<Self, ReportError> {
        let (lines, body) = write::body(observation, Some(base))?;
        Ok(Self::of(head, Some(base_digest), lines, body))
    }

    fn of(head: ReportHead, base: Option<Hash>, lines: Lines, body: Body) -> Self {
        let ReportHead { seq, prev, trigger, started_ms, finished_ms, agent_version } = head;
        Self { v: VERSION, seq, prev, trigger, started_ms, finished_ms, agent_version, base, lines, body }
    }

    /// What was observed; of a difference with the observation of the report that [`Report::base`] names.
    ///
    /// # Errors
    /// [`ReportError`] when the report contradicts itself or its base, when it unfolds to more than it may, and when
    /// `base` is given for a whole report or not given for a difference.
    pub fn observation(&self, base: Option<&Observation>) -> Result<Observation, ReportError> {
        match (self.base, base) {
            (Some(_), None) => Err(ReportError::BaseMissing),
            (None, Some(_)) => Err(ReportError::BaseUnwanted),
            _ => read::observation(&self.lines, &self.body, base),
        }
    }
}

// === impl Observed ===

impl Observed {
    /// The form in which an observation travels.
    ///
    /// # Errors
    /// [`ReportError::TooMany`] when it has more of something than a report may have.
    pub fn of(observation: &Observation) -> Result<Self, ReportError> {
        let (lines, body) = write::body(observation, None)?;
        Ok(Self { v: VERSION, lines, body })
    }

    /// The observation.
    ///
    /// # Errors
    /// As [`Report::observation`].
    pub fn observation(&self) -> Result<Observation, ReportError> {
        read::observation(&self.lines, &self.body, None)
    }
}

/// The chain PCR after one more report: SHA-256(value ‖ SHA-256(report bytes)), as TPM2_PCR_Extend computes it. The
/// chain begins at zero.
pub fn chain_value(sha256: Sha256, value: &Hash, report_digest: &Hash) -> Hash {
    sha256(&[&value.0, &report_digest.0])
}

/// What the agent extends into the cap PCR: SHA-256 of `avouch/cap/v1`.
pub fn cap_event(sha256: Sha256) -> Hash {
    sha256(&[b"avouch/cap/v1"])
}

/// The cap PCR after that: no other value of it is the agent's doing.
pub fn cap_value(sha256: Sha256) -> Hash {
    chain_value(sha256, &Hash::ZERO, &cap_event(sha256))
}
