//! The guard over what an operation loads: when it goes, by whatever path, its objects and sessions are flushed.

use avouch_tpm_wire::command::{Command, CreatePrimary, FlushContext, Load, StartAuthSession};
use avouch_tpm_wire::response;
use avouch_tpm_wire::{
    Authorization, Handle, HashAlg, PublicArea, SelectionList, SensitiveCreate, SessionType, SizedPublic, Symmetric,
};

use crate::error::Error;
use crate::tpm::{Answer, Tpm};
use crate::transport::Transport;

/// The empty password, once.
pub(crate) const EMPTY: [Authorization<'static>; 1] = [Authorization::EMPTY];

/// Owns the transient objects and sessions of one operation.
#[derive(Debug)]
pub(crate) struct Scope<'t, T: Transport> {
    tpm: &'t mut Tpm<T>,
    handles: Vec<Handle>,
}

impl<'t, T: Transport> Scope<'t, T> {
    pub(crate) fn new(tpm: &'t mut Tpm<T>) -> Self {
        // What an earlier scope could not flush (a busy TPM, most likely) would take room from this one.
        for handle in std::mem::take(&mut tpm.unflushed) {
            flush(tpm, handle);
        }
        Self { tpm, handles: Vec::new() }
    }

    /// Sends a command that makes nothing that has to be flushed.
    pub(crate) fn execute<'c, C: Command<'c>>(
        &mut self,
        command: &C,
        auths: &[Authorization<'_>],
    ) -> Result<Answer, Error> {
        self.tpm.execute(command, auths)
    }

    /// The TPM, for commands that make nothing that has to be flushed.
    pub(crate) fn tpm(&mut self) -> &mut Tpm<T> {
        self.tpm
    }

    /// Handles in use, as [`Tpm::handles`].
    pub(crate) fn handles(&mut self, first: Handle) -> Result<Vec<Handle>, Error> {
        self.tpm.handles(first)
    }

    /// Sends a command that makes an object or a session, and owns it.
    fn make<'c, C: Command<'c>>(
        &mut self,
        command: &C,
        auths: &[Authorization<'_>],
    ) -> Result<(Handle, Answer), Error> {
        let answer = self.tpm.execute(command, auths)?;
        match answer.handle() {
            Some(handle) if handle.is_transient() || handle.is_session() => {
                self.handles.push(handle);
                Ok((handle, answer))
            }
            _ => Err(Error::Unexpected { command: C::NAME, what: "a handle that is no object and no session" }),
        }
    }

    /// A primary of the endorsement hierarchy; its TPMT_PUBLIC as the TPM made it.
    pub(crate) fn primary(&mut self, template: PublicArea<'_>) -> Result<(Handle, Vec<u8>), Error> {
        let create = CreatePrimary {
            primary_handle: Handle::ENDORSEMENT,
            in_sensitive: SensitiveCreate::default(),
            in_public: SizedPublic(template),
            outside_info: &[],
            creation_pcr: SelectionList::default(),
        };
        let (handle, answer) = self.make(&create, &EMPTY)?;
        let created: response::CreatePrimary<'_> = answer.read()?;
        if !created.out_public.0.is_made_from(&template) {
            let what = "a primary key that is not made from the template it was given";
            return Err(Error::Unexpected { command: CreatePrimary::NAME, what });
        }
        Ok((handle, created.out_public.0.encode()))
    }

    /// Loads an object below `parent`.
    pub(crate) fn load(&mut self, parent: Handle, private: &[u8], public: PublicArea<'_>) -> Result<Handle, Error> {
        let load = Load { parent_handle: parent, in_private: private, in_public: SizedPublic(public) };
        let (handle, answer) = self.make(&load, &EMPTY)?;
        answer.read::<response::Load<'_>>()?;
        Ok(handle)
    }

    /// A policy session of this hash, neither salted nor bound: it authorises, it does not encrypt.
    pub(crate) fn policy_session(&mut self, auth_hash: HashAlg) -> Result<Handle, Error> {
        let start = StartAuthSession {
            tpm_key: Handle::NULL,
            bind: Handle::NULL,
            nonce_caller: &avouch_crypto::random::<32>(),
            encrypted_salt: &[],
            session_type: SessionType::Policy,
            symmetric: Symmetric::Null,
            auth_hash,
        };
        let (handle, answer) = self.make(&start, &[])?;
        answer.read::<response::StartAuthSession<'_>>()?;
        Ok(handle)
    }

    /// Flushes one handle early, to make room.
    pub(crate) fn release(&mut self, handle: Handle) {
        self.handles.retain(|owned| *owned != handle);
        flush(self.tpm, handle);
    }
}

impl<T: Transport> Drop for Scope<'_, T> {
    fn drop(&mut self) {
        while let Some(handle) = self.handles.pop() {
            flush(self.tpm, handle);
        }
    }
}

fn flush<T: Transport>(tpm: &mut Tpm<T>, handle: Handle) {
    match tpm.execute(&FlushContext { flush_handle: handle }, &[]) {
        // A refusal means that there is nothing left to flush: the TPM was reset, or somebody else flushed it.
        Ok(_) | Err(Error::Refused { .. }) => {}
        Err(_) => tpm.unflushed.push(handle),
    }
}
