//! The node that a request comes from.

use std::sync::Arc;

use avouch_appraise::{Identity, NodeKeys};
use avouch_crypto::sha256;
use avouch_protocol::{Hash, NodeProfile, NodeTag};
use avouch_store::Standing;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::app::{App, store_refused, unknown_caller};
use crate::http::guard::Call;
use crate::http::peer::Peer;
use crate::http::refusal::Refused;

/// The node that the connection was certified for.
pub(crate) struct Caller {
    /// Where it stands, as read for this request.
    pub(crate) standing: Standing,
    /// Its present keys.
    pub(crate) keys: Arc<EnrolledKeys>,
}

/// What rounds use of the keys of one generation. They never change under their generation.
pub(crate) struct EnrolledKeys {
    /// Keys that evidence is checked with.
    pub(crate) checked: NodeKeys,
    /// SHA-256 of the client key's SubjectPublicKeyInfo.
    pub(crate) client_spki: Hash,
    /// SHA-256 of the EK Name.
    pub(crate) ek: Hash,
    /// The EK certificate is that of a software TPM.
    pub(crate) software: bool,
    /// How the TPM was vouched for.
    pub(crate) profile: NodeProfile,
    vouched_by: String,
    manufacturer: Option<String>,
}

impl App {
    /// The node that the connection was certified for, with its present client key.
    pub(crate) fn caller(&self, call: &Call) -> Result<Caller, Refused> {
        let Peer::Node { tag, spki } = &call.peer else {
            // The guard lets no other peer reach a node route.
            return Err(Refused::internal(&"a node route was reached without a node certificate"));
        };
        let standing = self.store.standing(&self.cluster, tag).map_err(|error| store_refused(&error))?;
        let standing = standing.ok_or_else(|| unknown_caller(tag))?;
        let keys = self.enrolled_keys(tag, standing.generation)?;
        if keys.client_spki != *spki {
            let what = "This node has enrolled again; the client key of this connection is an earlier one.";
            let remedy = "Use the newest client key of the node; if the state of the agent was restored, enrol again.";
            return Err(Refused::new(StatusCode::FORBIDDEN, "CLIENT_KEY_REPLACED", what, remedy));
        }
        Ok(Caller { standing, keys })
    }

    /// The keys of one generation of a node, read and checked once.
    pub(crate) fn enrolled_keys(&self, node: &NodeTag, generation: u32) -> Result<Arc<EnrolledKeys>, Refused> {
        let read = || {
            let history = self.store.key_history(&self.cluster, node).map_err(|error| store_refused(&error))?;
            let keys = history.into_iter().find(|(of, ..)| *of == generation).map(|(_, _, keys)| keys);
            keys.map(|keys| EnrolledKeys::check(&keys)).transpose()
        };
        let keys = self.caches.keys.find(&(*node, generation), read)?;
        keys.ok_or_else(|| Refused::internal(&"the enrolled keys of a node are missing"))
    }
}

impl EnrolledKeys {
    /// Who vouches for the TPM.
    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity { profile: self.profile, vouched_by: &self.vouched_by, manufacturer: self.manufacturer.as_deref() }
    }

    fn check(keys: &avouch_store::NodeKeys) -> Result<Self, Refused> {
        let tpm = TpmWords::of(&keys.ek_identity);
        Ok(Self {
            checked: NodeKeys::check(&keys.ak_public, &keys.parent_public)
                .map_err(|error| Refused::internal(&error))?,
            client_spki: keys.client_spki,
            ek: Hash(sha256(&[&keys.ek_name])),
            software: tpm.software,
            profile: keys.profile,
            vouched_by: keys.vouched_by.clone(),
            manufacturer: tpm.manufacturer,
        })
    }
}

/// What the stored identity says of the TPM.
#[derive(Deserialize)]
struct TpmWords {
    #[serde(default)]
    manufacturer: Option<String>,
    software: bool,
}

impl TpmWords {
    /// An identity that cannot be read is taken for a software TPM's: the label warns.
    fn of(identity: &str) -> Self {
        serde_json::from_str(identity).unwrap_or(Self { manufacturer: None, software: true })
    }
}
