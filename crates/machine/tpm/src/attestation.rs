//! The attestation key: made, proven to be beside the endorsement key, loaded, and used.

use avouch_tpm_wire::command::{ActivateCredential, Certify, Command, Create, GetTime, PolicyOr, PolicySecret, Quote};
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::{
    Authorization, EkTemplate, Handle, PcrSelection, PublicArea, Scheme, SelectionList, SensitiveCreate, SizedPublic,
    response, sized, templates, unsized_of,
};

use crate::error::{Error, KeyLost};
use crate::scope::{EMPTY, Scope};
use crate::tpm::{Answer, Tpm};
use crate::transport::Transport;

/// An attestation key as it is kept outside the TPM. Nothing in it is secret to anybody but this TPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AkBlob {
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// TPM2B_PRIVATE, its length included; wrapped by the parent.
    pub private: Vec<u8>,
    /// TPMT_PUBLIC of the parent.
    pub parent_public: Vec<u8>,
}

/// A signed statement of the TPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// TPMS_ATTEST: the bytes that are signed.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
}

/// The loaded attestation key; flushed when dropped.
#[derive(Debug)]
pub struct AttestationSession<'t, T: Transport> {
    pub(crate) scope: Scope<'t, T>,
    pub(crate) key: Handle,
    pub(crate) parent_public: Vec<u8>,
}

impl<T: Transport> Tpm<T> {
    /// Makes a new attestation key below the fixed parent. It is not loaded.
    ///
    /// # Errors
    /// [`Error`] as of each command.
    pub fn create_attestation_key(&mut self) -> Result<AkBlob, Error> {
        let mut scope = Scope::new(self);
        let (parent_handle, parent_public) = scope.primary(templates::AK_PARENT)?;
        let create = Create {
            parent_handle,
            in_sensitive: SensitiveCreate::default(),
            in_public: SizedPublic(templates::AK),
            outside_info: &[],
            creation_pcr: SelectionList::default(),
        };
        let answer = scope.execute(&create, &EMPTY)?;
        let created: response::Create<'_> = answer.read()?;
        let public = created.out_public.0;
        if !public.is_made_from(&templates::AK) {
            let what = "a key that is not made from the template it was given";
            return Err(Error::Unexpected { command: Create::NAME, what });
        }
        let private = sized(created.out_private).map_err(|source| Error::Input { what: "the private part", source })?;
        Ok(AkBlob { public: public.encode(), private, parent_public })
    }

    /// Loads an attestation key for use. Keep the session: each quote over it is one command.
    ///
    /// # Errors
    /// [`Error::KeyLost`] when the key can never be loaded again; [`Error::Input`] or [`Error::OtherTemplate`] when
    /// the blob is damaged or of another release; else as of each command.
    pub fn load_attestation_key(&mut self, blob: &AkBlob) -> Result<AttestationSession<'_, T>, Error> {
        let mut scope = Scope::new(self);
        let key = scope.attestation_key(blob)?;
        Ok(AttestationSession { scope, key, parent_public: blob.parent_public.clone() })
    }

    /// Opens a credential that was made for this TPM's endorsement key of `template` and the Name of this attestation
    /// key.
    ///
    /// `id_object` is a TPM2B_ID_OBJECT, `encrypted_secret` a TPM2B_ENCRYPTED_SECRET, lengths included.
    ///
    /// # Errors
    /// [`Error::ForeignCredential`] when it was made for another TPM or key; [`Error::KeyLost`] and the rest as for
    /// [`Tpm::load_attestation_key`].
    pub fn activate_credential(
        &mut self,
        blob: &AkBlob,
        template: EkTemplate,
        id_object: &[u8],
        encrypted_secret: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let input = |what| move |source| Error::Input { what, source };
        let credential_blob = unsized_of(id_object).map_err(input("the credential's identity object"))?;
        let secret = unsized_of(encrypted_secret).map_err(input("the credential's encrypted secret"))?;
        let mut scope = Scope::new(self);
        let activate_handle = scope.attestation_key(blob)?;
        let key_handle = scope.endorsement_key(template)?;
        let policy_session = scope.endorsement_policy(template)?;
        let activate = ActivateCredential { activate_handle, key_handle, credential_blob, secret };
        let answer = scope.execute(&activate, &[Authorization::EMPTY, Authorization::policy(policy_session)]).map_err(
            |error| match error {
                // libtpms answers FAILURE when OAEP does not open; a TPM in failure mode would not have come this far.
                Error::Refused { code, .. } if code.is_about_a_parameter() || code == ResponseCode::FAILURE => {
                    Error::ForeignCredential { code }
                }
                other => other,
            },
        )?;
        Ok(answer.read::<response::ActivateCredential<'_>>()?.cert_info.to_vec())
    }
}

