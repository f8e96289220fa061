//! TPM2_MakeCredential in software: a secret that only the TPM with this endorsement key, holding a key of this Name,
//! can open (TPM 2.0 Part 1, "Credential Protection"; Part 3, TPM2_MakeCredential).

use avouch_tpm_wire::{Attributes, HashAlg, Hasher, Key, PublicArea, Symmetric};
use aws_lc_rs::agreement::{self, PrivateKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm, OaepPublicEncryptingKey,
    PublicEncryptingKey, PublicKeyComponents,
};
use aws_lc_rs::{hmac, rand};
use zeroize::Zeroizing;

use crate::tpm_key::{EcCurve, PublicKey};
use crate::{CryptoError, Hash};

/// The label of the seed; its terminating zero byte counts (Part 1, annex B.10.4).
const IDENTITY: &[u8] = b"IDENTITY\0";
const AES: u16 = 0x0006;
const CFB: u16 = 0x0043;

/// A protected secret, in the two fields that TPM2_ActivateCredential takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// TPM2B_ID_OBJECT, its length prefix included.
    pub id_object: Vec<u8>,
    /// TPM2B_ENCRYPTED_SECRET, its length prefix included.
    pub encrypted_secret: Vec<u8>,
}

/// Protects `secret` so that only the TPM that holds the private half of `ek_public` releases it, and only while it
/// has a loaded object with the Name `ak_name` (nameAlg and digest).
///
/// RSA endorsement keys of 2048, 3072 or 4096 bits and ECC ones on P-256, P-384 or P-521, with AES-128 or AES-256 in
/// CFB mode: the templates L-1, L-2, H-1 to H-4, H-6 and H-7 of the EK Credential Profile. Random are the seed and the
/// OAEP padding for RSA, and the ephemeral key for ECC.
///
/// # Errors
/// [`CryptoError::Unsupported`] for other endorsement keys; [`CryptoError::Attributes`] when the key is not a
/// restricted decryption key; [`CryptoError::MalformedKey`], [`CryptoError::Name`], [`CryptoError::Library`].
pub fn make_credential(
    ek_public: &PublicArea<'_>,
    ak_name: &[u8],
    secret: &[u8; 32],
) -> Result<Credential, CryptoError> {
    let attributes = ek_public.attributes();
    if !attributes.contains(Attributes::RESTRICTED | Attributes::DECRYPT) || attributes.contains(Attributes::SIGN) {
        return Err(CryptoError::Attributes { got: attributes.0 });
    }
    check_name(ak_name)?;
    let alg = ek_public.name_alg();
    let bits = cipher_bits(ek_public.key())?;
    let SharedSeed { seed, encrypted } = share_seed(ek_public)?;

    let cipher_key = kdfa(alg, &seed, b"STORAGE", ak_name, bits);
    let mut identity = Zeroizing::new(sized(secret)?);
    encrypt_cfb(&cipher_key, &mut identity)?;

    let mac_bits = u32::try_from(alg.size() * 8).map_err(|_| CryptoError::Library)?;
    let mac_key = kdfa(alg, &seed, b"INTEGRITY", &[], mac_bits);
    let mac = hmac_parts(alg, &mac_key, &[&identity, ak_name]);
    let body = [sized(mac.as_ref())?.as_slice(), &identity].concat();
    Ok(Credential { id_object: sized(&body)?, encrypted_secret: sized(&encrypted)? })
}

/// A seed that only the TPM can recover, and the form in which it travels (without length prefix).
struct SharedSeed {
    seed: Zeroizing<Vec<u8>>,
    encrypted: Vec<u8>,
}

/// The one step that depends on the type of the endorsement key.
fn share_seed(ek_public: &PublicArea<'_>) -> Result<SharedSeed, CryptoError> {
    match PublicKey::of(ek_public.key())? {
        PublicKey::Rsa(components) => rsa_seed(components, ek_public.name_alg()),
        PublicKey::Ec(curve, point) => ecc_seed(curve, &point, ek_public.name_alg()),
    }
}

/// One-pass ECDH with a fresh key, then KDFe with the label `IDENTITY` (Part 1, annexes C.6.1 and C.6.3): the seed is
/// derived, and what travels is the ephemeral point (TPMS_ECC_POINT).
fn ecc_seed(curve: EcCurve, point: &[u8], alg: HashAlg) -> Result<SharedSeed, CryptoError> {
    if alg == HashAlg::Sha1 {
        return Err(CryptoError::Unsupported { property: "nameAlg", got: alg.id().into() });
    }
    let algorithm = match curve {
        EcCurve::P256 => &agreement::ECDH_P256,
        EcCurve::P384 => &agreement::ECDH_P384,
        EcCurve::P521 => &agreement::ECDH_P521,
    };
    let ephemeral = PrivateKey::generate(algorithm).map_err(|_| CryptoError::Library)?;
    let public = ephemeral.compute_public_key().map_err(|_| CryptoError::Library)?;
    let (party_u, y) = coordinates(public.as_ref(), curve).ok_or(CryptoError::Library)?;
    let (party_v, _) = coordinates(point, curve).ok_or(CryptoError::MalformedKey)?;
    let peer = agreement::UnparsedPublicKey::new(algorithm, point);
    // The library fails here for a point that is not on the curve.
    let seed = agreement::agree(&ephemeral, peer, CryptoError::MalformedKey, |z| Ok(kdfe(alg, z, party_u, party_v)))?;
    let encrypted = [sized(party_u)?, sized(y)?].concat();
    Ok(SharedSeed { seed, encrypted })
}

