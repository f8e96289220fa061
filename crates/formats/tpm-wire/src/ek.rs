//! The endorsement key templates of the TCG EK Credential Profile (version 2.6, annex B), in the protocol's fixed order.

use crate::key::{Curve, Kdf, Key, Scheme, Symmetric};
use crate::templates::{EK_POLICY_SHA256, EK_RSA2048_L1};
use crate::{Attributes, Handle, HashAlg, PublicArea};

/// AES-256 in CFB mode: the cipher of the templates H-3, H-4, H-6 and H-7.
const AES_256_CFB: Symmetric = Symmetric::Cipher { alg: 0x0006, bits: 256, mode: 0x0043 };

/// PolicyC: PolicyAuthorizeNV with the index of the nameAlg, 0x01C07F01 to 0x01C07F03 (section B.6.4). It lets a
/// manufacturer open another way to use the key; Avouch only needs its digest, as the other branch of PolicyB.
const POLICY_C_SHA256: [u8; 32] = [
    0x37, 0x67, 0xE2, 0xED, 0xD4, 0x3F, 0xF4, 0x5A, 0x3A, 0x7E, 0x1E, 0xAE, 0xFC, 0xEF, 0x78, 0x64, 0x3D, 0xCA, 0x96,
    0x46, 0x32, 0xE7, 0xAA, 0xD8, 0x2C, 0x67, 0x3A, 0x30, 0xD8, 0x63, 0x3F, 0xDE,
];
const POLICY_A_SHA384: [u8; 48] = [
    0x8B, 0xBF, 0x22, 0x66, 0x53, 0x7C, 0x17, 0x1C, 0xB5, 0x6E, 0x40, 0x3C, 0x4D, 0xC1, 0xD4, 0xB6, 0x4F, 0x43, 0x26,
    0x11, 0xDC, 0x38, 0x6E, 0x6F, 0x53, 0x20, 0x50, 0xC3, 0x27, 0x8C, 0x93, 0x0E, 0x14, 0x3E, 0x8B, 0xB1, 0x13, 0x38,
    0x24, 0xCC, 0xB4, 0x31, 0x05, 0x38, 0x71, 0xC6, 0xDB, 0x53,
];
const POLICY_C_SHA384: [u8; 48] = [
    0xD6, 0x03, 0x2C, 0xE6, 0x1F, 0x2F, 0xB3, 0xC2, 0x40, 0xEB, 0x3C, 0xF6, 0xA3, 0x32, 0x37, 0xEF, 0x2B, 0x6A, 0x16,
    0xF4, 0x29, 0x3C, 0x22, 0xB4, 0x55, 0xE2, 0x61, 0xCF, 0xFD, 0x21, 0x7A, 0xD5, 0xB4, 0x94, 0x7C, 0x2D, 0x73, 0xE6,
    0x30, 0x05, 0xEE, 0xD2, 0xDC, 0x2B, 0x35, 0x93, 0xD1, 0x65,
];
const POLICY_A_SHA512: [u8; 64] = [
    0x1E, 0x3B, 0x76, 0x50, 0x2C, 0x8A, 0x14, 0x25, 0xAA, 0x0B, 0x7B, 0x3F, 0xC6, 0x46, 0xA1, 0xB0, 0xFA, 0xE0, 0x63,
    0xB0, 0x3B, 0x53, 0x68, 0xF9, 0xC4, 0xCD, 0xDE, 0xCA, 0xFF, 0x08, 0x91, 0xDD, 0x68, 0x2B, 0xAC, 0x1A, 0x85, 0xD4,
    0xD8, 0x32, 0xB7, 0x81, 0xEA, 0x45, 0x19, 0x15, 0xDE, 0x5F, 0xC5, 0xBF, 0x0D, 0xC4, 0xA1, 0x91, 0x7C, 0xD4, 0x2F,
    0xA0, 0x41, 0xE3, 0xF9, 0x98, 0xE0, 0xEE,
];
const POLICY_C_SHA512: [u8; 64] = [
    0x58, 0x9E, 0xE1, 0xE1, 0x46, 0x54, 0x47, 0x16, 0xE8, 0xDE, 0xAF, 0xE6, 0xDB, 0x24, 0x7B, 0x01, 0xB8, 0x1E, 0x9F,
    0x9C, 0x7D, 0xD1, 0x6B, 0x81, 0x4A, 0xA1, 0x59, 0x13, 0x87, 0x49, 0x10, 0x5F, 0xBA, 0x53, 0x88, 0xDD, 0x1D, 0xEA,
    0x70, 0x2F, 0x35, 0x24, 0x0C, 0x18, 0x49, 0x33, 0x12, 0x1E, 0x2C, 0x61, 0xB8, 0xF5, 0x0D, 0x3E, 0xF9, 0x13, 0x93,
    0xA4, 0x9A, 0x38, 0xC3, 0xF7, 0x3F, 0xC8,
];
/// PolicyB: PolicyOR of PolicyA and PolicyC.
const POLICY_B_SHA256: [u8; 32] = [
    0xCA, 0x3D, 0x0A, 0x99, 0xA2, 0xB9, 0x39, 0x06, 0xF7, 0xA3, 0x34, 0x24, 0x14, 0xEF, 0xCF, 0xB3, 0xA3, 0x85, 0xD4,
    0x4C, 0xD1, 0xFD, 0x45, 0x90, 0x89, 0xD1, 0x9B, 0x50, 0x71, 0xC0, 0xB7, 0xA0,
];
const POLICY_B_SHA384: [u8; 48] = [
    0xB2, 0x6E, 0x7D, 0x28, 0xD1, 0x1A, 0x50, 0xBC, 0x53, 0xD8, 0x82, 0xBC, 0xF5, 0xFD, 0x3A, 0x1A, 0x07, 0x41, 0x48,
    0xBB, 0x35, 0xD3, 0xB4, 0xE4, 0xCB, 0x1C, 0x0A, 0xD9, 0xBD, 0xE4, 0x19, 0xCA, 0xCB, 0x47, 0xBA, 0x09, 0x69, 0x96,
    0x46, 0x15, 0x0F, 0x9F, 0xC0, 0x00, 0xF3, 0xF8, 0x0E, 0x12,
];
const POLICY_B_SHA512: [u8; 64] = [
    0xB8, 0x22, 0x1C, 0xA6, 0x9E, 0x85, 0x50, 0xA4, 0x91, 0x4D, 0xE3, 0xFA, 0xA6, 0xA1, 0x8C, 0x07, 0x2C, 0xC0, 0x12,
    0x08, 0x07, 0x3A, 0x92, 0x8D, 0x5D, 0x66, 0xD5, 0x9E, 0xF7, 0x9E, 0x49, 0xA4, 0x29, 0xC4, 0x1A, 0x6B, 0x26, 0x95,
    0x71, 0xD5, 0x7E, 0xDB, 0x25, 0xFB, 0xDB, 0x18, 0x38, 0x42, 0x56, 0x08, 0xB4, 0x13, 0xCD, 0x61, 0x6A, 0x5F, 0x6D,
    0xB5, 0xB6, 0x07, 0x1A, 0xF9, 0x9B, 0xEA,
];

