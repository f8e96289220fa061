//! What reads bytes of strangers: cut at every byte, every byte changed, never a panic.

use avouch_crypto::certificate::{CertificateError, describe, read_file};
use avouch_crypto::ek::bundle;
use avouch_crypto::{FileKey, cms};

use crate::data;

const CERTIFICATES: [&[u8]; 5] = [
    data!("ek_rsa_cert.der"),
    data!("ek_ecc_cert.der"),
    data!("signing/rsa.cert.der"),
    data!("signing/P-521.cert.der"),
    data!("signing/ed.cert.der"),
];

#[test]
fn certificate_cut_at_any_byte_is_refused() {
    for certificate in CERTIFICATES {
        assert!(describe(certificate).is_ok());
        for end in 0..certificate.len() {
            let refused = describe(&certificate[..end]);
            assert!(matches!(refused, Err(CertificateError::Der { offset: Some(_) })), "cut at {end}: {refused:?}");
            assert!(FileKey::from_der(&certificate[..end]).is_err());
            read_file(&certificate[..end]).unwrap_err();
        }
        let longer = [certificate, &[0]].concat();
        let end = u32::try_from(certificate.len()).ok();
        assert_eq!(describe(&longer), Err(CertificateError::Der { offset: end }));
    }
    assert_eq!(describe(&[0x30; 16_385]), Err(CertificateError::TooLarge { got: 16_385 }));
}

#[test]
fn every_changed_byte_gives_another_certificate_or_a_refusal() {
    for certificate in CERTIFICATES {
        let original = describe(certificate).unwrap();
        for at in 0..certificate.len() {
            for flip in [0x01, 0x20, 0x80, 0xFF] {
                let mut changed = certificate.to_vec();
                changed[at] ^= flip;
                if let Ok(facts) = describe(&changed) {
                    assert_ne!(facts.sha256, original.sha256);
                    assert!(!facts.subject.chars().any(char::is_control), "safe to print");
                    assert!(!facts.alternative_names.iter().any(|name| name.chars().any(char::is_control)));
                }
                let _ = (FileKey::from_der(&changed), read_file(&changed));
            }
        }
    }
}

#[test]
fn every_length_field_changed_is_refused() {
    for certificate in CERTIFICATES {
        // The outer lengths: certificate, and the part that is signed.
        for at in [1, 2, 3, 5, 6, 7] {
            for length in [0x00, 0x7F, 0x80, 0x81, 0x84, 0xFF] {
                let mut changed = certificate.to_vec();
                if changed[at] != length {
                    changed[at] = length;
                    assert!(describe(&changed).is_err(), "length byte {at} = {length:#x}");
                }
            }
        }
    }
}

#[test]
fn deep_and_empty_nesting_is_refused() {
    for depth in [1, 100, 5_000] {
        let nested = [[0x30, 0x80].repeat(depth), vec![0; depth]].concat();
        assert!(describe(&nested).is_err() && cms::certificates(&nested).is_err());
    }
    let mut nested = vec![0x30, 0x00];
    while nested.len() < 8_000 {
        let length = u16::try_from(nested.len()).unwrap().to_be_bytes();
        let header = if nested.len() < 0x80 {
            vec![0x30, length[1]]
        } else if nested.len() < 0x100 {
            vec![0x30, 0x81, length[1]]
        } else {
            vec![0x30, 0x82, length[0], length[1]]
        };
        nested = [header, nested].concat();
    }
    assert!(describe(&nested).is_err() && cms::certificates(&nested).is_err() && FileKey::from_der(&nested).is_err());
}

#[test]
fn every_bundled_ca_survives_changes() {
    for ca in bundle::certificates().step_by(6) {
        for at in 0..ca.der.len() {
            let mut changed = ca.der.clone();
            changed[at] ^= 0xFF;
            let _ = (describe(&changed), FileKey::from_certificate(&changed));
        }
    }
}
