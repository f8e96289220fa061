//! The key that signs reports: usable only in the boot state that it was made in.

use avouch_tpm_wire::command::{Certify, Command, Create, PolicyPcr, Sign};
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::templates::{AK_PARENT, REPORT_KEY_PCRS, report_key};
use avouch_tpm_wire::{
    Authorization, Digest, Handle, HashAlg, PublicArea, Scheme, SelectionList, SensitiveCreate, SizedPublic, Ticket,
    pcr_policy, response, sized, unsized_of,
};

use crate::attestation::{AttestationSession, Attested, attested};
use crate::error::{Error, KeyLost};
use crate::scope::EMPTY;
use crate::transport::Transport;

/// A report key as it is kept outside the TPM. Nothing in it is secret to anybody but this TPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportKeyBlob {
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// TPM2B_PRIVATE, its length included; wrapped by the attestation key's parent.
    pub private: Vec<u8>,
}

/// A loaded report key: only the session that loaded it takes it, and flushes it when it is dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct ReportKey(Handle);

impl<T: Transport> AttestationSession<'_, T> {
    /// Makes a report key that signs while PCRs 0, 2, 4, 7 and 12 are as they are now. It is not loaded. Four commands.
    ///
    /// # Errors
    /// [`Error::KeyLost`] when the template gives another parent now; else as of each command.
    pub fn create_report_key(&mut self) -> Result<ReportKeyBlob, Error> {
        let policy = self.report_key_policy()?;
        let template = report_key(&policy);
        let parent_handle = self.parent()?;
        let create = Create {
            parent_handle,
            in_sensitive: SensitiveCreate::default(),
            in_public: SizedPublic(template),
            outside_info: &[],
            creation_pcr: SelectionList::default(),
        };
        let answer = self.scope.execute(&create, &EMPTY);
        self.scope.release(parent_handle);
        let answer = answer?;
        let created: response::Create<'_> = answer.read()?;
        let public = created.out_public.0;
        if !public.is_made_from(&template) {
            return Err(unexpected("a key that is not made from the template it was given"));
        }
        let private = sized(created.out_private).map_err(|source| Error::Input { what: "the private part", source })?;
        Ok(ReportKeyBlob { public: public.encode(), private })
    }

    /// The policy of a report key that is made now: a key with another one will not sign in this boot state. One command.
    ///
    /// # Errors
    /// [`Error`] as of TPM2_PCR_Read.
    pub fn report_key_policy(&mut self) -> Result<[u8; 32], Error> {
        let values: Vec<Digest> = self.pcr_read(REPORT_KEY_PCRS)?.into_iter().map(|(_, value)| value).collect();
        let policy = pcr_policy(&avouch_crypto::Hash, HashAlg::Sha256, REPORT_KEY_PCRS, &values);
        policy.as_bytes().first_chunk().copied().ok_or(unexpected("a policy of another size"))
    }

    /// Loads a report key beside the attestation key. Three commands.
    ///
    /// # Errors
    /// [`Error::ReportKeyLost`] when the key does not load below the parent: make a new one; [`Error::KeyLost`] when the
    /// parent is another; [`Error::Input`] when the blob is damaged; else as of each command.
    pub fn load_report_key(&mut self, blob: &ReportKeyBlob) -> Result<ReportKey, Error> {
        let input = |what| move |source| Error::Input { what, source };
        let public = PublicArea::parse(&blob.public).map_err(input("the report key's public area"))?;
        let private = unsized_of(&blob.private).map_err(input("the report key's private part"))?;
        let parent = self.parent()?;
        let loaded = self.scope.load(parent, private, public);
        self.scope.release(parent);
        loaded.map(ReportKey).map_err(|error| match error {
            Error::Refused { code, .. } if code.is_about_a_parameter() => Error::ReportKeyLost { code },
            other => other,
        })
    }

    /// TPM2_Certify of the report key by the attestation key, which works in any boot state. One command.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when a key is no longer loaded; else as of the command.
    pub fn certify_report_key(&mut self, key: &ReportKey, qualifying_data: &[u8]) -> Result<Attested, Error> {
        let certify = Certify { object_handle: key.0, sign_handle: self.key, qualifying_data, in_scheme: Scheme::Null };
        attested(self.scope.execute(&certify, &[Authorization::EMPTY; 2]))
    }

    /// Signs the SHA-256 of a report; the answer is a TPMT_SIGNATURE. Four commands: StartAuthSession, PolicyPCR, Sign,
    /// FlushContext.
    ///
    /// # Errors
    /// [`Error::OtherBootState`] when the PCRs are not those that the key is bound to; [`Error::SessionLost`] when it
    /// is no longer loaded; else as of each command.
    pub fn sign_report(&mut self, key: &ReportKey, digest: &[u8; 32]) -> Result<Vec<u8>, Error> {
        let policy_session = self.scope.policy_session(HashAlg::Sha256)?;
        let signature = self.sign_under(key, digest, policy_session);
        self.scope.release(policy_session);
        signature
    }

    fn sign_under(&mut self, key: &ReportKey, digest: &[u8; 32], policy_session: Handle) -> Result<Vec<u8>, Error> {
        let policy = PolicyPcr { policy_session, pcr_digest: &[], pcrs: REPORT_KEY_PCRS.into() };
        self.scope.execute(&policy, &[])?.read::<response::Empty>()?;
        let sign = Sign { key_handle: key.0, digest, in_scheme: Scheme::Null, validation: Ticket::NO_HASHCHECK };
        let answer =
            self.scope.execute(&sign, &[Authorization::policy(policy_session)]).map_err(|error| match error {
                Error::Refused { code, .. } if code.base() == ResponseCode::POLICY_FAIL => {
                    Error::OtherBootState { code }
                }
                Error::Refused { command, code } if code.names_a_lost_handle() => Error::SessionLost { command, code },
                other => other,
            })?;
        let signature = answer.read::<response::Sign<'_>>()?.signature;
        signature.encode().map_err(|source| Error::Input { what: "the TPM's signature", source })
    }

    /// Flushes the report key, to make room or before another one is loaded.
    pub fn release_report_key(&mut self, key: ReportKey) {
        self.scope.release(key.0);
    }

    fn parent(&mut self) -> Result<Handle, Error> {
        let (parent, public) = self.scope.primary(AK_PARENT)?;
        if public != self.parent_public {
            self.scope.release(parent);
            return Err(Error::KeyLost(KeyLost::OtherParent));
        }
        Ok(parent)
    }
}

fn unexpected(what: &'static str) -> Error {
    Error::Unexpected { command: Create::NAME, what }
}
