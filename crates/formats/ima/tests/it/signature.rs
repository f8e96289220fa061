//! Values of `security.ima`.

use avouch_crypto::Hash;
use avouch_ima::signature::{FileSignature, SignatureFault, SignatureVersion, Subject, Xattr};
use avouch_ima::{Body, DigestAlg, parse_binary};
use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::golden::binary;

fn header(kind: u8, version: u8, hash: u8, size: u16) -> Vec<u8> {
    let mut out = vec![kind, version, hash, 0xDE, 0xAD, 0xBE, 0xEF];
    out.extend(size.to_be_bytes());
    out
}

fn signed(kind: u8, version: u8, hash: u8) -> Vec<u8> {
    [header(kind, version, hash, 4).as_slice(), b"sign"].concat()
}

fn fault(bytes: &[u8]) -> (usize, SignatureFault) {
    let error = FileSignature::parse(bytes).unwrap_err();
    (error.offset, error.fault)
}

#[test]
fn recorded_signature_is_read_and_signs_the_digest_of_its_entry() {
    let list = binary("after-violation");
    let signed: Vec<_> = parse_binary(&list, 0)
        .filter_map(|entry| match entry.unwrap().body {
            body @ Body::File { signature: Some(xattr), digest, .. } => Some((body, xattr, digest)),
            _ => None,
        })
        .collect();
    assert!(!signed.is_empty());
    for (body, xattr, digest) in signed {
        let signature = FileSignature::parse(xattr).unwrap();
        assert_eq!((signature.subject, signature.version), (Subject::File, SignatureVersion::V2));
        assert_eq!((signature.hash, signature.signature.len()), (DigestAlg::Sha256, 256));
        assert_eq!(signature.signed_digest_of(&body, &Hash).unwrap(), Digest::new(HashAlg::Sha256, digest).unwrap());
    }
}

#[test]
fn format_2_signs_the_digest_itself() {
    for (id, alg) in [(2, DigestAlg::Sha1), (4, DigestAlg::Sha256), (5, DigestAlg::Sha384), (6, DigestAlg::Sha512)] {
        let xattr = signed(3, 2, id);
        let signature = FileSignature::parse(&xattr).unwrap();
        assert_eq!((signature.hash, signature.key_id), (alg, [0xDE, 0xAD, 0xBE, 0xEF]));
        let digest = vec![7; alg.size()];
        assert_eq!(signature.signed_digest(alg, &digest, false, &Hash).unwrap().as_bytes(), digest);
    }
}

#[test]
fn format_3_signs_type_hash_and_digest() {
    for (kind, verity, subject) in [(6, true, Subject::Verity), (3, false, Subject::File)] {
        let xattr = signed(kind, 3, 4);
        let signature = FileSignature::parse(&xattr).unwrap();
        assert_eq!((signature.subject, signature.version), (subject, SignatureVersion::V3));
        let expected = Hash.hash(HashAlg::Sha256, &[&[kind, 4], &[7; 32]]);
        assert_eq!(signature.signed_digest(DigestAlg::Sha256, &[7; 32], verity, &Hash), Ok(expected));
        let other = signature.signed_digest(DigestAlg::Sha256, &[7; 32], !verity, &Hash).unwrap_err();
        assert_eq!(other.fault, SignatureFault::OtherSubject { signed: subject });
    }
}

#[test]
fn signature_over_another_digest_proves_nothing() {
    let xattr = signed(3, 2, 6);
    let signature = FileSignature::parse(&xattr).unwrap();
    let error = signature.signed_digest(DigestAlg::Sha256, &[7; 32], false, &Hash).unwrap_err();
    let (wanted, got) = (DigestAlg::Sha512, DigestAlg::Sha256);
    assert_eq!(error.fault, SignatureFault::OtherDigest { wanted, got });
    let error = signature.signed_digest(DigestAlg::Sha512, &[7; 32], false, &Hash).unwrap_err();
    assert_eq!(error.fault, SignatureFault::Size { wanted: 64, got: 32 });
    let xattr = signed(3, 2, 20);
    let error = FileSignature::parse(&xattr).unwrap().signed_digest(DigestAlg::Sha3_256, &[7; 32], false, &Hash);
    assert_eq!(error.unwrap_err().fault, SignatureFault::NotComputed { got: DigestAlg::Sha3_256 });
}

