//! Keys that no agent would make, in a real TPM: what attackers enrol or sign with.

use anyhow::Result;
use avouch_crypto::sha256;
use avouch_tpm::{AkBlob, Attested, Tpm, Transport};
use avouch_tpm_wire::command::{
    ActivateCredential, Certify, Create, CreatePrimary, FlushContext, GetTime, Load, PolicySecret, Quote,
    StartAuthSession,
};
use avouch_tpm_wire::{
    Authorization, Handle, HashAlg, PublicArea, Scheme, SelectionList, SensitiveCreate, SessionType, SizedPublic,
    Symmetric, response, sized, templates,
};

use crate::raw::{ClockSet, HashCommand, ST_HASHCHECK, SignCommand};

/// A loaded key; flushed by [`OddKeys::flush`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LooseKey {
    /// Where it is.
    pub handle: Handle,
    /// Its public area, its wrapped private part (empty for a primary), and its parent's public area.
    pub blob: AkBlob,
}

/// Operations over any [`Tpm`] that Avouch itself has no use for.
pub trait OddKeys {
    /// Makes and loads a key from any template below the fixed parent.
    ///
    /// # Errors
    /// When the TPM refuses, most often because it does not implement the algorithm.
    fn create_loose(&mut self, template: PublicArea<'_>) -> Result<LooseKey>;

    /// Makes a primary of the endorsement hierarchy from any template.
    ///
    /// # Errors
    /// As `create_loose`.
    fn create_loose_primary(&mut self, template: PublicArea<'_>) -> Result<LooseKey>;

    /// Loads a key below the fixed parent.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn load_loose(&mut self, blob: &AkBlob) -> Result<LooseKey>;

    /// TPM2_Quote with any selection, several banks included, and any scheme.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn quote_loose(&mut self, key: &LooseKey, of: SelectionList, scheme: Scheme, qualifying: &[u8])
    -> Result<Attested>;

    /// TPM2_GetTime.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn time_loose(&mut self, key: &LooseKey, qualifying: &[u8]) -> Result<Attested>;

    /// TPM2_Sign over any bytes with an unrestricted ECDSA SHA-256 key.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn sign_loose(&mut self, key: &LooseKey, bytes: &[u8]) -> Result<Attested>;

    /// TPM2_Hash and TPM2_Sign: what a *restricted* key signs of bytes from outside. The TPM gives no ticket, and
    /// refuses, for bytes that begin as its own attestations do.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn sign_restricted(&mut self, key: &LooseKey, bytes: &[u8]) -> Result<Attested>;

    /// TPM2_ActivateCredential for a key that is loaded already: TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET give the
    /// secret.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn activate_loose(&mut self, key: &LooseKey, id_object: &[u8], encrypted_secret: &[u8]) -> Result<Vec<u8>>;

    /// TPM2_Certify of another loaded key.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn certify_loose(&mut self, key: &LooseKey, of: Handle, qualifying: &[u8]) -> Result<Attested>;

    /// TPM2_ClockSet: the clock goes on from these milliseconds, which must lie ahead of it.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn set_clock(&mut self, clock: u64) -> Result<()>;

    /// Removes a loaded key.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn flush(&mut self, handle: Handle) -> Result<()>;
}

impl<T: Transport> OddKeys for Tpm<T> {
    fn create_loose(&mut self, template: PublicArea<'_>) -> Result<LooseKey> {
        let parent = self.create_loose_primary(templates::AK_PARENT)?;
        let create = Create {
            parent_handle: parent.handle,
            in_sensitive: SensitiveCreate::default(),
            in_public: SizedPublic(template),
            outside_info: &[],
            creation_pcr: SelectionList::default(),
        };
        let created = self.execute(&create, &[Authorization::EMPTY]);
        self.flush(parent.handle)?;
        let created = created?;
        let created: response::Create<'_> = created.read()?;
        let blob = AkBlob {
            public: created.out_public.0.encode(),
            private: sized(created.out_private)?,
            parent_public: parent.blob.public,
        };
        self.load_loose(&blob)
    }

    fn create_loose_primary(&mut self, template: PublicArea<'_>) -> Result<LooseKey> {
        let create = CreatePrimary {
            primary_handle: Handle::ENDORSEMENT,
            in_sensitive: SensitiveCreate::default(),
            in_public: SizedPublic(template),
            outside_info: &[],
            creation_pcr: SelectionList::default(),
        };
        let answer = self.execute(&create, &[Authorization::EMPTY])?;
        let created: response::CreatePrimary<'_> = answer.read()?;
        let blob = AkBlob { public: created.out_public.0.encode(), private: Vec::new(), parent_public: Vec::new() };
        Ok(LooseKey { handle: created.object_handle, blob })
    }

    fn load_loose(&mut self, blob: &AkBlob) -> Result<LooseKey> {
        let parent = self.create_loose_primary(templates::AK_PARENT)?;
        let load = Load {
            parent_handle: parent.handle,
            in_private: avouch_tpm_wire::unsized_of(&blob.private)?,
            in_public: SizedPublic(PublicArea::parse(&blob.public)?),
        };
        let loaded = self.execute(&load, &[Authorization::EMPTY]);
        self.flush(parent.handle)?;
        let handle = loaded?.read::<response::Load<'_>>()?.object_handle;
        Ok(LooseKey { handle, blob: blob.clone() })
    }

    fn quote_loose(
        &mut self,
        key: &LooseKey,
        of: SelectionList,
        scheme: Scheme,
        qualifying: &[u8],
    ) -> Result<Attested> {
        let quote = Quote { sign_handle: key.handle, qualifying_data: qualifying, in_scheme: scheme, pcr_select: of };
        attested(&self.execute(&quote, &[Authorization::EMPTY])?.read()?)
    }

    fn time_loose(&mut self, key: &LooseKey, qualifying: &[u8]) -> Result<Attested> {
        let time = GetTime {
            privacy_admin_handle: Handle::ENDORSEMENT,
            sign_handle: key.handle,
            qualifying_data: qualifying,
            in_scheme: Scheme::Null,
        };
        attested(&self.execute(&time, &[Authorization::EMPTY; 2])?.read()?)
    }

    fn sign_loose(&mut self, key: &LooseKey, bytes: &[u8]) -> Result<Attested> {
        // A null ticket: tag, hierarchy, empty digest.
        let ticket = [ST_HASHCHECK.to_be_bytes().as_slice(), &Handle::NULL.0.to_be_bytes(), &[0; 2]].concat();
        sign(self, key, bytes, &sha256(&[bytes]), &ticket)
    }

    fn sign_restricted(&mut self, key: &LooseKey, bytes: &[u8]) -> Result<Attested> {
        let hashed = self.execute(&HashCommand { data: bytes }, &[])?.read::<crate::raw::Hashed>()?;
        sign(self, key, bytes, &hashed.digest, &hashed.ticket)
    }

    fn activate_loose(&mut self, key: &LooseKey, id_object: &[u8], encrypted_secret: &[u8]) -> Result<Vec<u8>> {
        let ek = self.create_loose_primary(templates::EK_RSA2048_L1)?;
        let start = StartAuthSession {
            tpm_key: Handle::NULL,
            bind: Handle::NULL,
            nonce_caller: &avouch_crypto::random::<32>(),
            encrypted_salt: &[],
            session_type: SessionType::Policy,
            symmetric: Symmetric::Null,
            auth_hash: HashAlg::Sha256,
        };
        let session = self.execute(&start, &[])?.read::<response::StartAuthSession<'_>>()?.session_handle;
        let policy = PolicySecret {
            auth_handle: Handle::ENDORSEMENT,
            policy_session: session,
            nonce_tpm: &[],
            cp_hash_a: &[],
            policy_ref: &[],
            expiration: 0,
        };
        self.execute(&policy, &[Authorization::EMPTY])?;
        let activate = ActivateCredential {
            activate_handle: key.handle,
            key_handle: ek.handle,
            credential_blob: avouch_tpm_wire::unsized_of(id_object)?,
            secret: avouch_tpm_wire::unsized_of(encrypted_secret)?,
        };
        let answer = self.execute(&activate, &[Authorization::EMPTY, Authorization::policy(session)]);
        self.flush(ek.handle)?;
        // The session goes with its use.
        Ok(answer?.read::<response::ActivateCredential<'_>>()?.cert_info.to_vec())
    }

    fn certify_loose(&mut self, key: &LooseKey, of: Handle, qualifying: &[u8]) -> Result<Attested> {
        let certify = Certify {
            object_handle: of,
            sign_handle: key.handle,
            qualifying_data: qualifying,
            in_scheme: Scheme::Null,
        };
        attested(&self.execute(&certify, &[Authorization::EMPTY; 2])?.read()?)
    }

    fn set_clock(&mut self, clock: u64) -> Result<()> {
        self.execute(&ClockSet { clock }, &[Authorization::EMPTY])?.read::<response::Empty>()?;
        Ok(())
    }

    fn flush(&mut self, handle: Handle) -> Result<()> {
        self.execute(&FlushContext { flush_handle: handle }, &[])?;
        Ok(())
    }
}

fn sign<T: Transport>(
    tpm: &mut Tpm<T>,
    key: &LooseKey,
    bytes: &[u8],
    digest: &[u8],
    ticket: &[u8],
) -> Result<Attested> {
    let command = SignCommand { key: key.handle, digest, ticket };
    let signed = tpm.execute(&command, &[Authorization::EMPTY])?.read::<crate::raw::Signed>()?;
    Ok(Attested { attest: bytes.to_vec(), signature: signed.0 })
}

fn attested(answer: &response::Attested<'_>) -> Result<Attested> {
    Ok(Attested { attest: answer.attest.to_vec(), signature: answer.signature.encode()? })
}
