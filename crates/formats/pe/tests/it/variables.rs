//! Signature lists, updates of variables, and files of efivarfs.

use avouch_pe::efivar::{self, Variable, VariableName};
use avouch_pe::siglist::{self, SignatureKind, Value};
use avouch_pe::update::{Time, Update};
use avouch_pe::{Guid, PeError};

use crate::build::{list, update};

const OWNER: Guid = Guid([0x11; 16]);
const MARCH: [u8; 16] = [0xE7, 0x07, 3, 14, 15, 9, 26, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn every_kind_of_signature_is_read() {
    let kinds = [
        (SignatureKind::Sha1, 20),
        (SignatureKind::Sha224, 28),
        (SignatureKind::Sha256, 32),
        (SignatureKind::Sha384, 48),
        (SignatureKind::Sha512, 64),
        (SignatureKind::Rsa2048, 256),
        (SignatureKind::Rsa2048Sha1, 256),
        (SignatureKind::Rsa2048Sha256, 256),
        (SignatureKind::X509, 777),
        (SignatureKind::X509Sha256, 48),
        (SignatureKind::X509Sha384, 64),
        (SignatureKind::X509Sha512, 80),
        (SignatureKind::ExternalManagement, 1),
    ];
    for (kind, size) in kinds {
        let data = vec![7; size];
        let bytes = list(kind.guid(), &[], &[(OWNER, &data), (Guid([2; 16]), &data)]);
        let lists = siglist::parse(&bytes).unwrap();
        assert_eq!((lists.len(), lists[0].kind, lists[0].len()), (1, kind, 2), "{kind}");
        let signatures: Vec<_> = lists[0].signatures().collect();
        assert_eq!((signatures[0].owner, signatures[1].owner), (OWNER, Guid([2; 16])));
        assert_eq!((signatures[0].offset, signatures[1].offset), (28, 28 + 16 + size));
        assert_eq!(signatures[0].bytes, [OWNER.0.as_slice(), &data].concat());
        match (kind, signatures[0].value) {
            (SignatureKind::X509, Value::Certificate(got)) => assert_eq!(got, data),
            (SignatureKind::ExternalManagement, Value::Other(got)) => assert_eq!(got, data),
            (_, Value::Digest(got) | Value::Rsa(got)) => assert_eq!(got, data),
            (_, Value::CertificateDigest { digest, .. }) => assert_eq!(digest.len() + 16, size),
            (kind, value) => panic!("{kind}: {value:?}"),
        }
        let short = list(kind.guid(), &[], &[(OWNER, &data[1..])]);
        let refused = siglist::parse(&short).is_err();
        assert_eq!(refused, kind != SignatureKind::X509, "{kind} with a signature that is one byte too short");
    }
}

#[test]
fn revocation_of_a_certificate_has_its_time() {
    let data = [[9; 32].as_slice(), &MARCH].concat();
    let bytes = list(SignatureKind::X509Sha256.guid(), &[], &[(OWNER, &data)]);
    let lists = siglist::parse(&bytes).unwrap();
    let Value::CertificateDigest { digest, from } = lists[0].signatures().next().unwrap().value else { panic!() };
    assert_eq!((digest, from.to_string().as_str(), from.is_zero()), ([9; 32].as_slice(), "2023-03-14T15:09:26", false));
    assert!(Time::default().is_zero());
}

#[test]
fn lists_of_several_kinds_follow_one_another() {
    let other = Guid::from_text("01234567-89ab-cdef-0123-456789abcdef").unwrap();
    let bytes = [
        list(SignatureKind::Sha256.guid(), &[], &[(OWNER, &[1; 32]), (OWNER, &[2; 32])]),
        list(other, b"header", &[(OWNER, b"x")]),
        list(SignatureKind::X509.guid(), &[], &[(OWNER, b"certificate")]),
    ]
    .concat();
    let lists = siglist::parse(&bytes).unwrap();
    let shape: Vec<_> = lists.iter().map(|list| (list.kind, list.offset, list.len(), list.header)).collect();
    let empty = b"".as_slice();
    assert_eq!(
        shape,
        [
            (SignatureKind::Sha256, 0, 2, empty),
            (SignatureKind::Other(other), 124, 1, b"header"),
            (SignatureKind::X509, 175, 1, empty)
        ]
    );
    assert_eq!(lists[1].kind.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
    assert!(siglist::parse(b"").unwrap().is_empty());
}

#[test]
fn impossible_sizes_are_refused_where_they_stand() {
    let good = list(SignatureKind::Sha256.guid(), &[], &[(OWNER, &[1; 32])]);
    let with = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        siglist::parse(&bytes).unwrap_err()
    };
    for size in [0, 1, 27] {
        assert!(matches!(with(16, size), PeError::Value { offset: 16, .. }), "list of size {size}");
    }
    for size in [77, 0xFFFF_FFFF] {
        assert!(matches!(with(16, size), PeError::Cut { offset: 28, .. }), "list of size {size}");
    }
    assert!(matches!(with(16, 75), PeError::Trailing { offset: 28, got: 47, .. }));
    for size in [1, 48, 0xFFFF_FFF0] {
        assert!(matches!(with(20, size), PeError::Value { offset: 20, .. }), "header of size {size}");
    }
    for size in [0, 16, 47, 49, 0xFFFF_FFFF] {
        assert!(matches!(with(24, size), PeError::Value { offset: 24, .. }), "signature of size {size}");
    }
    let other = Guid([3; 16]);
    let mut bytes = list(other, b"header", &[(OWNER, b"x")]);
    bytes[20..24].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
    assert!(matches!(siglist::parse(&bytes), Err(PeError::Cut { offset: 28, field: "the signature header", .. })));
}

#[test]
fn update_gives_time_signature_and_lists() {
    let value = list(SignatureKind::Sha256.guid(), &[], &[(OWNER, &[1; 32])]);
    let bytes = update(MARCH, b"a PKCS#7 signature", &value);
    let update = Update::parse(&bytes).unwrap();
    assert_eq!(update.time.to_string(), "2023-03-14T15:09:26");
    assert_eq!((update.pkcs7, update.value), (b"a PKCS#7 signature".as_slice(), value.as_slice()));
    let lists = update.signature_lists().unwrap();
    assert_eq!(lists[0].offset, bytes.len() - value.len());
    let cut = &bytes[..bytes.len() - 1];
    let error = Update::parse(cut).unwrap().signature_lists().unwrap_err();
    assert_eq!(error.offset(), bytes.len() - value.len() + 28, "errors point into the update");
}

#[test]
fn update_of_another_kind_is_refused() {
    let good = update(MARCH, b"a PKCS#7 signature", b"");
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Update::parse(&bytes).unwrap_err()
    };
    for (at, byte) in [(2, 13), (3, 32), (4, 24), (5, 60), (6, 60), (7, 1), (8, 1), (12, 1), (14, 1), (15, 1)] {
        assert!(matches!(with(at, byte), PeError::Value { offset: 0, .. }), "byte {at} of the time");
    }
    assert!(matches!(with(16, 23), PeError::Value { offset: 16, got: 23, .. }));
    assert!(matches!(with(20, 1), PeError::Value { offset: 20, .. }));
    assert!(matches!(with(22, 2), PeError::Value { offset: 22, .. }));
    assert!(matches!(with(24, 0), PeError::Value { offset: 24, .. }));
}

