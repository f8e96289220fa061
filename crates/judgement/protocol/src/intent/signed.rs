//! An intent and who stands for it.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{IntentError, IntentFile};
use crate::limits::MAX_INTENT_BYTES;

/// Whether an Ed25519 signature holds: public key, message, signature.
pub type VerifyEd25519 = fn(&[u8; 32], &[u8], &[u8]) -> bool;

/// An intent file, signed: JSON whose three fields are base64. The exact bytes of the file are what was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIntent {
    intent: String,
    key: String,
    signature: String,
}

impl SignedIntent {
    /// Prefix of the signed bytes.
    pub const CONTEXT: &'static [u8] = b"avouch/intent/v1\0";

    /// The bytes that a key signs for this file.
    pub fn signed_bytes(file: &[u8]) -> Vec<u8> {
        [Self::CONTEXT, file].concat()
    }

    /// The file with the signature that `key` made over [`SignedIntent::signed_bytes`].
    pub fn of(file: &[u8], key: &[u8; 32], signature: &[u8]) -> Self {
        Self { intent: BASE64.encode(file), key: BASE64.encode(key), signature: BASE64.encode(signature) }
    }

    /// Reads the JSON of a signed intent; nothing in it is believed yet.
    ///
    /// # Errors
    /// [`IntentError::Json`], [`IntentError::TooLong`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, IntentError> {
        // Base64 takes four bytes for three.
        super::read(bytes, MAX_INTENT_BYTES.saturating_mul(2))
    }

    /// The JSON, with a line break at its end.
    pub fn to_json(&self) -> String {
        // Three texts always serialise.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The intent, if one of `keys` signed these bytes.
    ///
    /// # Errors
    /// [`IntentError::Key`], [`IntentError::Signature`], [`IntentError::Envelope`], and what the file itself has
    /// wrong, which is looked at last.
    pub fn open(&self, keys: &[[u8; 32]], verify: VerifyEd25519) -> Result<IntentFile, IntentError> {
        let decode = |field, text: &str| BASE64.decode(text.as_bytes()).map_err(|_| IntentError::Envelope { field });
        let key = <[u8; 32]>::try_from(decode("key", &self.key)?.as_slice());
        let key = key.map_err(|_| IntentError::Envelope { field: "key" })?;
        if !keys.contains(&key) {
            return Err(IntentError::Key { got: self.key.clone() });
        }
        let (file, signature) = (decode("intent", &self.intent)?, decode("signature", &self.signature)?);
        if !verify(&key, &Self::signed_bytes(&file), &signature) {
            return Err(IntentError::Signature);
        }
        let file = IntentFile::from_json(&file)?;
        file.intent()?;
        Ok(file)
    }
}
