//! All that an enrolment gives, in one file.

use core::fmt;

use avouch_crypto::ca::Identity;
use avouch_crypto::client_key::ClientKey;
use avouch_protocol::{Hash, Membership, Message};
use avouch_tpm::AkBlob;
use avouch_tpm_wire::EkTemplate;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use zeroize::Zeroize;

use super::MAX_SMALL_BYTES;
use crate::hash::sha256;

/// Keys, membership, and whom to believe. It holds a private key: it is wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Enrolment {
    /// Version of this file, [`avouch_protocol::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The server's URL, from the token.
    #[n(1)]
    pub origin: String,
    /// SHA-256 of the server CA keys' SubjectPublicKeyInfo, from the token.
    #[n(2)]
    pub server_ca_pins: Vec<Hash>,
    /// Ed25519 public key that signs receipts, from the token.
    #[n(3)]
    pub log_key: Hash,
    /// The client key, PKCS#8 DER.
    #[n(4)]
    client_key: ByteVec,
    /// TPMT_PUBLIC of the attestation key's parent.
    #[n(5)]
    pub parent_public: ByteVec,
    /// TPMT_PUBLIC of the attestation key.
    #[n(6)]
    pub ak_public: ByteVec,
    /// TPM2B_PRIVATE of the attestation key, wrapped by its parent.
    #[n(7)]
    pub ak_private: ByteVec,
    /// What the server made of this node.
    #[n(8)]
    pub membership: Membership,
    /// The name that a person gave.
    #[n(9)]
    pub label: Option<String>,
    /// Template of the endorsement key that names the node, e.g. `L-2`; absent when an earlier release enrolled, which
    /// knew L-1 alone.
    #[n(10)]
    ek_template: Option<String>,
}

/// Whom an enrolment lets the agent believe: what the token carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The server's URL.
    pub origin: String,
    /// SHA-256 of the server CA keys' SubjectPublicKeyInfo.
    pub server_ca_pins: Vec<Hash>,
    /// Ed25519 public key that signs receipts.
    pub log_key: Hash,
}

/// Why a stored enrolment cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored enrolment holds no usable client key and certificate: {reason}")]
pub struct EnrolmentError {
    /// What is wrong with it.
    pub reason: String,
}

// === impl Enrolment ===

impl Enrolment {
    /// Puts together what an enrolment gave.
    pub fn new(
        trust: Trust,
        key: AkBlob,
        ek: EkTemplate,
        client_key: &ClientKey,
        membership: Membership,
        label: Option<String>,
    ) -> Self {
        Self {
            v: avouch_protocol::VERSION,
            origin: trust.origin,
            server_ca_pins: trust.server_ca_pins,
            log_key: trust.log_key,
            client_key: client_key.to_pkcs8().to_vec().into(),
            parent_public: key.parent_public.into(),
            ak_public: key.public.into(),
            ak_private: key.private.into(),
            membership,
            label,
            ek_template: Some(ek.name().to_owned()),
        }
    }

    /// The endorsement key that names this node; enrolling again keeps it.
    pub fn ek(&self) -> EkTemplate {
        self.ek_template.as_deref().and_then(EkTemplate::from_name).unwrap_or(EkTemplate::L1)
    }

    /// Names this enrolment among all of this node: every enrolment has a client certificate of its own.
    pub fn id(&self) -> String {
        let digest = sha256(&[&self.membership.client_certificate]);
        digest.to_hex().chars().take(16).collect()
    }

    /// The client key.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub fn client_key(&self) -> Result<ClientKey, EnrolmentError> {
        ClientKey::from_pkcs8(&self.client_key).map_err(|error| EnrolmentError { reason: error.to_string() })
    }

    /// What this node shows in TLS.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub fn identity(&self) -> Result<Identity, EnrolmentError> {
        let chain = [self.membership.client_certificate.to_vec(), self.membership.node_ca.to_vec()];
        Identity::new(&chain, self.client_key()?).map_err(|error| EnrolmentError { reason: error.to_string() })
    }

    /// SHA-256 of the client key's SubjectPublicKeyInfo: quotes are bound to it.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub fn client_spki(&self) -> Result<Hash, EnrolmentError> {
        Ok(sha256(&[self.client_key()?.spki_der()]))
    }

    /// The attestation key as the TPM takes it.
    pub fn ak_blob(&self) -> AkBlob {
        AkBlob {
            public: self.ak_public.to_vec(),
            private: self.ak_private.to_vec(),
            parent_public: self.parent_public.to_vec(),
        }
    }

    /// The pins as TLS takes them.
    pub fn pins(&self) -> Vec<[u8; 32]> {
        self.server_ca_pins.iter().map(|pin| pin.0).collect()
    }
}

impl Drop for Enrolment {
    fn drop(&mut self) {
        let key: &mut Vec<u8> = &mut self.client_key;
        key.zeroize();
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment")
            .field("origin", &self.origin)
            .field("node_tag", &self.membership.node_tag)
            .field("generation", &self.membership.generation)
            .finish_non_exhaustive()
    }
}

impl Message for Enrolment {
    const NAME: &'static str = "stored enrolment";
    const MAX_BYTES: usize = MAX_SMALL_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}
