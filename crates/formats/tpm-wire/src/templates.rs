//! The templates that are part of the protocol. A template is never edited: a change is a new one beside it.

use crate::key::{Curve, Kdf, Key, Scheme, Symmetric};
use crate::public::Attributes;
use crate::{HashAlg, PcrSelection, PublicArea};

/// Version of [`AK_PARENT`] and [`AK`] together.
pub const VERSION: u32 = 1;

/// PolicySecret(TPM_RH_ENDORSEMENT): PolicyA of the TCG EK Credential Profile, SHA-256.
pub const EK_POLICY_SHA256: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC, 0x8D, 0x46, 0xA5, 0xD7, 0x24, 0xFD, 0x52, 0xD7,
    0x6E, 0x06, 0x52, 0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA,
];

const EK_ATTRIBUTES: Attributes = Attributes::FIXED_TPM
    .with(Attributes::FIXED_PARENT)
    .with(Attributes::SENSITIVE_DATA_ORIGIN)
    .with(Attributes::ADMIN_WITH_POLICY)
    .with(Attributes::RESTRICTED)
    .with(Attributes::DECRYPT);

/// Endorsement key, RSA-2048: template L-1 of the TCG EK Credential Profile, its 256 zero bytes of `unique` included.
pub const EK_RSA2048_L1: PublicArea<'static> = PublicArea {
    name_alg: HashAlg::Sha256,
    attributes: EK_ATTRIBUTES,
    auth_policy: &EK_POLICY_SHA256,
    key: Key::Rsa {
        symmetric: Symmetric::AES_128_CFB,
        scheme: Scheme::Null,
        bits: 2048,
        exponent: 0,
        modulus: &[0; 256],
    },
};

/// Parent of the attestation key: a P-256 storage primary of the endorsement hierarchy.
///
/// A primary comes from the hierarchy's seed and its template, so every byte here decides which key it is; `unique`
/// is 32 + 32 zero bytes (an empty one would give another key).
pub const AK_PARENT: PublicArea<'static> = PublicArea {
    name_alg: HashAlg::Sha256,
    attributes: Attributes::FIXED_TPM
        .with(Attributes::FIXED_PARENT)
        .with(Attributes::SENSITIVE_DATA_ORIGIN)
        .with(Attributes::USER_WITH_AUTH)
        .with(Attributes::NO_DA)
        .with(Attributes::RESTRICTED)
        .with(Attributes::DECRYPT),
    auth_policy: &[],
    key: Key::Ecc {
        symmetric: Symmetric::AES_128_CFB,
        scheme: Scheme::Null,
        curve: Curve::P256,
        kdf: Kdf::Null,
        x: &[0; 32],
        y: &[0; 32],
    },
};

/// The attestation key: P-256, ECDSA with SHA-256, restricted signing, made by TPM2_Create below [`AK_PARENT`].
///
/// Never a primary: a primary returns after TPM2_Clear, with its counters at zero, and could sign the same boot
/// session twice.
pub const AK: PublicArea<'static> = PublicArea {
    name_alg: HashAlg::Sha256,
    attributes: Attributes::FIXED_TPM
        .with(Attributes::FIXED_PARENT)
        .with(Attributes::SENSITIVE_DATA_ORIGIN)
        .with(Attributes::USER_WITH_AUTH)
        .with(Attributes::NO_DA)
        .with(Attributes::RESTRICTED)
        .with(Attributes::SIGN),
    auth_policy: &[],
    key: ECDSA_P256,
};

/// What both keys that sign are: ECDSA with SHA-256 over P-256.
const ECDSA_P256: Key<'static> = Key::Ecc {
    symmetric: Symmetric::Null,
    scheme: Scheme::Ecdsa(HashAlg::Sha256),
    curve: Curve::P256,
    kdf: Kdf::Null,
    x: &[],
    y: &[],
};

/// The PCRs whose values are the boot state that [`report_key`] is bound to. PCRs that move at run time are not among
/// them.
pub const REPORT_KEY_PCRS: PcrSelection =
    PcrSelection { bank: HashAlg::Sha256, mask: 1 | 1 << 2 | 1 << 4 | 1 << 7 | 1 << 12 };

/// The key that signs reports: P-256, ECDSA with SHA-256, below [`AK_PARENT`], usable only under `policy`, which is
/// [`crate::pcr_policy`] over [`REPORT_KEY_PCRS`] in the approved boot state.
///
/// userWithAuth is clear: with it the key would sign with an empty password whatever the PCRs say. adminWithPolicy is
/// clear, so that the attestation key can certify it in any state.
pub const fn report_key(policy: &[u8; 32]) -> PublicArea<'_> {
    PublicArea {
        name_alg: HashAlg::Sha256,
        attributes: Attributes::FIXED_TPM
            .with(Attributes::FIXED_PARENT)
            .with(Attributes::SENSITIVE_DATA_ORIGIN)
            .with(Attributes::NO_DA)
            .with(Attributes::SIGN),
        auth_policy: policy,
        key: ECDSA_P256,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn templates_are_areas_that_parse_to_themselves() {
        for template in [EK_RSA2048_L1, AK_PARENT, AK, report_key(&[7; 32])] {
            let bytes = template.encode();
            assert_eq!(PublicArea::parse(&bytes).unwrap(), template);
            assert!(PublicArea::parse(&bytes).unwrap().is_made_from(&template));
        }
        assert!(!AK.is_made_from(&AK_PARENT));
        assert!(!report_key(&[7; 32]).is_made_from(&report_key(&[8; 32])));
    }

    #[test]
    fn template_bytes_are_frozen() {
        assert_eq!(EK_RSA2048_L1.encode().len(), 314);
        assert_eq!(EK_RSA2048_L1.attributes().0, 0x0003_00B2);
        assert_eq!(AK_PARENT.attributes().0, 0x0003_0472);
        assert_eq!(AK.attributes().0, 0x0005_0472);
        assert_eq!(report_key(&[7; 32]).attributes().0, 0x0004_0432);
        assert_eq!(REPORT_KEY_PCRS.pcrs().collect::<alloc::vec::Vec<_>>(), [0, 2, 4, 7, 12]);
        let ak = [0, 0x23, 0, 0x0B, 0, 5, 4, 0x72, 0, 0, 0, 0x10, 0, 0x18, 0, 0x0B, 0, 3, 0, 0x10, 0, 0, 0, 0];
        assert_eq!(AK.encode(), ak);
    }
}
