//! The attestation key as others keep it: printed as PEM on the machine, pinned elsewhere.

use core::fmt;

use avouch_crypto::observation::ObservedKey;
use avouch_crypto::{AttestationKey, CryptoError, FileKey, Hash as Sha, sha256};
use avouch_protocol::Hash;
use avouch_tpm_wire::{Curve, Key, PublicArea, Signature};
use data_encoding::{BASE64, HEXLOWER};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// Longest file that is read as a key; RSA with 4096 bits is below one KiB.
const MAX_KEY_BYTES: usize = 16 << 10;

/// AlgorithmIdentifier of id-ecPublicKey with each curve (RFC 5480 section 2.1.1), and of rsaEncryption (RFC 3279
/// section 2.3.1): content of the SEQUENCE.
const P256: &[u8] = &[6, 7, 42, 134, 72, 206, 61, 2, 1, 6, 8, 42, 134, 72, 206, 61, 3, 1, 7];
const P384: &[u8] = &[6, 7, 42, 134, 72, 206, 61, 2, 1, 6, 5, 43, 129, 4, 0, 34];
const P521: &[u8] = &[6, 7, 42, 134, 72, 206, 61, 2, 1, 6, 5, 43, 129, 4, 0, 35];
const RSA: &[u8] = &[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0];
/// 65537, the only public exponent that an attestation key may have.
const EXPONENT: &[u8] = &[2, 3, 1, 0, 1];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// A public attestation key, in every form in which it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAk {
    tpmt_public: Vec<u8>,
    name: Vec<u8>,
    pem: String,
}

/// A key that somebody holds against a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedAk(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// SubjectPublicKeyInfo, DER.
    Spki(Vec<u8>),
    /// TPMT_PUBLIC.
    Public(Vec<u8>),
}

/// Why bytes are no key that a bundle could be held against. Most often another file was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinnedAkError {
    /// Neither PEM nor a TPM's public area.
    Form {
        /// Bytes of the file.
        got: usize,
    },
    /// PEM whose content is not base64 of a public key of a kind that attests.
    Content,
}

// === impl PublicAk ===

impl PublicAk {
    /// The key in a TPMT_PUBLIC.
    ///
    /// # Errors
    /// [`CryptoError`] where it is none that a TPM attests with.
    pub fn of(tpmt_public: &[u8]) -> Result<Self, CryptoError> {
        AttestationKey::from_public(tpmt_public)?;
        let public = PublicArea::parse(tpmt_public).map_err(CryptoError::Wire)?;
        let spki = spki(public.key()).ok_or(CryptoError::MalformedKey)?;
        Ok(Self { tpmt_public: tpmt_public.to_vec(), name: public.name(&Sha), pem: pem(&spki) })
    }

    /// SubjectPublicKeyInfo as PEM (RFC 7468), line break included.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its Name (TPM 2.0 Part 1, "Names"): nameAlg and digest of the public area, hexadecimal.
    pub fn name(&self) -> String {
        HEXLOWER.encode(&self.name)
    }

    /// SHA-256 of the TPMT_PUBLIC, as bundles tell it.
    pub fn sha256(&self) -> Hash {
        Hash(sha256(&[&self.tpmt_public]))
    }
}

// === impl PinnedAk ===

impl PinnedAk {
    /// Reads what [`PublicAk::pem`] wrote, or a TPMT_PUBLIC or TPM2B_PUBLIC, as TPM tools write them.
    ///
    /// # Errors
    /// [`PinnedAkError`].
    pub fn read(file: &[u8]) -> Result<Self, PinnedAkError> {
        let unknown = PinnedAkError::Form { got: file.len() };
        if file.len() > MAX_KEY_BYTES {
            return Err(unknown);
        }
        if PublicArea::parse(file).is_ok() {
            return Ok(Self(Form::Public(file.to_vec())));
        }
        if PublicArea::parse_sized(file).is_ok() {
            // Behind its length, which was checked.
            return Ok(Self(Form::Public(file.get(2..).unwrap_or_default().to_vec())));
        }
        let text = core::str::from_utf8(file).map_err(|_| unknown)?.trim();
        let body = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(unknown)?;
        let body: String = body.split_whitespace().collect();
        let der = BASE64.decode(body.as_bytes()).map_err(|_| PinnedAkError::Content)?;
        FileKey::from_spki(&der).map_err(|_| PinnedAkError::Content)?;
        Ok(Self(Form::Spki(der)))
    }

    /// Whether this is the key `tpmt_public`, by which `signature` over `attest` holds.
    pub(crate) fn is(&self, tpmt_public: &[u8], attest: &[u8], signature: &Signature<'_>) -> bool {
        match &self.0 {
            Form::Public(pinned) => pinned == tpmt_public,
            Form::Spki(der) => ObservedKey::from_spki(der).verify(attest, signature).is_ok_and(|seen| !seen.weak),
        }
    }
}

fn spki(key: &Key<'_>) -> Option<Vec<u8>> {
    let (algorithm, bits) = match *key {
        Key::Rsa { modulus, .. } => {
            // A modulus of full length begins with a bit that would make it negative.
            let modulus = der(INTEGER, &[&[0], modulus])?;
            (RSA, der(SEQUENCE, &[&modulus, EXPONENT])?)
        }
        Key::Ecc { curve, x, y, .. } => {
            let (algorithm, size) = match curve {
                Curve::P256 => (P256, 32),
                Curve::P384 => (P384, 48),
                Curve::P521 => (P521, 66),
                _ => return None,
            };
            let mut point = vec![0x04];
            for coordinate in [x, y] {
                let padding: usize = usize::checked_sub(size, coordinate.len())?;
                point.extend(core::iter::repeat_n(0, padding));
                point.extend_from_slice(coordinate);
            }
            (algorithm, point)
        }
        _ => return None,
    };
    der(SEQUENCE, &[&der(SEQUENCE, &[algorithm])?, &der(BIT_STRING, &[&[0], &bits])?])
}

/// An element with a definite length of at most two bytes (X.690 section 8.1.3).
fn der(tag: u8, parts: &[&[u8]]) -> Option<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let [high, low] = u16::try_from(length).ok()?.to_be_bytes();
    let mut out = match length {
        0..=0x7F => vec![tag, low],
        0x80..=0xFF => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    parts.iter().for_each(|part| out.extend_from_slice(part));
    Some(out)
}

fn pem(der: &[u8]) -> String {
    let mut out = format!("{BEGIN}\n");
    let body = BASE64.encode(der);
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str(END);
    out.push('\n');
    out
}

// === impl PinnedAkError ===

impl fmt::Display for PinnedAkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { got } => write!(
                f,
                "its {got} bytes are no attestation key: PEM that begins with {BEGIN}, or a TPMT_PUBLIC or TPM2B_PUBLIC, \
                 is wanted"
            ),
            Self::Content => f.write_str(
                "between its PEM lines there is no base64 of a public key of a kind that a TPM attests with",
            ),
        }
    }
}

impl std::error::Error for PinnedAkError {}