/// A template from which every TPM that has it makes the same endorsement key again.
///
/// The order is the protocol's: the first template with a certificate is a node's endorsement key, else the first that
/// exists. H-5 (SM2) is not among them: no library here has SM3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EkTemplate {
    /// RSA-2048, 256 zero bytes of `unique`.
    L1,
    /// P-256, 32 and 32 zero bytes of `unique`.
    L2,
    /// RSA-2048.
    H1,
    /// P-256.
    H2,
    /// P-384.
    H3,
    /// P-521.
    H4,
    /// RSA-3072.
    H6,
    /// RSA-4096.
    H7,
}

impl EkTemplate {
    /// Every template, in the fixed order.
    pub const ALL: [Self; 8] = [Self::L1, Self::L2, Self::H1, Self::H2, Self::H3, Self::H4, Self::H6, Self::H7];

    /// The name in the profile, e.g. `L-1`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L-1",
            Self::L2 => "L-2",
            Self::H1 => "H-1",
            Self::H2 => "H-2",
            Self::H3 => "H-3",
            Self::H4 => "H-4",
            Self::H6 => "H-6",
            Self::H7 => "H-7",
        }
    }

    /// The template that is named so; letters of either case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.name().eq_ignore_ascii_case(name))
    }

    /// The kind of key, for people.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::L1 | Self::H1 => "RSA-2048",
            Self::L2 | Self::H2 => "ECC P-256",
            Self::H3 => "ECC P-384",
            Self::H4 => "ECC P-521",
            Self::H6 => "RSA-3072",
            Self::H7 => "RSA-4096",
        }
    }

    /// NV index of the certificate (section 2.2.1.4 and 2.2.1.5).
    pub const fn certificate(self) -> Handle {
        Handle(match self {
            Self::L1 => Handle::EK_CERTIFICATE_RSA2048.0,
            Self::L2 => 0x01C0_000A,
            Self::H1 => 0x01C0_0012,
            Self::H2 => 0x01C0_0014,
            Self::H3 => 0x01C0_0016,
            Self::H4 => 0x01C0_0018,
            Self::H6 => 0x01C0_001C,
            Self::H7 => 0x01C0_001E,
        })
    }

    /// The template of this key: equal in all but the unique field.
    pub fn of(area: &PublicArea<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|template| area.is_made_from(&template.area()))
    }

    /// The two branches of PolicyB, to be given to TPM2_PolicyOR behind PolicyA; `None` where the key's policy is
    /// PolicyA itself.
    pub const fn policy_branches(self) -> Option<[&'static [u8]; 2]> {
        match self {
            Self::L1 | Self::L2 => None,
            Self::H1 | Self::H2 => Some([&EK_POLICY_SHA256, &POLICY_C_SHA256]),
            Self::H3 | Self::H6 | Self::H7 => Some([&POLICY_A_SHA384, &POLICY_C_SHA384]),
            Self::H4 => Some([&POLICY_A_SHA512, &POLICY_C_SHA512]),
        }
    }

    /// The template itself.
    pub const fn area(self) -> PublicArea<'static> {
        const AES_128_CFB: Symmetric = Symmetric::AES_128_CFB;
        match self {
            Self::L1 => EK_RSA2048_L1,
            Self::L2 => PublicArea { key: ecc(AES_128_CFB, Curve::P256, &[0; 32]), ..EK_RSA2048_L1 },
            Self::H1 => high(HashAlg::Sha256, &POLICY_B_SHA256, rsa(AES_128_CFB, 2048)),
            Self::H2 => high(HashAlg::Sha256, &POLICY_B_SHA256, ecc(AES_128_CFB, Curve::P256, &[])),
            Self::H3 => high(HashAlg::Sha384, &POLICY_B_SHA384, ecc(AES_256_CFB, Curve::P384, &[])),
            Self::H4 => high(HashAlg::Sha512, &POLICY_B_SHA512, ecc(AES_256_CFB, Curve::P521, &[])),
            Self::H6 => high(HashAlg::Sha384, &POLICY_B_SHA384, rsa(AES_256_CFB, 3072)),
            Self::H7 => high(HashAlg::Sha384, &POLICY_B_SHA384, rsa(AES_256_CFB, 4096)),
        }
    }
}

