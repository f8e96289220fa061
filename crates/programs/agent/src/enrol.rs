//! First contact: this TPM shows what it is, opens the credential that only it can open, and becomes a member.

use crate::hash::sha256;
use avouch_crypto::client_key::ClientKey;
use avouch_protocol::{
    ActivateRequest, ActivateResponse, Certification, CredentialChallenge, EnrolRequest, EnrolmentToken, Hash,
    MAX_LABEL_BYTES, Membership, Message, NodeProfile, Purpose, ShownCloudKey, ShownEk, ShownReportKey, VERSION,
    enrolment_proof_input, qualifying_data,
};
use avouch_tpm::{AkBlob, Cloud, EndorsementKey, Error as TpmError, ReportKeyBlob, Tpm, Transport};
use avouch_tpm_wire::{EkTemplate, PublicArea};
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
    /// The TPM has no certificate for this endorsement key, and the token wants one that its maker vouches for.
    #[error(
        "this TPM holds no certificate for its endorsement key {template} (NV index {}); the token takes only TPMs \
         that a manufacturer vouches for: ask for one of the profile ek-allowlist, azure-ak-cert or gcp",
        template.certificate()
    )]
    NoEkCertificate {
        /// Template of the key.
        template: EkTemplate,
    },
    /// The server answered with more or fewer secrets than keys were shown to it.
    #[error(
        "the server sent {got} secrets for {wanted} further endorsement keys; it is of another release, or not the server"
    )]
    Secrets {
        /// Keys that were shown.
        wanted: usize,
        /// Secrets that came.
        got: usize,
    },
    /// The certificate that came back is for another key.
    #[error("the server sent a client certificate that is not for this node's client key")]
    OtherKey,
}

/// Carries one enrolment through; nothing is kept until it is whole.
#[derive(Debug)]
pub struct Enroller {
    token: EnrolmentToken,
    label: Option<String>,
    ek: Option<EkTemplate>,
    client_key: ClientKey,
    client: Client,
}

