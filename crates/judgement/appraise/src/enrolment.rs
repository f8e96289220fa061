//! First contact: what must hold of a TPM's keys before a node exists, checked without I/O.
//!
//! The order of an enrolment is: [`NodeKeys::check`] over the public areas (nothing is proven yet), credential
//! activation over [`NodeKeys::ak_name`] (the server's part: only the TPM with this endorsement key can open it), and
//! [`NodeKeys::certified`] over the certification of the parent, which shows where the attestation key stands.

use avouch_crypto::{AttestationKey, CryptoError, Hash as Sha};
use avouch_protocol::{Hash, Purpose};
use avouch_tpm_wire::{AttestBody, EkTemplate, PublicArea, templates};

use crate::attested::{Attested, Binding, Signer, sha256};
use crate::rejection::{RejectCode, Rejection};

/// An attestation key and its parent whose public areas are what the protocol wants. The server keeps their bytes and
/// makes this once per node; every round borrows from it.
#[derive(Debug)]
pub struct NodeKeys {
    ak: AttestationKey,
    ak_name: Vec<u8>,
    parent_name: Vec<u8>,
    parent_qualified_name: Vec<u8>,
    qualified_signer: Vec<u8>,
}

/// Keys of which a TPM has shown that the attestation key stands under the right parent.
#[derive(Debug)]
pub struct EnrolledKeys {
    keys: NodeKeys,
}

/// An endorsement key that is made from one of the templates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedEk {
    /// Which one.
    pub template: EkTemplate,
    /// Its Name.
    pub name: Vec<u8>,
}

/// Checks that an endorsement key is made from a template of the TCG EK Credential Profile.
///
/// # Errors
/// [`RejectCode::KeyMalformed`], [`RejectCode::EkTemplate`].
pub fn check_ek(ek_public: &[u8]) -> Result<CheckedEk, Rejection> {
    let area = parse("endorsement key", ek_public)?;
    let Some(template) = EkTemplate::of(&area) else {
        let detail = format!(
            "the endorsement key has nameAlg {}, attributes {:#010x} and other parts that are not those of a template ({})",
            area.name_alg(),
            area.attributes().0,
            EkTemplate::ALL.map(EkTemplate::name).join(", ")
        );
        return Err(Rejection::new(RejectCode::EkTemplate, detail));
    };
    Ok(CheckedEk { template, name: area.name(&Sha) })
}

// === impl NodeKeys ===

impl NodeKeys {
    /// Checks the public areas of an attestation key and its parent: attributes, algorithms, and the parent's template.
    ///
    /// # Errors
    /// [`RejectCode::KeyMalformed`], [`RejectCode::AkAttributes`], [`RejectCode::AkParent`].
    pub fn check(ak_public: &[u8], parent_public: &[u8]) -> Result<Self, Rejection> {
        let area = parse("attestation key", ak_public)?;
        let ak = AttestationKey::new(&area).map_err(|error| {
            let code = match error {
                CryptoError::Attributes { .. } => RejectCode::AkAttributes,
                CryptoError::Unsupported { .. } => RejectCode::SignatureScheme,
                _ => RejectCode::KeyMalformed,
            };
            Rejection::new(code, format!("the attestation key: {error}"))
        })?;
        let parent = parse("attestation key's parent", parent_public)?;
        if !parent.is_made_from(&templates::AK_PARENT) {
            let detail = format!(
                "the attestation key's parent has nameAlg {}, attributes {:#010x} and other parts that are not those of the template",
                parent.name_alg(),
                parent.attributes().0
            );
            return Err(Rejection::new(RejectCode::AkParent, detail));
        }
        let parent_qualified_name = parent.endorsement_primary_qualified_name(&Sha);
        Ok(Self {
            ak_name: area.name(&Sha),
            parent_name: parent.name(&Sha),
            qualified_signer: area.qualified_name(&parent_qualified_name, &Sha),
            parent_qualified_name,
            ak,
        })
    }

