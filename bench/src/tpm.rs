//! A TPM of software inside this process, for load: quotes cost the generator one signature and nothing else.
//!
//! It makes what a TPM would make (the same templates, Names, attestation structures and signatures) with keys of its
//! own, and a CA of this run certifies its endorsement key. A server cannot tell it from a TPM that its operator
//! chose to trust, which is why it can be measured without any switch in it.

use anyhow::{Context, Result, anyhow, ensure};
use avouch_crypto::{Hash as Sha, constant_time_eq, hmac_sha256};
use avouch_tpm_wire::{
    Attest, AttestBody, Attributes, ClockInfo, Curve, Digest, HashAlg, Kdf, Key, PcrSelection, PublicArea, Scheme,
    Signature, Symmetric, qualified_name, templates, unsized_of,
};
use aws_lc_rs::cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SubjectPublicKeyInfo,
};

const FIRMWARE: u64 = 0x0001_0000_0000_0001;
/// tcg-kp-EKCertificate.
const EK_PURPOSE: [u64; 5] = [2, 23, 133, 8, 1];

/// TPMS_ATTEST and TPMT_SIGNATURE.
pub(crate) struct Signed {
    pub(crate) attest: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// An attestation key under its parent, and the counters that it signs.
pub(crate) struct Attester {
    key: SigningKey,
    clock: ClockInfo,
    pub(crate) ak_public: Vec<u8>,
    pub(crate) ak_name: Vec<u8>,
    pub(crate) parent_public: Vec<u8>,
    parent_name: Vec<u8>,
    parent_qualified_name: Vec<u8>,
    qualified_signer: Vec<u8>,
}

enum SigningKey {
    P256(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// An RSA-2048 endorsement key with its certificate.
pub(crate) struct Endorsement {
    key: OaepPrivateDecryptingKey,
    pub(crate) public: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
}

/// Who vouches for the endorsement keys of this run.
pub(crate) struct Vendor(CertifiedIssuer<'static, KeyPair>);

// === impl Attester ===

impl Attester {
    /// A P-256 key by the template of the protocol.
    pub(crate) fn p256() -> Result<Self> {
        let pair = p256_pair()?;
        let (x, y) = coordinates(&pair)?;
        let key = Key::Ecc {
            symmetric: Symmetric::Null,
            scheme: Scheme::Ecdsa(HashAlg::Sha256),
            curve: Curve::P256,
            kdf: Kdf::Null,
            x: &x,
            y: &y,
        };
        Self::new(SigningKey::P256(pair), key)
    }

    /// An RSA-2048 key (RSASSA, SHA-256), which some TPMs have instead.
    pub(crate) fn rsa2048() -> Result<Self> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
        let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let scheme = Scheme::RsaSsa(HashAlg::Sha256);
        let key = Key::Rsa { symmetric: Symmetric::Null, scheme, bits: 2048, exponent: 0, modulus: &modulus };
        Self::new(SigningKey::Rsa(Box::new(pair)), key)
    }

    fn new(key: SigningKey, public: Key<'_>) -> Result<Self> {
        let area = PublicArea::new(HashAlg::Sha256, templates::AK.attributes(), &[], public)?;
        let (x, y) = coordinates(&p256_pair()?)?;
        let storage = Key::Ecc {
            symmetric: Symmetric::AES_128_CFB,
            scheme: Scheme::Null,
            curve: Curve::P256,
            kdf: Kdf::Null,
            x: &x,
            y: &y,
        };
        let parent = PublicArea::new(HashAlg::Sha256, templates::AK_PARENT.attributes(), &[], storage)?;
        let parent_qualified_name = parent.endorsement_primary_qualified_name(&Sha);
        let ak_name = area.name(&Sha);
        Ok(Self {
            key,
            clock: ClockInfo { clock: 90_000, reset_count: 7, restart_count: 0, safe: true },
            ak_public: area.encode(),
            qualified_signer: qualified_name(HashAlg::Sha256, &parent_qualified_name, &ak_name, &Sha),
            ak_name,
            parent_public: parent.encode(),
            parent_name: parent.name(&Sha),
            parent_qualified_name,
        })
    }

    pub(crate) fn quote(&mut self, qualifying: &[u8], selection: PcrSelection, pcr_digest: &Digest) -> Result<Signed> {
        self.attest(qualifying, AttestBody::Quote { selection: selection.into(), pcr_digest: pcr_digest.as_bytes() })
    }

    pub(crate) fn time(&mut self, qualifying: &[u8]) -> Result<Signed> {
        let clock = ClockInfo { clock: self.clock.clock + 1, ..self.clock };
        self.attest(qualifying, AttestBody::Time { time: clock.clock, clock, firmware_version: FIRMWARE })
    }

    pub(crate) fn certify_parent(&mut self, qualifying: &[u8]) -> Result<Signed> {
        let (name, qualified_name) = (self.parent_name.clone(), self.parent_qualified_name.clone());
        self.attest(qualifying, AttestBody::Certify { name: &name, qualified_name: &qualified_name })
    }

    fn attest(&mut self, qualifying: &[u8], body: AttestBody<'_>) -> Result<Signed> {
        self.clock.clock += 1;
        let attest = Attest {
            qualified_signer: &self.qualified_signer,
            extra_data: qualifying,
            clock: self.clock,
            firmware_version: FIRMWARE,
            body,
        };
        let attest = attest.encode()?;
        let signature = self.key.sign(&attest)?;
        Ok(Signed { attest, signature })
    }
}

impl SigningKey {
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let (random, hash) = (SystemRandom::new(), HashAlg::Sha256);
        match self {
            Self::P256(pair) => {
                let fixed = pair.sign(&random, bytes)?;
                let (r, s) = fixed.as_ref().split_at_checked(32).context("r and s have 32 bytes each")?;
                Ok(Signature::Ecdsa { hash, r, s }.encode()?)
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature)?;
                Ok(Signature::RsaSsa { hash, signature: &signature }.encode()?)
            }
        }
    }
}

// === impl Endorsement ===

impl Endorsement {
    pub(crate) fn new(vendor: &Vendor) -> Result<Self> {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der()?;
        let certificate = vendor.certify(spki.as_ref())?;
        let document: Pkcs8V1Der<'_> = key.as_der()?;
        let pair = RsaKeyPair::from_pkcs8(document.as_ref()).map_err(|error| anyhow!("{error}"))?;
        let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let Key::Rsa { symmetric, scheme, bits, exponent, .. } = *templates::EK_RSA2048_L1.key() else {
            unreachable!("template L-1 is RSA")
        };
        let public = Key::Rsa { symmetric, scheme, bits, exponent, modulus: &modulus };
        let template = &templates::EK_RSA2048_L1;
        let area = PublicArea::new(HashAlg::Sha256, template.attributes(), template.auth_policy(), public)?;
        debug_assert!(area.attributes().contains(Attributes::RESTRICTED));
        Ok(Self { public: area.encode(), certificate, key: OaepPrivateDecryptingKey::new(key)? })
    }