impl<T: Transport> AttestationSession<'_, T> {
    /// TPM2_Quote over the selected PCRs. One command.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when the key is no longer loaded; [`Error::Input`] when `qualifying_data` is too long
    /// for any TPM; else as of each command.
    pub fn quote(&mut self, selection: PcrSelection, qualifying_data: &[u8]) -> Result<Attested, Error> {
        let quote =
            Quote { sign_handle: self.key, qualifying_data, in_scheme: Scheme::Null, pcr_select: selection.into() };
        attested(self.scope.execute(&quote, &EMPTY))
    }

    /// TPM2_GetTime, with the endorsement hierarchy as privacy administrator. One command.
    ///
    /// # Errors
    /// As [`AttestationSession::quote`].
    pub fn get_time(&mut self, qualifying_data: &[u8]) -> Result<Attested, Error> {
        let get_time = GetTime {
            privacy_admin_handle: Handle::ENDORSEMENT,
            sign_handle: self.key,
            qualifying_data,
            in_scheme: Scheme::Null,
        };
        attested(self.scope.execute(&get_time, &[Authorization::EMPTY; 2]))
    }

    /// TPM2_Certify of the key's parent: shows where the key stands in the hierarchy. Three commands.
    ///
    /// # Errors
    /// [`Error::KeyLost`] when the template gives another parent now; else as [`AttestationSession::quote`].
    pub fn certify_parent(&mut self, qualifying_data: &[u8]) -> Result<Attested, Error> {
        let (parent, public) = self.scope.primary(templates::AK_PARENT)?;
        let certify =
            Certify { object_handle: parent, sign_handle: self.key, qualifying_data, in_scheme: Scheme::Null };
        let answer = if public == self.parent_public {
            self.scope.execute(&certify, &[Authorization::EMPTY; 2])
        } else {
            Err(Error::KeyLost(KeyLost::OtherParent))
        };
        self.scope.release(parent);
        attested(answer)
    }
}

impl<T: Transport> Scope<'_, T> {
    /// A session that satisfies the policy of an endorsement key: PolicyA is the authorisation of the endorsement
    /// hierarchy, PolicyB the alternative of it and a manufacturer's own way, which is not taken.
    fn endorsement_policy(&mut self, template: EkTemplate) -> Result<Handle, Error> {
        let policy_session = self.policy_session(template.area().name_alg())?;
        let policy = PolicySecret {
            auth_handle: Handle::ENDORSEMENT,
            policy_session,
            nonce_tpm: &[],
            cp_hash_a: &[],
            policy_ref: &[],
            expiration: 0,
        };
        self.execute(&policy, &EMPTY)?.read::<response::PolicySecret<'_>>()?;
        if let Some(branches) = template.policy_branches() {
            let either = PolicyOr { policy_session, branches: branches.to_vec() };
            self.execute(&either, &[])?.read::<response::Empty>()?;
        }
        Ok(policy_session)
    }

    /// Loads the key; the parent does not stay.
    pub(crate) fn attestation_key(&mut self, blob: &AkBlob) -> Result<Handle, Error> {
        let input = |what| move |source| Error::Input { what, source };
        let public = PublicArea::parse(&blob.public).map_err(input("the attestation key's public area"))?;
        let private = unsized_of(&blob.private).map_err(input("the attestation key's private part"))?;
        if !public.is_made_from(&templates::AK) {
            return Err(Error::OtherTemplate { what: "the attestation key" });
        }
        let (parent, parent_public) = self.primary(templates::AK_PARENT)?;
        if parent_public != blob.parent_public {
            return Err(Error::KeyLost(KeyLost::OtherParent));
        }
        let key = self.load(parent, private, public).map_err(|error| match error {
            Error::Refused { code, .. } if code.is_about_a_parameter() => {
                Error::KeyLost(KeyLost::DoesNotLoad { rc: code })
            }
            other => other,
        })?;
        self.release(parent);
        Ok(key)
    }
}

pub(crate) fn attested(answer: Result<Answer, Error>) -> Result<Attested, Error> {
    let answer = answer.map_err(|error| match error {
        Error::Refused { command, code } if code.names_a_lost_handle() => Error::SessionLost { command, code },
        other => other,
    })?;
    let attested: response::Attested<'_> = answer.read()?;
    let signature =
        attested.signature.encode().map_err(|source| Error::Input { what: "the TPM's signature", source })?;
    Ok(Attested { attest: attested.attest.to_vec(), signature })
}
