//! The endorsement key and its certificate (TCG EK Credential Profile, RSA-2048, template L-1).

use avouch_tpm_wire::command::{NvRead, NvReadPublic, ReadPublic};
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::{Handle, response, templates};

use crate::error::Error;
use crate::scope::{EMPTY, Scope};
use crate::tpm::Tpm;
use crate::transport::Transport;

/// TPMA_NV_OWNERREAD.
const OWNER_READ: u32 = 1 << 17;
/// TPMA_NV_AUTHREAD.
const AUTH_READ: u32 = 1 << 18;
/// TPMA_NV_WRITTEN.
const WRITTEN: u32 = 1 << 29;
/// Every TPM reads this much at once (MAX_NV_BUFFER_SIZE is 512 at least in the PC Client profile).
const CHUNK: u16 = 512;

/// What a node shows of its endorsement key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorsementKey {
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// The certificate as it stands in NV, padding included; `None` when the manufacturer left none.
    pub certificate: Option<Vec<u8>>,
}

impl<T: Transport> Tpm<T> {
    /// The endorsement key: the persistent one where it has the template's form, else made anew from the template,
    /// with its certificate from NV.
    ///
    /// # Errors
    /// [`Error`] as of each command; a missing certificate is not an error.
    pub fn endorsement_key(&mut self) -> Result<EndorsementKey, Error> {
        let mut scope = Scope::new(self);
        let (_, public) = scope.endorsement_key()?;
        let certificate = scope.endorsement_certificate()?;
        Ok(EndorsementKey { public, certificate })
    }
}

impl<T: Transport> Scope<'_, T> {
    /// A handle of the endorsement key and its TPMT_PUBLIC.
    pub(crate) fn endorsement_key(&mut self) -> Result<(Handle, Vec<u8>), Error> {
        match self.persistent_endorsement_key()? {
            Some(public) => Ok((Handle::EK_RSA2048, public)),
            None => self.primary(templates::EK_RSA2048_L1),
        }
    }

    fn persistent_endorsement_key(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(answer) = absent(self.execute(&ReadPublic { object_handle: Handle::EK_RSA2048 }, &[]))? else {
            return Ok(None);
        };
        // Another kind of key at this handle, even one that this release cannot read, is not our endorsement key.
        let Ok(read) = answer.read::<response::ReadPublic<'_>>() else { return Ok(None) };
        let public = read.out_public.0;
        Ok(public.is_made_from(&templates::EK_RSA2048_L1).then(|| public.encode()))
    }

    fn endorsement_certificate(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let nv_index = Handle::EK_CERTIFICATE_RSA2048;
        let Some(answer) = absent(self.execute(&NvReadPublic { nv_index }, &[]))? else { return Ok(None) };
        let public = answer.read::<response::NvReadPublic<'_>>()?.nv_public;
        if public.attributes & WRITTEN == 0 {
            return Ok(None);
        }
        let auth_handle = match public.attributes {
            attributes if attributes & AUTH_READ != 0 => nv_index,
            attributes if attributes & OWNER_READ != 0 => Handle::OWNER,
            _ => return Ok(None),
        };
        let mut certificate = Vec::new();
        let mut offset = 0;
        while offset < public.data_size {
            let size = CHUNK.min(public.data_size - offset);
            let answer = self.execute(&NvRead { auth_handle, nv_index, size, offset }, &EMPTY)?;
            let data = answer.read::<response::NvRead<'_>>()?.data;
            if data.len() != usize::from(size) {
                return Err(Error::Unexpected {
                    command: "TPM2_NV_Read",
                    what: "another number of bytes than asked for",
                });
            }
            certificate.extend_from_slice(data);
            offset += size;
        }
        Ok(Some(certificate))
    }
}

/// `None` when the TPM says that there is nothing at the handle.
fn absent<V>(answer: Result<V, Error>) -> Result<Option<V>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Refused { code, .. }) if code.base() == ResponseCode::HANDLE => Ok(None),
        Err(error) => Err(error),
    }
}
