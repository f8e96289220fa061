//! The digests of policies (TPM 2.0 Part 3, "Enhanced Authorization Commands").

use crate::{Digest, HashAlg, Hasher, PcrSelection};

/// TPM_CC_PolicyPCR as it enters the digest.
const POLICY_PCR: [u8; 4] = 0x0000_017F_u32.to_be_bytes();

/// authPolicy of an object that is usable only while the selected PCRs have these values, in the order of the
/// selection: `H(0… ‖ TPM_CC_PolicyPCR ‖ TPML_PCR_SELECTION ‖ H(values))` in the hash of the policy session.
pub fn pcr_policy(hasher: &impl Hasher, alg: HashAlg, selection: PcrSelection, values: &[Digest]) -> Digest {
    let parts: alloc::vec::Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
    let digest = hasher.hash(alg, &parts);
    hasher.hash(alg, &[Digest::zero(alg).as_bytes(), &POLICY_PCR, &selection.encode(), digest.as_bytes()])
}
