use avouch_crypto::CryptoError;
use avouch_crypto::ek::{EkError, EkIdentity, EkRoots, LinkFault};
use avouch_tpm_wire::{Attributes, Curve, HashAlg, Kdf, Key, PublicArea, Scheme, Symmetric};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::PublicKeyComponents;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData, SubjectPublicKeyInfo,
};

use crate::{NOW, data};

const EK_PURPOSE: [u64; 5] = [2, 23, 133, 8, 1];

fn recorded_bundle() -> String {
    let text = [data!("swtpm-issuer.pem"), data!("swtpm-root.pem")].concat();
    String::from_utf8(text).unwrap()
}

pub(crate) fn recorded_ek() -> PublicArea<'static> {
    PublicArea::parse_sized(data!("ek_rsa.pub.tpm2b")).unwrap()
}

fn verify_recorded(certificate: &[u8]) -> Result<EkIdentity, EkError> {
    EkRoots::from_pem(&recorded_bundle()).unwrap().verify(certificate, &recorded_ek(), NOW)
}

#[test]
fn recorded_certificate_chains_to_its_vendor_and_says_that_it_is_software() {
    let identity = verify_recorded(data!("ek_rsa_cert.der")).unwrap();
    assert_eq!(identity.manufacturer.as_deref(), Some("id:00001014"));
    assert_eq!(identity.model.as_deref(), Some("swtpm"));
    assert_eq!(identity.version.as_deref(), Some("id:20191023"));
    assert!(identity.software);
    assert_eq!(identity.issuer, "CN=swtpm-localca");
    assert_eq!(identity.subject, "CN=unknown");
    assert_eq!(identity.not_after, 253_402_300_799);
    assert_eq!(identity.sha256, avouch_crypto::sha256(&[data!("ek_rsa_cert.der")]));
}

#[test]
fn filling_and_tcg_header_are_taken_off() {
    let der = data!("ek_rsa_cert.der");
    let plain = verify_recorded(der).unwrap();
    let length = u16::try_from(der.len()).unwrap().to_be_bytes();
    let headed = [&[0x10, 0x01, 0x00], length.as_slice(), der].concat();
    for nv in
        [[der, &[0xFF; 700]].concat(), [der, &[0x00; 3]].concat(), headed.clone(), [headed, vec![0xFF; 9]].concat()]
    {
        assert_eq!(verify_recorded(&nv).unwrap(), plain);
    }
}

#[test]
fn bytes_after_the_certificate_that_are_no_filling_are_refused() {
    let der = data!("ek_rsa_cert.der");
    let refused = Err(EkError::Trailing { offset: der.len() });
    assert_eq!(verify_recorded(&[der, &[0x00, 0xFF]].concat()), refused);
    assert_eq!(verify_recorded(&[der, der].concat()), refused);
}

#[test]
fn certificate_cut_at_any_byte_is_refused() {
    let der = data!("ek_rsa_cert.der");
    let length = u16::try_from(der.len()).unwrap().to_be_bytes();
    for end in 0..der.len() {
        assert!(verify_recorded(&der[..end]).is_err(), "cut at {end}");
        let padded = [&der[..end], &[0xFF; 64]].concat();
        assert!(verify_recorded(&padded).is_err(), "cut at {end} and filled");
        let headed = [&[0x10, 0x01, 0x00], length.as_slice(), &der[..end]].concat();
        assert_eq!(verify_recorded(&headed), Err(EkError::Header { wanted: der.len(), got: end }));
    }
    assert_eq!(verify_recorded(&[]), Err(EkError::Missing));
    assert_eq!(verify_recorded(&[0xFF; 1024]), Err(EkError::Missing));
}

#[test]
fn every_changed_byte_of_the_certificate_is_refused() {
    let der = data!("ek_rsa_cert.der");
    let roots = EkRoots::from_pem(&recorded_bundle()).unwrap();
    for at in 0..der.len() {
        let mut changed = der.to_vec();
        changed[at] ^= 0x01;
        assert!(roots.verify(&changed, &recorded_ek(), NOW).is_err(), "byte {at}");
    }
}

