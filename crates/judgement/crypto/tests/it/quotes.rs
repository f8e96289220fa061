use std::process::Command;

use avouch_crypto::{AttestationKey, CryptoError};
use avouch_tpm_wire::{Attributes, Curve, HashAlg, Kdf, Key, PublicArea, Scheme, Signature, Symmetric};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, RsaPssSaltLength, RsaSignatureEncoding};

use crate::data;

const AK: Attributes = Attributes::FIXED_TPM
    .with(Attributes::FIXED_PARENT)
    .with(Attributes::SENSITIVE_DATA_ORIGIN)
    .with(Attributes::USER_WITH_AUTH)
    .with(Attributes::RESTRICTED)
    .with(Attributes::SIGN);

fn every_change_is_refused(key: &AttestationKey, message: &[u8], signature: &Signature<'_>) {
    assert_eq!(key.verify(message, signature), Ok(()));
    for at in 0..message.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut changed = message.to_vec();
            changed[at] ^= flip;
            assert_eq!(key.verify(&changed, signature), Err(CryptoError::BadSignature), "byte {at}");
        }
    }
    for end in 0..message.len() {
        assert_eq!(key.verify(&message[..end], signature), Err(CryptoError::BadSignature), "cut at {end}");
    }
}

#[test]
fn recorded_ecdsa_quote_verifies_and_every_change_of_it_is_refused() {
    let public = PublicArea::parse_sized(data!("ak.pub.tpm2b")).unwrap();
    let key = AttestationKey::new(&public).unwrap();
    let signature = Signature::parse(data!("quote.sig")).unwrap();
    every_change_is_refused(&key, data!("quote.msg"), &signature);
}

#[test]
fn recorded_rsa_quote_verifies_and_every_change_of_it_is_refused() {
    let public = PublicArea::parse_sized(data!("ak_rsa.pub.tpm2b")).unwrap();
    let key = AttestationKey::new(&public).unwrap();
    let signature = Signature::parse(data!("quote_rsa.sig")).unwrap();
    every_change_is_refused(&key, data!("quote_rsa.msg"), &signature);
}

#[test]
fn every_change_of_a_recorded_signature_is_refused() {
    for (public, message, signature) in [
        (data!("ak.pub.tpm2b"), data!("quote.msg"), data!("quote.sig")),
        (data!("ak_rsa.pub.tpm2b"), data!("quote_rsa.msg"), data!("quote_rsa.sig")),
    ] {
        let key = AttestationKey::new(&PublicArea::parse_sized(public).unwrap()).unwrap();
        for at in 0..signature.len() {
            let mut changed = signature.to_vec();
            changed[at] ^= 0x01;
            if let Ok(parsed) = Signature::parse(&changed) {
                assert!(key.verify(message, &parsed).is_err(), "byte {at}");
            }
        }
    }
}

#[test]
fn quote_of_another_key_is_refused() {
    let other = AttestationKey::new(&PublicArea::parse_sized(data!("other-ak.pub.tpm2b")).unwrap()).unwrap();
    let signature = Signature::parse(data!("quote.sig")).unwrap();
    assert_eq!(other.verify(data!("quote.msg"), &signature), Err(CryptoError::BadSignature));
    let rsa = Signature::parse(data!("quote_rsa.sig")).unwrap();
    assert_eq!(other.verify(data!("quote_rsa.msg"), &rsa), Err(CryptoError::OtherScheme));
}

#[test]
fn public_area_cut_at_any_byte_is_refused() {
    let area = &data!("ak.pub.tpm2b")[2..];
    assert!(AttestationKey::from_public(area).is_ok());
    for end in 0..area.len() {
        assert!(matches!(AttestationKey::from_public(&area[..end]), Err(CryptoError::Wire(_))), "cut at {end}");
    }
}

fn ecc_area<'a>(curve: Curve, scheme: Scheme, x: &'a [u8], y: &'a [u8]) -> PublicArea<'a> {
    let key = Key::Ecc { symmetric: Symmetric::Null, scheme, curve, kdf: Kdf::Null, x, y };
    PublicArea::new(HashAlg::Sha256, AK, &[], key).unwrap()
}

fn rsa_area(scheme: Scheme, bits: u16, exponent: u32, modulus: &[u8]) -> PublicArea<'_> {
    let key = Key::Rsa { symmetric: Symmetric::Null, scheme, bits, exponent, modulus };
    PublicArea::new(HashAlg::Sha256, AK, &[], key).unwrap()
}

