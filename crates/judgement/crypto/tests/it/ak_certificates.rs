use avouch_crypto::AkCertificate;
use avouch_crypto::ak_certificate::AkCertificateError;
use avouch_crypto::ek::{EkError, EkRoots, RootSource};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::NOW;
use crate::ek_certificates::{recorded_ek, recorded_spki};

/// The CAs of a cloud, and what it certifies.
struct Cloud {
    root: CertifiedIssuer<'static, KeyPair>,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params
}

impl Cloud {
    fn new() -> Self {
        let root = CertifiedIssuer::self_signed(ca("vTPM root"), KeyPair::generate().unwrap()).unwrap();
        let issuer = CertifiedIssuer::signed_by(ca("vTPM CA 11"), KeyPair::generate().unwrap(), &root).unwrap();
        Self { root, issuer }
    }

    fn certify(&self, edit: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, "0000.TrustedVM");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 3])];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        edit(&mut params);
        // The key of the certificate is what counts here, not what its TPM would do with it.
        params.signed_by(&recorded_spki(), &self.issuer).unwrap().der().to_vec()
    }

    fn verify(&self, certificate: &[u8], now: u64) -> Result<AkCertificate, AkCertificateError> {
        let roots = EkRoots::from_pem(&self.root.pem()).unwrap();
        AkCertificate::verify(certificate, &[self.issuer.der()], &roots, &recorded_ek(), now)
    }
}

#[test]
fn certified_key_is_accepted_with_the_root_that_vouches() {
    let cloud = Cloud::new();
    let certificate = cloud.certify(|_| {});
    let found = cloud.verify(&certificate, NOW).unwrap();
    assert_eq!((found.subject.as_str(), found.issuer.as_str()), ("CN=0000.TrustedVM", "CN=vTPM CA 11"));
    assert_eq!((found.root.subject.as_str(), found.root.source), ("CN=vTPM root", RootSource::Given));
    assert_eq!(found.root.sha256, avouch_crypto::sha256(&[cloud.root.der()]));
    let filled = [certificate.as_slice(), &[0; 100]].concat();
    assert_eq!(cloud.verify(&filled, NOW).unwrap(), found);
}

#[test]
fn certificate_that_is_not_for_an_attestation_key_is_refused() {
    let cloud = Cloud::new();
    let other = |purposes: &[[u64; 5]], usages: &[KeyUsagePurpose]| {
        let certificate = cloud.certify(|params| {
            params.extended_key_usages =
                purposes.iter().map(|oid| ExtendedKeyUsagePurpose::Other(oid.to_vec())).collect();
            params.key_usages = usages.to_vec();
        });
        cloud.verify(&certificate, NOW).map(|_| ())
    };
    const AK: [u64; 5] = [2, 23, 133, 8, 3];
    const EK: [u64; 5] = [2, 23, 133, 8, 1];
    let refused = Err(AkCertificateError::Purpose);
    assert_eq!(other(&[AK], &[]), Ok(()));
    assert_eq!(other(&[EK], &[KeyUsagePurpose::DigitalSignature]), Ok(()), "Google's");
    assert_eq!(other(&[EK], &[KeyUsagePurpose::KeyEncipherment]), refused, "an EK");
    assert_eq!(other(&[EK], &[]), refused, "perhaps an EK");
    assert_eq!(other(&[AK], &[KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement]), refused);
    assert_eq!(other(&[], &[KeyUsagePurpose::DigitalSignature]), refused);
    assert_eq!(other(&[[2, 23, 133, 8, 2]], &[KeyUsagePurpose::DigitalSignature]), refused, "a platform certificate");
}

#[test]
fn other_key_other_time_and_missing_ca_are_refused() {
    let cloud = Cloud::new();
    let certificate = cloud.certify(|_| {});
    let roots = EkRoots::from_pem(&cloud.root.pem()).unwrap();
    let other = avouch_tpm_wire::PublicArea::parse_sized(crate::data!("other-ek_rsa.pub.tpm2b")).unwrap();
    let refused = AkCertificate::verify(&certificate, &[cloud.issuer.der()], &roots, &other, NOW);
    assert_eq!(refused, Err(AkCertificateError::OtherKey));
    let missing = AkCertificate::verify(&certificate, &[], &roots, &recorded_ek(), NOW);
    let issuer = "CN=vTPM CA 11".to_owned();
    assert_eq!(missing, Err(AkCertificateError::Path(EkError::UnknownIssuer { issuer })));
    let late = cloud.verify(&certificate, NOW + 366 * 86_400);
    assert!(matches!(late, Err(AkCertificateError::Path(EkError::Time { .. }))));
    let strangers =
        AkCertificate::verify(&certificate, &[cloud.issuer.der()], &EkRoots::bundled(), &recorded_ek(), NOW);
    let issuer = "CN=vTPM root".to_owned();
    assert_eq!(strangers, Err(AkCertificateError::Path(EkError::UnknownIssuer { issuer })));
}

#[test]
fn certificate_cut_at_any_byte_is_refused() {
    let cloud = Cloud::new();
    let certificate = cloud.certify(|_| {});
    for end in 0..certificate.len() {
        assert!(cloud.verify(&certificate[..end], NOW).is_err(), "cut at {end}");
    }
    for at in 0..certificate.len() {
        let mut changed = certificate.clone();
        changed[at] ^= 1;
        assert!(cloud.verify(&changed, NOW).is_err(), "byte {at}");
    }
}
