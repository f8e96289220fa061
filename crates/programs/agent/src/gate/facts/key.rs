//! The gate's own attestation key.
//!
//! Made once and kept, wrapped by the TPM, so that who verifies bundles knows it again. It is another one than the key
//! of an enrolment: a machine gates its services with or without a server.

use std::path::Path;
use std::time::Duration;

use avouch_protocol::{Message, VERSION};
use avouch_tpm::AkBlob;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::durable;
use crate::error::AgentError;
use crate::state::{StateError, StateLock};
use crate::tpm::AnyTpm;

/// The file, below the gate's state directory.
pub(super) const NAME: &str = "gate-key";
/// Two public areas, a private part and their lengths.
const MAX_BYTES: usize = 8 * 1024;
/// How long the gate waits for another of its processes that works with the key.
const PATIENCE: Duration = Duration::from_secs(10);

/// The key as it is kept. Nothing in it is secret to anybody but this TPM.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct KeptKey {
    /// Version of this file, [`VERSION`].
    #[n(0)]
    v: u64,
    /// TPMT_PUBLIC.
    #[n(1)]
    public: ByteVec,
    /// TPM2B_PRIVATE, wrapped by the parent.
    #[n(2)]
    private: ByteVec,
    /// TPMT_PUBLIC of the parent.
    #[n(3)]
    parent_public: ByteVec,
}

/// Held while the key is made or used.
pub(super) fn lock(state_dir: &Path) -> Result<StateLock, AgentError> {
    let unusable = |error| StateError::Directory { path: state_dir.into(), error };
    // Others may be allowed in, to read the audit log; the key's own file is for nobody else.
    durable::private_dir(state_dir).map_err(unusable)?;
    Ok(StateLock::take(state_dir.join("gate-key.lock"), PATIENCE)?)
}

/// The key that is kept; at the first call it is made, and kept before it is used.
///
/// A key that is there is never replaced: that would hide from whoever pinned it that the TPM was cleared or exchanged.
pub(super) fn kept(state_dir: &Path, tpm: &mut AnyTpm, _lock: &StateLock) -> Result<AkBlob, AgentError> {
    let path = || state_dir.join(NAME);
    if let Some(blob) = found(state_dir)? {
        return Ok(blob);
    }
    let blob = tpm.create_attestation_key()?;
    durable::replace(state_dir, NAME, &KeptKey::of(&blob).to_cbor())
        .map_err(|error| StateError::Write { path: path(), error })?;
    tracing::info!("the gate's attestation key is made and kept in {}", path().display());
    Ok(blob)
}

/// The key that is kept, if there is one.
pub(super) fn found(state_dir: &Path) -> Result<Option<AkBlob>, AgentError> {
    let path = || state_dir.join(NAME);
    let kept = durable::read(state_dir, NAME, MAX_BYTES).map_err(|error| StateError::Read { path: path(), error })?;
    let damaged = |error: avouch_protocol::WireError| StateError::Damaged { path: path(), reason: error.to_string() };
    Ok(kept.map(|bytes| KeptKey::from_cbor(&bytes).map(KeptKey::blob).map_err(damaged)).transpose()?)
}

// === impl KeptKey ===

impl KeptKey {
    fn of(blob: &AkBlob) -> Self {
        Self {
            v: VERSION,
            public: blob.public.clone().into(),
            private: blob.private.clone().into(),
            parent_public: blob.parent_public.clone().into(),
        }
    }

    fn blob(self) -> AkBlob {
        AkBlob { public: self.public.into(), private: self.private.into(), parent_public: self.parent_public.into() }
    }
}

impl Message for KeptKey {
    const NAME: &'static str = "the gate's attestation key";
    const MAX_BYTES: usize = MAX_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}
