//! Opens the TPM that the configuration names.

use avouch_tpm::{Patience, Tpm, Transport};
use avouch_tpm_wire::Handle;
use avouch_tpm_wire::command::FlushContext;

use crate::config::TpmAddress;
use crate::error::AgentError;

/// A TPM behind either transport.
pub type AnyTpm = Tpm<Box<dyn Transport + Send>>;

/// Opens it. The state lock is held by then: a software TPM serves one connection at a time.
///
/// # Errors
/// [`AgentError::TpmOpen`], [`AgentError::Tpm`].
pub fn open(address: &TpmAddress) -> Result<AnyTpm, AgentError> {
    open_within(address, Patience::default())
}

/// As [`open`], and waits for a busy TPM within other bounds.
///
/// # Errors
/// [`AgentError::TpmOpen`], [`AgentError::Tpm`].
pub fn open_within(address: &TpmAddress, patience: Patience) -> Result<AnyTpm, AgentError> {
    let mut tpm = avouch_tpm::open(&address.to_string()).map(|transport| Tpm::with_patience(transport, patience))?;
    if let TpmAddress::Software(_) = address {
        flush_leftovers(&mut tpm)?;
    }
    Ok(tpm)
}

/// Flushes objects and sessions that a killed process left in a TPM without a resource manager; three of them fill it.
///
/// Only for a connection that is the TPM's only one. The kernel's resource manager does this itself, at close.
///
/// # Errors
/// [`AgentError::Tpm`].
pub fn flush_leftovers<T: Transport>(tpm: &mut Tpm<T>) -> Result<(), AgentError> {
    for first in [Handle::FIRST_TRANSIENT, Handle::FIRST_LOADED_SESSION] {
        for flush_handle in tpm.handles(first)? {
            tracing::debug!(%flush_handle, "flushing what an earlier process left in the TPM");
            tpm.execute(&FlushContext { flush_handle }, &[])?;
        }
    }
    Ok(())
}
