//! From records to register values.

use alloc::collections::BTreeMap;

use avouch_tpm_wire::{Digest, HashAlg, Hasher, extend};

use super::{CelContent, CelLog, Record, Register, Systemd};
use crate::check::{Check, DataCheck};
use crate::content::{NoAction, Text};
use crate::replay::{PcrBank, start};
use crate::{EventType, ReplayError};

/// Every register of one bank as the log says they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CelReplay {
    /// The PCRs, with the start values of [`crate::BootLog::replay`].
    pub pcrs: PcrBank,
    /// NV indices and measurement registers that records extend, from zero; `None` where a record lacks its digest.
    pub others: BTreeMap<Register, Option<Digest>>,
}

/// What systemd measured, with its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CelWord<'a> {
    /// Position of the record in the log.
    pub record: usize,
    /// Where it was extended.
    pub register: Register,
    /// The record.
    pub systemd: Systemd<'a>,
    /// The digest that was extended.
    pub digest: Digest,
    /// Covered when the digest is that of the string; not defined for keys and other secrets.
    pub check: DataCheck,
}

impl<'a> CelLog<'a> {
    /// Recomputes the registers of one bank.
    ///
    /// # Errors
    /// [`ReplayError::NoBank`] when records extend something and none has a digest of this bank.
    pub fn replay(&self, alg: HashAlg, hasher: &impl Hasher) -> Result<CelReplay, ReplayError> {
        let extending = || self.records.iter().filter(|record| record.content.extends());
        if extending().next().is_some() && extending().all(|record| record.digest(alg).is_none()) {
            return Err(ReplayError::NoBank { wanted: alg });
        }
        let mut replay = CelReplay { pcrs: start(alg), others: BTreeMap::new() };
        let mut locality_seen = false;
        for record in &self.records {
            match record.register {
                Register::Pcr(pcr) if record.content.extends() => {
                    replay.pcrs.extend(pcr, record.digest(alg), hasher);
                }
                Register::Pcr(0) => {
                    if let Some(locality) = startup_locality(record) {
                        replay.pcrs.start_at(locality, core::mem::replace(&mut locality_seen, true));
                    }
                }
                register if record.content.extends() => {
                    let value = replay.others.entry(register).or_insert(Some(Digest::zero(alg)));
                    *value = value.zip(record.digest(alg)).map(|(value, digest)| extend(hasher, &value, &digest));
                }
                _ => {}
            }
        }
        Ok(replay)
    }

    /// What systemd measured, in order: words of PCR 11, 12 and 15 and of NV indices. Records without a digest in
    /// `alg` are left out.
    pub fn words(&self, alg: HashAlg, hasher: &impl Hasher) -> impl Iterator<Item = CelWord<'a>> {
        self.records.iter().enumerate().filter_map(move |(position, record)| {
            let CelContent::Systemd(systemd) = record.content else { return None };
            let check = record.check_data(alg, hasher);
            let digest = record.digest(alg)?;
            Some(CelWord { record: position, register: record.register, systemd, digest, check })
        })
    }
}

impl<'a> Record<'a> {
    /// Recomputes the digest in `alg` from the content.
    pub fn check_data(&self, alg: HashAlg, hasher: &impl Hasher) -> DataCheck {
        let Some(digest) = self.digest(alg) else { return DataCheck::NoDigest };
        let check = Check { alg, hasher, digest };
        let covered = |found: bool| if found { DataCheck::Covered } else { DataCheck::NotDefined };
        match self.content {
            CelContent::PcClient { event_type, data } => check.event(event_type, data),
            CelContent::ImaTemplate { data, .. } => covered(check.is(&[data])),
            // Keys are measured as keyed hashes, so that only the type says whether the string is what was measured.
            CelContent::Systemd(systemd) => match check.is(&[systemd.string]) {
                true => DataCheck::Covered,
                false if systemd.event_type == Some("phase") => DataCheck::Differs,
                false => DataCheck::NotDefined,
            },
            CelContent::ImaTlv(data) => covered(check.is(&[data])),
            CelContent::Other { kind, data } => {
                let len = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
                covered(check.is(&[data]) || check.is(&[&[kind], &len, data]))
            }
            CelContent::Management(_) => DataCheck::NotDefined,
        }
    }

    /// The measured string of a systemd record.
    pub fn text(&self) -> Option<Text<'a>> {
        match self.content {
            CelContent::Systemd(systemd) => Text::of(systemd.string),
            _ => None,
        }
    }
}

fn startup_locality(record: &Record<'_>) -> Option<u8> {
    match record.content {
        CelContent::PcClient { event_type: EventType::NO_ACTION, data } => match NoAction::parse(data) {
            NoAction::StartupLocality(locality) => Some(locality),
            _ => None,
        },
        _ => None,
    }
}
