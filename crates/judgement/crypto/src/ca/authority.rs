//! The three authorities.

use rcgen::{
    CertificateParams, Issuer, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SubjectPublicKeyInfo,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use zeroize::Zeroizing;

use super::profile::{self, CaError, Role};
use super::{Identity, NODE_URI, OPERATOR_URI};
use crate::certificate::{CertificateError, Fields, pem_encode, spki_of};
use crate::client_key::ClientKey;
use crate::hash::sha256;

/// The public half of an authority: what peers are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificate {
    der: CertificateDer<'static>,
    spki_sha256: [u8; 32],
}

/// Issues server certificates. Agents pin the SHA-256 of its SubjectPublicKeyInfo.
pub struct ServerCa(Authority);

/// Issues the client certificates of nodes.
pub struct NodeCa(Authority);

/// Issues the client certificates of operators.
pub struct OperatorCa(Authority);

// === impl CaCertificate ===

impl CaCertificate {
    /// Reads a DER certificate, which must be that of a CA.
    ///
    /// # Errors
    /// [`CaError::Certificate`]; [`CaError::OtherRole`] when it is no CA certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, CaError> {
        if !Fields::decode(der).map_err(CaError::Certificate)?.is_ca() {
            return Err(CaError::OtherRole);
        }
        let der = CertificateDer::from(der.to_vec());
        let spki = spki_of(&der).map_err(CaError::Certificate)?;
        Ok(Self { der, spki_sha256: sha256(&[&spki]) })
    }

    /// Reads the first `CERTIFICATE` block of a PEM text.
    ///
    /// # Errors
    /// As [`CaCertificate::from_der`].
    pub fn from_pem(pem: &str) -> Result<Self, CaError> {
        let der =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| CaError::Certificate(CertificateError::Pem))?;
        Self::from_der(&der)
    }

    /// The certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        pem_encode("CERTIFICATE", &self.der)
    }

    /// SHA-256 of the SubjectPublicKeyInfo: the pin.
    pub fn spki_sha256(&self) -> [u8; 32] {
        self.spki_sha256
    }

    pub(crate) fn for_tls(&self) -> CertificateDer<'static> {
        self.der.clone()
    }
}

// === impl ServerCa, NodeCa, OperatorCa ===

macro_rules! authority {
    ($name:ident, $role:expr) => {
        impl $name {
            /// A new authority with a new key; `now` in Unix seconds.
            ///
            /// # Errors
            /// [`CaError::Key`], [`CaError::Issue`].
            pub fn create(now: u64) -> Result<Self, CaError> {
                Authority::create($role, now).map(Self)
            }

            /// Reads the authority back from the two PEM texts that it was kept as.
            ///
            /// # Errors
            /// [`CaError::Key`], [`CaError::Certificate`]; [`CaError::OtherKey`] when they do not belong together;
            /// [`CaError::OtherRole`] when the certificate is that of another kind of CA.
            pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, CaError> {
                Authority::load($role, certificate_pem, key_pem).map(Self)
            }

            /// The public half.
            pub fn certificate(&self) -> &CaCertificate {
                &self.0.certificate
            }

            /// SHA-256 of the SubjectPublicKeyInfo: the pin.
            pub fn spki_sha256(&self) -> [u8; 32] {
                self.0.certificate.spki_sha256
            }

            /// The certificate in PEM.
            pub fn certificate_pem(&self) -> String {
                self.0.certificate.pem()
            }

            /// The private key in PEM (PKCS#8), for a file of mode 0600.
            pub fn key_pem(&self) -> Zeroizing<String> {
                self.0.key.0.to_pem()
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name)).field("certificate", &self.0.certificate).finish_non_exhaustive()
            }
        }
    };
}

authority!(ServerCa, Role::Server);
authority!(NodeCa, Role::Node);
authority!(OperatorCa, Role::Operator);

impl ServerCa {
    /// A new key and a certificate for a server that is reached under `names` (DNS names or IP addresses), valid for
    /// `days` from `now` (Unix seconds), 90 by convention. The chain holds this CA, because agents know its key only.
    ///
    /// # Errors
    /// [`CaError::Name`], [`CaError::Key`], [`CaError::Issue`].
    pub fn issue_server_leaf(&self, names: &[String], now: u64, days: u64) -> Result<Identity, CaError> {
        let alternative_names = profile::server_names(names)?;
        let mut params = profile::leaf_params(Role::Server, "Avouch server", now, days, self.0.end);
        params.subject_alt_names = alternative_names;
        self.0.issue_with_key(&params)
    }
}

