use std::fs;
use std::process::Command;

use avouch_crypto::file_key::FileKeyError;
use avouch_crypto::{CryptoError, FileKey, Hash, KeyRefusal};
use avouch_tpm_wire::{HashAlg, Hasher};

use crate::data;

/// Version 2 of `security.ima`: type 3, version 2, hash, key identifier, length, signature.
struct Signed<'a> {
    hash: HashAlg,
    key_id: [u8; 4],
    signature: &'a [u8],
}

fn parse(xattr: &[u8]) -> Signed<'_> {
    let hash = match xattr[..3] {
        [3, 2, 4] => HashAlg::Sha256,
        [3, 2, 5] => HashAlg::Sha384,
        [3, 2, 6] => HashAlg::Sha512,
        _ => panic!("no signature of version 2: {:?}", &xattr[..3]),
    };
    let length = usize::from(u16::from_be_bytes([xattr[7], xattr[8]]));
    assert_eq!(xattr.len(), 9 + length);
    Signed { hash, key_id: xattr[3..7].try_into().unwrap(), signature: &xattr[9..] }
}

const RECORDED: [(&[u8], &[u8]); 6] = [
    (data!("signing/rsa.cert.der"), data!("signing/rsa.sha256.ima")),
    (data!("signing/rsa.cert.der"), data!("signing/rsa.sha512.ima")),
    (data!("signing/P-256.cert.der"), data!("signing/P-256.sha256.ima")),
    (data!("signing/P-256.cert.der"), data!("signing/P-256.sha512.ima")),
    (data!("signing/P-384.cert.der"), data!("signing/P-384.sha384.ima")),
    (data!("signing/P-521.cert.der"), data!("signing/P-521.sha384.ima")),
];

fn digest(hash: HashAlg) -> Vec<u8> {
    Hash.hash(hash, &[data!("signing/content")]).as_bytes().to_vec()
}

#[test]
fn signatures_of_evmctl_verify_and_name_their_key() {
    for (certificate, xattr) in RECORDED {
        let key = FileKey::from_certificate(certificate).unwrap();
        let signed = parse(xattr);
        assert!(key.answers_to(signed.key_id), "{:x?}", signed.key_id);
        // The identifier in these certificates is the hash of the key, so both spellings agree.
        assert_eq!(key.key_id(), signed.key_id);
        assert_eq!(key.verify_digest(signed.hash, &digest(signed.hash), signed.signature), Ok(()));
        assert!(key.subject().unwrap().starts_with("CN=file signer"));
        let bare = FileKey::from_spki(&spki(certificate)).unwrap();
        assert_eq!(bare.verify_digest(signed.hash, &digest(signed.hash), signed.signature), Ok(()));
        assert_eq!((bare.key_id(), bare.fingerprint()), (key.key_id(), key.fingerprint()));
    }
}

/// The SubjectPublicKeyInfo of a certificate, found by webpki rather than by the code under test.
fn spki(certificate: &[u8]) -> Vec<u8> {
    let der = rustls_pki_types::CertificateDer::from(certificate);
    webpki::EndEntityCert::try_from(&der).unwrap().subject_public_key_info().as_ref().to_vec()
}

#[test]
fn every_change_of_digest_or_signature_is_refused() {
    for (certificate, xattr) in RECORDED {
        let key = FileKey::from_certificate(certificate).unwrap();
        let signed = parse(xattr);
        let digest = digest(signed.hash);
        for at in 0..digest.len() {
            // ECDSA takes the leftmost bits of a digest that is longer than the order of its curve.
            let ignored = certificate == data!("signing/P-256.cert.der") && at >= 32;
            let mut changed = digest.clone();
            changed[at] ^= 1;
            let refused = key.verify_digest(signed.hash, &changed, signed.signature) == Err(CryptoError::BadSignature);
            assert!(refused || ignored, "byte {at}");
        }
        for at in 0..signed.signature.len() {
            let mut changed = signed.signature.to_vec();
            changed[at] ^= 1;
            assert!(key.verify_digest(signed.hash, &digest, &changed).is_err(), "byte {at}");
            assert!(key.verify_digest(signed.hash, &digest, &signed.signature[..at]).is_err(), "cut at {at}");
        }
        let short = CryptoError::DigestLength { wanted: signed.hash.size(), got: digest.len() - 1 };
        assert_eq!(key.verify_digest(signed.hash, &digest[1..], signed.signature), Err(short));
        for (other, _) in RECORDED.iter().filter(|(other, _)| *other != certificate) {
            let other = FileKey::from_certificate(other).unwrap();
            assert!(other.verify_digest(signed.hash, &digest, signed.signature).is_err(), "another key");
        }
    }
}

