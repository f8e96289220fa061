//! Everything about an enrolment request that can be checked before its TPM has proven anything.

use avouch_appraise::{NodeKeys, Rejection, check_ek};
use avouch_crypto::signing::verify_ed25519;
use avouch_crypto::{hmac_sha256, sha256};
use avouch_protocol::{
    ActivateRequest, EnrolRequest, EnrolmentToken, Hash, MAX_FURTHER_EKS, MAX_LABEL_BYTES, Message, NodeTag,
};
use avouch_store::FurtherEk;
use avouch_tpm_wire::{Attest, EkTemplate, PublicArea};
use axum::http::StatusCode;

use super::vouch::Vouched;
use crate::app::{App, store_refused};
use crate::http::refusal::Refused;

/// A request whose token, endorsement keys and public areas passed, and whose profile somebody vouched by. Only
/// [`Examined::of`] makes one.
pub(super) struct Examined<'a> {
    pub(super) token: EnrolmentToken,
    pub(super) node: NodeTag,
    /// The one that names the node comes first.
    pub(super) eks: Vec<Ek<'a>>,
    pub(super) vouched: Vouched,
    pub(super) keys: NodeKeys,
    pub(super) client_spki: Hash,
}

/// An endorsement key that is made from a template.
pub(super) struct Ek<'a> {
    pub(super) template: EkTemplate,
    pub(super) name: Vec<u8>,
    pub(super) area: PublicArea<'a>,
    pub(super) public: &'a [u8],
    pub(super) certificate: &'a [u8],
}

impl<'a> Examined<'a> {
    pub(super) fn of(app: &App, now: u64, request: &'a EnrolRequest) -> Result<Self, Refused> {
        let token = token(app, now, &request.token)?;
        label(request.label.as_deref())?;
        Vouched::possible(&app.first_contact, token.profile)?;
        let eks = endorsement_keys(request)?;
        let keys =
            NodeKeys::check(&request.ak_public, &request.parent_public).map_err(|rejection| rejected(&rejection))?;
        let vouched = Vouched::of(&app.first_contact, token.profile, request, &eks, now)?;
        let name = eks.first().map(|ek| ek.name.as_slice()).unwrap_or_default();
        Ok(Self {
            token,
            // The EK's Name itself never leaves the tenant.
            node: NodeTag(hmac_sha256(app.tenant_key.as_slice(), &[name])),
            eks,
            vouched,
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

    /// Checks that the attestation key certified its parent in answer to `challenge`, the credential's bytes, that a
    /// cloud's key certified the attestation key where the profile rests on one, and that the TPM's firmware, which
    /// stands in what was signed, may join.
    pub(super) fn certified(
        self,
        app: &App,
        activation: &ActivateRequest,
        challenge: &[u8],
    ) -> Result<Certified, Refused> {
        let Self { token, node, eks, vouched, keys, client_spki } = self;
        vouched.check_cloud(&keys, activation, challenge, &client_spki)?;
        let (attest, signature) = (&activation.parent_certify, &activation.parent_certify_signature);
        if let Some(shown) = &activation.report_key {
            keys.check_report_key(shown, challenge, &client_spki).map_err(|r| rejected(&r))?;
        }
        let enrolled = keys.certified(attest, signature, challenge, &client_spki).map_err(|r| rejected(&r))?;
        firmware(app, &vouched, attest)?;
        let ak_name = enrolled.keys().ak_name().to_vec();
        let mut eks = eks.into_iter();
        let first = eks.next().ok_or_else(|| Refused::internal(&"a node without an endorsement key"))?;
        let further_eks =
            eks.map(|ek| FurtherEk { name: ek.name, public: ek.public.to_vec(), certificate: ek.certificate.to_vec() });
        Ok(Certified {
            token,
            node,
            ek_name: first.name,
            ek_template: first.template,
            further_eks: further_eks.collect(),
            vouched,
            ak_name,
            client_spki,
        })
    }
}

/// A request whose TPM has shown that the attestation key stands under the right parent; only
/// [`Examined::certified`] makes one.
pub(super) struct Certified {
    pub(super) token: EnrolmentToken,
    pub(super) node: NodeTag,
    pub(super) ek_name: Vec<u8>,
    pub(super) ek_template: EkTemplate,
    pub(super) further_eks: Vec<FurtherEk>,
    pub(super) vouched: Vouched,
    pub(super) ak_name: Vec<u8>,
    pub(super) client_spki: Hash,
}

/// The endorsement keys that were shown: each from another template.
fn endorsement_keys(request: &EnrolRequest) -> Result<Vec<Ek<'_>>, Refused> {
    if request.further_eks.len() > MAX_FURTHER_EKS {
        let what = format!(
            "{} further endorsement keys were shown, at most {MAX_FURTHER_EKS} are taken.",
            request.further_eks.len()
        );
        return Err(forbidden("EK_TEMPLATE", what, "Enrol with the agent of this release."));
    }
    let shown = std::iter::once((&request.ek_public, &request.ek_certificate));
    let shown = shown.chain(request.further_eks.iter().map(|ek| (&ek.public, &ek.certificate)));
    let mut eks: Vec<Ek<'_>> = Vec::new();
    for (public, certificate) in shown {
        let checked = check_ek(public).map_err(|rejection| rejected(&rejection))?;
        if eks.iter().any(|ek| ek.template == checked.template) {
            let what = format!("Two endorsement keys of template {} were shown; a TPM has one.", checked.template);
            return Err(forbidden("EK_TEMPLATE", what, "Enrol with the agent of this release."));
        }
        let area = PublicArea::parse(public).map_err(|error| Refused::internal(&error))?;
        eks.push(Ek { template: checked.template, name: checked.name, area, public, certificate });
    }
    Ok(eks)
}

/// The attestation key signed in the endorsement hierarchy, where the firmware version is told as it is.
fn firmware(app: &App, vouched: &Vouched, attest: &[u8]) -> Result<(), Refused> {
    let firmware = Attest::parse(attest).map_err(|error| Refused::internal(&error))?.firmware_version;
    match app.first_contact.denied(vouched.manufacturer.as_deref(), firmware) {
        None => Ok(()),
        Some(why) => {
            let what = format!("The TPM's firmware {firmware:016x} may not enrol here: {why}.");
            Err(forbidden("TPM_FIRMWARE", what, "Update the TPM's firmware, then enrol again."))
        }
    }
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
    if !app.first_contact.permits(token.profile) {
        let what = format!("This server does not let nodes enrol by the profile {}.", token.profile);
        let remedy =
            "Ask for a token of another profile; the operator permits profiles with `profiles` in the configuration.";
        return Err(forbidden("PROFILE", what, remedy));
    }
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

pub(super) fn rejected(rejection: &Rejection) -> Refused {
    let remedy = "Enrol with the agent of this release; it makes the keys that are wanted. If it did, the TPM is not what it says.";
    forbidden(rejection.code.as_str(), rejection.detail.clone(), remedy)
}

pub(super) fn forbidden(code: &'static str, what: impl Into<String>, remedy: &str) -> Refused {
    Refused::new(StatusCode::FORBIDDEN, code, what, remedy)
}
