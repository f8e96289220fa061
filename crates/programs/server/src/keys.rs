//! The keys of a tenant: made at first start, read at every later one.

use std::path::{Path, PathBuf};

use avouch_crypto::ca::{NodeCa, OperatorCa, ServerCa};
use avouch_crypto::random;
use avouch_crypto::signing::SigningKey;
use zeroize::Zeroizing;

use crate::data_dir::{DataDir, DataDirError, read_private, write_private};

/// Name in the certificate of the operator that a data directory starts with.
const FIRST_OPERATOR: &str = "operator";

/// Everything secret that a server needs. The owner's private key is not among it.
pub(crate) struct Keys {
    pub(crate) server_ca: ServerCa,
    pub(crate) node_ca: NodeCa,
    pub(crate) operator_ca: OperatorCa,
    pub(crate) log_key: SigningKey,
    /// Public half of the owner key, which signs enrolment tokens.
    pub(crate) owner: [u8; 32],
    pub(crate) tenant_key: Zeroizing<[u8; 32]>,
    /// Set when this start made the owner key: where it lies.
    pub(crate) new_owner_key: Option<PathBuf>,
}

impl Keys {
    /// Reads the keys; makes those that are missing, which is all of them at first start.
    ///
    /// `now`: unix seconds, for the dates of new certificates.
    pub(crate) fn open(dir: &DataDir, now: u64) -> Result<Self, DataDirError> {
        let at = |name: &str| dir.keys().join(name);
        let server_ca = authority(
            &at("server-ca"),
            || ServerCa::create(now),
            ServerCa::load,
            |ca| (ca.certificate_pem(), ca.key_pem()),
        )?;
        let node_ca =
            authority(&at("node-ca"), || NodeCa::create(now), NodeCa::load, |ca| (ca.certificate_pem(), ca.key_pem()))?;
        let operator_ca = authority(
            &at("operator-ca"),
            || OperatorCa::create(now),
            OperatorCa::load,
            |ca| (ca.certificate_pem(), ca.key_pem()),
        )?;
        let log_key = signing_key(&at("log.key"))?;
        let tenant_key = tenant_key(&at("tenant.key"))?;
        let (owner, new_owner_key) = owner(dir)?;
        let keys = Self { server_ca, node_ca, operator_ca, log_key, owner, tenant_key, new_owner_key };
        keys.operator_credentials(dir, now)?;
        Ok(keys)
    }

    /// Whether an earlier start made all keys: the last thing that it wrote is there.
    pub(crate) fn exist(dir: &DataDir) -> bool {
        OperatorPaths::of(dir).key.exists()
    }

    /// The operator's certificate and key, and the CA certificate that clients verify the server by.
    fn operator_credentials(&self, dir: &DataDir, now: u64) -> Result<(), DataDirError> {
        let paths = OperatorPaths::of(dir);
        write_if_new(&paths.server_ca, self.server_ca.certificate_pem().as_bytes())?;
        if read_private(&paths.key)?.is_none() || read_private(&paths.certificate)?.is_none() {
            let issued = self.operator_ca.issue_operator(FIRST_OPERATOR, now);
            let identity = issued.map_err(damaged(&paths.certificate))?;
            write_private(&paths.certificate, identity.chain_pem().as_bytes())?;
            write_private(&paths.key, identity.key_pem().as_bytes())?;
        }
        Ok(())
    }
}

/// Where the credentials of the first operator lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorPaths {
    /// Client certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PKCS#8 PEM.
    pub key: PathBuf,
    /// Certificate of the CA that the server's certificate comes from, PEM.
    pub server_ca: PathBuf,
}

impl OperatorPaths {
    pub(crate) fn of(dir: &DataDir) -> Self {
        let at = |name: &str| dir.operator().join(name);
        Self { certificate: at("operator.pem"), key: at("operator.key"), server_ca: at("server-ca.pem") }
    }
}

/// Where the owner's private key lies until it is moved offline.
pub(crate) fn owner_key_path(dir: &DataDir) -> PathBuf {
    dir.keys().join("owner.key")
}

/// Reads a signing key; `None` when there is no such file.
pub(crate) fn read_signing_key(path: &Path) -> Result<Option<SigningKey>, DataDirError> {
    let Some(pem) = read_text(path)? else { return Ok(None) };
    SigningKey::from_pem(&pem).map(Some).map_err(damaged(path))
}