#[test]
fn portable_evm_signature_is_told_from_a_file_signature() {
    let xattr = signed(5, 2, 4);
    let signature = FileSignature::parse(&xattr).unwrap();
    assert_eq!(signature.subject, Subject::Evm);
    let error = signature.signed_digest(DigestAlg::Sha256, &[7; 32], false, &Hash).unwrap_err();
    assert_eq!(error.fault, SignatureFault::OtherSubject { signed: Subject::Evm });
}

#[test]
fn old_format_and_unknown_numbers_are_refused_by_name() {
    assert_eq!(fault(&signed(3, 1, 4)), (1, SignatureFault::Version { got: 1 }));
    assert_eq!(fault(&signed(6, 2, 4)), (1, SignatureFault::Version { got: 2 }));
    assert_eq!(fault(&signed(3, 4, 4)), (1, SignatureFault::Version { got: 4 }));
    assert_eq!(fault(&signed(3, 2, 23)), (2, SignatureFault::Hash { got: 23 }));
    assert_eq!(fault(&signed(7, 2, 4)), (0, SignatureFault::Type { got: 7 }));
    assert_eq!(fault(&signed(0, 2, 4)), (0, SignatureFault::Type { got: 0 }));
}

#[test]
fn digests_and_hmacs_are_no_signatures() {
    let ng = [&[4, 4][..], &[7; 32]].concat();
    assert_eq!(Xattr::parse(&ng), Ok(Xattr::Digest { alg: DigestAlg::Sha256, digest: &[7; 32] }));
    let sha1 = [&[1][..], &[7; 20]].concat();
    assert_eq!(Xattr::parse(&sha1), Ok(Xattr::Digest { alg: DigestAlg::Sha1, digest: &[7; 20] }));
    let md5 = [&[1][..], &[7; 16], &[0; 4]].concat();
    assert_eq!(Xattr::parse(&md5), Ok(Xattr::Digest { alg: DigestAlg::Md5, digest: &[7; 16] }));
    let hmac = [&[2][..], &[7; 20]].concat();
    assert_eq!(Xattr::parse(&hmac), Ok(Xattr::EvmHmac(&[7; 20])));
    for unsigned in [&ng, &sha1, &md5, &hmac] {
        assert_eq!(fault(unsigned), (0, SignatureFault::Unsigned));
        for end in 0..unsigned.len() {
            // A padded MD5 digest without its padding is one as well.
            assert!(Xattr::parse(&unsigned[..end]).is_err() || end == 17, "{end} of {unsigned:?}");
        }
    }
}

#[test]
fn every_cut_and_every_other_length_is_refused() {
    let whole = signed(3, 2, 4);
    for end in 0..whole.len() {
        assert!(FileSignature::parse(&whole[..end]).is_err(), "{end}");
    }
    for byte in 7..9 {
        for value in (0..=255).filter(|value| *value != whole[byte]) {
            let mut other = whole.clone();
            other[byte] = value;
            assert!(matches!(fault(&other), (7, SignatureFault::Size { got: 4, .. })), "{byte} {value}");
        }
    }
    assert!(FileSignature::parse(&[whole.as_slice(), b"!"].concat()).is_err());
    assert_eq!(fault(&header(3, 2, 4, 0)), (9, SignatureFault::Cut { wanted: 10, got: 9 }));
}

#[test]
fn numbers_of_hashes_are_the_kernels() {
    for (id, name) in [(0, "md4"), (1, "md5"), (2, "sha1"), (4, "sha256"), (7, "sha224"), (17, "sm3"), (22, "sha3-512")]
    {
        let alg = DigestAlg::from_id(id).unwrap();
        assert_eq!((alg.name(), alg.id()), (name, Some(id)));
    }
    assert_eq!((DigestAlg::from_id(23), DigestAlg::Sm3_256.id()), (None, Some(17)));
}
