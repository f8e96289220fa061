//! The reports of this boot session, in the order in which the TPM has them.
//!
//! Every report is hashed into one PCR that only a reset of the TPM clears, so that none can be taken back: the quote
//! shows their fold, and the verifier wants to see each of them. The directory `reports` of the state directory holds
//! them, whatever the enrolment, until the next boot session:
//!
//! ```text
//! reports/NUMBER   one report's bytes     written first (fsync)
//!                  TPM2_PCR_Extend        then
//! reports/chain    how far the PCR is     last (fsync)
//! ```
//!
//! A process may be killed between any two of these steps. Whoever opens the chain next reads the PCR: it tells whether
//! the report behind the last counted one was extended. One that was not is dropped, for what it says is old by now.

mod folder;

use avouch_pairs::Observation;
use avouch_protocol::{
    Hash, MAX_REPORT_BYTES, Message, Offsets, Report, ReportError, ReportHead, Trigger, chain_value,
};
use avouch_tpm::{Tpm, Transport};
use avouch_tpm_wire::{Digest, HashAlg, PcrSelection};

use crate::collector::Observed;
use crate::error::AgentError;
use crate::hash::sha256;
use crate::state::{StateDir, StateLock};
use folder::{Folder, Position};

/// At least every so many reports one stands by itself: whoever needs the newest observation reads at most this many.
const WHOLE_EVERY: u64 = 32;
/// Reports that are kept although the server holds them proven: another server, or one restored from a backup, may
/// want to see them. About 2 KB each.
const KEPT: u64 = 1024;

/// The chain of one boot session in one PCR, in agreement with the TPM. Only [`Chain::open`] makes one.
#[derive(Debug)]
pub struct Chain<'a> {
    folder: Folder<'a>,
    position: Position,
    /// The next report stands by itself.
    anew: bool,
}

/// What has to be told about a chain that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// As it was left.
    Continued,
    /// A new boot session or another PCR: a new chain.
    New,
    /// A report had been kept but not extended when a process ended; it was dropped.
    Dropped,
    /// The PCR has a value that these reports do not lead to: somebody else extends it, or reports were lost.
    Foreign,
    /// The server holds reports that this node has no memory of.
    Adopted,
}

// === impl Chain ===

impl<'a> Chain<'a> {
    /// Opens the chain of the boot session `reset_count` in `pcr`, and settles with the TPM what was extended.
    /// `held` is what the server holds proven of this boot session.
    ///
    /// # Errors
    /// [`AgentError::State`], [`AgentError::Tpm`].
    pub fn open<T: Transport>(
        state: &'a StateDir,
        lock: &'a StateLock,
        tpm: &mut Tpm<T>,
        reset_count: u32,
        pcr: u8,
        held: &Offsets,
    ) -> Result<(Self, Opened), AgentError> {
        let folder = Folder::of(state, lock)?;
        let value = read_pcr(tpm, pcr)?;
        let before = folder.position()?.filter(|position| position.is_of(reset_count, pcr));
        let (position, opened) = match before {
            Some(position) => settled(&folder, position, value)?,
            None => {
                folder.clear()?;
                let opened = if value == Hash::ZERO { Opened::New } else { Opened::Foreign };
                (Position::start(reset_count, pcr, value), opened)
            }
        };
        let mut chain = Self { folder, position, anew: false };
        let opened = chain.adopt(held, value).unwrap_or(opened);
        chain.folder.keep_position(&chain.position)?;
        chain.prune(held)?;
        Ok((chain, opened))
    }

    /// Takes over the server's count where this node has no memory of reports that it made: its state was lost or is
    /// of yesterday. Reports that were extended and never sent are then missing, and the server will say so.
    fn adopt(&mut self, held: &Offsets, value: Hash) -> Option<Opened> {
        if held.reset_count != Some(self.position.reset_count) || held.reports <= self.position.count {
            return None;
        }
        let Position { reset_count, pcr, .. } = self.position;
        let (count, head) = (held.reports, held.report_head);
        self.position = Position { count, head, first: count + 1, ..Position::start(reset_count, pcr, value) };
        Some(Opened::Adopted)
    }

    /// Makes the next report stand by itself: the server does not have what it would be a difference to.
    pub fn begin_anew(&mut self) {
        self.anew = true;
    }

    /// Reports so far.
    pub fn count(&self) -> u64 {
        self.position.count
    }

    /// SHA-256 of the newest report; zero for none.
    pub fn head(&self) -> Hash {
        self.position.head
    }

    /// What the PCR holds after the newest report.
    pub fn value(&self) -> Hash {
        self.position.value
    }

    /// The bytes of every report behind the first `held`, oldest first. Fewer than that where this node does not have
    /// them any more.
    ///
    /// # Errors
    /// [`AgentError::State`].
    pub fn behind(&self, held: u64) -> Result<Vec<Vec<u8>>, AgentError> {
        let first = held.saturating_add(1).max(self.position.first);
        let mut reports = Vec::new();
        for number in first..=self.position.count {
            reports.extend(self.folder.report(number)?);
        }
        Ok(reports)
    }