fn owner(dir: &DataDir) -> Result<([u8; 32], Option<PathBuf>), DataDirError> {
    let public_path = dir.keys().join("owner.pub");
    let private_path = owner_key_path(dir);
    if let Some(bytes) = read_private(&public_path)? {
        let public = bytes.as_slice().try_into().map_err(|_| wrong_length(&public_path))?;
        return Ok((public, None));
    }
    // The public half is written last: without it the private one was never used.
    let key = signing_key(&private_path)?;
    write_private(&public_path, &key.public())?;
    Ok((key.public(), Some(private_path)))
}

fn signing_key(path: &Path) -> Result<SigningKey, DataDirError> {
    if let Some(key) = read_signing_key(path)? {
        return Ok(key);
    }
    let key = SigningKey::generate().map_err(damaged(path))?;
    write_private(path, key.to_pem().as_bytes())?;
    Ok(key)
}

fn tenant_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, DataDirError> {
    if let Some(bytes) = read_private(path)? {
        return bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| wrong_length(path));
    }
    let key = Zeroizing::new(random::<32>());
    write_private(path, key.as_slice())?;
    Ok(key)
}

fn authority<T, E: std::fmt::Display>(
    stem: &Path,
    create: impl FnOnce() -> Result<T, E>,
    load: impl FnOnce(&str, &str) -> Result<T, E>,
    to_pem: impl FnOnce(&T) -> (String, Zeroizing<String>),
) -> Result<T, DataDirError> {
    let (certificate_path, key_path) = (stem.with_extension("pem"), stem.with_extension("key"));
    // The certificate is written last: a key without it was never used and is replaced.
    if let Some(certificate) = read_text(&certificate_path)? {
        let missing = || DataDirError::Damaged { path: key_path.clone(), why: "the file is missing".into() };
        let key = read_text(&key_path)?.ok_or_else(missing)?;
        return load(&certificate, &key).map_err(damaged(&certificate_path));
    }
    let authority = create().map_err(damaged(&certificate_path))?;
    let (certificate, key) = to_pem(&authority);
    write_private(&key_path, key.as_bytes())?;
    write_private(&certificate_path, certificate.as_bytes())?;
    Ok(authority)
}

fn write_if_new(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    if read_private(path)?.is_some_and(|held| held.as_slice() == bytes) {
        return Ok(());
    }
    write_private(path, bytes)
}

fn read_text(path: &Path) -> Result<Option<Zeroizing<String>>, DataDirError> {
    let Some(bytes) = read_private(path)? else { return Ok(None) };
    let text = std::str::from_utf8(&bytes).map_err(damaged(path))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

fn damaged<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> DataDirError {
    let path = path.to_owned();
    move |error| DataDirError::Damaged { path, why: error.to_string() }
}

fn wrong_length(path: &Path) -> DataDirError {
    DataDirError::Damaged { path: path.to_owned(), why: "32 bytes were wanted".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_stay_the_same() {
        let outer = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&outer.path().join("data")).unwrap();
        let first = Keys::open(&dir, 1_800_000_000).unwrap();
        assert_eq!(first.new_owner_key, Some(owner_key_path(&dir)));
        let again = Keys::open(&dir, 1_800_000_001).unwrap();
        assert_eq!(again.new_owner_key, None);
        assert_eq!(again.server_ca.spki_sha256(), first.server_ca.spki_sha256());
        assert_eq!(again.node_ca.spki_sha256(), first.node_ca.spki_sha256());
        assert_eq!(again.operator_ca.spki_sha256(), first.operator_ca.spki_sha256());
        assert_eq!(again.log_key.public(), first.log_key.public());
        assert_eq!((again.owner, *again.tenant_key), (first.owner, *first.tenant_key));
    }

    #[test]
    fn the_owner_key_may_leave_and_does_not_come_back() {
        let outer = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&outer.path().join("data")).unwrap();
        let first = Keys::open(&dir, 1_800_000_000).unwrap();
        std::fs::remove_file(owner_key_path(&dir)).unwrap();
        let again = Keys::open(&dir, 1_800_000_000).unwrap();
        assert_eq!(again.owner, first.owner);
        assert!(!owner_key_path(&dir).exists());
    }

    #[test]
    fn a_lost_or_foreign_key_is_an_error_and_never_replaced() {
        let outer = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&outer.path().join("data")).unwrap();
        Keys::open(&dir, 1_800_000_000).unwrap();
        std::fs::copy(dir.keys().join("operator-ca.pem"), dir.keys().join("node-ca.pem")).unwrap();
        assert!(matches!(Keys::open(&dir, 1_800_000_000), Err(DataDirError::Damaged { .. })));
        std::fs::remove_file(dir.keys().join("server-ca.key")).unwrap();
        assert!(matches!(Keys::open(&dir, 1_800_000_000), Err(DataDirError::Damaged { .. })));
    }
}
