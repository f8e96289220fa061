//! A log whose data were held against their digests once, for everything that asks which data are proven.

use alloc::vec::Vec;

use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::check::separators;
use crate::content::Separator;
use crate::registers::Registers;
use crate::{BootLog, BootState, CcLog, DataCheck, Event, GrammarFault, grammar, state};

/// A boot log and, for every event, what recomputing its digest in one bank said: hashing the data is most of what a
/// look at a log costs. It takes one byte for an event.
#[derive(Clone, Debug)]
pub struct Checked<'l, 'a> {
    log: &'l BootLog<'a>,
    alg: HashAlg,
    registers: Registers,
    known: [(Digest, Separator); 4],
    /// By event.
    checks: Vec<DataCheck>,
}

// === impl Checked ===

impl<'l, 'a> Checked<'l, 'a> {
    fn new(log: &'l BootLog<'a>, alg: HashAlg, hasher: &impl Hasher, registers: Registers) -> Self {
        let checks = log.events().iter().map(|event| event.check_data(alg, hasher)).collect();
        Self { log, alg, registers, known: separators(alg, hasher), checks }
    }

    /// The log.
    pub fn log(&self) -> &'l BootLog<'a> {
        self.log
    }

    /// The bank whose digests were held against the data.
    pub fn alg(&self) -> HashAlg {
        self.alg
    }

    /// [`Event::check_data`] of one of the log's events; nothing is said of an event that it does not have.
    pub fn data_check(&self, event: &Event<'_>) -> DataCheck {
        self.checks.get(event.index).copied().unwrap_or(DataCheck::NoDigest)
    }

    /// Judges what stands where, see [`crate::GrammarRule`]; one pass, at most three faults for an event. Separators
    /// are found by their digest.
    pub fn grammar(&self) -> Vec<GrammarFault> {
        grammar::faults(self)
    }

    /// Collects what booted. Each fact says whether the digest covers it.
    pub fn boot_state(&self) -> BootState<'a> {
        state::read(self)
    }

    pub(crate) fn registers(&self) -> Registers {
        self.registers
    }

    pub(crate) fn known(&self) -> &[(Digest, Separator); 4] {
        &self.known
    }
}

impl<'a> BootLog<'a> {
    /// Recomputes every event's digest in `alg` from its data, each in the few ways that firmware and boot loaders are
    /// known to.
    pub fn check(&self, alg: HashAlg, hasher: &impl Hasher) -> Checked<'_, 'a> {
        Checked::new(self, alg, hasher, Registers::Pcr)
    }
}

impl<'a> CcLog<'a> {
    /// [`BootLog::check`] with the registers of this kind of machine. These fold several PCRs into one and some firmware
    /// writes one separator for all of them, so the rules of grammar about separators being there are left out.
    pub fn check(&self, alg: HashAlg, hasher: &impl Hasher) -> Checked<'_, 'a> {
        Checked::new(self.log(), alg, hasher, Registers::Cc)
    }
}
