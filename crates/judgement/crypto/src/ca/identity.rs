//! A certificate chain with the private key of its leaf.

use core::fmt;

use rustls_pki_types::{CertificateDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::certificate::{CertificateError, Fields, pem_encode, spki_of};
use crate::client_key::{ClientKey, KeyError};

/// More certificates than this are no chain that Avouch made.
const MAX_CHAIN: usize = 8;

/// What one end of a TLS connection shows of itself: a server, a node or an operator.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: ClientKey,
}

/// Why a chain and a key are no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// The key.
    Key(KeyError),
    /// A certificate.
    Certificate(CertificateError),
    /// There is no certificate, or there are more than 8.
    Length {
        /// How many.
        got: usize,
    },
    /// The first certificate is for another key.
    OtherKey,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => write!(f, "{error}"),
            Self::Certificate(error) => write!(f, "{error}"),
            Self::Length { got } => write!(f, "a chain of {got} certificates: between 1 and {MAX_CHAIN} are wanted"),
            Self::OtherKey => f.write_str("the certificate is for another key than the one beside it; restore both from one backup or issue a new pair"),
        }
    }
}

impl std::error::Error for IdentityError {}

impl Identity {
    /// Joins a chain of DER certificates, leaf first, with the leaf's key.
    ///
    /// # Errors
    /// [`IdentityError`]. The chain is not verified here; the peer does that.
    pub fn new(chain: &[Vec<u8>], key: ClientKey) -> Result<Self, IdentityError> {
        Self::join(chain.iter().map(|der| CertificateDer::from(der.clone())).collect(), key)
    }

    /// Reads the two PEM texts.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn from_pem(chain_pem: &str, key_pem: &str) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
            .take(MAX_CHAIN + 1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| IdentityError::Certificate(CertificateError::Pem))?;
        Self::join(chain, ClientKey::from_pem(key_pem).map_err(IdentityError::Key)?)
    }

    /// The chain in PEM, leaf first.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| pem_encode("CERTIFICATE", der)).collect()
    }

    /// The private key in PEM (PKCS#8), for a file of mode 0600.
    pub fn key_pem(&self) -> Zeroizing<String> {
        self.key.to_pem()
    }

    /// The key.
    pub fn key(&self) -> &ClientKey {
        &self.key
    }

    /// The leaf certificate.
    pub fn leaf_der(&self) -> &[u8] {
        self.chain.first().map(AsRef::as_ref).unwrap_or_default()
    }

    /// Unix seconds at which the leaf ends; zero when its date cannot be read, so that it is renewed.
    pub fn expires(&self) -> u64 {
        Fields::decode(self.leaf_der()).map_or(0, |fields| fields.validity().1)
    }

    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// An identity whose parts were made together.
    pub(super) fn trusted(chain: Vec<CertificateDer<'static>>, key: ClientKey) -> Self {
        Self { chain, key }
    }

    fn join(chain: Vec<CertificateDer<'static>>, key: ClientKey) -> Result<Self, IdentityError> {
        if chain.len() > MAX_CHAIN {
            return Err(IdentityError::Length { got: chain.len() });
        }
        for der in &chain {
            Fields::decode(der).map_err(IdentityError::Certificate)?;
        }
        let leaf = chain.first().ok_or(IdentityError::Length { got: 0 })?;
        if spki_of(leaf).map_err(IdentityError::Certificate)? != key.spki_der() {
            return Err(IdentityError::OtherKey);
        }
        Ok(Self { chain, key })
    }
}