/// What an enrolment gives.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// Keys, membership, and whom to believe.
    pub enrolment: Enrolment,
    /// The report key that the server was shown; `None` where the TPM made none.
    pub report_key: Option<ReportKeyBlob>,
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
        Ok(Self { label, ek: None, client_key: ClientKey::generate().map_err(AgentError::Key)?, client, token })
    }

    /// The endorsement key that is to name the node: the one that it enrolled with before. Without one the TPM's first
    /// is taken, by the protocol's fixed order.
    pub fn with_ek(self, ek: Option<EkTemplate>) -> Self {
        Self { ek, ..self }
    }

    /// The connection to the server; it shows no client certificate.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Both steps.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn run<T: Transport>(self, tpm: &mut Tpm<T>) -> Result<Enrolled, AgentError> {
        let request = self.request(tpm)?;
        let requested = self.send(request)?;
        let (report_key, shown) = self.report_key(tpm, &requested)?.unzip();
        let activation = ActivateRequest { report_key: shown, ..self.activation(tpm, &requested)? };
        let response: (ActivateResponse, _) = self.client.exchange("/v1/enroll/activate", &activation.to_cbor())?;
        Ok(Enrolled { enrolment: self.enrolment(requested.request, response.0.membership)?, report_key })
    }

    /// What this TPM shows of itself.
    ///
    /// # Errors
    /// [`AgentError::Tpm`]; [`EnrolError::NoEkCertificate`] when the token's profile wants one.
    pub fn request<T: Transport>(&self, tpm: &mut Tpm<T>) -> Result<EnrolRequest, AgentError> {
        let mut keys = tpm.endorsement_keys(self.ek)?.into_iter();
        let first = keys.next().ok_or(avouch_tpm::Error::NoEndorsementKey { template: self.ek })?;
        if self.token.profile == NodeProfile::EkCert && first.certificate.is_none() {
            return Err(EnrolError::NoEkCertificate { template: first.template }.into());
        }
        let further_eks = keys.map(shown).collect();
        let ShownEk { public, certificate } = shown(first);
        let cloud_key = match cloud(self.token.profile) {
            None => None,
            Some(cloud) => {
                let key = tpm.cloud_key(cloud)?.ok_or(avouch_tpm::Error::NoCloudKey)?;
                Some(ShownCloudKey { public: key.public.into(), certificate: key.certificate.into() })
            }
        };
        let chain = tpm.endorsement_chain()?;
        let keys = tpm.create_attestation_key()?;
        Ok(EnrolRequest {
            v: VERSION,
            token: self.token.to_cbor().into(),
            client_spki: self.client_key.spki_der().to_vec().into(),
            ek_public: public,
            ek_certificate: certificate,
            parent_public: keys.parent_public.into(),
            ak_public: keys.public.into(),
            ak_private: keys.private.into(),
            label: self.label.clone(),
            further_eks,
            cloud_key,
            ek_chain: chain.map(Into::into),
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

    /// Opens the credential for every key that was shown, has the attestation key certify its parent and, where the
    /// profile is a cloud's, the cloud's key certify the attestation key.
    ///
    /// # Errors
    /// [`AgentError::Tpm`]; [`EnrolError::Secrets`].
    pub fn activation<T: Transport>(
        &self,
        tpm: &mut Tpm<T>,
        requested: &Requested,
    ) -> Result<ActivateRequest, AgentError> {
        let blob = ak_blob(&requested.request);
        let credential = &requested.credential;
        let secret = open_all(tpm, &blob, requested)?;
        let input = enrolment_proof_input(&requested.request_digest, &requested.credential_digest);
        let proof = Hash(avouch_crypto::hmac_sha256(secret.as_slice(), &[&input]));
        let qualifying = self.qualifying(requested);
        let certified = tpm.load_attestation_key(&blob)?.certify_parent(&qualifying.0)?;
        let cloud = cloud(self.token.profile).map(|cloud| tpm.certify_by_cloud_key(cloud, &blob, &qualifying.0));
        let cloud_certify = cloud
            .transpose()?
            .map(|certified| Certification { attest: certified.attest.into(), signature: certified.signature.into() });
        Ok(ActivateRequest {
            v: VERSION,
            attempt: credential.attempt,
            proof,
            parent_certify: certified.attest.into(),
            parent_certify_signature: certified.signature.into(),
            cloud_certify,
            report_key: None,
        })
    }

    /// A report key for the present boot state, certified by the attestation key as its parent is: a server that takes no
    /// report of this machine says so now. Where the TPM makes none, evidence shows one once it does.
    ///
    /// # Errors
    /// [`AgentError::Tpm`] when the TPM cannot be spoken to.
    pub fn report_key<T: Transport>(
        &self,
        tpm: &mut Tpm<T>,
        requested: &Requested,
    ) -> Result<Option<(ReportKeyBlob, ShownReportKey)>, AgentError> {
        match shown_report_key(tpm, &ak_blob(&requested.request), &self.qualifying(requested)) {
            Ok(made) => Ok(Some(made)),
            Err(error @ TpmError::Transport { .. }) => Err(error.into()),
            Err(error) => {
                tracing::warn!("no report key is shown at enrolment: {error}");
                Ok(None)
            }
        }
    }

    /// What everything that is certified in this enrolment is bound to.
    fn qualifying(&self, requested: &Requested) -> Hash {
        let spki = sha256(&[self.client_key.spki_der()]);
        qualifying_data(sha256, Purpose::Certify, &requested.credential_digest, &spki, &Hash::ZERO)
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
        let ek = template_of(&request.ek_public)?;
        Ok(Enrolment::new(trust, ak_blob(&request), ek, &self.client_key, membership, self.label))
    }
}

fn shown(key: EndorsementKey) -> ShownEk {
    ShownEk { public: key.public.into(), certificate: key.certificate.unwrap_or_default().into() }
}

fn shown_report_key<T: Transport>(
    tpm: &mut Tpm<T>,
    attestation_key: &AkBlob,
    qualifying: &Hash,
) -> Result<(ReportKeyBlob, ShownReportKey), TpmError> {
    let mut session = tpm.load_attestation_key(attestation_key)?;
    let blob = session.create_report_key()?;
    let key = session.load_report_key(&blob)?;
    let certified = session.certify_report_key(&key, &qualifying.0);
    session.release_report_key(key);
    let shown = crate::report_key::shown(blob.public.clone(), certified?);
    Ok((blob, shown))
}

/// Whose key has to certify ours.
fn cloud(profile: NodeProfile) -> Option<Cloud> {
    match profile {
        NodeProfile::AzureAkCert => Some(Cloud::Azure),
        NodeProfile::Gcp => Some(Cloud::Gcp),
        NodeProfile::EkCert | NodeProfile::EkAllowlist | NodeProfile::Tofu => None,
    }
}

/// The secrets of all keys that were shown, one behind the other.
fn open_all<T: Transport>(
    tpm: &mut Tpm<T>,
    blob: &AkBlob,
    requested: &Requested,
) -> Result<Zeroizing<Vec<u8>>, AgentError> {
    let (request, credential) = (&requested.request, &requested.credential);
    let (wanted, got) = (request.further_eks.len(), credential.further.len());
    if wanted != got {
        return Err(EnrolError::Secrets { wanted, got }.into());
    }
    let first = (&request.ek_public, &credential.credential_blob, &credential.encrypted_secret);
    let further = request.further_eks.iter().zip(&credential.further);
    let further = further.map(|(ek, wrapped)| (&ek.public, &wrapped.credential_blob, &wrapped.encrypted_secret));
    let mut secrets = Zeroizing::new(Vec::new());
    for (public, id_object, encrypted_secret) in std::iter::once(first).chain(further) {
        let template = template_of(public)?;
        let secret = Zeroizing::new(tpm.activate_credential(blob, template, id_object, encrypted_secret)?);
        secrets.extend_from_slice(&secret);
    }
    Ok(secrets)
}

/// The template of a key that this agent read from its own TPM.
fn template_of(public: &[u8]) -> Result<EkTemplate, AgentError> {
    let area = PublicArea::parse(public)
        .map_err(|source| avouch_tpm::Error::Input { what: "the endorsement key's public area", source })?;
    Ok(EkTemplate::of(&area).ok_or(avouch_tpm::Error::OtherTemplate { what: "the endorsement key" })?)
}

fn ak_blob(request: &EnrolRequest) -> AkBlob {
    AkBlob {
        public: request.ak_public.to_vec(),
        private: request.ak_private.to_vec(),
        parent_public: request.parent_public.to_vec(),
    }
}
