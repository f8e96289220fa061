//! What may be written, and what came of it.

use avouch_protocol::{Hash, NodeProfile, NodeTag};

use crate::{Attempt, Event, EvidenceParts, Gap, Grant, NodeKeys, ObservationBytes, OpenChallenge, Record, Verdict};

/// One atomic, conditional write. There is no other way to write.
///
/// A condition that does not hold is [`crate::StoreError::Refused`] and leaves the store as it was; outcomes that a
/// correct caller meets every day (a lost race, a repeated message) are [`Outcome`]s.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Makes a grant known. The same grant again is [`Outcome::Done`] and keeps its count; other terms under the
    /// same id are [`Refused::Conflict`]. `used` is ignored.
    PutGrant(Grant),
    /// Keeps a credential challenge for its one activation, and drops expired ones. Refused beyond
    /// [`crate::SqliteStore::MAX_OPEN_ATTEMPTS`] open ones.
    OpenAttempt(Attempt),
    /// Takes an attempt out: [`Outcome::Attempt`] once, whatever becomes of it; [`Refused::AttemptUnknown`] when
    /// it was consumed, has expired or never was.
    ConsumeAttempt(Hash),
    /// Makes or renews a node; [`Outcome::Enrolled`] tells the generation.
    ///
    /// Condition: the grant is known, not expired and not used up (a TPM that joined with it before is not counted
    /// again); a tag that exists has the same EK Name; no other node has, or ever had, the EK Name, AK Name or
    /// client key; the profile is not weaker than one that the node was ever known by. A new generation keeps label (unless given), policy and chain, and starts without session, last
    /// reset count, observation and verdict: what an earlier key proved says nothing about this one.
    Enrol {
        /// The node.
        node: NodeTag,
        /// Grant that it joins under.
        grant: Hash,
        /// A name for people.
        label: Option<String>,
        /// Its keys.
        keys: Box<NodeKeys>,
    },
    /// Opens a challenge: [`Outcome::Opened`], or [`Outcome::AlreadyOpen`] with the one that is open, which is then
    /// the one to send. Condition: the node exists and `seq` continues its chain.
    OpenChallenge {
        /// The node.
        node: NodeTag,
        /// The challenge.
        challenge: OpenChallenge,
    },
    /// Turns the open challenge into a record; see [`CommitRecord`].
    CommitRecord(Box<CommitRecord>),
    /// Turns an open challenge that ran out into a record without evidence (Unanswered).
    ///
    /// Condition: the open challenge has this sequence number and these bytes, and `now` is after its deadline. When
    /// evidence was faster: [`Outcome::Spent`]. When the challenge is already such a record:
    /// [`Outcome::AlreadyStored`].
    ExpireChallenge {
        /// The node.
        node: NodeTag,
        /// The record; `evidence` must be `None`.
        record: Box<Record>,
    },
    /// Stores a policy under the hash of its bytes; the same policy again is [`Outcome::Done`].
    PutPolicy {
        /// A name for people.
        name: String,
        /// The policy's exact bytes.
        bytes: Vec<u8>,
    },
    /// Assigns a stored policy, or takes an assignment away.
    AssignPolicy {
        /// To whom.
        to: Assignee,
        /// SHA-256 of the policy; `None` takes the assignment away.
        policy: Option<Hash>,
    },
    /// Offers a round's secret; [`Outcome::RoundSecret`] tells the one that counts, whoever offered it first.
    RoundSecret {
        /// The round.
        round: u64,
        /// 32 bytes from the system's generator.
        secret: [u8; 32],
    },
    /// Stores the server time and nothing else; every change does that, too.
    NoteTime,
    /// Stores a gap of the server's clock.
    NoteGap(Gap),
    /// Adds to the log of notable events.
    NoteEvent(Event),
}

/// A record, its evidence and what follows for the node.
///
/// Condition: the node's open challenge has `record.seq` and hashes to `record.challenge`, `record.time` is not after
/// its deadline, and `record.hash` is the hash of `record.header`. With `record.late` instead: no challenge is open,
/// `record.seq` continues the chain, and the challenge was stored as a record without evidence.
///
/// Outcomes: [`Outcome::Committed`]; [`Outcome::AlreadyStored`] when this evidence already answers this challenge;
/// [`Outcome::Spent`] when the challenge was answered by other bytes or ran out.
#[derive(Clone, Debug)]
pub struct CommitRecord {
    /// The node.
    pub node: NodeTag,
    /// The record; `evidence` must be the digest of the parts below.
    pub record: Record,
    /// The evidence message.
    pub evidence: EvidenceParts,
    /// The appraiser's state from now on; `None` leaves it as it is.
    pub session: Option<Vec<u8>>,
    /// The node's verdict from now on; `None` leaves it as it is, as a rejected message must.
    pub verdict: Option<Verdict>,
    /// resetCount of the quote; `None` leaves it as it is.
    pub reset_count: Option<u32>,
    /// What was observed on the node; `None` leaves it as it is.
    pub observed: Option<ObservedReport>,
}

