//! Somebody who signs files: a key, its certificate, and values of `security.ima`.

use avouch_crypto::FileKey;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

pub(crate) struct Packager {
    pair: EcdsaKeyPair,
    pub(crate) certificate: Vec<u8>,
}

impl Packager {
    pub(crate) fn new() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap();
        let certificate = certificate(pair.public_key().as_ref());
        Self { pair, certificate }
    }

    pub(crate) fn key_id(&self) -> [u8; 4] {
        FileKey::from_certificate(&self.certificate).unwrap().key_id()
    }

    /// SHA-256 of the certificate, as `ima.keyrings` pins it.
    pub(crate) fn pin(&self) -> String {
        avouch_protocol::Hash(avouch_crypto::sha256(&[&self.certificate])).to_hex()
    }

    pub(crate) fn pem(&self) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(&self.certificate))
    }

    /// A version 2 signature over a file with this content.
    pub(crate) fn sign(&self, content: &[u8]) -> Vec<u8> {
        self.attribute(3, 2, self.key_id(), content)
    }

    /// A version 3 signature over the fs-verity digest of SHA-256.
    pub(crate) fn sign_verity(&self, digest: &[u8; 32]) -> Vec<u8> {
        let file_id = [&[6, 4][..], digest].concat();
        self.attribute(6, 3, self.key_id(), &file_id)
    }

    /// An appended signature of a module: PKCS#7 without signed attributes, as the kernel's sign-file makes it.
    pub(crate) fn sign_module(&self, content: &[u8]) -> Vec<u8> {
        const SIGNED_DATA: [u8; 11] = [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
        const DATA: [u8; 11] = [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 1];
        let sha256 = tlv(0x30, &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]);
        let signature = self.pair.sign(&SystemRandom::new(), content).unwrap();
        let issued = tlv(0x30, &[name(), vec![2, 1, 1]].concat());
        let signer = [vec![2, 1, 1], issued, sha256.clone(), ecdsa_sha256(), tlv(0x04, signature.as_ref())].concat();
        let signed = [vec![2, 1, 1], tlv(0x31, &sha256), tlv(0x30, &DATA), tlv(0x31, &tlv(0x30, &signer))].concat();
        tlv(0x30, &[SIGNED_DATA.to_vec(), tlv(0xA0, &tlv(0x30, &signed))].concat())
    }

    /// Whatever header the caller likes, and a good signature over SHA-256 of `message`.
    pub(crate) fn attribute(&self, kind: u8, version: u8, key_id: [u8; 4], message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
        let size = (signature.as_ref().len() as u16).to_be_bytes();
        [&[kind, version, 4], &key_id[..], &size, signature.as_ref()].concat()
    }
}

/// An X.509 certificate that says nothing but the key; its own signature is not looked at.
fn certificate(point: &[u8]) -> Vec<u8> {
    let time = tlv(0x17, b"260101000000Z");
    let algorithm =
        [&[0x06, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1][..], &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7]];
    let spki = tlv(0x30, &[tlv(0x30, &algorithm.concat()), tlv(0x03, &[&[0], point].concat())].concat());
    let body = [
        tlv(0xA0, &[2, 1, 2]),
        vec![2, 1, 1],
        ecdsa_sha256(),
        name(),
        tlv(0x30, &[time.clone(), time].concat()),
        name(),
        spki,
    ];
    tlv(0x30, &[tlv(0x30, &body.concat()), ecdsa_sha256(), tlv(0x03, &[0, 0x30, 0])].concat())
}

fn ecdsa_sha256() -> Vec<u8> {
    tlv(0x30, &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2])
}

fn name() -> Vec<u8> {
    tlv(0x30, &tlv(0x31, &tlv(0x30, &[&[0x06, 3, 0x55, 4, 3], &tlv(0x0C, b"packager")[..]].concat())))
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..128 => vec![short as u8],
        long @ 128..256 => vec![0x81, long as u8],
        longer => vec![0x82, (longer >> 8) as u8, longer as u8],
    };
    [&[tag], length.as_slice(), content].concat()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let index = (word >> (18 - 6 * position)) as usize & 63;
            text.push(if position <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    text
}
