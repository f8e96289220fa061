//! One test per row of the table of quirks, each made by changing an ordinary certificate and signing it again.

use avouch_crypto::certificate::{Quirk, describe};
use avouch_crypto::ek::{EkError, EkIdentity, EkRoots, LinkFault, is_roca};
use avouch_tpm_wire::{Key, PublicArea};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::ek_certificates::{Vendor, recorded_ek, recorded_spki};
use crate::{NOW, data};

/// Identifier and length.
fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let header = match body.len() {
        0..0x80 => vec![tag, length[1]],
        0x80..0x100 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [header, body.to_vec()].concat()
}

/// The elements that follow one another.
fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let (header, length) = match bytes[1] {
            0x81 => (3, usize::from(bytes[2])),
            0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
            short => (2, usize::from(short)),
        };
        let (element, rest) = bytes.split_at(header + length);
        elements.push(element.to_vec());
        bytes = rest;
    }
    elements
}

fn inside(element: &[u8]) -> Vec<Vec<u8>> {
    let header = match element[1] {
        0x81 => 3,
        0x82 => 4,
        _ => 2,
    };
    split(&element[header..])
}

const SERIAL: usize = 1;
const SUBJECT: usize = 5;
const KEY: usize = 6;

/// The certificate with its fields changed (version, serial, algorithm, issuer, validity, subject, key, extensions),
/// signed again by the vendor.
fn again(vendor: &Vendor, certificate: &[u8], edit: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let parts = inside(certificate);
    let mut fields = inside(&parts[0]);
    edit(&mut fields);
    let body = tlv(0x30, &fields.concat());
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &vendor.0.key().serialize_der()).unwrap();
    let signature = key.sign(&SystemRandom::new(), &body).unwrap();
    let signature = tlv(0x03, &[&[0], signature.as_ref()].concat());
    tlv(0x30, &[body, parts[1].clone(), signature].concat())
}

fn ordinary(vendor: &Vendor) -> Vec<u8> {
    vendor.certify(&recorded_spki(), |_| {})
}

fn verify(vendor: &Vendor, certificate: &[u8]) -> Result<EkIdentity, EkError> {
    vendor.roots().verify(certificate, &recorded_ek(), NOW)
}

fn accepted_with(quirk: Quirk, edit: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let vendor = Vendor::new();
    let certificate = again(&vendor, &ordinary(&vendor), edit);
    verify(&vendor, &certificate).unwrap();
    assert!(describe(&certificate).unwrap().quirks.contains(&quirk));
    let mut changed = certificate;
    *changed.last_mut().unwrap() ^= 1;
    assert!(verify(&vendor, &changed).is_err(), "the signature still counts");
}

#[test]
fn key_labelled_rsaes_oaep_is_the_rsa_key_that_it_is() {
    accepted_with(Quirk::OaepKey, |fields| {
        let oid = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
        let at = fields[KEY].windows(8).position(|window| window == oid).unwrap();
        assert_eq!(fields[KEY][at + 8], 0x01);
        fields[KEY][at + 8] = 0x07;
    });
}

#[test]
fn negative_serial_number_is_accepted() {
    accepted_with(Quirk::NegativeSerial, |fields| fields[SERIAL] = vec![0x02, 0x02, 0xFF, 0x7F]);
}

#[test]
fn serial_number_of_31_bytes_is_accepted() {
    accepted_with(Quirk::LongSerial, |fields| fields[SERIAL] = tlv(0x02, &[0x41; 31]));
}

#[test]
fn set_in_the_wrong_order_is_accepted_and_stays_as_it_is() {
    let attribute = |last, text: &[u8]| tlv(0x30, &[tlv(0x06, &[0x55, 0x04, last]), tlv(0x0C, text)].concat());
    let subject = tlv(0x30, &tlv(0x31, &[attribute(0x0A, b"Vendor"), attribute(0x03, b"TPM")].concat()));
    let vendor = Vendor::new();
    let certificate = again(&vendor, &ordinary(&vendor), |fields| fields[SUBJECT] = subject);
    assert_eq!(verify(&vendor, &certificate).unwrap().subject, "O=Vendor+CN=TPM");
    assert!(describe(&certificate).unwrap().quirks.contains(&Quirk::SetOrder));
}

