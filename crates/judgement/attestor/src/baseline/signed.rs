//! A baseline and who stands for it.

use std::path::{Path, PathBuf};

use avouch_crypto::signing::verify_ed25519;
use avouch_protocol::Hash;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::file::{digest, read};
use super::{BaselineError, BaselineFile};
use crate::facts::{DeploymentKind, FileDigest};

/// A baseline, signed: JSON whose three fields are base64. The exact bytes of the file are what was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBaseline {
    baseline: String,
    key: String,
    signature: String,
}

/// A baseline that the pinned key signed. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline(BaselineFile);

// === impl SignedBaseline ===

impl SignedBaseline {
    /// Prefix of the signed bytes.
    pub const CONTEXT: &'static [u8] = b"avouch/baseline/v1\0";

    /// The bytes that a key signs for this file.
    pub fn signed_bytes(file: &[u8]) -> Vec<u8> {
        [Self::CONTEXT, file].concat()
    }

    /// The file with the Ed25519 signature that `key` made over [`SignedBaseline::signed_bytes`].
    pub fn of(file: &[u8], key: &[u8; 32], signature: &[u8]) -> Self {
        Self { baseline: BASE64.encode(file), key: BASE64.encode(key), signature: BASE64.encode(signature) }
    }

    /// Reads the JSON of a signed baseline; nothing in it is believed yet.
    ///
    /// # Errors
    /// [`BaselineError::Json`], [`BaselineError::TooLong`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, BaselineError> {
        read(bytes)
    }

    /// The JSON, with a line break at its end.
    pub fn to_json(&self) -> String {
        // Three texts always serialise.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The baseline, if `key` signed these bytes.
    ///
    /// # Errors
    /// [`BaselineError::Key`], [`BaselineError::Signature`], [`BaselineError::Envelope`], and what the file itself has
    /// wrong, which is looked at last.
    pub fn open(&self, key: &[u8; 32]) -> Result<Baseline, BaselineError> {
        let decode = |field, text: &str| BASE64.decode(text.as_bytes()).map_err(|_| BaselineError::Envelope { field });
        if decode("key", &self.key)? != key {
            return Err(BaselineError::Key { got: self.key.clone() });
        }
        let (file, signature) = (decode("baseline", &self.baseline)?, decode("signature", &self.signature)?);
        verify_ed25519(key, &Self::signed_bytes(&file), &signature).map_err(|_| BaselineError::Signature)?;
        BaselineFile::from_json(&file).map(Baseline)
    }
}

// === impl Baseline ===

impl Baseline {
    /// What was signed.
    pub fn file(&self) -> &BaselineFile {
        &self.0
    }

    /// What it says of a path.
    pub fn digest_of(&self, path: &Path) -> Option<FileDigest> {
        self.0.digest_of(path)
    }

    /// Every path that it names.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.0.paths()
    }

    /// The deployment that must be booted.
    pub(crate) fn deployment(&self) -> Option<(DeploymentKind, Hash)> {
        let deployment = self.0.deployment.as_ref()?;
        Some((deployment.kind, digest(&deployment.digest)?))
    }

    /// The registry manifest that must be there.
    pub(crate) fn registry(&self) -> Option<Hash> {
        digest(self.0.registry.as_ref()?)
    }

    /// Whether some file of it has this content: a program that a service may start.
    pub(crate) fn knows(&self, sha256: &Hash) -> bool {
        let hex = sha256.to_hex();
        self.0.files.values().any(|entry| entry.sha256 == hex)
    }
}
