//! Who may sign files.

use std::collections::{BTreeMap, HashSet};

use avouch_crypto::file_key::FileKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::super::PolicyError;
use super::super::file;
use super::{BUILT_IN_KEYRING, Directory};

/// Somebody whose signature makes a file good, in some directories.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) name: String,
    pub(crate) key: FileKey,
    pub(crate) directories: Vec<Directory>,
    /// SHA-256 of the certificate, as a KEY_CHECK entry shows it.
    pub(crate) certificate: [u8; 32],
    /// True when the kernel has the key without loading it, so that no entry tells of it.
    pub(crate) is_built_in: bool,
}

impl Signer {
    pub(super) fn from_file(
        signer: &file::Signer,
        keyrings: &BTreeMap<String, HashSet<[u8; 32]>>,
    ) -> Result<Self, PolicyError> {
        let refuse = |why: String| PolicyError::Signer { name: signer.name.clone(), why };
        let der = CertificateDer::from_pem_slice(signer.certificate.as_bytes())
            .map_err(|error| refuse(format!("its certificate is not PEM: {error}")))?;
        let key = FileKey::from_certificate(&der).map_err(|error| refuse(error.to_string()))?;
        let certificate = avouch_crypto::sha256(&[&der]);
        let directories = super::directories("ima.signers", &signer.directories)?;
        let pinned = |keyring: &HashSet<[u8; 32]>| keyring.contains(&certificate);
        if !keyrings.values().any(pinned) {
            let hex = crate::text::hex(&certificate);
            return Err(refuse(format!(
                "no keyring pins its certificate; list {hex} in ima.keyrings under the keyring that the kernel has it in, e.g. .ima or {BUILT_IN_KEYRING}"
            )));
        }
        let is_built_in = keyrings.get(BUILT_IN_KEYRING).is_some_and(pinned);
        Ok(Self { name: signer.name.clone(), key, directories, certificate, is_built_in })
    }

    /// True where its signature counts.
    pub(crate) fn covers(&self, path: &[u8]) -> bool {
        self.directories.iter().any(|directory| directory.covers(path))
    }
}