/// What a proven report showed.
#[derive(Clone, Debug)]
pub struct ObservedReport {
    /// SHA-256 of the report.
    pub report: Hash,
    /// What it showed; `None` says that it is what is kept as the newest. The same bytes again are not written again.
    pub changed: Option<ObservationBytes>,
}

/// Whom a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignee {
    /// Every node of the cluster that has none of its own.
    Default,
    /// One node.
    Node(NodeTag),
}

/// What came of a change. It is durable when the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Applied; there is nothing to tell.
    Done,
    /// The attempt, consumed.
    Attempt(Box<Attempt>),
    /// The node is enrolled with this generation.
    Enrolled {
        /// 1 at first, one more each time.
        generation: u32,
    },
    /// The challenge is open.
    Opened,
    /// Another one was open first.
    AlreadyOpen(Box<OpenChallenge>),
    /// The record is stored.
    Committed,
    /// It was stored before; nothing was written.
    AlreadyStored(Box<Record>),
    /// The challenge has become this record with other bytes, or with none.
    Spent(Box<Record>),
    /// The secret of the round.
    RoundSecret([u8; 32]),
}

/// A condition that did not hold. The store is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Nobody granted this; most likely a token of another server or of a lost database.
    #[error("no grant with id {0} is known")]
    GrantUnknown(Hash),
    /// The token is too old.
    #[error("the grant expired at {expires}, it is {now}")]
    GrantExpired {
        /// Unix seconds.
        expires: u64,
        /// Unix seconds.
        now: u64,
    },
    /// As many TPMs have joined as may.
    #[error("all {uses} uses of the grant are taken")]
    GrantUsedUp {
        /// How many were granted.
        uses: u32,
    },
    /// More enrolments are under way than are kept; they expire by themselves.
    #[error("{limit} enrolments wait for their activation, no more are kept")]
    TooManyAttempts {
        /// The limit.
        limit: usize,
    },
    /// Consumed, expired or never opened.
    #[error("no enrolment attempt {0} is open")]
    AttemptUnknown(Hash),
    /// Another node has the name, key or terms; either a cloned TPM state or an attack.
    #[error("{what} belongs to {owner} already")]
    Conflict {
        /// Which name or key: `"ek_name"`, `"ak_name"`, `"client_spki"`, `"node_tag"`, `"grant"`, `"attempt"`.
        what: &'static str,
        /// Who has it.
        owner: String,
    },
    /// No such node in this cluster.
    #[error("no node {0} is enrolled")]
    NodeUnknown(NodeTag),
    /// The TPM was better vouched for before; an attempt to have it believed with less.
    #[error("this TPM is known by the profile {known}; it cannot enrol by the weaker profile {got}")]
    WeakerProfile {
        /// The strongest profile that it was known by.
        known: NodeProfile,
        /// The profile of this attempt.
        got: NodeProfile,
    },
    /// The sequence number does not continue the chain.
    #[error("sequence number {got} does not continue the chain, {wanted} does")]
    NotNext {
        /// The next number.
        wanted: u64,
        /// The number given.
        got: u64,
    },
    /// The node has no open challenge with these bytes.
    #[error("no such challenge is open for sequence number {seq}")]
    ChallengeUnknown {
        /// The number given.
        seq: u64,
    },
    /// A late record must wait until the open challenge is answered.
    #[error("the challenge with sequence number {seq} is open")]
    ChallengeOpen {
        /// Its number.
        seq: u64,
    },
    /// The evidence came after the deadline.
    #[error("the challenge ran out at {deadline}, the evidence came at {time}")]
    TooLate {
        /// Unix seconds.
        deadline: u64,
        /// Unix seconds.
        time: u64,
    },
    /// The challenge can still be answered.
    #[error("the challenge can be answered until {deadline}, it is {now}")]
    TooEarly {
        /// Unix seconds.
        deadline: u64,
        /// Unix seconds.
        now: u64,
    },
    /// A digest does not belong to its bytes; a defect of the caller.
    #[error("{what} is not the SHA-256 of its bytes")]
    Digest {
        /// Which field.
        what: &'static str,
    },
    /// No such policy in this cluster.
    #[error("no policy {0} is stored")]
    PolicyUnknown(Hash),
    /// A number is beyond what a row can hold (2^63 − 1).
    #[error("{what} is {got}, which is beyond the largest number a row can hold")]
    Range {
        /// Which field.
        what: &'static str,
        /// The number.
        got: u64,
    },
}
