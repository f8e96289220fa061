//! The TPM's signature over a report that a person asked for.
//!
//! An enrolled node signs with the report key that its server knows. A machine that is in no cluster makes keys of its
//! own, below the same parent: whoever keeps the public half can tell that a later report is of the same TPM and of
//! the same boot state.

use std::time::Duration;

use avouch_tpm::{AttestationSession, Error as TpmError, ReportKeyBlob, Transport};
use avouch_tpm_wire::PublicArea;
use data_encoding::{BASE64, HEXLOWER};

use super::Signature;
use crate::config::Config;
use crate::error::AgentError;
use crate::report_key::{KeptReportKey, OwnKeys};
use crate::state::{Enrolment, StateDir, StateLock};
use crate::tpm;

/// How long the service may keep the TPM to itself before a person's report goes unsigned.
const PATIENCE: Duration = Duration::from_secs(5);

/// The signature over the digest of `report`, or why there is none, in words.
pub(super) fn signature(config: &Config, report: &[u8]) -> Result<Signature, String> {
    let digest = avouch_crypto::sha256(&[report]);
    signed(config, &digest).map_err(|error| format!("{error}; {}", error.remedy()))
}

fn signed(config: &Config, digest: &[u8; 32]) -> Result<Signature, AgentError> {
    // Without a TPM nothing is made, also no directory.
    if !config.state_dir.exists() {
        drop(tpm::open(&config.tpm)?);
    }
    let state = StateDir::open(&config.state_dir)?;
    let lock = state.lock(PATIENCE)?;
    let mut tpm = tpm::open(&config.tpm)?;
    match state.enrolment()? {
        Some(enrolment) => {
            let mut session = tpm.load_attestation_key(&enrolment.ak_blob())?;
            by_enrolment(&state, &lock, &enrolment, &mut session, digest)
        }
        None => {
            let own = match state.own_keys()? {
                Some(own) => own,
                None => OwnKeys::of(&tpm.create_attestation_key()?),
            };
            let mut session = tpm.load_attestation_key(&own.attestation_key())?;
            by_own_keys(&state, &lock, own, &mut session, digest)
        }
    }
}

fn by_enrolment<T: Transport>(
    state: &StateDir,
    lock: &StateLock,
    enrolment: &Enrolment,
    session: &mut AttestationSession<'_, T>,
    digest: &[u8; 32],
) -> Result<Signature, AgentError> {
    let kept = match state.report_key(enrolment)?.filter(|kept| !kept.refused) {
        Some(kept) => kept,
        None => {
            let kept = KeptReportKey::new(session.create_report_key()?);
            state.keep_report_key(lock, enrolment, &kept)?;
            kept
        }
    };
    Ok(by(session, &kept.blob(), digest)?)
}

fn by_own_keys<T: Transport>(
    state: &StateDir,
    lock: &StateLock,
    mut own: OwnKeys,
    session: &mut AttestationSession<'_, T>,
    digest: &[u8; 32],
) -> Result<Signature, AgentError> {
    if let Some(key) = own.report_key() {
        match by(session, &key, digest) {
            // Nobody here could approve a boot state: the key of this one takes the place of the other's, and shows it.
            Err(TpmError::OtherBootState { .. } | TpmError::ReportKeyLost { .. }) => {}
            signed => return Ok(signed?),
        }
    }
    let key = session.create_report_key()?;
    own.keep(&key);
    state.keep_own_keys(lock, &own)?;
    Ok(by(session, &key, digest)?)
}

fn by<T: Transport>(
    session: &mut AttestationSession<'_, T>,
    blob: &ReportKeyBlob,
    digest: &[u8; 32],
) -> Result<Signature, TpmError> {
    let input = |source| TpmError::Input { what: "the report key's public area", source };
    let public = PublicArea::parse(&blob.public).map_err(input)?;
    let key = session.load_report_key(blob)?;
    let value = session.sign_report(&key, digest);
    session.release_report_key(key);
    Ok(Signature {
        alg: "ES256",
        key_name: HEXLOWER.encode(&public.name(&avouch_crypto::Hash)),
        key_public: BASE64.encode(&blob.public),
        auth_policy_sha256: HEXLOWER.encode(public.auth_policy()),
        value: BASE64.encode(&value?),
    })
}