    /// Checks that the attestation key certified its own parent, for this enrolment and this client key.
    ///
    /// `attest` and `signature` are TPMS_ATTEST and TPMT_SIGNATURE of TPM2_Certify; `challenge` is the bytes of the
    /// [`avouch_protocol::CredentialChallenge`] as they were sent; `client_spki` is SHA-256 of the client key's
    /// SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`RejectCode::AkIsPrimary`] when the key stands elsewhere in the hierarchy, [`RejectCode::CertifiedName`] when
    /// it certified another object, and the codes of a quote's checks.
    pub fn certified(
        self,
        attest: &[u8],
        signature: &[u8],
        challenge: &[u8],
        client_spki: &Hash,
    ) -> Result<EnrolledKeys, Rejection> {
        let signer = Signer { ak: &self.ak, qualified_signer: &self.qualified_signer };
        let binding = Binding {
            purpose: Purpose::Certify,
            challenge: sha256(&[challenge]),
            client_spki: *client_spki,
            report: Hash::ZERO,
        };
        let certification = Attested::check(attest, signature, &signer, &binding)?;
        let AttestBody::Certify { name, qualified_name } = certification.attest.body else {
            return Err(Rejection::new(RejectCode::QuoteType, "what came is not a certification"));
        };
        if name != self.parent_name || qualified_name != self.parent_qualified_name {
            let (got, wanted) = (crate::text::hex(name), crate::text::hex(&self.parent_name));
            let detail =
                format!("the certified object is {got}, wanted the parent {wanted} in the endorsement hierarchy");
            return Err(Rejection::new(RejectCode::CertifiedName, detail));
        }
        Ok(EnrolledKeys { keys: self })
    }

    /// Checks that a cloud's key certified this attestation key, for this enrolment and this client key.
    ///
    /// The caller has checked the cloud key's certificate. Such a key signs nothing else for a node: where it stands in
    /// its TPM's hierarchy is the cloud's affair, and the certified qualified Name says where the node's own key stands.
    ///
    /// # Errors
    /// [`RejectCode::CertifiedName`] when it certified another object, and the codes of a quote's checks.
    pub fn certified_by_cloud(
        &self,
        cloud: &AttestationKey,
        attest: &[u8],
        signature: &[u8],
        challenge: &[u8],
        client_spki: &Hash,
    ) -> Result<(), Rejection> {
        let binding = Binding {
            purpose: Purpose::Certify,
            challenge: sha256(&[challenge]),
            client_spki: *client_spki,
            report: Hash::ZERO,
        };
        let certification = Attested::check_of_any_place(attest, signature, cloud, &binding)?;
        let AttestBody::Certify { name, qualified_name } = certification.attest.body else {
            return Err(Rejection::new(RejectCode::QuoteType, "what came is not a certification"));
        };
        if name != self.ak_name || qualified_name != self.qualified_signer {
            let (got, wanted) = (crate::text::hex(name), crate::text::hex(&self.ak_name));
            let detail =
                format!("the cloud's key certified {got}, wanted the attestation key {wanted} below its parent");
            return Err(Rejection::new(RejectCode::CertifiedName, detail));
        }
        Ok(())
    }

    /// The attestation key.
    pub fn ak(&self) -> &AttestationKey {
        &self.ak
    }

    /// The attestation key's Name: what credential activation is made for.
    pub fn ak_name(&self) -> &[u8] {
        &self.ak_name
    }

    /// The parent's Name.
    pub fn parent_name(&self) -> &[u8] {
        &self.parent_name
    }

    /// The qualified Name that every quote must carry: `H(QN(parent) ‖ Name(AK))` with the nameAlg in front.
    pub fn qualified_signer(&self) -> &[u8] {
        &self.qualified_signer
    }
}

// === impl EnrolledKeys ===

impl EnrolledKeys {
    /// The keys.
    pub fn keys(&self) -> &NodeKeys {
        &self.keys
    }
}

fn parse<'a>(what: &str, bytes: &'a [u8]) -> Result<PublicArea<'a>, Rejection> {
    PublicArea::parse(bytes)
        .map_err(|error| Rejection::new(RejectCode::KeyMalformed, format!("the {what}'s public area: {error}")))
}