#[test]
fn certificate_of_another_ca_with_the_same_names_is_refused() {
    let other = PublicArea::parse_sized(data!("other-ek_rsa.pub.tpm2b")).unwrap();
    let roots = EkRoots::from_pem(&recorded_bundle()).unwrap();
    let refused = roots.verify(data!("other-ek_rsa_cert.der"), &other, NOW);
    assert!(matches!(refused, Err(EkError::Link { fault: LinkFault::Signature, .. })));
    let bundle = [data!("other-swtpm-issuer.pem"), data!("other-swtpm-root.pem")].concat();
    let theirs = EkRoots::from_pem(&String::from_utf8(bundle).unwrap()).unwrap();
    assert!(theirs.verify(data!("other-ek_rsa_cert.der"), &other, NOW).is_ok());
}

#[test]
fn certificate_of_another_tpm_is_refused() {
    let other = PublicArea::parse_sized(data!("other-ek_rsa.pub.tpm2b")).unwrap();
    let roots = EkRoots::from_pem(&recorded_bundle()).unwrap();
    assert_eq!(roots.verify(data!("ek_rsa_cert.der"), &other, NOW), Err(EkError::OtherKey));
    assert_eq!(roots.verify(data!("ek_ecc_cert.der"), &recorded_ek(), NOW), Err(EkError::OtherKey));
}

#[test]
fn intermediate_alone_is_no_root() {
    let issuer = String::from_utf8(data!("swtpm-issuer.pem").to_vec()).unwrap();
    assert_eq!(EkRoots::from_pem(&issuer).unwrap_err(), EkError::NoRoots);
    assert_eq!(EkRoots::from_pem("").unwrap_err(), EkError::NoRoots);
    let cut = &recorded_bundle()[..recorded_bundle().len() - 40];
    assert!(matches!(EkRoots::from_pem(cut), Err(EkError::Bundle { index: 1, .. })));
}

#[test]
fn root_without_the_intermediate_reaches_nothing() {
    let root = String::from_utf8(data!("swtpm-root.pem").to_vec()).unwrap();
    let refused = EkRoots::from_pem(&root).unwrap().verify(data!("ek_rsa_cert.der"), &recorded_ek(), NOW);
    assert_eq!(refused, Err(EkError::UnknownIssuer { issuer: "CN=swtpm-localca".into() }));
}

/// A vendor of our own, to make certificates that no vendor makes.
pub(crate) struct Vendor(pub(crate) CertifiedIssuer<'static, KeyPair>);

impl Vendor {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "TPM vendor root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn roots(&self) -> EkRoots {
        EkRoots::from_pem(&self.0.pem()).unwrap()
    }

    /// An ordinary EK certificate, changed by `edit`.
    pub(crate) fn certify(&self, key: &impl PublicKeyData, edit: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(EK_PURPOSE.to_vec())];
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let mut names = CustomExtension::from_oid_content(&[2, 5, 29, 17], directory_name());
        names.set_criticality(true);
        params.custom_extensions = vec![names];
        edit(&mut params);
        params.signed_by(key, &self.0).unwrap().der().to_vec()
    }
}