/// KDFe: SP 800-56A's concatenation KDF over H(counter ‖ Z ‖ label ‖ PartyUInfo ‖ PartyVInfo) (Part 1, "KDFe for
/// ECDH"). The seed is as long as one hash, so there is one round; coordinates are as long as the curve's.
fn kdfe(alg: HashAlg, z: &[u8], party_u: &[u8], party_v: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Hash.hash(alg, &[&1_u32.to_be_bytes(), z, IDENTITY, party_u, party_v]).as_bytes().to_vec())
}

/// x and y of an uncompressed point.
fn coordinates(point: &[u8], curve: EcCurve) -> Option<(&[u8], &[u8])> {
    let both = point.strip_prefix(&[0x04]).filter(|both| both.len() == 2 * curve.size())?;
    both.split_at_checked(curve.size())
}

/// OAEP under the nameAlg with the label `IDENTITY` (Part 1, annex B.10.4).
fn rsa_seed(components: PublicKeyComponents<&[u8]>, alg: HashAlg) -> Result<SharedSeed, CryptoError> {
    let algorithm: &'static OaepAlgorithm = match alg {
        HashAlg::Sha256 => &OAEP_SHA256_MGF1SHA256,
        HashAlg::Sha384 => &OAEP_SHA384_MGF1SHA384,
        HashAlg::Sha512 => &OAEP_SHA512_MGF1SHA512,
        HashAlg::Sha1 => return Err(CryptoError::Unsupported { property: "nameAlg", got: alg.id().into() }),
    };
    let mut seed = Zeroizing::new(vec![0; alg.size()]);
    rand::fill(&mut seed).map_err(|_| CryptoError::Library)?;
    let key: PublicEncryptingKey = components.try_into().map_err(|_| CryptoError::MalformedKey)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| CryptoError::MalformedKey)?;
    let mut encrypted = vec![0; key.ciphertext_size()];
    key.encrypt(algorithm, &seed, &mut encrypted, Some(IDENTITY)).map_err(|_| CryptoError::Library)?;
    Ok(SharedSeed { seed, encrypted })
}

/// Key length of the endorsement key's symmetric cipher, which protects the identity object.
fn cipher_bits(key: &Key<'_>) -> Result<u32, CryptoError> {
    let (Key::Rsa { symmetric, .. } | Key::Ecc { symmetric, .. }) = *key else {
        return Err(CryptoError::Unsupported { property: "type", got: key.kind().into() });
    };
    match symmetric {
        Symmetric::Cipher { alg: AES, bits: bits @ (128 | 256), mode: CFB } => Ok(bits.into()),
        Symmetric::Cipher { alg, .. } => {
            Err(CryptoError::Unsupported { property: "symmetric cipher", got: alg.into() })
        }
        Symmetric::Null => Err(CryptoError::Unsupported { property: "symmetric cipher", got: 0x0010 }),
    }
}

/// AES-CFB with a zero IV: the key is fresh for each credential (Part 1, "Symmetric Encryption" of credentials).
fn encrypt_cfb(key: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
    let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| CryptoError::Library)?;
    let key = EncryptingKey::cfb128(key).map_err(|_| CryptoError::Library)?;
    let iv = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(data, iv).map_err(|_| CryptoError::Library)?;
    Ok(())
}

/// KDFa: SP 800-108 in counter mode with HMAC (Part 1, "KDFa()"). `bits` is a multiple of 8; contextV is always empty.
fn kdfa(alg: HashAlg, key: &[u8], label: &[u8], context: &[u8], bits: u32) -> Zeroizing<Vec<u8>> {
    let wanted = usize::try_from(bits / 8).unwrap_or(usize::MAX);
    let mut out = Zeroizing::new(Vec::new());
    let mut counter = 0_u32;
    while out.len() < wanted {
        counter = counter.saturating_add(1);
        let parts = [&counter.to_be_bytes(), label, &[0], context, &bits.to_be_bytes()];
        out.extend_from_slice(hmac_parts(alg, key, &parts).as_ref());
    }
    out.truncate(wanted);
    out
}

fn hmac_parts(alg: HashAlg, key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let algorithm = match alg {
        HashAlg::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        HashAlg::Sha256 => hmac::HMAC_SHA256,
        HashAlg::Sha384 => hmac::HMAC_SHA384,
        HashAlg::Sha512 => hmac::HMAC_SHA512,
    };
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign()
}

/// TPM2B: a 16-bit length and the bytes.
fn sized(bytes: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let length = u16::try_from(bytes.len()).map_err(|_| CryptoError::Library)?;
    Ok([length.to_be_bytes().as_slice(), bytes].concat())
}

/// A Name of an object: nameAlg and as many bytes as it has.
fn check_name(name: &[u8]) -> Result<(), CryptoError> {
    let (alg, digest) = name.split_first_chunk::<2>().ok_or(CryptoError::Name)?;
    let alg = HashAlg::from_id(u16::from_be_bytes(*alg)).ok_or(CryptoError::Name)?;
    if digest.len() == alg.size() { Ok(()) } else { Err(CryptoError::Name) }
}
