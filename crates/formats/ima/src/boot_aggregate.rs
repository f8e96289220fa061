//! The digest in a list's first entry: what the kernel read from the PCRs of the firmware.

use core::fmt;

use avouch_tpm_wire::{Digest, HashAlg, Hasher};

/// Which PCRs a boot_aggregate covers (`ima_calc_boot_aggregate_tfm` in `ima_crypto.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootAggregate {
    /// PCR 0 to 7: every SHA-1 boot_aggregate, and all of kernels before 5.8.
    Pcr0To7,
    /// PCR 0 to 9: other algorithms since kernel 5.8.
    Pcr0To9,
}

impl BootAggregate {
    /// Both, the one of present kernels first.
    pub const ALL: [Self; 2] = [Self::Pcr0To9, Self::Pcr0To7];

    /// The PCRs in the order in which they are hashed.
    pub fn pcrs(self) -> core::ops::RangeInclusive<u32> {
        match self {
            Self::Pcr0To7 => 0..=7,
            Self::Pcr0To9 => 0..=9,
        }
    }
}

/// Why a boot_aggregate cannot be computed. An aggregate over fewer PCRs would be another value, not a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootAggregateError {
    /// A PCR is not given.
    Missing {
        /// The PCR.
        pcr: u32,
    },
    /// A PCR is given in another bank: the kernel hashes the bank of the aggregate's own algorithm.
    Bank {
        /// The PCR.
        pcr: u32,
        /// The bank of the aggregate.
        wanted: HashAlg,
        /// The bank of the value.
        got: HashAlg,
    },
}

/// The boot_aggregate over the given PCRs of the `alg` bank, hashed with `alg`.
///
/// Which variant a kernel used is not said in the list: a caller compares with both of [`BootAggregate::ALL`].
///
/// # Errors
/// [`BootAggregateError`] when a PCR is missing or of another bank.
pub fn boot_aggregate(
    alg: HashAlg,
    pcrs: impl Fn(u32) -> Option<Digest>,
    variant: BootAggregate,
    hasher: &impl Hasher,
) -> Result<Digest, BootAggregateError> {
    let mut values = [Digest::zero(alg); 10];
    for (value, pcr) in values.iter_mut().zip(variant.pcrs()) {
        *value = pcrs(pcr).ok_or(BootAggregateError::Missing { pcr })?;
        if value.alg() != alg {
            return Err(BootAggregateError::Bank { pcr, wanted: alg, got: value.alg() });
        }
    }
    let mut parts: [&[u8]; 10] = [&[]; 10];
    for ((part, value), _) in parts.iter_mut().zip(&values).zip(variant.pcrs()) {
        *part = value.as_bytes();
    }
    Ok(hasher.hash(alg, &parts))
}

impl fmt::Display for BootAggregateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { pcr } => write!(f, "boot_aggregate cannot be computed: PCR {pcr} is not given"),
            Self::Bank { pcr, wanted, got } => {
                write!(f, "boot_aggregate cannot be computed: PCR {pcr} is of the {got} bank, wanted {wanted}")
            }
        }
    }
}

impl core::error::Error for BootAggregateError {}
