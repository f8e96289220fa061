//! The running value of the PCR that IMA extends.

use avouch_tpm_wire::{Digest, HashAlg, Hasher, extend};

use crate::{Entry, IMA_PCR};

/// What the PCR of one bank holds after some entries.
///
/// A bank whose algorithm the kernel could not compute holds SHA-1 template hashes padded with zeros instead (the
/// sha384 and sha512 banks of kernels that have SHA-512 as a module). Such a bank does not replay here, on purpose: it
/// is no stronger than SHA-1. [`Replay::padded`] tells that it is such a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    count: u64,
    others: u64,
    pcr: u32,
    is_padded: bool,
    value: Digest,
}

impl Replay {
    /// Before the first entry, after a TPM reset.
    pub fn new(alg: HashAlg) -> Self {
        Self { count: 0, others: 0, pcr: IMA_PCR, is_padded: false, value: Digest::zero(alg) }
    }

    /// After `count` entries that gave `value`; `None` when `value` is of another bank.
    pub fn resume(alg: HashAlg, count: u64, value: Digest) -> Option<Self> {
        (value.alg() == alg).then_some(Self { count, value, ..Self::new(alg) })
    }

    /// The same from the start for a bank that the kernel filled with padded SHA-1 template hashes.
    ///
    /// Good to explain why a bank does not replay, never to trust it: a PCR that this reproduces proves the list as far
    /// as SHA-1 does, whatever the bank is called.
    pub fn padded(alg: HashAlg) -> Self {
        Self { is_padded: true, ..Self::new(alg) }
    }

    /// Replays another PCR than [`IMA_PCR`]: that of a kernel with another CONFIG_IMA_MEASURE_PCR_IDX, or of rules with
    /// `pcr=`.
    pub fn pcr(mut self, pcr: u32) -> Self {
        self.pcr = pcr;
        self
    }

    /// Extends with the entry and gives the new value. The template hash is recomputed from the template data in the
    /// bank's algorithm; a violation extends ones. An entry of another PCR changes nothing and is counted by
    /// [`Replay::others`].
    #[inline]
    pub fn push(&mut self, entry: &Entry<'_>, hasher: &impl Hasher) -> Digest {
        if entry.pcr != self.pcr {
            self.others = self.others.saturating_add(1);
            return self.value;
        }
        let alg = self.value.alg();
        let event = match (entry.is_violation(), self.is_padded) {
            (false, true) => pad(alg, &entry.event_digest(HashAlg::Sha1, hasher)),
            _ => entry.event_digest(alg, hasher),
        };
        self.value = extend(hasher, &self.value, &event);
        self.count = self.count.saturating_add(1);
        self.value
    }

    /// The PCR as it stands.
    pub fn value(&self) -> Digest {
        self.value
    }

    /// Entries so far that extended this PCR.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Entries so far that extended another PCR and that this replay says nothing about.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// True for [`Replay::padded`].
    pub fn is_padded(&self) -> bool {
        self.is_padded
    }
}

/// A SHA-1 digest with zeros behind it (`ima_calc_field_array_hash`); in the SHA-1 bank the digest itself.
fn pad(alg: HashAlg, digest: &Digest) -> Digest {
    let mut bytes = [0; 64];
    bytes.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    // The array is as long as the longest digest, so the fallback is never taken.
    bytes.get(..alg.size()).and_then(|bytes| Digest::new(alg, bytes)).unwrap_or(*digest)
}
