//! First contact: this TPM shows what it is, opens the credential that only it can open, and becomes a member.

use crate::hash::sha256;
use avouch_crypto::client_key::ClientKey;
use avouch_protocol::{
    ActivateRequest, ActivateResponse, CredentialChallenge, EnrolRequest, EnrolmentToken, Hash, MAX_LABEL_BYTES,
    Membership, Message, Purpose, VERSION, enrolment_proof_input, qualifying_data,
};
use avouch_tpm::{AkBlob, Tpm, Transport};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::error::AgentError;
use crate::http::Client;
use crate::state::{Enrolment, Trust};

/// Why first contact ends on this side.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The label is longer than a server takes.
    #[error("the label has {got} bytes, at most {MAX_LABEL_BYTES} are taken")]
    Label {
        /// Its length.
        got: usize,
    },
    /// The TPM has no endorsement key certificate, so nobody vouches for it.
    #[error(
        "this TPM holds no certificate for its RSA-2048 endorsement key (NV index 0x1c00002); the server takes only \
         TPMs that a manufacturer vouches for"
    )]
    NoEkCertificate,
    /// The certificate that came back is for another key.
    #[error("the server sent a client certificate that is not for this node's client key")]
    OtherKey,
}

/// Carries one enrolment through; nothing is kept until it is whole.
#[derive(Debug)]
pub struct Enroller {
    token: EnrolmentToken,
    label: Option<String>,
    client_key: ClientKey,
    client: Client,
}

/// What the first step leaves for the second.
#[derive(Debug)]
pub struct Requested {
    /// The request as it was sent.
    pub request: EnrolRequest,
    /// The credential to open.
    pub credential: CredentialChallenge,
    request_digest: Hash,
    credential_digest: Hash,
}

// === impl Enroller ===

impl Enroller {
    /// Prepares first contact with the server that `token` names, by its pinned keys alone, with a new client key.
    ///
    /// # Errors
    /// [`AgentError::Token`] for a token that names no usable server, [`EnrolError::Label`], [`AgentError::Key`],
    /// [`AgentError::Tls`].
    pub fn new(token: EnrolmentToken, label: Option<String>) -> Result<Self, AgentError> {
        crate::token::check(&token)?;
        if let Some(label) = label.as_deref().filter(|label| label.len() > MAX_LABEL_BYTES) {
            return Err(EnrolError::Label { got: label.len() }.into());
        }
        let pins: Vec<[u8; 32]> = token.server_ca_pins.iter().map(|pin| pin.0).collect();
        let tls = avouch_crypto::tls::agent_config(&pins, None).map_err(AgentError::Tls)?;
        let client = Client::new(&token.origin, tls);
        Ok(Self { label, client_key: ClientKey::generate().map_err(AgentError::Key)?, client, token })
    }

    /// The connection to the server; it shows no client certificate.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Both steps.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn run<T: Transport>(self, tpm: &mut Tpm<T>) -> Result<Enrolment, AgentError> {
        let request = self.request(tpm)?;
        let requested = self.send(request)?;
        let activation = self.activation(tpm, &requested)?;
        let response: (ActivateResponse, _) = self.client.exchange("/v1/enroll/activate", &activation.to_cbor())?;
        self.enrolment(requested.request, response.0.membership)
    }

    /// What this TPM shows of itself.
    ///
    /// # Errors
    /// [`AgentError::Tpm`].
    pub fn request<T: Transport>(&self, tpm: &mut Tpm<T>) -> Result<EnrolRequest, AgentError> {
        let endorsement = tpm.endorsement_key()?;
        let certificate = endorsement.certificate.ok_or(EnrolError::NoEkCertificate)?;
        let keys = tpm.create_attestation_key()?;
        Ok(EnrolRequest {
            v: VERSION,
            token: self.token.to_cbor().into(),
            client_spki: self.client_key.spki_der().to_vec().into(),
            ek_public: endorsement.public.into(),
            ek_certificate: certificate.into(),
            parent_public: keys.parent_public.into(),
            ak_public: keys.public.into(),
            ak_private: keys.private.into(),
            label: self.label.clone(),
        })
    }

    /// Sends the request and takes the credential.
    ///
    /// # Errors
    /// [`AgentError::Http`].
    pub fn send(&self, request: EnrolRequest) -> Result<Requested, AgentError> {
        let bytes = request.to_cbor();
        let (credential, answer) = self.client.exchange("/v1/enroll", &bytes)?;
        let digest = |bytes: &[u8]| sha256(&[bytes]);
        Ok(Requested { request, credential, request_digest: digest(&bytes), credential_digest: digest(&answer) })
    }

    /// Opens the credential and has the attestation key certify its parent.
    ///
    /// # Errors
    /// [`AgentError::Tpm`].
    pub fn activation<T: Transport>(
        &self,
        tpm: &mut Tpm<T>,
        requested: &Requested,
    ) -> Result<ActivateRequest, AgentError> {
        let blob = ak_blob(&requested.request);
        let credential = &requested.credential;
        let secret = Zeroizing::new(tpm.activate_credential(
            &blob,
            &credential.credential_blob,
            &credential.encrypted_secret,
        )?);
        let input = enrolment_proof_input(&requested.request_digest, &requested.credential_digest);
        let proof = Hash(avouch_crypto::hmac_sha256(secret.as_slice(), &[&input]));
        let spki = sha256(&[self.client_key.spki_der()]);
        let qualifying = qualifying_data(sha256, Purpose::Certify, &requested.credential_digest, &spki, &Hash::ZERO);
        let certified = tpm.load_attestation_key(&blob)?.certify_parent(&qualifying.0)?;
        Ok(ActivateRequest {
            v: VERSION,
            attempt: credential.attempt,
            proof,
            parent_certify: certified.attest.into(),
            parent_certify_signature: certified.signature.into(),
        })
    }

    /// What is kept, once the certificate is known to be for this node's own key.
    fn enrolment(self, request: EnrolRequest, membership: Membership) -> Result<Enrolment, AgentError> {
        let own = avouch_crypto::sha256(&[self.client_key.spki_der()]);
        let certified = avouch_crypto::tls::spki_sha256(&membership.client_certificate);
        if certified.ok() != Some(own) {
            return Err(EnrolError::OtherKey.into());
        }
        let trust = Trust {
            origin: self.token.origin.clone(),
            server_ca_pins: self.token.server_ca_pins.clone(),
            log_key: self.token.log_key,
        };
        Ok(Enrolment::new(trust, ak_blob(&request), &self.client_key, membership, self.label))
    }
}

fn ak_blob(request: &EnrolRequest) -> AkBlob {
    AkBlob {
        public: request.ak_public.to_vec(),
        private: request.ak_private.to_vec(),
        parent_public: request.parent_public.to_vec(),
    }
}
