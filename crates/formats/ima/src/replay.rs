//! The running value of the PCR that IMA extends.

use avouch_tpm_wire::{Digest, HashAlg, Hasher, extend};

use crate::Entry;

/// What the PCR of one bank holds after some entries.
///
/// A bank whose algorithm the kernel could not compute holds SHA-1 template hashes padded with zeros instead (the
/// sha384 and sha512 banks of kernels that have SHA-512 as a module). Such a bank does not replay here, on purpose: it
/// is no stronger than SHA-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    count: u64,
    value: Digest,
}

impl Replay {
    /// Before the first entry, after a TPM reset.
    pub fn new(alg: HashAlg) -> Self {
        Self { count: 0, value: Digest::zero(alg) }
    }

    /// After `count` entries that gave `value`; `None` when `value` is of another bank.
    pub fn resume(alg: HashAlg, count: u64, value: Digest) -> Option<Self> {
        (value.alg() == alg).then_some(Self { count, value })
    }

    /// Extends with the entry and gives the new value. The template hash is recomputed from the template data in the
    /// bank's algorithm; a violation extends ones.
    pub fn push(&mut self, entry: &Entry<'_>, hasher: &impl Hasher) -> Digest {
        self.value = extend(hasher, &self.value, &entry.event_digest(self.value.alg(), hasher));
        self.count = self.count.saturating_add(1);
        self.value
    }

    /// The PCR as it stands.
    pub fn value(&self) -> Digest {
        self.value
    }

    /// Entries so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}
