//! `POST /v1/enroll/activate`: the TPM has opened the credential; the node becomes a member.

use std::sync::Arc;

use avouch_crypto::constant_time_eq;
use avouch_protocol::{ActivateRequest, ActivateResponse, EnrolRequest, Membership, Message, NodeTag, VERSION};
use avouch_store::{Attempt, Change, Event, Grant, NodeKeys, Outcome, Refused as StoreRefused, StoreError};
use axum::http::StatusCode;

use super::examine::{Certified, Examined};
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// Takes the one activation of an attempt, right or wrong.
pub(crate) async fn activate(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let now = app.now()?;
    let activation = ActivateRequest::from_cbor(&call.body).map_err(|error| Refused::malformed(&error))?;
    let attempt = consume(&app, now, &activation).await?;
    if !constant_time_eq(&attempt.expected_proof.0, &activation.proof.0) {
        let what = "The proof is not the one that the right TPM computes; this attempt is used up.";
        let remedy = "Enrol again. If it repeats, the key shown is not in the TPM that the EK certificate names.";
        return Err(Refused::new(StatusCode::FORBIDDEN, "ACTIVATION_PROOF", what, remedy));
    }
    // The store gave back the bytes that were examined when the credential was made; time has passed since.
    let request = EnrolRequest::from_cbor(&attempt.request).map_err(|error| Refused::internal(&error))?;
    let certified = Examined::of(&app, now, &request)?.certified(&app, &activation, &attempt.challenge)?;
    let node = certified.node;
    let keys = issue(&app, now, &request, &certified)?;
    let client_certificate = keys.client_certificate.clone().into();
    let generation = enrol(&app, now, &request, &certified, keys).await?;
    let profile = certified.token.profile;
    tracing::info!(node = %node.short(), generation, %profile, label = ?request.label, "node enrolled");
    let detail = serde_json::json!({
        "generation": generation,
        "label": request.label,
        "profile": profile.word(),
        "vouched_by": certified.vouched.by,
        "ek": certified.ek_template.name(),
        "report_key": activation.report_key.is_some(),
    })
    .to_string();
    app.note(now, Event { kind: "NODE_ENROLLED".into(), node: Some(node), detail });
    let membership = Membership {
        node_tag: node,
        client_certificate,
        node_ca: app.node_ca.certificate().der().to_vec().into(),
        generation,
        interval: app.interval.seconds(),
    };
    // A joiner gets a verdict at once.
    Ok(Reply::cbor(ActivateResponse { v: VERSION, membership, next_in: 0 }.to_cbor()))
}

async fn consume(app: &App, now: u64, activation: &ActivateRequest) -> Result<Attempt, Refused> {
    match app.apply(now, Change::ConsumeAttempt(activation.attempt)).await {
        Ok(Outcome::Attempt(attempt)) => Ok(*attempt),
        Ok(other) => Err(Refused::internal(&format!("an attempt was consumed as {other:?}"))),
        Err(StoreError::Refused(StoreRefused::AttemptUnknown(_))) => {
            let what = "This attempt was used, has expired, or never was.";
            let remedy = "Enrol again; one activation is taken for an attempt, within two minutes.";
            Err(Refused::new(StatusCode::FORBIDDEN, "ATTEMPT_UNKNOWN", what, remedy))
        }
        Err(error) => Err(store_refused(&error)),
    }
}

/// The client certificate, and everything that the store keeps of this generation.
fn issue(app: &App, now: u64, request: &EnrolRequest, certified: &Certified) -> Result<NodeKeys, Refused> {
    let issued = app.node_ca.issue_node(&request.client_spki, &certified.node.to_hex(), now);
    let client_certificate = issued.map_err(|error| {
        let remedy = "Make an ECDSA P-256 client key; `avouch-agent enroll` does.";
        Refused::new(StatusCode::FORBIDDEN, "CLIENT_KEY", error.to_string(), remedy)
    })?;
    Ok(NodeKeys {
        ek_name: certified.ek_name.clone(),
        ek_public: request.ek_public.to_vec(),
        ek_template: certified.ek_template.name().into(),
        further_eks: certified.further_eks.clone(),
        profile: certified.token.profile,
        vouched_by: certified.vouched.by.clone(),
        ek_certificate: request.ek_certificate.to_vec(),
        ek_identity: certified.vouched.tpm.clone(),
        parent_public: request.parent_public.to_vec(),
        ak_public: request.ak_public.to_vec(),
        ak_name: certified.ak_name.clone(),
        ak_private: request.ak_private.to_vec(),
        client_spki: certified.client_spki,
        client_certificate,
    })
}

async fn enrol(
    app: &App,
    now: u64,
    request: &EnrolRequest,
    certified: &Certified,
    keys: NodeKeys,
) -> Result<u32, Refused> {
    let (token, node) = (&certified.token, certified.node);
    let grant = Grant { id: token.id, uses: token.uses, used: 0, expires: token.expires };
    app.apply(now, Change::PutGrant(grant)).await.map_err(|error| store_refused(&error))?;
    let change = Change::Enrol { node, grant: token.id, label: request.label.clone(), keys: Box::new(keys) };
    match app.apply(now, change).await {
        Ok(Outcome::Enrolled { generation }) => Ok(generation),
        Ok(other) => Err(Refused::internal(&format!("a node was enrolled as {other:?}"))),
        Err(StoreError::Refused(refused)) => Err(enrol_refused(app, now, node, &refused)),
        Err(error) => Err(store_refused(&error)),
    }
}

fn enrol_refused(app: &App, now: u64, node: NodeTag, refused: &StoreRefused) -> Refused {
    let forbidden = |code, remedy: &str| Refused::new(StatusCode::FORBIDDEN, code, refused.to_string(), remedy);
    match refused {
        StoreRefused::GrantExpired { .. } => forbidden("TOKEN_EXPIRED", "Ask for a new enrolment token."),
        StoreRefused::GrantUsedUp { .. } => forbidden("TOKEN_USED_UP", "Ask for a new enrolment token."),
        StoreRefused::Conflict { what: "client_spki", .. } => {
            forbidden("CLIENT_KEY_USED", "Make a new client key: one key stands for one node, for ever.")
        }
        StoreRefused::WeakerProfile { .. } => {
            let detail = serde_json::json!({ "why": refused.to_string() }).to_string();
            app.note(now, Event { kind: "PROFILE_WEAKER".into(), node: Some(node), detail });
            forbidden(
                "PROFILE_WEAKER",
                "Ask for a token of the profile that the node enrolled by first, or of a stronger one.",
            )
        }
        StoreRefused::Conflict { what, .. } => {
            let detail = serde_json::json!({ "what": what, "why": refused.to_string() }).to_string();
            app.note(now, Event { kind: "SAME_TPM".into(), node: Some(node), detail });
            let remedy = "Two nodes show one TPM: look for a cloned machine or a copied TPM state. If this machine lost \
                          its state directory, enrol by the endorsement key that it had: `avouch-agent enroll --ek`.";
            forbidden("SAME_TPM", remedy)
        }
        _ => forbidden("ENROL_REFUSED", "Read the server's log and enrol again with a new token."),
    }
}