#[test]
fn file_of_efivarfs_is_attributes_and_value() {
    let variable = Variable::parse(&[6, 0, 0, 0, 1]).unwrap();
    assert_eq!((variable.attributes.0, variable.value, variable.switch()), (6, [1].as_slice(), Ok(true)));
    assert!(variable.attributes.is_runtime() && !variable.attributes.is_non_volatile());
    assert!(Variable::parse(&[0x27, 0, 0, 0]).unwrap().attributes.is_authenticated());
    assert!(matches!(efivar::parse(&[6, 0, 0]), Err(PeError::Cut { offset: 0, .. })));
    for wrong in [[0; 4], [4, 0, 0, 0], [7, 1, 0, 0], [7, 0, 0, 0x80]] {
        assert!(matches!(efivar::parse(&wrong), Err(PeError::Value { offset: 0, .. })), "{wrong:?}");
    }
    assert!(matches!(Variable::parse(&[6, 0, 0, 0, 2]).unwrap().switch(), Err(PeError::Value { offset: 4, .. })));
    assert!(Variable::parse(&[6, 0, 0, 0]).unwrap().switch().is_err());
    assert!(Variable::parse(&[6, 0, 0, 0, 1, 1]).unwrap().switch().is_err());
}

#[test]
fn name_of_a_file_is_split_at_its_guid() {
    let name = VariableName::parse("dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f").unwrap();
    assert_eq!((name.name, name.guid), ("dbx", Guid::IMAGE_SECURITY_DATABASE));
    assert!(name.holds_signature_lists());
    let dashed = VariableName::parse("a-b-8be4df61-93ca-11d2-aa0d-00e098032b8c").unwrap();
    assert_eq!((dashed.name, dashed.holds_signature_lists()), ("a-b", false));
    for wrong in ["", "db", "-d719b2cb-3d3a-4596-a3bc-dad00e67656f", "dbd719b2cb-3d3a-4596-a3bc-dad00e67656f"] {
        assert_eq!(VariableName::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn measured_form_has_name_and_value_with_their_lengths() {
    let bytes = efivar::measured(Guid::GLOBAL_VARIABLE, "PK", &[9, 8, 7]);
    let mut wanted = Guid::GLOBAL_VARIABLE.0.to_vec();
    wanted.extend([2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    wanted.extend(b"P\0K\0");
    wanted.extend([9, 8, 7]);
    assert_eq!(bytes, wanted);
}