    /// TPM2_ActivateCredential (TPM 2.0 Part 1, "Credential Protection"): both arguments with their length prefixes.
    pub(crate) fn activate(&self, id_object: &[u8], encrypted_secret: &[u8], name: &[u8]) -> Result<Vec<u8>> {
        let mut seed = vec![0; self.key.min_output_size()];
        let encrypted = unsized_of(encrypted_secret)?;
        let seed = self.key.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut seed, Some(b"IDENTITY\0"))?;
        let (mac, identity) = unsized_of(id_object)?
            .split_first_chunk::<2>()
            .and_then(|(size, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*size))))
            .context("an identity object is a MAC and what it covers")?;
        let wanted = hmac_sha256(&kdfa(seed, b"INTEGRITY", &[], 256), &[identity, name]);
        ensure!(constant_time_eq(&wanted, mac), "the credential is not for this key");
        let cipher = UnboundCipherKey::new(&AES_128, &kdfa(seed, b"STORAGE", name, 128))?;
        let mut plain = identity.to_vec();
        let zero = DecryptionContext::Iv128(FixedLength::from([0; 16]));
        let plain = DecryptingKey::cfb128(cipher)?.decrypt(&mut plain, zero)?;
        Ok(unsized_of(plain)?.to_vec())
    }
}

/// KDFa with SHA-256 for at most one block.
fn kdfa(key: &[u8], label: &[u8], context: &[u8], bits: u32) -> Vec<u8> {
    let mut block = hmac_sha256(key, &[&1_u32.to_be_bytes(), label, &[0], context, &bits.to_be_bytes()]).to_vec();
    block.truncate(usize::try_from(bits / 8).unwrap_or(usize::MAX));
    block
}

// === impl Vendor ===

impl Vendor {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "TPM vendor of this measurement");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// What `ek_roots` names.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn certify(&self, spki: &[u8]) -> Result<Vec<u8>> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "unknown");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(EK_PURPOSE.to_vec())];
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let spki = SubjectPublicKeyInfo::from_der(spki)?;
        Ok(params.signed_by(&spki, &self.0)?.der().to_vec())
    }
}

fn p256_pair() -> Result<EcdsaKeyPair> {
    Ok(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)
}

/// x and y of an uncompressed point.
fn coordinates(pair: &EcdsaKeyPair) -> Result<([u8; 32], [u8; 32])> {
    let point = pair.public_key().as_ref();
    let (x, y) = point.get(1..).and_then(|xy| xy.split_at_checked(32)).context("a point has two coordinates")?;
    Ok((x.try_into()?, y.try_into()?))
}

#[cfg(test)]
mod tests {
    use avouch_crypto::make_credential;

    use super::*;

    #[test]
    fn a_credential_opens_for_its_own_name_only() {
        let vendor = Vendor::new().unwrap();
        let (endorsement, attester) = (Endorsement::new(&vendor).unwrap(), Attester::p256().unwrap());
        let area = PublicArea::parse(&endorsement.public).unwrap();
        let credential = make_credential(&area, &attester.ak_name, &[7; 32]).unwrap();
        let open = |name: &[u8]| endorsement.activate(&credential.id_object, &credential.encrypted_secret, name);
        assert_eq!(open(&attester.ak_name).unwrap(), [7; 32]);
        let other = Attester::p256().unwrap();
        assert!(open(&other.ak_name).is_err());
    }
}
