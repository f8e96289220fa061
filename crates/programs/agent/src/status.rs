//! `status`: what this node knows of itself, without asking anyone.

use std::fmt::{self, Display};

use avouch_protocol::{Challenge, Message};
use serde::Serialize;

use crate::clock::wall_clock;
use crate::error::AgentError;
use crate::receipt::VerifiedReceipt;
use crate::state::{Enrolment, Looked, StateDir, Trouble};

/// The shape that `status --json` prints; fields are added, never changed or removed, while `version` is 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// Version of this shape.
    pub version: u32,
    /// Release of the agent.
    pub agent: &'static str,
    /// True when there is an enrolment.
    pub enrolled: bool,
    /// What the node is a member of.
    pub membership: Option<MembershipReport>,
    /// The newest verified receipt.
    pub receipt: Option<ReceiptReport>,
    /// Evidence that was made but has no receipt yet.
    pub unreceipted: Option<UnreceiptedReport>,
    /// Unix seconds at which the service will try again; `null` when that is not known.
    pub next_try: Option<u64>,
    /// Unix seconds of the last attempt.
    pub last_try: Option<u64>,
    /// What went wrong in it; `null` when a receipt came.
    pub last_error: Option<Trouble>,
    /// What the newest report came to on this node; `null` before the first.
    pub looked: Option<Looked>,
    /// A challenge that did not continue this node's chain, and the receipt that it should have continued.
    pub chain_fork: Option<ForkReport>,
}

/// What the node is a member of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MembershipReport {
    /// The node's name, 64 hexadecimal characters.
    pub node_tag: String,
    /// The name that a person gave.
    pub label: Option<String>,
    /// The server's URL.
    pub server: String,
    /// 1 at first, one more for each re-enrolment.
    pub generation: u32,
    /// Seconds between rounds.
    pub interval: u64,
}

/// The newest receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptReport {
    /// Position in the node's chain.
    pub seq: u64,
    /// The record's hash.
    pub record: String,
    /// Round of the challenge.
    pub round: u64,
    /// `pass`, `fail`, `unverifiable`, `rejected`.
    pub status: &'static str,
    /// Machine code of the gravest finding; empty when there is none.
    pub code: String,
    /// Unix seconds of server time.
    pub time: u64,
    /// Unix seconds of server time at which the verdict expires; 0 when it gives none.
    pub expires: u64,
}

/// Evidence without a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreceiptedReport {
    /// Sequence number of its challenge.
    pub seq: u64,
    /// Its size in bytes.
    pub bytes: usize,
}

/// Two statements of the server that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForkReport {
    /// The receipt that this node held then.
    pub held_seq: u64,
    /// The record that it names.
    pub held_record: String,
    /// Sequence number of the challenge.
    pub challenge_seq: u64,
    /// The record before, as the challenge had it.
    pub challenge_prev: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What a person does about a fork.
pub const FORK_REMEDY: &str = "find out why the server lost or denies a record (restored from a backup? replaced?); the \
     directory of the state keeps both statements; `avouch-agent enroll --re-enroll TOKEN` starts over";

// === impl StatusReport ===

impl StatusReport {
    /// Reads the state directory.
    ///
    /// # Errors
    /// [`AgentError::State`], and [`AgentError::Receipt`] when the stored receipt does not hold.
    pub fn of(state: &StateDir) -> Result<Self, AgentError> {
        let enrolment = state.enrolment()?;
        let outcome = state.outcome()?;
        let mut report = Self {
            version: 1,
            agent: env!("CARGO_PKG_VERSION"),
            enrolled: enrolment.is_some(),
            membership: enrolment.as_ref().map(membership),
            receipt: None,
            unreceipted: None,
            next_try: outcome.as_ref().and_then(|outcome| Some(outcome.at.saturating_add(outcome.next_in?))),
            last_try: outcome.as_ref().map(|outcome| outcome.at),
            last_error: outcome.and_then(|outcome| outcome.trouble),
            looked: state.looked()?,
            chain_fork: None,
        };
        if let Some(enrolment) = &enrolment {
            report.add_chain(state, enrolment)?;
        }
        Ok(report)
    }

