//! The stored form of a session, and why bytes are none.

use core::fmt;

use avouch_protocol::Hash;
use avouch_tpm_wire::{ClockInfo, Digest, HashAlg};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::{BootProof, ImaJudged, ImaProof, Proven, Session, Userspace};
use crate::cause::{Cause, CauseKind};
use crate::chain::Chain;
use crate::code::{ClaimName, FindingCode};
use crate::finding::{Finding, Findings, Place, Tallies, Tally};
use crate::judge::BootJudged;
use crate::track::Track;

/// What this release writes. A session of version 2 has no chain of reports; one of version 1 keeps its counters and
/// owes everything again.
const VERSION: u64 = 3;
const WITHOUT_CHAIN: u64 = 2;
const OLDEST: u64 = 1;

impl Session {
    /// The stored form.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Encoding into a Vec has no failing writer, and no field type here can fail to encode.
        let _ = minicbor::encode(Stored::from(self), &mut out);
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`SessionError`] when the bytes are too many, are not a session, or were written by another version. The
    /// caller then goes on without a session only if it also drops the node's proof of order; refusing is right.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, SessionError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(SessionError::TooLong { got: bytes.len() });
        }
        let head: StoredHead = whole(bytes)?;
        match head.v {
            VERSION | WITHOUT_CHAIN => {
                let stored: Stored = whole(bytes)?;
                stored.into_session().ok_or(SessionError::Malformed { offset: 0 })
            }
            // Version 1 kept less of its findings, so what it proved is owed again.
            OLDEST => Ok(Self {
                clock: head.clock(),
                firmware: head.firmware,
                proven: None,
                track: Track::default(),
                owes_all: false,
                chain: None,
            }),
            got => Err(SessionError::Version { got }),
        }
    }
}

/// Why stored bytes are not a session. Most often: a database of a newer release, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// Not a session from this byte on.
    Malformed {
        /// Where.
        offset: usize,
    },
    /// More than [`Session::MAX_BYTES`].
    TooLong {
        /// How many.
        got: usize,
    },
    /// Another version of the stored form.
    Version {
        /// Which.
        got: u64,
    },
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { offset } => write!(f, "the stored session is damaged at byte {offset}"),
            Self::TooLong { got } => {
                write!(f, "the stored session has {got} bytes, at most {} are read", Session::MAX_BYTES)
            }
            Self::Version { got } => {
                write!(f, "the stored session has version {got}, this release reads versions {OLDEST} to {VERSION}")
            }
        }
    }
}

impl std::error::Error for SessionError {}

fn whole<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, SessionError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|e| SessionError::Malformed { offset: e.position().unwrap_or(0) })?;
    match decoder.position() {
        end if end == bytes.len() => Ok(value),
        offset => Err(SessionError::Malformed { offset }),
    }
}

/// What every version has.
#[derive(Decode)]
#[cbor(map)]
struct StoredHead {
    #[n(0)]
    v: u64,
    #[n(1)]
    clock: u64,
    #[n(2)]
    reset_count: u32,
    #[n(3)]
    restart_count: u32,
    #[n(4)]
    safe: bool,
    #[n(5)]
    firmware: u64,
}

