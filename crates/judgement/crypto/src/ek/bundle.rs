//! The CAs of TPM vendors that come with Avouch: `dist/tpm-vendor-ca`, whose table says for each one where it is from,
//! under which licence, and its fingerprint.
//!
//! They are here so that an operator need not collect them, not because Avouch vouches for a vendor: every verdict
//! names the root that was used, and a deployment may give its own instead.

use data_encoding::HEXLOWER;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::certificate::{CertificateFacts, describe};

/// Vendor and PEM file.
const FILES: [(&str, &str); 8] = [
    ("Alibaba Cloud", include_str!("../../../../../dist/tpm-vendor-ca/alibaba.pem")),
    ("GlobalSign", include_str!("../../../../../dist/tpm-vendor-ca/globalsign.pem")),
    ("Google", include_str!("../../../../../dist/tpm-vendor-ca/google.pem")),
    ("Infineon", include_str!("../../../../../dist/tpm-vendor-ca/infineon.pem")),
    ("Intel", include_str!("../../../../../dist/tpm-vendor-ca/intel.pem")),
    ("Nationz", include_str!("../../../../../dist/tpm-vendor-ca/nationz.pem")),
    ("Nuvoton", include_str!("../../../../../dist/tpm-vendor-ca/nuvoton.pem")),
    ("STMicroelectronics", include_str!("../../../../../dist/tpm-vendor-ca/stmicroelectronics.pem")),
];

/// SHA-256 of the CAs whose own issuer no free source holds. Each is trusted by itself, as exactly this certificate.
const PINNED: [&str; 5] = [
    // Aliyun TPM EKMF CA
    "141805f04cd9b89bfbcd30cb792d5ca3a0a2382db6ee35720e6e27e4189e43a0",
    // Google EK/AK CA Intermediate
    "c84de8116dfaf5a908f21e810487791f5437e206d00ad8025050cca6bd2ff627",
    // IFX TPM EK Root CA
    "7df2c3751c03ce003e99174d9cb2559f57a1b05b1920dd30bb6f8dfcf17f5e62",
    // Nationz TPM Manufacturing CA 001
    "44afc4b65d4f617143cf3085637e88e6ecc7710f9594b37f65a3dea82d300ba3",
    // STM TPM ECC Root CA 01
    "c541d7e5b9e3f935621acbd403896225ec641036c9ae3b5f7ac793a606ff9b79",
];

/// A certificate that comes with Avouch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundledCertificate {
    /// Whose TPMs, or whose CA.
    pub vendor: &'static str,
    /// DER.
    pub der: Vec<u8>,
    /// Trusted by itself although it is not self-signed: its issuer is in no free source.
    pub pinned: bool,
    /// What it says.
    pub facts: CertificateFacts,
}

/// All of them, in a fixed order.
pub fn certificates() -> impl Iterator<Item = BundledCertificate> {
    FILES.into_iter().flat_map(|(vendor, text)| {
        CertificateDer::pem_slice_iter(text.as_bytes()).filter_map(move |item| {
            let der = item.ok()?.to_vec();
            let facts = describe(&der).ok()?;
            let pinned = PINNED.contains(&HEXLOWER.encode(&facts.sha256).as_str());
            Some(BundledCertificate { vendor, der, pinned, facts })
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::certificate::Fields;
    use crate::ek::path::chosen_by_hand;

    #[test]
    fn every_bundled_ca_is_self_signed_or_chains_inside_the_bundle_or_is_pinned() {
        let all: Vec<BundledCertificate> = certificates().collect();
        for ca in &all {
            let child = Fields::decode(&ca.der).unwrap();
            let issuers = all.iter().map(|issuer| Fields::decode(&issuer.der).unwrap());
            let signed =
                issuers.filter(|issuer| issuer.subject == child.issuer).any(|issuer| chosen_by_hand(&child, &issuer));
            assert!(signed || ca.pinned, "{}", ca.facts.subject);
            assert!(!(signed && ca.pinned), "{}: its issuer is here, so it needs no pin", ca.facts.subject);
        }
    }
}
