//! A maker of TPMs, or a cloud: certificates for keys that a TPM holds.

use anyhow::{Context, Result, bail};
use avouch_tpm_wire::{Curve, Key, PublicArea};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SubjectPublicKeyInfo,
};

/// tcg-kp-EKCertificate and tcg-kp-AIKCertificate (TCG EK Credential Profile, TCG OID registry).
const EK_PURPOSE: [u64; 5] = [2, 23, 133, 8, 1];
const AK_PURPOSE: [u64; 5] = [2, 23, 133, 8, 3];
/// id-kp-clientAuth: a certificate for something else.
const OTHER_PURPOSE: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 2];

/// Somebody who certifies TPM keys, with a self-signed certificate.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a certificate is to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A good EK certificate.
    Ek,
    /// An EK certificate whose time is over.
    ExpiredEk,
    /// A certificate with the purpose of a TLS client.
    OtherPurpose,
    /// A good certificate of an attestation key.
    Ak,
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate, DER, for the key with this TPMT_PUBLIC.
    ///
    /// # Errors
    /// When the key is of a kind that no certificate here is made for.
    pub fn certify(&self, public: &[u8], shape: Shape) -> Result<Vec<u8>> {
        let mut params = CertificateParams::default();
        let (purpose, usage) = match shape {
            Shape::Ek | Shape::ExpiredEk => (EK_PURPOSE.to_vec(), KeyUsagePurpose::KeyEncipherment),
            Shape::OtherPurpose => (OTHER_PURPOSE.to_vec(), KeyUsagePurpose::KeyEncipherment),
            Shape::Ak => (AK_PURPOSE.to_vec(), KeyUsagePurpose::DigitalSignature),
        };
        let ecc = matches!(PublicArea::parse(public)?.key(), Key::Ecc { .. });
        let usage = if ecc && shape != Shape::Ak { KeyUsagePurpose::KeyAgreement } else { usage };
        params.distinguished_name.push(DnType::CommonName, "a TPM key");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(purpose)];
        params.key_usages = vec![usage];
        params.not_before = rcgen::date_time_ymd(2021, 1, 1);
        let last_year = if shape == Shape::ExpiredEk { 2022 } else { 9999 };
        params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
        let spki = SubjectPublicKeyInfo::from_der(&spki(public)?)?;
        Ok(params.signed_by(&spki, &self.0)?.der().to_vec())
    }
}

/// SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of a TPM's public area.
fn spki(public: &[u8]) -> Result<Vec<u8>> {
    const RSA_ENCRYPTION: [u8; 11] = [0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1];
    const EC_PUBLIC_KEY: [u8; 9] = [0x06, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];
    let (algorithm, key) = match *PublicArea::parse(public)?.key() {
        Key::Rsa { modulus, .. } => {
            let numbers = [der(0x02, &[&[0], modulus].concat())?, der(0x02, &[1, 0, 1])?].concat();
            ([RSA_ENCRYPTION.as_slice(), &[0x05, 0]].concat(), der(0x30, &numbers)?)
        }
        Key::Ecc { curve, x, y, .. } => {
            let named: &[u8] = match curve {
                Curve::P256 => &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7],
                Curve::P384 => &[0x06, 5, 0x2B, 0x81, 4, 0, 34],
                Curve::P521 => &[0x06, 5, 0x2B, 0x81, 4, 0, 35],
                other => bail!("no certificate is made for curve {other:?}"),
            };
            ([EC_PUBLIC_KEY.as_slice(), named].concat(), [&[4], x, y].concat())
        }
        _ => bail!("no certificate is made for a symmetric key"),
    };
    der(0x30, &[der(0x30, &algorithm)?, der(0x03, &[&[0], key.as_slice()].concat())?].concat())
}

fn der(tag: u8, content: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(content.len()).context("no longer than a certificate")?;
    let head = match length {
        0..=0x7F => vec![tag, u8::try_from(length)?],
        _ => [&[tag, 0x82], length.to_be_bytes().as_slice()].concat(),
    };
    Ok([head.as_slice(), content].concat())
}