impl StoredHead {
    fn clock(&self) -> ClockInfo {
        let Self { clock, reset_count, restart_count, safe, .. } = *self;
        ClockInfo { clock, reset_count, restart_count, safe }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    v: u64,
    #[n(1)]
    clock: u64,
    #[n(2)]
    reset_count: u32,
    #[n(3)]
    restart_count: u32,
    #[n(4)]
    safe: bool,
    #[n(5)]
    firmware: u64,
    #[n(6)]
    proven: Option<StoredProof>,
    /// Absent in sessions of releases before semantics 2.
    #[n(7)]
    track: Option<Track>,
    #[n(8)]
    owes_all: bool,
    /// Absent before version 3, and of nodes that make no reports.
    #[n(9)]
    chain: Option<Chain>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredProof {
    #[n(0)]
    policy_ref: Hash,
    #[n(1)]
    bank: u16,
    #[n(2)]
    mask: u32,
    #[n(3)]
    boot_values: Vec<StoredValue>,
    #[n(4)]
    boot_events: u64,
    #[n(5)]
    ima_count: u64,
    #[n(6)]
    ima_bytes: u64,
    #[n(7)]
    ima_value: ByteVec,
    #[n(8)]
    judged: ImaJudged,
    #[n(9)]
    findings: Vec<StoredFinding>,
    #[n(10)]
    /// By claim; sessions of releases before reports have fewer.
    tallies: Vec<Tally>,
    /// Absent in sessions of releases before semantics 2.
    #[n(11)]
    boot_judged: Option<BootJudged>,
    /// Absent when no phase word was unlogged.
    #[n(12)]
    phases: Option<u8>,
    #[n(13)]
    userspace: Option<StoredUserspace>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredUserspace {
    #[n(0)]
    records: u64,
    #[n(1)]
    values: Vec<StoredValue>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredValue {
    #[n(0)]
    pcr: u32,
    #[n(1)]
    value: ByteVec,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredFinding {
    #[n(0)]
    code: String,
    #[n(1)]
    evidence: String,
    #[n(2)]
    index: Option<u64>,
    #[n(3)]
    pcr: Option<u32>,
    #[n(4)]
    path: Option<String>,
    #[n(5)]
    digest: Option<String>,
    #[n(6)]
    causes: Vec<StoredCause>,
    /// As text.
    #[n(7)]
    fix: Option<String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredCause {
    #[n(0)]
    kind: String,
    #[n(1)]
    what: String,
}

impl From<&Session> for Stored {
    fn from(session: &Session) -> Self {
        Self {
            v: VERSION,
            clock: session.clock.clock,
            reset_count: session.clock.reset_count,
            restart_count: session.clock.restart_count,
            safe: session.clock.safe,
            firmware: session.firmware,
            proven: session.proven.as_ref().map(StoredProof::from),
            track: Some(session.track.clone()),
            owes_all: session.owes_all,
            chain: session.chain.clone(),
        }
    }
}

impl From<&Proven> for StoredProof {
    fn from(proven: &Proven) -> Self {
        let values = (0u32..).zip(&proven.boot.values);
        Self {
            policy_ref: proven.policy_ref,
            bank: proven.bank.id(),
            mask: proven.mask,
            boot_values: values.filter_map(|(pcr, value)| Some(StoredValue::new(pcr, value.as_ref()?))).collect(),
            boot_events: proven.boot.events,
            ima_count: proven.ima.count,
            ima_bytes: proven.ima.bytes,
            ima_value: proven.ima.value.as_bytes().to_vec().into(),
            judged: proven.ima.judged.clone(),
            findings: proven.findings.gravest(Session::MAX_FINDINGS).into_iter().map(StoredFinding::from).collect(),
            tallies: proven.findings.tallies().to_vec(),
            boot_judged: Some(proven.boot.judged.clone()),
            phases: Some(proven.boot.phases).filter(|phases| *phases != 0),
            userspace: proven.boot.userspace.as_ref().map(|userspace| StoredUserspace {
                records: userspace.records,
                values: userspace.values.iter().map(|(pcr, value)| StoredValue::new(*pcr, value)).collect(),
            }),
        }
    }
}

impl StoredValue {
    fn new(pcr: u32, value: &Digest) -> Self {
        Self { pcr, value: value.as_bytes().to_vec().into() }
    }
}

impl From<Finding> for StoredFinding {
    fn from(finding: Finding) -> Self {
        let Place { index, pcr, path, digest, .. } = finding.place;
        let causes = finding.causes.into_iter();
        Self {
            code: finding.code.as_str().into(),
            evidence: finding.evidence,
            index,
            pcr,
            path,
            digest,
            causes: causes.map(|cause| StoredCause { kind: cause.kind.as_str().into(), what: cause.what }).collect(),
            fix: finding.fix.map(|fix| fix.to_string()),
        }
    }
}

impl StoredFinding {
    fn into_finding(self) -> Option<Finding> {
        let Self { index, pcr, path, digest, .. } = self;
        let causes = self.causes.into_iter().map(StoredCause::into_cause).collect::<Option<_>>()?;
        let fix = match self.fix {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        };
        let finding = Finding::new(FindingCode::from_name(&self.code)?, self.evidence);
        Some(finding.at(Place { index, pcr, path, digest, ..Place::default() }).because(causes).fixed_by(fix))
    }
}

impl StoredCause {
    fn into_cause(self) -> Option<Cause> {
        Some(Cause::new(CauseKind::from_name(&self.kind)?, self.what))
    }
}

impl Stored {
    /// `None` when a value is out of range: an unknown bank, PCR or code, or a digest of the wrong length.
    fn into_session(self) -> Option<Session> {
        let clock = ClockInfo {
            clock: self.clock,
            reset_count: self.reset_count,
            restart_count: self.restart_count,
            safe: self.safe,
        };
        let proven = match self.proven {
            Some(stored) => Some(stored.into_proven()?),
            None => None,
        };
        let track = self.track.unwrap_or_default();
        Some(Session { clock, firmware: self.firmware, proven, track, owes_all: self.owes_all, chain: self.chain })
    }
}

/// `None` for a number of claims that no release had.
fn tallies(stored: &[Tally]) -> Option<Tallies> {
    let mut tallies = Tallies::default();
    let known = stored.len() == ClaimName::ALL.len() || stored.len() == tallies.len();
    tallies.iter_mut().zip(stored).for_each(|(tally, stored)| *tally = *stored);
    known.then_some(tallies)
}

impl StoredUserspace {
    fn into_userspace(self, bank: HashAlg) -> Option<Userspace> {
        let value = |stored: StoredValue| Some((stored.pcr, Digest::new(bank, &stored.value)?));
        Some(Userspace { records: self.records, values: self.values.into_iter().map(value).collect::<Option<_>>()? })
    }
}

impl StoredProof {
    fn into_proven(self) -> Option<Proven> {
        let bank = HashAlg::from_id(self.bank)?;
        let mut values = [None; 24];
        for stored in self.boot_values {
            *values.get_mut(usize::try_from(stored.pcr).ok()?)? = Some(Digest::new(bank, &stored.value)?);
        }
        let value = Digest::new(bank, &self.ima_value)?;
        let userspace = match self.userspace {
            Some(stored) => Some(stored.into_userspace(bank)?),
            None => None,
        };
        let boot = BootProof {
            values,
            events: self.boot_events,
            judged: self.boot_judged.unwrap_or_default(),
            phases: self.phases.unwrap_or(0),
            userspace,
        };
        let findings = self.findings.into_iter().map(StoredFinding::into_finding).collect::<Option<Vec<_>>>()?;
        let tallies = tallies(&self.tallies)?;
        Some(Proven {
            policy_ref: self.policy_ref,
            bank,
            mask: self.mask,
            boot,
            ima: ImaProof { count: self.ima_count, bytes: self.ima_bytes, value, judged: self.judged },
            findings: Findings::resume(findings, tallies),
        })
    }
}
