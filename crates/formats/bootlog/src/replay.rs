//! From events to PCR values.

use core::fmt;

use avouch_tpm_wire::{Digest, HashAlg, Hasher, extend};

use crate::{BootLog, PCR_COUNT};

const PCRS: usize = 24;

/// The PCRs of one bank as the log says they stand.
///
/// A PCR is *unknown* (`None`), never zero, when the log cannot say its value: an extending event without a digest in
/// this bank, or a start value that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcrBank {
    alg: HashAlg,
    values: [Option<Digest>; PCRS],
    extended: [bool; PCRS],
}

/// Why a bank cannot be replayed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// The log has no digests for this bank: it was written for other banks, or in the SHA-1 form.
    NoBank {
        /// The bank that was asked for.
        wanted: HashAlg,
    },
}

impl PcrBank {
    /// The bank.
    pub fn alg(&self) -> HashAlg {
        self.alg
    }

    /// The value; `None` when it is unknown or there is no such PCR. A PCR without events has its start value.
    pub fn value(&self, pcr: u32) -> Option<Digest> {
        self.values.get(usize::try_from(pcr).ok()?).copied().flatten()
    }

    /// True when at least one event of the log extended this PCR.
    pub fn is_extended(&self, pcr: u32) -> bool {
        usize::try_from(pcr).ok().and_then(|pcr| self.extended.get(pcr)).copied().unwrap_or(false)
    }

    /// All 24 values in order.
    pub fn values(&self) -> &[Option<Digest>; 24] {
        &self.values
    }

    /// Sets the start of PCR 0; a second locality, or one behind an extend, leaves it unknown.
    pub(crate) fn start_at(&mut self, locality: u8, again: bool) {
        let start = if again || self.is_extended(0) { None } else { locality_start(self.alg, locality) };
        self.values[0] = start;
    }

    /// Extends a PCR; without a digest its value is unknown from here on.
    pub(crate) fn extend(&mut self, pcr: u32, digest: Option<Digest>, hasher: &impl Hasher) {
        let Ok(pcr) = usize::try_from(pcr) else { return };
        let (Some(value), Some(extended)) = (self.values.get_mut(pcr), self.extended.get_mut(pcr)) else { return };
        *extended = true;
        *value = value.zip(digest).map(|(value, digest)| extend(hasher, &value, &digest));
    }
}

/// `pcr0` is a locality that the log does not state; a stated one goes before it.
pub(crate) fn replay_from(
    log: &BootLog<'_>,
    alg: HashAlg,
    hasher: &impl Hasher,
    pcr0: Option<u8>,
) -> Result<PcrBank, ReplayError> {
    if !log.banks().contains(&alg) {
        return Err(ReplayError::NoBank { wanted: alg });
    }
    let mut bank = start(alg);
    if let Some(locality) = pcr0 {
        bank.values[0] = locality_start(alg, locality);
    }
    let mut locality_seen = false;
    for event in log.events() {
        if let Some(locality) = event.startup_locality() {
            bank.start_at(locality, core::mem::replace(&mut locality_seen, true));
        } else if event.extends() {
            bank.extend(event.pcr, event.digest(alg), hasher);
        }
    }
    Ok(bank)
}

/// PC Client Platform TPM Profile, table "PCR initial and reset values": 17–22 are ones until a dynamic launch.
pub(crate) fn start(alg: HashAlg) -> PcrBank {
    let mut values = [Some(Digest::zero(alg)); PCRS];
    for (pcr, value) in (0..PCR_COUNT).zip(&mut values) {
        if (17..=22).contains(&pcr) {
            *value = Some(Digest::ones(alg));
        }
    }
    PcrBank { alg, values, extended: [false; PCRS] }
}

/// PCR 0 after TPM2_Startup from a locality: the locality is its last byte. Only 0 and 3 can send the command, and 4
/// stands for a hardware core root of trust.
fn locality_start(alg: HashAlg, locality: u8) -> Option<Digest> {
    if !matches!(locality, 0 | 3 | 4) {
        return None;
    }
    let mut bytes = [0; 64];
    let value = bytes.get_mut(..alg.size())?;
    *value.last_mut()? = locality;
    Digest::new(alg, value)
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBank { wanted } => write!(f, "boot log has no {wanted} digests"),
        }
    }
}

impl core::error::Error for ReplayError {}
