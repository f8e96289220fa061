//! boot_aggregate: what ties the list to the boot.

use avouch_crypto::Hash as Sha;
use avouch_ima::{BootAggregate, boot_aggregate};
use avouch_tpm_wire::{Digest, HashAlg};

use super::{BOOT_AGGREGATE, Judge, Measured};
use crate::code::FindingCode;
use crate::replay::boot_value;
use crate::session::Aggregate;

impl Judge<'_> {
    pub(super) fn boot_aggregate(&mut self, file: &Measured<'_>) {
        let what = if file.entry.index != 0 {
            "is a second boot_aggregate: another kernel took over without a TPM reset"
        } else if file.name != BOOT_AGGREGATE || file.entry.is_violation() {
            "is the first entry and not boot_aggregate"
        } else {
            match self.aggregate_of(file) {
                Aggregate::None => "is not the digest of PCRs 0-9 in the quoted bank",
                covered => {
                    self.judged.aggregate = covered;
                    return;
                }
            }
        };
        self.push(FindingCode::BootAggregate, file, what);
    }

    /// Which PCRs it is the digest of. The weaker forms of kernels before 5.8 are taken and told in the coverage: the
    /// quote proves the list by PCR 10 with or without a boot_aggregate.
    fn aggregate_of(&self, file: &Measured<'_>) -> Aggregate {
        let quoted = |pcr| boot_value(&self.boot.proof, pcr);
        let is = |alg, value: &dyn Fn(u32) -> Option<Digest>, variant| {
            file.alg.hash_alg() == Some(alg)
                && boot_aggregate(alg, value, variant, &Sha).is_ok_and(|wanted| file.digest == wanted.as_bytes())
        };
        if is(self.bank, &quoted, BootAggregate::Pcr0To9) {
            return Aggregate::Pcr0To9;
        }
        if is(self.bank, &quoted, BootAggregate::Pcr0To7) {
            return Aggregate::Pcr0To7;
        }
        let sha1 = self.boot.sent.as_ref().and_then(|log| log.replay(HashAlg::Sha1, &Sha).ok());
        match sha1 {
            Some(bank) if is(HashAlg::Sha1, &|pcr| bank.value(pcr), BootAggregate::Pcr0To7) => Aggregate::Sha1,
            _ => Aggregate::None,
        }
    }
}