#[test]
fn signatures_on_every_curve_with_every_hash_verify() {
    let curves: [(Curve, usize, &'static signature::EcdsaSigningAlgorithm); 3] = [
        (Curve::P256, 32, &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        (Curve::P384, 48, &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        (Curve::P521, 66, &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (curve, size, algorithm) in curves {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let (x, y) = (&point[1..=size], &point[size + 1..]);
        for hash in [HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512] {
            // The other tool: openssl signs with any hash on any curve.
            let Some(made) = openssl_signature(&pair, hash, b"attest") else {
                println!("skipped: openssl is not installed");
                return;
            };
            let (r, s) = integers(&made);
            let key = AttestationKey::new(&ecc_area(curve, Scheme::Ecdsa(hash), x, y)).unwrap();
            every_change_is_refused(&key, b"attest", &Signature::Ecdsa { hash, r, s });
            let other = if hash == HashAlg::Sha256 { HashAlg::Sha384 } else { HashAlg::Sha256 };
            assert_eq!(key.verify(b"attest", &Signature::Ecdsa { hash: other, r, s }), Err(CryptoError::OtherScheme));
        }
    }
}

/// A signature in DER; `None` without openssl.
fn openssl_signature(pair: &EcdsaKeyPair, hash: HashAlg, message: &[u8]) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("key"), pair.to_pkcs8v1().unwrap()).unwrap();
    std::fs::write(path("message"), message).unwrap();
    let out = Command::new("openssl")
        .current_dir(dir.path())
        .args(["dgst", &format!("-{hash}"), "-keyform", "DER", "-sign", "key", "message"])
        .output()
        .ok()?;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(out.stdout)
}

/// r and s of an ECDSA signature in DER, as a TPM writes them.
fn integers(der: &[u8]) -> (&[u8], &[u8]) {
    let body = der.strip_prefix(&[0x30, 0x81]).map_or(&der[2..], |long| &long[1..]);
    let (r, s) = body[2..].split_at(body[1].into());
    let positive = |integer: &[u8]| usize::from(integer[0] == 0);
    (&r[positive(r)..], &s[2 + positive(&s[2..])..])
}

/// The longest salt, and none.
const fn salts([longest, none]: [RsaSignatureEncoding; 2]) -> [RsaSignatureEncoding; 2] {
    [longest.with_pss_salt_length(RsaPssSaltLength::Max), none.with_pss_salt_length(RsaPssSaltLength::Custom(0))]
}

static PSS_SHA256: [RsaSignatureEncoding; 2] = salts([signature::RSA_PSS_SHA256, signature::RSA_PSS_SHA256]);
static PSS_SHA384: [RsaSignatureEncoding; 2] = salts([signature::RSA_PSS_SHA384, signature::RSA_PSS_SHA384]);
static PSS_SHA512: [RsaSignatureEncoding; 2] = salts([signature::RSA_PSS_SHA512, signature::RSA_PSS_SHA512]);

#[test]
fn rsa_signatures_of_every_listed_scheme_verify_and_others_are_refused() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let modulus: Vec<u8> = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
    let sign = |encoding| {
        let mut out = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), b"attest", &mut out).unwrap();
        out
    };
    let ssa: [(HashAlg, &'static dyn signature::RsaEncoding); 3] = [
        (HashAlg::Sha256, &signature::RSA_PKCS1_SHA256),
        (HashAlg::Sha384, &signature::RSA_PKCS1_SHA384),
        (HashAlg::Sha512, &signature::RSA_PKCS1_SHA512),
    ];
    for (hash, encoding) in ssa {
        let key = AttestationKey::new(&rsa_area(Scheme::RsaSsa(hash), 2048, 0, &modulus)).unwrap();
        let signature = sign(encoding);
        every_change_is_refused(&key, b"attest", &Signature::RsaSsa { hash, signature: &signature });
        let refused = Err(CryptoError::SignatureLength { wanted: 256, got: 255 });
        assert_eq!(key.verify(b"attest", &Signature::RsaSsa { hash, signature: &signature[1..] }), refused);
        let as_pss = Signature::RsaPss { hash, signature: &signature };
        assert_eq!(key.verify(b"attest", &as_pss), Err(CryptoError::OtherScheme));
    }
    let pss: [(HashAlg, [&'static dyn signature::RsaEncoding; 3]); 3] = [
        (HashAlg::Sha256, [&signature::RSA_PSS_SHA256, &PSS_SHA256[0], &PSS_SHA256[1]]),
        (HashAlg::Sha384, [&signature::RSA_PSS_SHA384, &PSS_SHA384[0], &PSS_SHA384[1]]),
        (HashAlg::Sha512, [&signature::RSA_PSS_SHA512, &PSS_SHA512[0], &PSS_SHA512[1]]),
    ];
    for (hash, [encoding, longest, empty]) in pss {
        let key = AttestationKey::new(&rsa_area(Scheme::RsaPss(hash), 2048, 65_537, &modulus)).unwrap();
        let signature = sign(encoding);
        every_change_is_refused(&key, b"attest", &Signature::RsaPss { hash, signature: &signature });
        let signature = sign(longest);
        every_change_is_refused(&key, b"attest", &Signature::RsaPss { hash, signature: &signature });
        let signature = sign(empty);
        let unusual = Signature::RsaPss { hash, signature: &signature };
        assert_eq!(key.verify(b"attest", &unusual), Err(CryptoError::BadSignature), "a salt of no TPM");
    }
}

#[test]
fn short_integers_are_padded_and_long_ones_refused() {
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let key = AttestationKey::new(&ecc_area(Curve::P256, Scheme::Ecdsa(HashAlg::Sha256), &point[1..33], &point[33..]))
        .unwrap();
    // One in 128 signatures has a leading zero byte; a TPM may leave it out.
    let (message, made) = (0..100_000_u32)
        .map(|n| (n.to_be_bytes(), pair.sign(&SystemRandom::new(), &n.to_be_bytes()).unwrap()))
        .find(|(_, made)| made.as_ref()[0] == 0)
        .unwrap();
    let (r, s) = made.as_ref().split_at(32);
    let hash = HashAlg::Sha256;
    assert_eq!(key.verify(&message, &Signature::Ecdsa { hash, r: &r[1..], s }), Ok(()));
    let long = [&[0], r].concat();
    let refused = Err(CryptoError::SignatureLength { wanted: 32, got: 33 });
    assert_eq!(key.verify(&message, &Signature::Ecdsa { hash, r: &long, s }), refused);
    let refused = Err(CryptoError::SignatureLength { wanted: 32, got: 0 });
    assert_eq!(key.verify(&message, &Signature::Ecdsa { hash, r, s: &[] }), refused);
}

#[test]
fn keys_off_the_allow_list_are_refused() {
    let (x, y) = (&[1; 32], &[2; 32]);
    let refused = |area: &PublicArea<'_>| AttestationKey::new(area).unwrap_err();
    let off = |property, got| CryptoError::Unsupported { property, got };
    let scheme = "scheme and hash";
    // SHA-1, Schnorr, a scheme left to the command, a curve without a name here.
    assert_eq!(refused(&ecc_area(Curve::P256, Scheme::Ecdsa(HashAlg::Sha1), x, y)), off(scheme, 0x0018_0004));
    assert_eq!(refused(&ecc_area(Curve::P521, Scheme::Ecdsa(HashAlg::Sha1), x, y)), off(scheme, 0x0018_0004));
    assert_eq!(refused(&ecc_area(Curve::P256, Scheme::EcSchnorr(HashAlg::Sha256), x, y)), off(scheme, 0x001C_000B));
    assert_eq!(refused(&ecc_area(Curve::P256, Scheme::Null, x, y)), off(scheme, 0x0010_0000));
    for weak in [0x0001, 0x0002, 0x0010, 0x0020] {
        assert_eq!(refused(&ecc_area(Curve(weak), Scheme::Ecdsa(HashAlg::Sha256), x, y)), off("curve", weak.into()));
    }
    // A point that is not on the curve.
    assert_eq!(refused(&ecc_area(Curve::P256, Scheme::Ecdsa(HashAlg::Sha256), x, y)), CryptoError::MalformedKey);

    let modulus = [0xFF; 256];
    assert_eq!(refused(&rsa_area(Scheme::RsaSsa(HashAlg::Sha1), 2048, 0, &modulus)), off(scheme, 0x0014_0004));
    assert_eq!(refused(&rsa_area(Scheme::Null, 2048, 0, &modulus)), off(scheme, 0x0010_0000));
    let ssa = Scheme::RsaSsa(HashAlg::Sha256);
    assert_eq!(refused(&rsa_area(ssa, 1024, 0, &modulus[..128])), off("modulus length", 1024));
    assert_eq!(refused(&rsa_area(ssa, 2048, 3, &modulus)), off("public exponent", 3));
    assert_eq!(refused(&rsa_area(ssa, 2048, 0, &modulus[..255])), CryptoError::MalformedKey);
    assert_eq!(refused(&rsa_area(ssa, 2048, 0, &[0x7F; 256])), CryptoError::MalformedKey);
}

#[test]
fn key_that_signs_what_its_holder_writes_is_refused() {
    let recorded = PublicArea::parse_sized(data!("ak.pub.tpm2b")).unwrap();
    for attributes in [
        Attributes(AK.0 & !Attributes::RESTRICTED.0),
        Attributes(AK.0 & !Attributes::FIXED_TPM.0),
        Attributes(AK.0 & !Attributes::SENSITIVE_DATA_ORIGIN.0),
        AK | Attributes::DECRYPT,
    ] {
        let area = PublicArea::new(HashAlg::Sha256, attributes, &[], *recorded.key()).unwrap();
        assert_eq!(AttestationKey::new(&area).unwrap_err(), CryptoError::Attributes { got: attributes.0 });
    }
}
