//! Who vouches for a TPM: each profile's own checks, in one place.

use avouch_appraise::NodeKeys;
use avouch_crypto::AttestationKey;
use avouch_crypto::ak_certificate::AkCertificate;
use avouch_crypto::ek::{EkError, EkIdentity, EkRoots, is_roca};
use avouch_protocol::{ActivateRequest, EnrolRequest, Hash, NodeProfile};
use avouch_tpm_wire::{Key, PublicArea};
use axum::http::StatusCode;
use serde_json::json;

use super::examine::{Ek, forbidden, rejected};
use super::trust::FirstContact;
use crate::http::refusal::Refused;

/// A TPM that somebody vouches for by the profile of the token; or, for `tofu`, one that nobody has to vouch for.
pub(super) struct Vouched {
    /// Who vouches, for people: the subject of a root, the label on the operator's list; empty for nobody.
    pub(super) by: String,
    /// What is known of the TPM, as JSON.
    pub(super) tpm: String,
    /// Manufacturer, where somebody vouches for it.
    pub(super) manufacturer: Option<String>,
    /// The cloud's key, which still has to certify the node's.
    cloud: Option<AttestationKey>,
}

impl Vouched {
    /// Refuses early what could not be vouched for whatever came.
    pub(super) fn possible(trust: &FirstContact, profile: NodeProfile) -> Result<(), Refused> {
        let lacking = match profile {
            NodeProfile::EkCert => trust.ek_roots.is_none(),
            NodeProfile::AzureAkCert | NodeProfile::Gcp => trust.cloud_roots(profile).is_none(),
            NodeProfile::EkAllowlist | NodeProfile::Tofu => false,
        };
        if lacking { Err(no_roots()) } else { Ok(()) }
    }