    fn add_chain(&mut self, state: &StateDir, enrolment: &Enrolment) -> Result<(), AgentError> {
        if let Some(signed) = state.receipt(enrolment)? {
            self.receipt = Some(receipt(&VerifiedReceipt::kept(signed, enrolment)?));
        }
        if let Some(spooled) = state.spool(enrolment)? {
            let seq = Challenge::from_cbor(&spooled.challenge).map_or(0, |challenge| challenge.seq);
            self.unreceipted = Some(UnreceiptedReport { seq, bytes: spooled.evidence.len() });
        }
        if let Some(fork) = state.fork(enrolment)? {
            let held = VerifiedReceipt::kept(fork.receipt.to_vec(), enrolment)?;
            let challenge = Challenge::from_cbor(&fork.challenge)
                .map_err(|error| state.damaged("the fork report", error.to_string()))?;
            self.chain_fork = Some(ForkReport {
                held_seq: held.message().seq,
                held_record: held.message().record_hash.to_hex(),
                challenge_seq: challenge.seq,
                challenge_prev: challenge.prev.to_hex(),
                remedy: FORK_REMEDY,
            });
        }
        Ok(())
    }
}

fn membership(enrolment: &Enrolment) -> MembershipReport {
    MembershipReport {
        node_tag: enrolment.membership.node_tag.to_hex(),
        label: enrolment.label.clone(),
        server: enrolment.origin.clone(),
        generation: enrolment.membership.generation,
        interval: enrolment.membership.interval,
    }
}

/// The receipt as status and `once --json` print it.
pub fn receipt(receipt: &VerifiedReceipt) -> ReceiptReport {
    let message = receipt.message();
    ReceiptReport {
        seq: message.seq,
        record: message.record_hash.to_hex(),
        round: message.round,
        status: message.status.word(),
        code: message.code.clone(),
        time: message.time,
        expires: message.expires,
    }
}

impl Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(membership) = &self.membership else {
            return writeln!(f, "Not enrolled. Ask for a token and run `avouch-agent enroll TOKEN`.");
        };
        let label = membership.label.as_deref().map_or(String::new(), |label| format!(" ({label})"));
        writeln!(f, "Node:         {}{label}", membership.node_tag)?;
        writeln!(f, "Server:       {}, every {} s", membership.server, membership.interval)?;
        writeln!(f, "Generation:   {}", membership.generation)?;
        match &self.receipt {
            Some(receipt) => writeln!(f, "Last receipt: {receipt}, {}", ago(receipt.time))?,
            None => writeln!(f, "Last receipt: none yet")?,
        }
        if let Some(waiting) = &self.unreceipted {
            writeln!(
                f,
                "Waiting:      {} bytes of evidence for record {} have no receipt yet",
                waiting.bytes, waiting.seq
            )?;
        }
        if let Some(looked) = &self.looked {
            writeln!(f, "Reports:      {looked}, {}", ago(looked.at))?;
        }
        if let Some(next) = self.next_try {
            writeln!(f, "Next try:     {}", ahead(next))?;
        }
        if let Some(trouble) = &self.last_error {
            writeln!(f, "Last error:   {} {}\n  To do:      {}", trouble.code, trouble.what, trouble.remedy)?;
        }
        if let Some(fork) = &self.chain_fork {
            writeln!(
                f,
                "CHAIN_FORK:   the server asked for record {} after {}, but signed record {} as {}\n  To do:      {}",
                fork.challenge_seq, fork.challenge_prev, fork.held_seq, fork.held_record, fork.remedy
            )?;
        }
        Ok(())
    }
}

impl Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in this boot session, {} not yet with the server", self.reports, self.waiting)?;
        for verdict in ["fail", "inconclusive"] {
            let levels: Vec<_> = self.levels.iter().filter(|level| level.verdict == verdict).map(|l| &*l.id).collect();
            if !levels.is_empty() {
                write!(f, "; {verdict}: {}", levels.join(" "))?;
            }
        }
        let s = if self.findings == 1 { "" } else { "s" };
        write!(f, "; {} finding{s} (`avouch-agent observe`)", self.findings)
    }
}

impl Display for ReceiptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.code.is_empty() { "" } else { " " };
        write!(f, "record {} of round {}: {}{space}{}", self.seq, self.round, self.status, self.code)
    }
}

fn ago(time: u64) -> String {
    match wall_clock().checked_sub(time) {
        Some(seconds) => format!("{seconds} s ago"),
        None => "in the future of this machine's clock".to_owned(),
    }
}

fn ahead(time: u64) -> String {
    match time.checked_sub(wall_clock()) {
        Some(seconds) => format!("in {seconds} s"),
        None => "due; is the service running?".to_owned(),
    }
}
