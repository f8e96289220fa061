//! The HMAC over a bundle, in the forms of both eras of the local attestor API.
//!
//! Whoever can verify an HMAC can forge it: it serves services of one machine that share the key. For everybody else
//! there is the quote.

use core::fmt;

use avouch_crypto::{constant_time_eq, hmac_sha256};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::audit::MAX_LINE_BYTES;
use crate::canonical::canonical;

/// What stands in `bundle_hmac` where there is no key. It never verifies.
pub const UNSIGNED: &str = "unsigned";

/// The key that the services of this machine share; wiped when dropped, never printed.
#[derive(Clone)]
pub struct HmacKey(Zeroizing<[u8; 32]>);

/// Why the content of a file is no HMAC key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HmacKeyError {
    /// Bytes of the file.
    pub got: usize,
}

/// Why a bundle's HMAC does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HmacRefusal {
    /// More than [`MAX_LINE_BYTES`].
    TooLong,
    /// No JSON object.
    NoBundle,
    /// No `bundle_hmac` of 64 lower-case hexadecimal digits.
    NoHmac,
    /// The literal `unsigned`.
    Unsigned,
    /// Another key, or changed after it was signed.
    Mismatch,
}

// === impl HmacKey ===

impl HmacKey {
    /// The key in a file: exactly 64 lower-case hexadecimal digits and at most one line break.
    ///
    /// # Errors
    /// [`HmacKeyError`].
    pub fn from_file(content: &[u8]) -> Result<Self, HmacKeyError> {
        let refused = HmacKeyError { got: content.len() };
        let digits = content.strip_suffix(b"\n").unwrap_or(content);
        let mut key = Zeroizing::new([0; 32]);
        if digits.len() != 64 {
            return Err(refused);
        }
        HEXLOWER.decode_mut(digits, key.as_mut_slice()).map_err(|_| refused)?;
        Ok(Self(key))
    }

    /// `bundle_hmac` of a bundle: HMAC-SHA-256 over its canonical JSON with `bundle_hmac` empty.
    pub(crate) fn sign(&self, mut bundle: Map<String, Value>) -> String {
        HEXLOWER.encode(&self.mac(&mut bundle))
    }

    fn mac(&self, bundle: &mut Map<String, Value>) -> [u8; 32] {
        bundle.insert("bundle_hmac".into(), Value::String(String::new()));
        let text = canonical(&Value::Object(core::mem::take(bundle)));
        hmac_sha256(self.0.as_slice(), &[text.as_bytes()])
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacKey").finish_non_exhaustive()
    }
}

/// Checks a bundle, as it was sent, against the key: every field of it, those of other releases included.
///
/// # Errors
/// [`HmacRefusal`].
pub fn verify_hmac(bundle: &[u8], key: &HmacKey) -> Result<(), HmacRefusal> {
    let mut bundle = object(bundle)?;
    let given = match bundle.get("bundle_hmac").and_then(Value::as_str) {
        Some(UNSIGNED) => return Err(HmacRefusal::Unsigned),
        Some(text) if text.len() == 64 => HEXLOWER.decode(text.as_bytes()).map_err(|_| HmacRefusal::NoHmac)?,
        _ => return Err(HmacRefusal::NoHmac),
    };
    if constant_time_eq(&key.mac(&mut bundle), &given) { Ok(()) } else { Err(HmacRefusal::Mismatch) }
}

/// `bundle_hmac` as the first era of the API made it: over seven fields with `|` between them, under the bytes of the
/// key file as they are. It leaves most of the bundle unprotected and is here to read old records, never to write.
///
/// # Errors
/// [`HmacRefusal::TooLong`], [`HmacRefusal::NoBundle`] where one of the seven is not there.
pub fn seven_field_hmac(bundle: &[u8], key_file: &[u8]) -> Result<String, HmacRefusal> {
    let bundle = object(bundle)?;
    let text = |name| bundle.get(name).and_then(Value::as_str).ok_or(HmacRefusal::NoBundle);
    let flag = |name| match bundle.get(name).and_then(Value::as_bool) {
        Some(true) => Ok("true"),
        Some(false) => Ok("false"),
        None => Err(HmacRefusal::NoBundle),
    };
    let fields = [
        text("timestamp")?,
        text("state")?,
        text("deployment_digest")?,
        text("policy_digest")?,
        text("registry_manifest_hash")?,
        flag("tpm_available")?,
        flag("tpm_quote_verified")?,
    ];
    Ok(HEXLOWER.encode(&hmac_sha256(key_file, &[fields.join("|").as_bytes()])))
}

fn object(bundle: &[u8]) -> Result<Map<String, Value>, HmacRefusal> {
    if bundle.len() > MAX_LINE_BYTES {
        return Err(HmacRefusal::TooLong);
    }
    serde_json::from_slice(bundle).map_err(|_| HmacRefusal::NoBundle)
}

// === impl HmacKeyError ===

impl fmt::Display for HmacKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the HMAC key file has {} bytes and is not 64 lower-case hexadecimal digits; make one with \
             `head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \\n'`",
            self.got
        )
    }
}

impl std::error::Error for HmacKeyError {}

// === impl HmacRefusal ===

impl fmt::Display for HmacRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the bundle is longer than any that an attestor makes",
            Self::NoBundle => "this is no bundle: a JSON object with the documented fields is wanted",
            Self::NoHmac => "the bundle has no bundle_hmac of 64 lower-case hexadecimal digits",
            Self::Unsigned => "the bundle is unsigned: the attestor had no HMAC key when it made it",
            Self::Mismatch => "the HMAC does not hold: another key, or the bundle was changed after it was signed",
        })
    }
}

impl std::error::Error for HmacRefusal {}
