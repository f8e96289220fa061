//! Logs of confidential virtual machines (UEFI 2.10 section 38.4, ACPI table CCEL).
//!
//! The form is that of a crypto-agile log; the index is a measurement register: 0 the launch measurement, n + 1 the
//! run-time register n. Registers start at zero and have no localities.

use avouch_tpm_wire::{Digest, HashAlg, Hasher, extend};

use crate::cursor::Cursor;
use crate::{BootLog, LogError, ReplayError};

/// Measurement registers of Intel TDX: MRTD and four run-time registers.
pub const CC_REGISTERS: usize = 5;

/// A boot log whose index is a measurement register.
#[derive(Clone, Debug)]
pub struct CcLog<'a>(BootLog<'a>);

/// The registers of one bank as the log says they stand; `None` where an event lacks its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CcRegisters {
    /// The algorithm, SHA-384 on Intel TDX.
    pub alg: HashAlg,
    /// MRTD first. Events of index 0 are informative: the launch measurement is not an extend of them.
    pub values: [Option<Digest>; CC_REGISTERS],
    /// Which were extended.
    pub extended: [bool; CC_REGISTERS],
}

/// The ACPI table that says where the log is, 56 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CcelTable {
    /// 1 AMD SEV, 2 Intel TDX (UEFI 2.10 section 38.2).
    pub kind: u8,
    /// Vendor's own subdivision.
    pub subtype: u8,
    /// Least length of the area, bytes.
    pub min_len: u64,
    /// Physical address of the log.
    pub address: u64,
}

/// The name of a measurement register on Intel TDX.
pub fn register_name(index: u32) -> Option<&'static str> {
    ["MRTD", "RTMR0", "RTMR1", "RTMR2", "RTMR3"].get(usize::try_from(index).ok()?).copied()
}

impl<'a> CcLog<'a> {
    /// Reads a log of this kind.
    ///
    /// # Errors
    /// [`LogError`] where [`BootLog::parse`] has one, and [`LogError::Pcr`] for an event that extends an index which is
    /// no measurement register.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LogError> {
        Self::try_from(BootLog::parse(bytes)?)
    }

    /// The log by its form.
    pub fn log(&self) -> &BootLog<'a> {
        &self.0
    }

    /// Recomputes the registers.
    ///
    /// # Errors
    /// [`ReplayError::NoBank`] when the log has no digests of `alg`.
    pub fn replay(&self, alg: HashAlg, hasher: &impl Hasher) -> Result<CcRegisters, ReplayError> {
        if !self.0.banks().contains(&alg) {
            return Err(ReplayError::NoBank { wanted: alg });
        }
        let mut values = [Some(Digest::zero(alg)); CC_REGISTERS];
        let mut extended = [false; CC_REGISTERS];
        for event in self.0.events().iter().filter(|event| event.extends()) {
            let Ok(index) = usize::try_from(event.pcr) else { continue };
            if let (Some(value), Some(touched)) = (values.get_mut(index), extended.get_mut(index)) {
                *touched = true;
                *value = value.zip(event.digest(alg)).map(|(value, digest)| extend(hasher, &value, &digest));
            }
        }
        Ok(CcRegisters { alg, values, extended })
    }
}

impl<'a> TryFrom<BootLog<'a>> for CcLog<'a> {
    type Error = LogError;

    fn try_from(log: BootLog<'a>) -> Result<Self, LogError> {
        let foreign = |pcr: u32| !usize::try_from(pcr).is_ok_and(|pcr| pcr < CC_REGISTERS);
        match log.events().iter().find(|event| event.extends() && foreign(event.pcr)) {
            Some(event) => Err(LogError::Pcr { offset: event.offset, got: event.pcr }),
            None => Ok(Self(log)),
        }
    }
}

impl CcelTable {
    /// Reads the table; the checksum over all of it must be zero.
    ///
    /// # Errors
    /// [`LogError`] for another length or signature, or a wrong checksum.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        const LEN: usize = 56;
        let mut cursor = Cursor::new(bytes, 0);
        let table = cursor.take(LEN, "CCEL table")?;
        if !cursor.rest().is_empty() {
            return Err(LogError::Trailing { offset: LEN, field: "the CCEL table", got: cursor.rest().len() });
        }
        let sum = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        if !table.starts_with(b"CCEL") || sum != 0 {
            return Err(LogError::Value { offset: 0, field: "CCEL signature and checksum" });
        }
        let mut fields = Cursor::new(table, 0);
        fields.take(36, "ACPI header")?;
        let (kind, subtype) = (fields.u8("type")?, fields.u8("subtype")?);
        fields.u16("reserved")?;
        Ok(Self { kind, subtype, min_len: fields.u64("log area length")?, address: fields.u64("log address")? })
    }
}
