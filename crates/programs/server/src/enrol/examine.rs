//! Everything about an enrolment request that can be checked before its TPM has proven anything.

use avouch_appraise::{NodeKeys, Rejection, check_ek};
use avouch_crypto::ek::EkIdentity;
use avouch_crypto::signing::verify_ed25519;
use avouch_crypto::{hmac_sha256, sha256};
use avouch_protocol::{
    ActivateRequest, EnrolRequest, EnrolmentToken, Hash, MAX_LABEL_BYTES, Message, NodeProfile, NodeTag,
};
use avouch_tpm_wire::PublicArea;
use axum::http::StatusCode;

use crate::app::{App, store_refused};
use crate::http::refusal::Refused;

/// A request whose token, endorsement key and public areas passed. Only [`Examined::of`] makes one.
pub(super) struct Examined<'a> {
    pub(super) token: EnrolmentToken,
    pub(super) node: NodeTag,
    pub(super) ek: PublicArea<'a>,
    pub(super) ek_name: Vec<u8>,
    /// What the EK certificate says of the TPM, as JSON.
    pub(super) ek_identity: String,
    pub(super) keys: NodeKeys,
    pub(super) client_spki: Hash,
}

impl<'a> Examined<'a> {
    pub(super) fn of(app: &App, now: u64, request: &'a EnrolRequest) -> Result<Self, Refused> {
        let token = token(app, now, &request.token)?;
        label(request.label.as_deref())?;
        let Some(roots) = &app.ek_roots else { return Err(no_roots()) };
        let ek_name = check_ek(&request.ek_public).map_err(|rejection| rejected(&rejection))?;
        let ek = PublicArea::parse(&request.ek_public).map_err(|error| Refused::internal(&error))?;
        let identity = roots.verify(&request.ek_certificate, &ek, now).map_err(|error| {
            let remedy = "Add the certificates of this TPM's maker to `ek_roots` if you trust it; a TPM without a certificate cannot enrol.";
            forbidden("EK_CERTIFICATE", error.to_string(), remedy)
        })?;
        let keys =
            NodeKeys::check(&request.ak_public, &request.parent_public).map_err(|rejection| rejected(&rejection))?;
        Ok(Self {
            token,
            // The EK's Name itself never leaves the tenant.
            node: NodeTag(hmac_sha256(app.tenant_key.as_slice(), &[&ek_name])),
            ek,
            ek_name,
            ek_identity: identity_json(&identity),
            keys,
            client_spki: Hash(sha256(&[&request.client_spki])),
        })
    }

    /// Refuses early what the store would refuse late: a token that is used up, unless this TPM joined before.
    pub(super) fn check_uses(&self, app: &App) -> Result<(), Refused> {
        let grant = app.store.grant(&app.cluster, &self.token.id).map_err(|error| store_refused(&error))?;
        if grant.is_none_or(|grant| grant.used < grant.uses) {
            return Ok(());
        }
        match app.store.node(&app.cluster, &self.node).map_err(|error| store_refused(&error))? {
            Some(_) => Ok(()),
            None => {
                let what = format!("All {} uses of this enrolment token are taken.", self.token.uses);
                Err(forbidden("TOKEN_USED_UP", what, "Ask for a new enrolment token."))
            }
        }
    }

    /// Checks that the attestation key certified its parent in answer to `challenge`, the credential's bytes.
    pub(super) fn certified(self, activation: &ActivateRequest, challenge: &[u8]) -> Result<Certified, Refused> {
        let Self { token, node, ek_name, ek_identity, keys, client_spki, .. } = self;
        let (attest, signature) = (&activation.parent_certify, &activation.parent_certify_signature);
        let enrolled = keys.certified(attest, signature, challenge, &client_spki).map_err(|r| rejected(&r))?;
        let ak_name = enrolled.keys().ak_name().to_vec();
        Ok(Certified { token, node, ek_name, ek_identity, ak_name, client_spki })
    }
}

/// A request whose TPM has shown that the attestation key stands under the right parent; only
/// [`Examined::certified`] makes one.
pub(super) struct Certified {
    pub(super) token: EnrolmentToken,
    pub(super) node: NodeTag,
    pub(super) ek_name: Vec<u8>,
    pub(super) ek_identity: String,
    pub(super) ak_name: Vec<u8>,
    pub(super) client_spki: Hash,
}

fn token(app: &App, now: u64, bytes: &[u8]) -> Result<EnrolmentToken, Refused> {
    const ASK: &str = "Ask the operator of this server for a new enrolment token.";
    let token =
        EnrolmentToken::from_cbor(bytes).map_err(|error| forbidden("TOKEN_MALFORMED", error.to_string(), ASK))?;
    if verify_ed25519(&app.owner, &token.signed_bytes(), &token.signature).is_err() {
        return Err(forbidden(
            "TOKEN_SIGNATURE",
            "The enrolment token is not signed by the owner key of this server.",
            ASK,
        ));
    }
    if now > token.expires {
        let what = format!("The enrolment token expired at {}; it is {now} (unix seconds).", token.expires);
        return Err(forbidden("TOKEN_EXPIRED", what, ASK));
    }
    if token.origin != app.origin {
        let what = format!("The enrolment token is for {:?}, this server is {:?}.", token.origin, app.origin);
        let remedy = "Set `origin` in the server's configuration to the URL that agents use, and make a new token.";
        return Err(forbidden("TOKEN_ORIGIN", what, remedy));
    }
    // The one profile so far; a further one has checks of its own and must not fall through to these.
    let NodeProfile::EkCert = token.profile;
    Ok(token)
}

/// Labels are shown to people and written to logs: no character that moves a cursor or turns the text round.
fn label(label: Option<&str>) -> Result<(), Refused> {
    let plain = |c: char| c.is_alphanumeric() || "-_.:@+ ".contains(c);
    match label {
        Some(text) if text.is_empty() || text.len() > MAX_LABEL_BYTES || !text.chars().all(plain) => {
            let remedy = format!("Use 1 to {MAX_LABEL_BYTES} bytes of letters, digits, spaces and - _ . : @ +");
            Err(forbidden("LABEL", "The node's label has a character or a length that is not taken.", &remedy))
        }
        _ => Ok(()),
    }
}

fn identity_json(identity: &EkIdentity) -> String {
    serde_json::json!({
        "manufacturer": identity.manufacturer,
        "model": identity.model,
        "version": identity.version,
        "subject": identity.subject,
        "issuer": identity.issuer,
        "serial": identity.serial,
        "certificate_sha256": Hash(identity.sha256).to_hex(),
        "not_after": identity.not_after,
        "software": identity.software,
    })
    .to_string()
}

fn no_roots() -> Refused {
    let what = "This server trusts no maker of TPMs yet: `ek_roots` in its configuration names no file.";
    let remedy = "Put the PEM certificates of your TPMs' makers into `ek_roots` and start the server again.";
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "NO_EK_ROOTS", what, remedy)
}

fn rejected(rejection: &Rejection) -> Refused {
    let remedy = "Enrol with the agent of this release; it makes the keys that are wanted. If it did, the TPM is not what it says.";
    forbidden(rejection.code.as_str(), rejection.detail.clone(), remedy)
}

fn forbidden(code: &'static str, what: impl Into<String>, remedy: &str) -> Refused {
    Refused::new(StatusCode::FORBIDDEN, code, what, remedy)
}