#[test]
fn what_a_vendor_calls_its_tpm_is_safe_to_print() {
    let attribute = tlv(0x30, &[tlv(0x06, &[0x67, 0x81, 0x05, 0x02, 0x02]), tlv(0x0C, b"A\x1B[31mB\n")].concat());
    let name = tlv(0xA4, &tlv(0x30, &tlv(0x31, &attribute)));
    let vendor = Vendor::new();
    let certificate = vendor.certify(&recorded_spki(), |params| {
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], tlv(0x30, &name))];
    });
    assert_eq!(verify(&vendor, &certificate).unwrap().model.as_deref(), Some("A\\u{1b}[31mB\\n"));
    let facts = describe(&certificate).unwrap();
    assert_eq!(facts.alternative_names, ["DirName:2.23.133.2.2=A\\1B[31mB\\0A"]);
}

#[test]
fn vendor_header_before_the_certificate_is_taken_off() {
    let vendor = Vendor::new();
    let der = ordinary(&vendor);
    let length = u16::try_from(der.len() + 2).unwrap().to_be_bytes();
    let nv = [&[0x10, 0x01, 0x00], length.as_slice(), &[0x10, 0x02], &der, &[0x00; 5]].concat();
    assert_eq!(verify(&vendor, &nv), verify(&vendor, &der));
    for end in 0..7 + der.len() {
        assert!(verify(&vendor, &nv[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn signature_with_sha1_is_refused_for_a_leaf() {
    let vendor = Vendor::new();
    let sha1 = tlv(0x30, &[tlv(0x06, &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01])].concat());
    let mut parts = inside(&ordinary(&vendor));
    let mut fields = inside(&parts[0]);
    (fields[2], parts[1]) = (sha1.clone(), sha1);
    parts[0] = tlv(0x30, &fields.concat());
    let refused = verify(&vendor, &tlv(0x30, &parts.concat()));
    assert_eq!(refused, Err(EkError::Link { subject: String::new(), fault: LinkFault::Sha1 }));
}

#[test]
fn two_spellings_of_the_signature_algorithm_are_refused() {
    let vendor = Vendor::new();
    let certificate = again(&vendor, &ordinary(&vendor), |fields| {
        fields[2] = tlv(0x30, &tlv(0x06, &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03]));
    });
    assert!(matches!(verify(&vendor, &certificate), Err(EkError::Certificate(_))));
}

#[test]
fn attestation_key_with_the_purpose_of_an_ek_is_no_ek() {
    let vendor = Vendor::new();
    let signing =
        vendor.certify(&recorded_spki(), |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    assert_eq!(verify(&vendor, &signing), Err(EkError::SigningKey));
    assert!(describe(&signing).unwrap().quirks.contains(&Quirk::EkPurposeOnSigningKey));
    let both = vendor.certify(&recorded_spki(), |params| {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 3]));
    });
    assert_eq!(verify(&vendor, &both), Err(EkError::SigningKey));
    let unsaid = vendor.certify(&recorded_spki(), |params| params.key_usages = Vec::new());
    assert!(verify(&vendor, &unsaid).is_ok(), "without keyUsage the purpose decides");
}

/// An intermediate CA below the vendor's root.
fn intermediate(vendor: &Vendor, edit: impl FnOnce(&mut CertificateParams)) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "TPM vendor intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    edit(&mut params);
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &vendor.0).unwrap()
}

fn below(issuer: &CertifiedIssuer<'static, KeyPair>) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])];
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.signed_by(&recorded_spki(), issuer).unwrap().der().to_vec()
}

fn through(vendor: &Vendor, issuer: &CertifiedIssuer<'static, KeyPair>) -> Result<EkIdentity, EkError> {
    let (roots, leaf) = (vendor.roots().with(&issuer.pem()).unwrap(), below(issuer));
    let answer = roots.verify(&leaf, &recorded_ek(), NOW);
    // The same certificate from the node gives the same answer.
    assert_eq!(vendor.roots().verify_with(&leaf, &[issuer.der()], &recorded_ek(), NOW), answer);
    answer
}

fn webpki_takes(vendor: &Vendor, issuer: &CertifiedIssuer<'static, KeyPair>) -> bool {
    let (leaf, root) = (below(issuer).into(), vendor.0.der().clone());
    let anchor = webpki::anchor_from_trusted_cert(&root).unwrap();
    let time = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW));
    let usage = webpki::KeyUsage::required_if_present(&[0x67, 0x81, 0x05, 0x08, 0x01]);
    let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
    let all = webpki::ALL_VERIFICATION_ALGS;
    leaf.verify_for_usage(all, &[anchor], &[issuer.der().clone()], time, usage, None, None).is_ok()
}

