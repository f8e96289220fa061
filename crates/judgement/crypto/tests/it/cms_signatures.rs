use avouch_crypto::cms::{self, CmsError, verify_detached};
use avouch_crypto::{CryptoError, FileKey, Hash};
use avouch_tpm_wire::{HashAlg, Hasher};

use crate::data;

struct Recorded {
    signature: &'static [u8],
    certificate: &'static [u8],
    hash: HashAlg,
    attributes: bool,
}

macro_rules! recorded {
    ($key:literal, $hash:literal, $alg:ident) => {
        [
            Recorded {
                signature: data!(concat!("signing/", $key, ".", $hash, ".attributes.p7s")),
                certificate: data!(concat!("signing/", $key, ".cert.der")),
                hash: HashAlg::$alg,
                attributes: true,
            },
            Recorded {
                signature: data!(concat!("signing/", $key, ".", $hash, ".plain.p7s")),
                certificate: data!(concat!("signing/", $key, ".cert.der")),
                hash: HashAlg::$alg,
                attributes: false,
            },
        ]
    };
}

fn recorded() -> Vec<Recorded> {
    let with = |signature, attributes| Recorded {
        signature,
        certificate: data!("signing/rsa.cert.der"),
        hash: HashAlg::Sha256,
        attributes,
    };
    let mut all: Vec<Recorded> = [
        recorded!("rsa", "sha256", Sha256),
        recorded!("rsa", "sha512", Sha512),
        recorded!("P-256", "sha256", Sha256),
        recorded!("P-256", "sha512", Sha512),
        recorded!("P-384", "sha256", Sha256),
        recorded!("P-384", "sha512", Sha512),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.push(with(data!("signing/rsa.sha256.keyid.p7s"), true));
    all.push(with(data!("signing/rsa.sha256.smime.p7s"), true));
    all.push(with(data!("signing/two-signers.p7s"), true));
    all
}

fn key(certificate: &[u8]) -> FileKey {
    FileKey::from_certificate(certificate).unwrap()
}

fn content(hash: HashAlg) -> Vec<u8> {
    Hash.hash(hash, &[data!("signing/content")]).as_bytes().to_vec()
}

#[test]
fn signatures_of_openssl_verify_with_the_key_that_made_them() {
    let stranger = || key(data!("signing/P-521.cert.der"));
    for Recorded { signature, certificate, hash, attributes } in recorded() {
        assert_eq!(cms::content_hash(signature), Ok(hash));
        let keys = [stranger(), key(certificate)];
        let signer = verify_detached(signature, hash, &content(hash), &keys).unwrap();
        assert_eq!((signer.key, signer.hash, signer.attributes), (1, hash, attributes));
        assert_eq!(verify_detached(signature, hash, &content(hash), &[stranger()]), Err(CmsError::UnknownSigner));
        assert_eq!(verify_detached(signature, hash, &content(hash), &[]), Err(CmsError::UnknownSigner));
    }
}

#[test]
fn either_of_two_signers_is_enough() {
    let signature = data!("signing/two-signers.p7s");
    for certificate in [data!("signing/rsa.cert.der"), data!("signing/P-256.cert.der")] {
        let hash = HashAlg::Sha256;
        assert!(verify_detached(signature, hash, &content(hash), &[key(certificate)]).is_ok());
    }
    assert_eq!(cms::certificates(signature).unwrap().len(), 2);
}

#[test]
fn other_content_is_refused() {
    for Recorded { signature, certificate, hash, attributes } in recorded() {
        let other = Hash.hash(hash, &[b"other content"]);
        let refused = if attributes { CmsError::Digest } else { CmsError::Signature(CryptoError::BadSignature) };
        assert_eq!(verify_detached(signature, hash, other.as_bytes(), &[key(certificate)]), Err(refused));
        let wrong = if hash == HashAlg::Sha256 { HashAlg::Sha512 } else { HashAlg::Sha256 };
        let refused = verify_detached(signature, wrong, &content(wrong), &[key(certificate)]);
        assert_eq!(refused, Err(CmsError::OtherHash { signed: hash }));
    }
}

#[test]
fn attached_content_and_sha1_are_refused() {
    let keys = [key(data!("signing/rsa.cert.der"))];
    let hash = HashAlg::Sha256;
    let attached = verify_detached(data!("signing/rsa.sha256.attached.p7s"), hash, &content(hash), &keys);
    assert_eq!(attached, Err(CmsError::NotDetached));
    let sha1 = verify_detached(data!("signing/rsa.sha1.attributes.p7s"), HashAlg::Sha1, &content(HashAlg::Sha1), &keys);
    assert_eq!(sha1, Err(CmsError::Algorithm { oid: "1.3.14.3.2.26".into() }));
}

#[test]
fn signature_cut_at_any_byte_is_refused_with_its_offset() {
    for Recorded { signature, certificate, hash, .. } in recorded() {
        let keys = [key(certificate)];
        for end in 0..signature.len() {
            let refused = verify_detached(&signature[..end], hash, &content(hash), &keys);
            assert!(matches!(refused, Err(CmsError::Der { offset }) if offset <= end), "cut at {end}: {refused:?}");
        }
        let longer = [signature, &[0]].concat();
        let refused = Err(CmsError::Der { offset: signature.len() });
        assert_eq!(verify_detached(&longer, hash, &content(hash), &keys), refused);
    }
    let refused = verify_detached(&[0x30; 65_537], HashAlg::Sha256, &content(HashAlg::Sha256), &[]);
    assert_eq!(refused, Err(CmsError::TooLarge { got: 65_537 }));
}

/// With attributes, the bytes that count are the signer's; the certificates beside it are nobody's claim.
#[test]
fn no_changed_byte_lets_other_content_through() {
    for Recorded { signature, certificate, hash, .. } in recorded() {
        let keys = [key(certificate)];
        let other = Hash.hash(hash, &[b"other content"]);
        for at in 0..signature.len() {
            let mut changed = signature.to_vec();
            changed[at] ^= 1;
            assert!(verify_detached(&changed, hash, other.as_bytes(), &keys).is_err(), "byte {at}");
        }
    }
}

#[test]
fn signed_digest_of_the_other_content_without_a_new_signature_is_refused() {
    // The attribute says what the attacker wants; the signature over the attributes does not.
    let signature = data!("signing/rsa.sha256.attributes.p7s");
    let (signed, other) = (content(HashAlg::Sha256), Hash.hash(HashAlg::Sha256, &[b"other content"]));
    let at = signature.windows(32).position(|window| window == signed).unwrap();
    let mut changed = signature.to_vec();
    changed[at..at + 32].copy_from_slice(other.as_bytes());
    let refused = verify_detached(&changed, HashAlg::Sha256, other.as_bytes(), &[key(data!("signing/rsa.cert.der"))]);
    assert_eq!(refused, Err(CmsError::Signature(CryptoError::BadSignature)));
}