    /// Makes a report of what was observed, keeps it, and only then extends its digest: the order that lets a process
    /// end anywhere.
    ///
    /// # Errors
    /// [`AgentError`]; a chain that failed half-way is settled when it is opened again.
    pub fn add<T: Transport>(
        &mut self,
        tpm: &mut Tpm<T>,
        observed: &Observed,
        trigger: Trigger,
    ) -> Result<Hash, AgentError> {
        let bytes = self.report(observed, trigger)?;
        // What nobody reads again, here or at the server, must not come into the chain.
        if bytes.len() > MAX_REPORT_BYTES {
            return Err(ReportError::TooMany { what: "bytes", wanted: MAX_REPORT_BYTES, got: bytes.len() }.into());
        }
        let digest = sha256(&[&bytes]);
        self.folder.keep_report(self.position.count + 1, &bytes)?;
        extend_pcr(tpm, self.position.pcr, &digest)?;
        self.position.advance(digest);
        self.anew = false;
        self.folder.keep_position(&self.position)?;
        Ok(digest)
    }

    /// The bytes of the next report: a difference to the newest one where that is shorter.
    fn report(&self, observed: &Observed, trigger: Trigger) -> Result<Vec<u8>, AgentError> {
        let head = ReportHead {
            seq: self.position.count + 1,
            prev: self.position.head,
            trigger,
            started_ms: observed.started_ms,
            finished_ms: observed.finished_ms,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let base = if self.anew { None } else { self.newest_observation()? };
        if let Some(base) = base {
            let report = Report::difference(&observed.observation, &base, self.position.head, head.clone())?.to_cbor();
            // A difference that grew large is read at every start; the whole tells as much.
            let whole = Report::whole(&observed.observation, head)?.to_cbor();
            return Ok(if report.len() < whole.len() { report } else { whole });
        }
        Ok(Report::whole(&observed.observation, head)?.to_cbor())
    }

    /// What the newest report says; `None` where the next one has to stand by itself.
    ///
    /// # Errors
    /// [`AgentError::State`].
    pub fn newest_observation(&self) -> Result<Option<Observation>, AgentError> {
        let mut reports = Vec::new();
        let oldest = self.position.count.saturating_sub(WHOLE_EVERY).max(self.position.first.saturating_sub(1));
        for number in (oldest + 1..=self.position.count).rev() {
            let Some(bytes) = self.folder.report(number)? else { return Ok(None) };
            let report = Report::from_cbor(&bytes)?;
            let whole = report.base.is_none();
            reports.push(report);
            if whole {
                return unfolded(reports).map(Some);
            }
        }
        Ok(None)
    }

    /// Removes what the server holds proven and nobody will ask for.
    fn prune(&mut self, held: &Offsets) -> Result<(), AgentError> {
        if held.reset_count != Some(self.position.reset_count) {
            return Ok(());
        }
        let proven = held.reports.min(self.position.count.saturating_sub(WHOLE_EVERY));
        let first = self.position.count.saturating_sub(KEPT).min(proven).saturating_add(1);
        if first > self.position.first {
            (self.position.first..first).try_for_each(|number| self.folder.drop_report(number))?;
            self.position.first = first;
            self.folder.keep_position(&self.position)?;
        }
        Ok(())
    }
}

/// Brings the position and the PCR together after whatever ended the process before.
fn settled(folder: &Folder<'_>, mut position: Position, value: Hash) -> Result<(Position, Opened), AgentError> {
    let next = position.count + 1;
    let digest = folder.report(next)?.map(|bytes| sha256(&[&bytes]));
    if value == position.value {
        folder.drop_report(next)?;
        let opened = if digest.is_some() { Opened::Dropped } else { Opened::Continued };
        return Ok((position, opened));
    }
    if let Some(digest) = digest.filter(|digest| value == chain_value(sha256, &position.value, digest)) {
        position.advance(digest);
        return Ok((position, Opened::Continued));
    }
    // The reports stay in the chain; the server sees that they do not lead to what it was shown, and says so.
    folder.drop_report(next)?;
    position.value = value;
    Ok((position, Opened::Foreign))
}

/// The newest observation from reports in descending order, the last of them whole.
fn unfolded(reports: Vec<Report>) -> Result<Observation, AgentError> {
    let mut observation: Option<Observation> = None;
    for report in reports.into_iter().rev() {
        observation = Some(report.observation(observation.as_ref())?);
    }
    Ok(observation.unwrap_or_default())
}

/// The value of a PCR in the bank that reports are chained in.
///
/// # Errors
/// [`AgentError::Tpm`].
pub fn read_pcr<T: Transport>(tpm: &mut Tpm<T>, pcr: u8) -> Result<Hash, AgentError> {
    let selection = PcrSelection { bank: HashAlg::Sha256, mask: 1 << u32::from(pcr) };
    let values = tpm.pcr_read(selection)?;
    let value = values.first().and_then(|(_, value)| <[u8; 32]>::try_from(value.as_bytes()).ok());
    value.map(Hash).ok_or(AgentError::Bank)
}

/// Extends a digest in the bank that reports are chained in.
///
/// # Errors
/// [`AgentError::Tpm`].
pub fn extend_pcr<T: Transport>(tpm: &mut Tpm<T>, pcr: u8, digest: &Hash) -> Result<(), AgentError> {
    let digest = Digest::new(HashAlg::Sha256, &digest.0).ok_or(AgentError::Bank)?;
    Ok(tpm.pcr_extend(pcr, &[digest])?)
}