#[test]
fn path_through_an_intermediate_agrees_with_webpki() {
    let vendor = Vendor::new();
    let name_of_root = "CN=TPM vendor root";
    let with = |edit: fn(&mut CertificateParams)| intermediate(&vendor, edit);
    let good = with(|_| {});
    assert_eq!(through(&vendor, &good).unwrap().root.subject, name_of_root);
    assert!(webpki_takes(&vendor, &good));
    let for_ek = with(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])]);
    assert!(through(&vendor, &for_ek).is_ok() && webpki_takes(&vendor, &for_ek));

    let refused: [(CertifiedIssuer<'static, KeyPair>, LinkFault); 3] = [
        (with(|p| p.is_ca = IsCa::ExplicitNoCa), LinkFault::NotCa),
        (with(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]), LinkFault::Purpose),
        (
            with(|p| p.not_after = rcgen::date_time_ymd(2024, 1, 1)),
            LinkFault::Time { not_before: 1_577_836_800, not_after: 1_704_067_200 },
        ),
    ];
    for (issuer, fault) in refused {
        let subject = "CN=TPM vendor intermediate".to_owned();
        assert_eq!(through(&vendor, &issuer), Err(EkError::Link { subject, fault }));
        assert!(!webpki_takes(&vendor, &issuer));
    }
}

#[test]
fn critical_policies_of_a_ca_are_accepted_and_other_critical_extensions_are_not() {
    let vendor = Vendor::new();
    let with = |oid: &[u64]| {
        let mut extension = CustomExtension::from_oid_content(oid, vec![0x30, 0x00]);
        extension.set_criticality(true);
        intermediate(&vendor, |params| params.custom_extensions = vec![extension])
    };
    let policies = with(&[2, 5, 29, 32]);
    assert!(through(&vendor, &policies).is_ok());
    assert!(!webpki_takes(&vendor, &policies), "the reason why the path is our own");
    let unknown = through(&vendor, &with(&[1, 2, 3, 4]));
    let fault = LinkFault::CriticalExtension { oid: "1.2.3.4".into() };
    assert_eq!(unknown, Err(EkError::Link { subject: "CN=TPM vendor intermediate".into(), fault }));
    let names = through(&vendor, &with(&[2, 5, 29, 30]));
    assert!(matches!(names, Err(EkError::Link { fault: LinkFault::NameConstraints, .. })));
}

#[test]
fn ca_that_may_not_sign_certificates_issues_nothing() {
    let vendor = Vendor::new();
    let issuer = intermediate(&vendor, |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert!(matches!(through(&vendor, &issuer), Err(EkError::Link { fault: LinkFault::NotForSigning, .. })));
}

#[test]
fn intermediate_from_the_node_is_no_root() {
    let (vendor, impostor) = (Vendor::new(), Vendor::new());
    let issuer = intermediate(&impostor, |_| {});
    let sent: [&[u8]; 2] = [issuer.der(), impostor.0.der()];
    let refused = vendor.roots().verify_with(&below(&issuer), &sent, &recorded_ek(), NOW);
    assert!(matches!(refused, Err(EkError::Link { fault: LinkFault::Signature, .. })), "{refused:?}");
}

#[test]
fn missing_certificate_is_named() {
    let vendor = Vendor::new();
    let issuer = intermediate(&vendor, |_| {});
    let missing = vendor.roots().verify(&below(&issuer), &recorded_ek(), NOW);
    assert_eq!(missing, Err(EkError::UnknownIssuer { issuer: "CN=TPM vendor intermediate".into() }));
    let no_root = EkRoots::bundled().with(&issuer.pem()).unwrap().verify(&below(&issuer), &recorded_ek(), NOW);
    assert_eq!(no_root, Err(EkError::UnknownIssuer { issuer: "CN=TPM vendor root".into() }));
}

#[test]
fn attribute_certificate_is_refused_by_its_name() {
    // AttributeCertificateInfo: version 1, holder with a baseCertificateID.
    let holder = tlv(0x30, &tlv(0xA0, &[]));
    let info = tlv(0x30, &[tlv(0x02, &[1]), holder].concat());
    let certificate = tlv(0x30, &info);
    let vendor = Vendor::new();
    let refused = EkError::Certificate(avouch_crypto::certificate::CertificateError::AttributeCertificate);
    assert_eq!(verify(&vendor, &certificate), Err(refused));
}

#[test]
fn ordinary_keys_do_not_have_the_fingerprint_of_roca() {
    for area in [data!("ek_rsa.pub.tpm2b"), data!("other-ek_rsa.pub.tpm2b")] {
        let Key::Rsa { modulus, .. } = *PublicArea::parse_sized(area).unwrap().key() else { panic!("an RSA key") };
        assert!(!is_roca(modulus));
    }
}
