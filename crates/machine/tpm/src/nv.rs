//! What manufacturers and clouds left in NV.

use avouch_tpm_wire::command::{NvRead, NvReadPublic};
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::{Handle, response};

use crate::error::Error;
use crate::scope::{EMPTY, Scope};
use crate::transport::Transport;

/// TPMA_NV_OWNERREAD.
const OWNER_READ: u32 = 1 << 17;
/// TPMA_NV_AUTHREAD.
const AUTH_READ: u32 = 1 << 18;
/// TPMA_NV_WRITTEN.
const WRITTEN: u32 = 1 << 29;
/// Every TPM reads this much at once (MAX_NV_BUFFER_SIZE is 512 at least in the PC Client profile).
const CHUNK: u16 = 512;

impl<T: Transport> Scope<'_, T> {
    /// All bytes of an index; `None` when there is no such index, nothing was written to it, or neither its own empty
    /// authorisation nor the owner's may read it.
    pub(crate) fn nv_contents(&mut self, nv_index: Handle) -> Result<Option<Vec<u8>>, Error> {
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
        let mut contents = Vec::new();
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
            contents.extend_from_slice(data);
            offset += size;
        }
        Ok(Some(contents))
    }
}

/// `None` when the TPM says that there is nothing at the handle.
pub(crate) fn absent<V>(answer: Result<V, Error>) -> Result<Option<V>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Refused { code, .. }) if code.base() == ResponseCode::HANDLE => Ok(None),
        Err(error) => Err(error),
    }
}