/// GeneralNames with one directoryName: manufacturer INTC, model "SPT", version 2.
fn directory_name() -> Vec<u8> {
    let tlv = |tag: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        [&[tag, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
    };
    let attribute = |last: u8, value: &str| {
        let oid = tlv(0x06, &[&[0x67, 0x81, 0x05, 0x02, last]]);
        tlv(0x30, &[&oid, &tlv(0x0C, &[value.as_bytes()])])
    };
    let set = tlv(0x31, &[&attribute(1, "id:494E5443"), &attribute(2, "SPT"), &attribute(3, "id:00020000")]);
    tlv(0x30, &[&tlv(0xA4, &[&tlv(0x30, &[&set])])])
}

pub(crate) fn recorded_spki() -> SubjectPublicKeyInfo {
    let Key::Rsa { modulus, .. } = *recorded_ek().key() else { panic!("the recorded EK is RSA") };
    let der: PublicKeyX509Der<'_> = PublicKeyComponents { n: modulus, e: &[1, 0, 1][..] }.as_der().unwrap();
    SubjectPublicKeyInfo::from_der(der.as_ref()).unwrap()
}

#[test]
fn certificate_of_a_hardware_vendor_is_read_and_is_not_software() {
    let vendor = Vendor::new();
    let certificate = vendor.certify(&recorded_spki(), |_| {});
    let identity = vendor.roots().verify(&certificate, &recorded_ek(), NOW).unwrap();
    assert_eq!(identity.manufacturer.as_deref(), Some("id:494E5443"));
    assert_eq!(identity.model.as_deref(), Some("SPT"));
    assert_eq!(identity.version.as_deref(), Some("id:00020000"));
    assert_eq!(identity.subject, "");
    assert!(!identity.software);
}

#[test]
fn wrong_root_is_refused_even_under_the_same_name() {
    let (vendor, impostor) = (Vendor::new(), Vendor::new());
    let certificate = impostor.certify(&recorded_spki(), |_| {});
    let refused = vendor.roots().verify(&certificate, &recorded_ek(), NOW);
    assert_eq!(refused, Err(EkError::Link { subject: String::new(), fault: LinkFault::Signature }));
}

#[test]
fn certificate_outside_its_dates_is_refused() {
    let vendor = Vendor::new();
    let certificate = vendor.certify(&recorded_spki(), |params| params.not_after = rcgen::date_time_ymd(2026, 1, 1));
    let (start, end) = (1_735_689_600, 1_767_225_600);
    let at = |now| vendor.roots().verify(&certificate, &recorded_ek(), now);
    assert!(at(start).is_ok());
    assert!(at(end).is_ok());
    for now in [start - 1, end + 1, NOW] {
        assert_eq!(at(now), Err(EkError::Time { now, not_before: start, not_after: end }));
    }
}

#[test]
fn certificate_for_another_purpose_is_refused() {
    let vendor = Vendor::new();
    let purposes = [
        vec![],
        vec![ExtendedKeyUsagePurpose::ServerAuth],
        vec![ExtendedKeyUsagePurpose::Any],
        // 2.23.133.8.3, an attestation key certificate.
        vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 3])],
    ];
    for purpose in purposes {
        let certificate = vendor.certify(&recorded_spki(), |params| params.extended_key_usages = purpose);
        assert_eq!(vendor.roots().verify(&certificate, &recorded_ek(), NOW), Err(EkError::Purpose));
    }
}

#[test]
fn ca_certificate_is_no_ek_certificate() {
    let vendor = Vendor::new();
    let certificate = vendor.certify(&recorded_spki(), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let refused = vendor.roots().verify(&certificate, &recorded_ek(), NOW);
    assert_eq!(refused, Err(EkError::Link { subject: String::new(), fault: LinkFault::CaAsLeaf }));
}

#[test]
fn ecc_certificate_is_bound_to_its_point() {
    let vendor = Vendor::new();
    let key = KeyPair::generate().unwrap();
    let certificate = vendor.certify(&key, |params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    let point = key.public_key_raw();
    let area = |x, curve| {
        let scheme = Scheme::Null;
        let key = Key::Ecc { symmetric: Symmetric::AES_128_CFB, scheme, curve, kdf: Kdf::Null, x, y: &point[33..65] };
        let attributes = Attributes::RESTRICTED | Attributes::DECRYPT;
        PublicArea::new(HashAlg::Sha256, attributes, &[], key).unwrap()
    };
    let roots = vendor.roots();
    assert!(roots.verify(&certificate, &area(&point[1..33], Curve::P256), NOW).is_ok());
    assert_eq!(roots.verify(&certificate, &area(&point[1..32], Curve::P256), NOW), Err(EkError::OtherKey));
    assert_eq!(roots.verify(&certificate, &area(&point[1..33], Curve::P384), NOW), Err(EkError::OtherKey));
    assert_eq!(roots.verify(&certificate, &area(&point[1..33], Curve::P521), NOW), Err(EkError::OtherKey));
    let unsupported = CryptoError::Unsupported { property: "curve", got: 0x10 };
    assert_eq!(roots.verify(&certificate, &area(&point[1..33], Curve(0x10)), NOW), Err(EkError::Key(unsupported)));
}
