//! What operators do at the data directory itself, with no server running: join grants and their own credentials.

use std::path::{Path, PathBuf};

use avouch_crypto::random;
use avouch_protocol::{EnrolmentToken, Hash, NodeProfile, VERSION};

use crate::config::Config;
use crate::data_dir::{DataDir, DataDirError};
use crate::keys::{Keys, OperatorPaths, owner_key_path, read_signing_key};

/// A permission to join, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who has to vouch for their TPMs.
    pub profile: NodeProfile,
    /// How many TPMs may join.
    pub uses: u32,
    /// Unix seconds of server time after which it is worth nothing.
    pub expires: u64,
    /// Public URL of the server, which agents connect to.
    pub origin: String,
}

/// A data directory with its keys, as the CLI uses it. Making it makes keys that are missing, as first start does.
pub struct Admin {
    dir: DataDir,
    keys: Keys,
}

/// Why a token cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The directory or a key in it.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The owner key is not where it was looked for.
    #[error("no owner key at {}; it may have been moved offline: name the file with its key", path.display())]
    NoOwnerKey {
        /// Where.
        path: PathBuf,
    },
    /// The key in the file is not this tenant's owner key.
    #[error("the key in {} is not the owner key of this data directory; find the one that its first start made", path.display())]
    OtherOwnerKey {
        /// The file.
        path: PathBuf,
    },
}

impl Admin {
    /// Opens the data directory of `config`. `now`: unix seconds.
    ///
    /// # Errors
    /// [`DataDirError`], which says how to put it right.
    pub fn open(config: &Config, now: u64) -> Result<Self, AdminError> {
        let dir = DataDir::open(&config.data_dir)?;
        let keys = match Keys::exist(&dir) {
            true => Keys::open(&dir, now)?,
            // Two first starts at once would each make keys; the lock lets one of them.
            false => {
                let _lock = dir.lock()?;
                Keys::open(&dir, now)?
            }
        };
        Ok(Self { dir, keys })
    }

    /// Signs a grant with the owner key in `owner_key`, or in the data directory when that is `None`.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn enrolment_token(&self, grant: &Grant, owner_key: Option<&Path>) -> Result<EnrolmentToken, AdminError> {
        let path = owner_key.map_or_else(|| owner_key_path(&self.dir), Path::to_owned);
        let Some(key) = read_signing_key(&path)? else { return Err(AdminError::NoOwnerKey { path }) };
        if key.public() != self.keys.owner {
            return Err(AdminError::OtherOwnerKey { path });
        }
        let mut token = EnrolmentToken {
            v: VERSION,
            id: Hash(random()),
            origin: grant.origin.clone(),
            server_ca_pins: self.pins(),
            log_key: Hash(self.keys.log_key.public()),
            witness_policy: String::new(),
            profile: grant.profile,
            uses: grant.uses,
            expires: grant.expires,
            signature: Vec::new().into(),
        };
        token.signature = key.sign(&token.signed_bytes()).to_vec().into();
        Ok(token)
    }

    /// Certificate, key and server CA of the first operator.
    pub fn operator(&self) -> OperatorPaths {
        OperatorPaths::of(&self.dir)
    }

    /// SHA-256 of the SubjectPublicKeyInfo of the server CA keys.
    pub fn pins(&self) -> Vec<Hash> {
        vec![Hash(self.keys.server_ca.spki_sha256())]
    }

    /// Ed25519 public key that signs receipts.
    pub fn log_key(&self) -> Hash {
        Hash(self.keys.log_key.public())
    }

    /// Where this call made the owner key, when it did: the operator should move it offline.
    pub fn new_owner_key(&self) -> Option<&Path> {
        self.keys.new_owner_key.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use avouch_crypto::signing::verify_ed25519;

    use super::*;

    fn admin(outer: &tempfile::TempDir) -> Admin {
        let config = Config { data_dir: outer.path().join("data"), ..Config::default() };
        Admin::open(&config, 1_800_000_000).unwrap()
    }

    const GRANT: fn() -> Grant = || Grant {
        profile: NodeProfile::EkAllowlist,
        uses: 3,
        expires: 1_800_086_400,
        origin: "https://verifier.example:8443".into(),
    };

    #[test]
    fn a_token_is_signed_by_the_owner_and_carries_the_pins() {
        let outer = tempfile::tempdir().unwrap();
        let admin = admin(&outer);
        let token = admin.enrolment_token(&GRANT(), None).unwrap();
        let read = EnrolmentToken::from_text(&token.to_text()).unwrap();
        verify_ed25519(&admin.keys.owner, &read.signed_bytes(), &read.signature).unwrap();
        assert_eq!((read.server_ca_pins, read.uses, read.profile), (admin.pins(), 3, NodeProfile::EkAllowlist));
    }

    #[test]
    fn an_owner_key_that_was_moved_is_named_and_another_one_refused() {
        let outer = tempfile::tempdir().unwrap();
        let admin = admin(&outer);
        let offline = outer.path().join("stick.key");
        std::fs::rename(owner_key_path(&admin.dir), &offline).unwrap();
        assert!(matches!(admin.enrolment_token(&GRANT(), None), Err(AdminError::NoOwnerKey { .. })));
        admin.enrolment_token(&GRANT(), Some(&offline)).unwrap();
        let log_key = admin.dir.keys().join("log.key");
        assert!(matches!(admin.enrolment_token(&GRANT(), Some(&log_key)), Err(AdminError::OtherOwnerKey { .. })));
    }
}