impl NodeCa {
    /// Certifies the client key of a node: `spki_der` is its ECDSA P-256 SubjectPublicKeyInfo, `node_tag` 64 lower-case
    /// hexadecimal digits, `now` Unix seconds. The answer is one DER certificate. That the requester holds the key and
    /// is that node is for the caller to have proven.
    ///
    /// # Errors
    /// [`CaError::Name`], [`CaError::PublicKey`], [`CaError::Issue`].
    pub fn issue_node(&self, spki_der: &[u8], node_tag: &str, now: u64) -> Result<Vec<u8>, CaError> {
        if !profile::is_node_tag(node_tag) {
            let wanted = "64 lower-case hexadecimal digits are wanted";
            return Err(CaError::Name { given: node_tag.chars().take(80).collect(), wanted });
        }
        let key = p256_public(spki_der)?;
        let mut params = profile::leaf_params(Role::Node, node_tag, now, profile::NODE_DAYS, self.0.end);
        params.subject_alt_names = vec![profile::uri(format!("{NODE_URI}{node_tag}"))?];
        Ok(self.0.issue(&params, &key)?.to_vec())
    }
}

impl OperatorCa {
    /// A new key and a client certificate for a person or a job that operates the server, valid for a year from `now`
    /// (Unix seconds). `name` is 1 to 64 letters, digits, `.`, `_`, `-`, `@`.
    ///
    /// # Errors
    /// [`CaError::Name`], [`CaError::Key`], [`CaError::Issue`].
    pub fn issue_operator(&self, name: &str, now: u64) -> Result<Identity, CaError> {
        if !profile::is_operator_name(name) {
            let wanted = "1 to 64 letters, digits, '.', '_', '-' or '@' are wanted";
            return Err(CaError::Name { given: name.chars().take(80).collect(), wanted });
        }
        let mut params = profile::leaf_params(Role::Operator, name, now, profile::OPERATOR_DAYS, self.0.end);
        params.subject_alt_names = vec![profile::uri(format!("{OPERATOR_URI}{name}"))?];
        self.0.issue_with_key(&params)
    }
}

/// A CA key with its certificate. Invariant: they belong together, and the certificate is that of a CA of this role.
struct Authority {
    certificate: CaCertificate,
    key: CaKey,
    /// Unix seconds of notAfter.
    end: u64,
}

impl Authority {
    fn create(role: Role, now: u64) -> Result<Self, CaError> {
        let key = CaKey(ClientKey::generate().map_err(CaError::Key)?);
        let key_id: String = sha256(&[key.0.spki_der()]).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let certificate = profile::ca_params(role, &key_id, now).self_signed(&key)?;
        Self::new(role, certificate.der(), key)
    }

    fn load(role: Role, certificate_pem: &str, key_pem: &str) -> Result<Self, CaError> {
        let certificate = CaCertificate::from_pem(certificate_pem)?;
        let key = CaKey(ClientKey::from_pem(key_pem).map_err(CaError::Key)?);
        Self::new(role, certificate.der(), key)
    }

    fn new(role: Role, der: &[u8], key: CaKey) -> Result<Self, CaError> {
        let fields = Fields::decode(der).map_err(CaError::Certificate)?;
        let certificate = CaCertificate::from_der(der)?;
        if !fields.has_purpose(role.purpose()) {
            return Err(CaError::OtherRole);
        }
        if certificate.spki_sha256 != sha256(&[key.0.spki_der()]) {
            return Err(CaError::OtherKey);
        }
        let (_start, end) = fields.validity();
        Ok(Self { certificate, key, end })
    }

    fn issue(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Result<CertificateDer<'static>, CaError> {
        let issuer = Issuer::from_ca_cert_der(&self.certificate.der, &self.key)?;
        Ok(params.signed_by(key, &issuer)?.der().clone())
    }

    fn issue_with_key(&self, params: &CertificateParams) -> Result<Identity, CaError> {
        let key = CaKey(ClientKey::generate().map_err(CaError::Key)?);
        let leaf = self.issue(params, &key)?;
        Ok(Identity::trusted(vec![leaf, self.certificate.der.clone()], key.0))
    }
}

/// Lets rcgen sign with the key type of this crate, so that private keys exist in one form only.
struct CaKey(ClientKey);

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for CaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message).map_err(|_| rcgen::Error::RingUnspecified)
    }
}

/// An ECDSA P-256 public key in its one DER form; the point is checked to lie on the curve.
fn p256_public(spki_der: &[u8]) -> Result<SubjectPublicKeyInfo, CaError> {
    let spki = SubjectPublicKeyInfo::from_der(spki_der).map_err(|_| CaError::PublicKey)?;
    if spki.algorithm() != &PKCS_ECDSA_P256_SHA256 || spki.subject_public_key_info() != spki_der {
        return Err(CaError::PublicKey);
    }
    aws_lc_rs::signature::ParsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1, spki.der_bytes())
        .map_err(|_| CaError::PublicKey)?;
    Ok(spki)
}