/// A template of the high range: userWithAuth is SET, `unique` is empty.
const fn high(name_alg: HashAlg, auth_policy: &'static [u8], key: Key<'static>) -> PublicArea<'static> {
    let attributes = EK_RSA2048_L1.attributes.with(Attributes::USER_WITH_AUTH);
    PublicArea { name_alg, attributes, auth_policy, key }
}

const fn rsa(symmetric: Symmetric, bits: u16) -> Key<'static> {
    Key::Rsa { symmetric, scheme: Scheme::Null, bits, exponent: 0, modulus: &[] }
}

const fn ecc(symmetric: Symmetric, curve: Curve, zeros: &'static [u8]) -> Key<'static> {
    Key::Ecc { symmetric, scheme: Scheme::Null, curve, kdf: Kdf::Null, x: zeros, y: zeros }
}

impl core::fmt::Display for EkTemplate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_template_is_its_own_and_no_other() {
        for template in EkTemplate::ALL {
            let bytes = template.area().encode();
            let area = PublicArea::parse(&bytes).unwrap();
            assert_eq!(area, template.area());
            assert_eq!(EkTemplate::of(&area), Some(template));
            assert_eq!(EkTemplate::from_name(template.name()), Some(template));
        }
        assert_eq!(EkTemplate::of(&crate::templates::AK_PARENT), None);
        assert_eq!(EkTemplate::from_name("h-3"), Some(EkTemplate::H3));
        assert_eq!(EkTemplate::from_name("H-5"), None);
    }

    #[test]
    fn templates_keep_their_bytes() {
        for (template, attributes, length) in [
            (EkTemplate::L1, 0x0003_00B2, 314),
            (EkTemplate::L2, 0x0003_00B2, 122),
            (EkTemplate::H1, 0x0003_00F2, 58),
            (EkTemplate::H3, 0x0003_00F2, 74),
            (EkTemplate::H4, 0x0003_00F2, 90),
            (EkTemplate::H6, 0x0003_00F2, 74),
        ] {
            let area = template.area();
            assert_eq!((area.attributes().0, area.encode().len()), (attributes, length), "{template}");
        }
    }
}