    pub(super) fn of(
        trust: &FirstContact,
        profile: NodeProfile,
        request: &EnrolRequest,
        eks: &[Ek<'_>],
        now: u64,
    ) -> Result<Self, Refused> {
        refuse_weak(eks)?;
        let Some(first) = eks.first() else { return Err(Refused::internal(&"no endorsement key was examined")) };
        match profile {
            NodeProfile::EkCert => by_maker(trust, first, request, now),
            NodeProfile::EkAllowlist => by_operator(trust, first),
            NodeProfile::Tofu => Ok(Self { by: String::new(), tpm: unknown(), manufacturer: None, cloud: None }),
            NodeProfile::AzureAkCert | NodeProfile::Gcp => by_cloud(trust, profile, request, now),
        }
    }

    /// Checks that the cloud's key certified the attestation key, where the profile rests on that.
    pub(super) fn check_cloud(
        &self,
        keys: &NodeKeys,
        activation: &ActivateRequest,
        challenge: &[u8],
        client_spki: &Hash,
    ) -> Result<(), Refused> {
        let Some(cloud) = &self.cloud else { return Ok(()) };
        let Some(certify) = &activation.cloud_certify else {
            let what = "The cloud's key did not certify the node's key, which this token's profile wants.";
            return Err(forbidden("CLOUD_CERTIFY", what, "Enrol with the agent of this release."));
        };
        let (attest, signature) = (&certify.attest, &certify.signature);
        keys.certified_by_cloud(cloud, attest, signature, challenge, client_spki).map_err(|r| rejected(&r))
    }
}

/// A key that can be computed from its public half proves nothing, whoever vouches for it.
fn refuse_weak(eks: &[Ek<'_>]) -> Result<(), Refused> {
    for ek in eks {
        if let Key::Rsa { modulus, .. } = ek.area.key()
            && is_roca(modulus)
        {
            return Err(certificate(&EkError::Roca));
        }
    }
    Ok(())
}

fn by_maker(trust: &FirstContact, ek: &Ek<'_>, request: &EnrolRequest, now: u64) -> Result<Vouched, Refused> {
    let Some(roots) = &trust.ek_roots else { return Err(no_roots()) };
    let chain = chain(request)?;
    let identity = roots.verify_with(ek.certificate, &chain, &ek.area, now).map_err(|error| certificate(&error))?;
    Ok(Vouched {
        by: identity.root.subject.clone(),
        tpm: identity_json(&identity),
        manufacturer: identity.manufacturer,
        cloud: None,
    })
}

fn by_operator(trust: &FirstContact, ek: &Ek<'_>) -> Result<Vouched, Refused> {
    match trust.allowlist.label(&ek.name) {
        Some(label) => {
            let by =
                if label.is_empty() { "the operator's list".into() } else { format!("the operator's list: {label}") };
            Ok(Vouched { by, tpm: unknown(), manufacturer: None, cloud: None })
        }
        None => {
            let name: String = ek.name.iter().map(|byte| format!("{byte:02x}")).collect();
            let what = format!("The endorsement key {name} ({}) is not on the operator's list.", ek.template);
            Err(forbidden("EK_NOT_LISTED", what, "Add the key to the file `ek_allowlist` and start the server again."))
        }
    }
}

fn by_cloud(trust: &FirstContact, profile: NodeProfile, request: &EnrolRequest, now: u64) -> Result<Vouched, Refused> {
    let Some(roots) = trust.cloud_roots(profile) else { return Err(no_roots()) };
    let Some(shown) = &request.cloud_key else {
        let what = format!("No attestation key of a cloud was shown, which the profile {profile} wants.");
        return Err(forbidden("CLOUD_KEY", what, "Enrol on a machine of that cloud, with the agent of this release."));
    };
    let (key, verified) = cloud_key(roots, &shown.public, &shown.certificate, &chain(request)?, now)?;
    let tpm = json!({
        "manufacturer": null, "model": format!("virtual TPM ({profile})"), "version": null, "software": false,
        "subject": verified.subject, "issuer": verified.issuer, "serial": verified.serial,
        "certificate_sha256": Hash(verified.sha256).to_hex(), "not_after": verified.not_after,
        "root": verified.root.subject, "root_sha256": Hash(verified.root.sha256).to_hex(),
    });
    Ok(Vouched { by: verified.root.subject, tpm: tpm.to_string(), manufacturer: None, cloud: Some(key) })
}

fn cloud_key(
    roots: &EkRoots,
    public: &[u8],
    certificate: &[u8],
    chain: &[&[u8]],
    now: u64,
) -> Result<(AttestationKey, AkCertificate), Refused> {
    let refused = |what: String| {
        forbidden(
            "CLOUD_KEY",
            what,
            "Add the cloud's CA to the roots of this profile if you trust it, or use another profile.",
        )
    };
    let area = PublicArea::parse(public).map_err(|error| refused(format!("the cloud's key: {error}")))?;
    let key = AttestationKey::new(&area).map_err(|error| refused(format!("the cloud's key: {error}")))?;
    let verified = AkCertificate::verify(certificate, chain, roots, &area, now);
    Ok((key, verified.map_err(|error| refused(error.to_string()))?))
}

/// The CA certificates that the TPM carries, cut apart: each is one DER SEQUENCE with a length of two bytes.
fn chain(request: &EnrolRequest) -> Result<Vec<&[u8]>, Refused> {
    let mut rest = request.ek_chain.as_deref().map_or(&[] as &[u8], Vec::as_slice);
    let mut found = Vec::new();
    // NV indices may be longer than what is in them; filling is zeros or ones.
    while let [0x30, 0x82, high, low, ..] = rest {
        let length = 4 + usize::from(u16::from_be_bytes([*high, *low]));
        let Some((certificate, after)) = rest.split_at_checked(length) else {
            let what = "A CA certificate in the TPM's NV is cut short.";
            return Err(forbidden("EK_CHAIN", what, "Report the TPM's maker and firmware version."));
        };
        found.push(certificate);
        rest = after;
    }
    Ok(found)
}

fn certificate(error: &EkError) -> Refused {
    let code = if matches!(error, EkError::Roca) { "EK_WEAK" } else { "EK_CERTIFICATE" };
    let remedy = match error {
        EkError::Roca => "Update the TPM's firmware and have it make new keys: anybody can compute this one.",
        _ => {
            "Add the certificates of this TPM's maker to `ek_roots` if you trust it; a TPM without a certificate cannot \
             enrol by the profile ek-cert."
        }
    };
    forbidden(code, error.to_string(), remedy)
}

/// Nobody vouches for what the TPM is.
fn unknown() -> String {
    json!({ "manufacturer": null, "model": null, "version": null, "software": false }).to_string()
}

fn identity_json(identity: &EkIdentity) -> String {
    json!({
        "manufacturer": identity.manufacturer,
        "model": identity.model,
        "version": identity.version,
        "subject": identity.subject,
        "issuer": identity.issuer,
        "serial": identity.serial,
        "certificate_sha256": Hash(identity.sha256).to_hex(),
        "not_after": identity.not_after,
        "software": identity.software,
        "root": identity.root.subject,
        "root_sha256": Hash(identity.root.sha256).to_hex(),
    })
    .to_string()
}

fn no_roots() -> Refused {
    let what = "This server trusts nobody for this profile yet: its roots in the configuration name no file.";
    let remedy = "Put the PEM certificates of your TPMs' makers into `ek_roots` and start the server again.";
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "NO_EK_ROOTS", what, remedy)
}
