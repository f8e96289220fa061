//! Opens the TPM that the configuration names.

use avouch_tpm::{Tpm, Transport, TransportError};

use crate::config::TpmAddress;

/// A TPM behind either transport.
pub type AnyTpm = Tpm<Box<dyn Transport + Send>>;

/// Opens it. The state lock is held by then: a software TPM serves one connection at a time.
///
/// # Errors
/// [`TransportError`].
pub fn open(address: &TpmAddress) -> Result<AnyTpm, TransportError> {
    if let TpmAddress::Software(socket) = address {
        tracing::warn!("software TPM at {socket}: its keys are files, good for evaluation only");
    }
    avouch_tpm::open(&address.to_string()).map(Tpm::new)
}
