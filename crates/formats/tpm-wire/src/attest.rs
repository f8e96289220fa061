//! TPMS_ATTEST: what a TPM signs (TPM 2.0 Part 2, "Attestation structures").

use alloc::vec::Vec;

use crate::wire::{Reader, Wire, Writer, encode};
use crate::{SelectionList, Wanted, WireError};

const TPM_GENERATED: u32 = 0xFF54_4347;
const ST_CERTIFY: u16 = 0x8017;
const ST_QUOTE: u16 = 0x8018;
const ST_TIME: u16 = 0x8019;

/// Longest Name or digest with its algorithm: TPMU_NAME.
const MAX_NAME: u16 = 66;
/// Longest TPM2B_DATA: TPMT_HA.
const MAX_DATA: u16 = 66;

/// A TPMS_ATTEST; parsed is not yet believed, see [`crate::Signature`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attest<'a> {
    /// Qualified Name of the signing key, its nameAlg prefix included.
    pub qualified_signer: &'a [u8],
    /// The caller's qualifyingData.
    pub extra_data: &'a [u8],
    /// Clock and counters when it was signed.
    pub clock: ClockInfo,
    /// TPM firmware; obfuscated unless the key is in the endorsement or platform hierarchy.
    pub firmware_version: u64,
    /// What was attested.
    pub body: AttestBody<'a>,
}

/// TPMS_CLOCK_INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockInfo {
    /// Milliseconds that the TPM was powered, over its life since TPM2_Clear.
    pub clock: u64,
    /// TPM resets since TPM2_Clear.
    pub reset_count: u32,
    /// TPM restarts and resumes since the last reset.
    pub restart_count: u32,
    /// False when a higher clock value may have been reported before.
    pub safe: bool,
}

/// The three kinds of attestation that Avouch uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttestBody<'a> {
    /// TPM2_Quote.
    Quote {
        /// The PCRs that the digest covers.
        selection: SelectionList,
        /// Hash over the selected PCRs, in the hash algorithm of the signature scheme.
        pcr_digest: &'a [u8],
    },
    /// TPM2_GetTime.
    Time {
        /// Milliseconds since the TPM was last powered or reset.
        time: u64,
        /// Clock and counters, never obfuscated.
        clock: ClockInfo,
        /// TPM firmware, never obfuscated.
        firmware_version: u64,
    },
    /// TPM2_Certify.
    Certify {
        /// Name of the certified object.
        name: &'a [u8],
        /// Its qualified Name.
        qualified_name: &'a [u8],
    },
}

impl<'a> Attest<'a> {
    /// Reads a TPMS_ATTEST that fills `bytes`.
    ///
    /// # Errors
    /// [`Wanted::Magic`] when the bytes do not claim to come from inside a TPM, [`Wanted::AttestType`] for a kind
    /// of attestation that is not used here, and other [`WireError`]s for bytes that are cut, padded or out of range.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        Reader::new(bytes).whole()
    }

    /// The bytes that a TPM would sign.
    ///
    /// # Errors
    /// [`WireError`] when a field is too long for its length prefix.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode(self)
    }
}

impl<'a> Wire<'a> for Attest<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        let magic = reader.u32()?;
        if magic != TPM_GENERATED {
            return Err(WireError { offset: start, wanted: Wanted::Magic, got: magic.into() });
        }
        let type_at = reader.offset();
        let kind = reader.u16()?;
        if ![ST_QUOTE, ST_TIME, ST_CERTIFY].contains(&kind) {
            return Err(WireError { offset: type_at, wanted: Wanted::AttestType, got: kind.into() });
        }
        let qualified_signer = reader.sized_up_to(MAX_NAME)?;
        let extra_data = reader.sized_up_to(MAX_DATA)?;
        let clock = ClockInfo::read(reader)?;
        let firmware_version = reader.u64()?;
        let body = match kind {
            ST_QUOTE => {
                AttestBody::Quote { selection: SelectionList::read(reader)?, pcr_digest: reader.sized_up_to(MAX_DATA)? }
            }
            ST_TIME => AttestBody::Time {
                time: reader.u64()?,
                clock: ClockInfo::read(reader)?,
                firmware_version: reader.u64()?,
            },
            _ => AttestBody::Certify {
                name: reader.sized_up_to(MAX_NAME)?,
                qualified_name: reader.sized_up_to(MAX_NAME)?,
            },
        };
        Ok(Self { qualified_signer, extra_data, clock, firmware_version, body })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(TPM_GENERATED);
        writer.u16(match self.body {
            AttestBody::Quote { .. } => ST_QUOTE,
            AttestBody::Time { .. } => ST_TIME,
            AttestBody::Certify { .. } => ST_CERTIFY,
        });
        writer.sized(self.qualified_signer);
        writer.sized(self.extra_data);
        self.clock.write(writer);
        writer.u64(self.firmware_version);
        match &self.body {
            AttestBody::Quote { selection, pcr_digest } => {
                selection.write(writer);
                writer.sized(pcr_digest);
            }
            AttestBody::Time { time, clock, firmware_version } => {
                writer.u64(*time);
                clock.write(writer);
                writer.u64(*firmware_version);
            }
            AttestBody::Certify { name, qualified_name } => {
                writer.sized(name);
                writer.sized(qualified_name);
            }
        }
    }
}

impl<'a> Wire<'a> for ClockInfo {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self {
            clock: reader.u64()?,
            reset_count: reader.u32()?,
            restart_count: reader.u32()?,
            safe: bool::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.clock);
        writer.u32(self.reset_count);
        writer.u32(self.restart_count);
        self.safe.write(writer);
    }
}