#[test]
fn i21_key_with_the_same_identifier_verifies_nothing_of_the_other() {
    // Whoever makes a certificate chooses its subjectKeyIdentifier.
    let mut params = rcgen::CertificateParams::default();
    let wanted = FileKey::from_certificate(data!("signing/P-256.cert.der")).unwrap();
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified([&[0; 16], wanted.key_id().as_slice()].concat());
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    let impostor = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let impostor = FileKey::from_certificate(impostor.der()).unwrap();
    let signed = parse(data!("signing/P-256.sha256.ima"));
    let keys = [impostor, wanted];
    let candidates: Vec<bool> = keys
        .iter()
        .filter(|key| key.answers_to(signed.key_id))
        .map(|key| key.verify_digest(signed.hash, &digest(signed.hash), signed.signature).is_ok())
        .collect();
    assert_eq!(candidates, [false, true], "both are tried, only the whole key decides");
}

#[test]
fn signature_under_another_hash_is_refused() {
    let key = FileKey::from_certificate(data!("signing/rsa.cert.der")).unwrap();
    let sha512 = parse(data!("signing/rsa.sha512.ima"));
    let refused = key.verify_digest(HashAlg::Sha256, &digest(HashAlg::Sha256), sha512.signature);
    assert_eq!(refused, Err(CryptoError::BadSignature));
    let weak = CryptoError::Unsupported { property: "hash", got: 4 };
    assert_eq!(key.verify_digest(HashAlg::Sha1, &[0; 20], sha512.signature), Err(weak));
}

#[test]
fn keys_that_the_kernel_does_not_verify_with_are_refused_by_name() {
    let error = FileKey::from_certificate(data!("signing/ed.cert.der")).unwrap_err();
    assert!(error.to_string().starts_with("algorithm 1.3.101.112 keys are not verified"), "{error}");
    let small = rsa_spki(&[0xFF; 128]);
    assert_eq!(FileKey::from_spki(&small).unwrap_err(), FileKeyError::Key(KeyRefusal::Size { bits: 1024 }));
    assert!(FileKey::from_spki(&rsa_spki(&[0xFF; 258])).is_ok(), "any size of 2048 bits or more");
    let huge = rsa_spki(&[0xFF; 2048]);
    assert_eq!(FileKey::from_spki(&huge).unwrap_err(), FileKeyError::Key(KeyRefusal::Size { bits: 16_384 }));
}

fn rsa_spki(modulus: &[u8]) -> Vec<u8> {
    let tlv = |tag: u8, body: &[u8]| {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let header = match body.len() {
            0..0x80 => vec![tag, length[1]],
            0x80..0x100 => vec![tag, 0x81, length[1]],
            _ => vec![tag, 0x82, length[0], length[1]],
        };
        [header, body.to_vec()].concat()
    };
    let integer = |bytes: &[u8]| tlv(0x02, &[&[0], bytes].concat());
    let key = tlv(0x30, &[integer(modulus), tlv(0x02, &[1, 0, 1])].concat());
    let oid = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00];
    tlv(0x30, &[tlv(0x30, &oid), tlv(0x03, &[vec![0], key].concat())].concat())
}

#[test]
fn pem_texts_give_all_their_keys_or_none() {
    let pem = |label: &str, der: &[u8]| {
        let text = data_encoding::BASE64.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    let both =
        pem("CERTIFICATE", data!("signing/P-256.cert.der")) + &pem("PUBLIC KEY", &spki(data!("signing/rsa.cert.der")));
    let keys = FileKey::from_pem(&both).unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys[1].subject().is_none());
    assert_eq!(FileKey::from_pem("nothing").unwrap_err(), FileKeyError::Empty);
    assert!(FileKey::from_pem(&(both + &pem("PRIVATE KEY", &[1]))).is_err());
}

/// Signs afresh with openssl's keys and evmctl, and verifies here.
#[test]
fn fresh_signatures_of_evmctl_verify() {
    let dir = tempfile::tempdir().unwrap();
    let run = |program: &str, args: &[&str]| {
        let out = Command::new(program).current_dir(dir.path()).args(args).output().ok()?;
        assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        Some(out.stdout)
    };
    let installed = Command::new("evmctl").arg("--version").output().is_ok() && run("openssl", &["version"]).is_some();
    if !installed {
        println!("skipped: install openssl and ima-evm-utils to run this test");
        return;
    }
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"];
    let p384 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    for algorithm in [rsa, p384] {
        run("openssl", &[&["genpkey", "-out", "key.pem"], algorithm.as_slice()].concat()).unwrap();
        let spki = run("openssl", &["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"]).unwrap();
        let key = FileKey::from_spki(&spki).unwrap();
        for hash in ["sha256", "sha384", "sha512"] {
            fs::write(dir.path().join("file"), data!("signing/content")).unwrap();
            run("evmctl", &["ima_sign", "--hashalgo", hash, "--key", "key.pem", "--sigfile", "file"]).unwrap();
            let xattr = fs::read(dir.path().join("file.sig")).unwrap();
            let signed = parse(&xattr);
            assert_eq!(key.key_id(), signed.key_id);
            assert_eq!(key.verify_digest(signed.hash, &digest(signed.hash), signed.signature), Ok(()));
        }
    }
}
