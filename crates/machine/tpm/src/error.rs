//! Why the TPM did not do what was asked, and what a person can do about it.

use std::time::Duration;

use avouch_tpm_wire::rc::{Class, ResponseCode};
use avouch_tpm_wire::{EkTemplate, WireError};

use crate::transport::TransportError;

/// An operation that did not succeed. Nothing of it stays loaded in the TPM.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The TPM could not be spoken to.
    #[error("{command}: {source}")]
    Transport {
        /// Name of the command.
        command: &'static str,
        /// What failed.
        source: TransportError,
    },
    /// The TPM stayed busy for longer than [`crate::Patience`] allows.
    #[error(
        "{command}: the TPM is busy: it answered {code} {attempts} times within {waited:?}; try again, and look for \
         another user of the TPM if this stays"
    )]
    Busy {
        /// Name of the command.
        command: &'static str,
        /// Its last answer.
        code: ResponseCode,
        /// How often the command was sent.
        attempts: u32,
        /// Time spent between the attempts.
        waited: Duration,
    },
    /// The TPM refused the command.
    #[error("{command}: the TPM refused with {code}{}", remedy(*code))]
    Refused {
        /// Name of the command.
        command: &'static str,
        /// Its answer.
        code: ResponseCode,
    },
    /// The TPM's answer is not one to this command.
    #[error("{command}: the TPM's answer is malformed {source}")]
    Malformed {
        /// Name of the command.
        command: &'static str,
        /// Where.
        source: WireError,
    },
    /// What the caller gave does not fit the command.
    #[error("{what} is not usable: {source}")]
    Input {
        /// What was given.
        what: &'static str,
        /// Where.
        source: WireError,
    },
    /// What the caller gave is not made from Avouch's template.
    #[error("{what} is not made from the template of this release; enrol again to make a new key")]
    OtherTemplate {
        /// What was given.
        what: &'static str,
    },
    /// The TPM answered well-formed, but not what the command asks for.
    #[error("{command}: the TPM answered with {what}; its firmware does not follow the specification")]
    Unexpected {
        /// Name of the command.
        command: &'static str,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// The attestation key can never be used again.
    #[error("the attestation key is lost: {0}; enrol again to make a new one")]
    KeyLost(KeyLost),
    /// The attestation key is no longer loaded (the machine resumed, or another program removed it); load it again.
    #[error("{command}: the attestation key is no longer loaded ({code}); load it again")]
    SessionLost {
        /// Name of the command.
        command: &'static str,
        /// Its answer.
        code: ResponseCode,
    },
    /// The PCRs are not those that the report key is bound to: another boot state, or PCR 12 was extended since.
    #[error(
        "the report key does not sign in this boot state ({code}): firmware, kernel or command line are not those that \
         it was made for, and a new key signs once they are approved"
    )]
    OtherBootState {
        /// Answer of TPM2_Sign.
        code: ResponseCode,
    },
    /// The report key can never be used again; a new one takes its place.
    #[error("the report key does not load below its parent ({code}); make a new one")]
    ReportKeyLost {
        /// Answer of TPM2_Load.
        code: ResponseCode,
    },
    /// The endorsement key that was asked for is not there: another TPM, or one that lost its provisioning.
    #[error(
        "this TPM has no endorsement key{}; a node keeps the one that it enrolled with, so look whether the TPM was \
         replaced", template.map_or(String::new(), |template| format!(" of template {template} ({})", template.kind()))
    )]
    NoEndorsementKey {
        /// The template; `None` when the TPM makes none at all.
        template: Option<EkTemplate>,
    },
    /// This TPM holds no attestation key and certificate of the cloud; most likely it is no machine of that cloud.
    #[error("this TPM holds no attestation key and certificate of that cloud; enrol by another profile")]
    NoCloudKey,
    /// The credential was made for another TPM or another attestation key, or was damaged on the way.
    #[error("the credential was not made for this TPM and this attestation key: {code}")]
    ForeignCredential {
        /// Answer of TPM2_ActivateCredential.
        code: ResponseCode,
    },
}

/// How it shows that an attestation key is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyLost {
    /// The parent is there, but the key does not load below it: the TPM was cleared since the key was made.
    #[error("it does not load below its parent ({rc}), so the TPM was cleared since it was made")]
    DoesNotLoad {
        /// Answer of TPM2_Load.
        rc: ResponseCode,
    },
    /// The template gives another parent: another TPM, or one whose endorsement seed was changed.
    #[error("its parent is another key now, so this is another TPM or its endorsement seed was changed")]
    OtherParent,
}

impl Error {
    /// True when the same call may succeed a little later without anybody doing anything.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// The TPM's own response code, where it gave one.
    pub fn code(&self) -> Option<ResponseCode> {
        match self {
            Self::Busy { code, .. }
            | Self::Refused { code, .. }
            | Self::SessionLost { code, .. }
            | Self::ForeignCredential { code }
            | Self::OtherBootState { code }
            | Self::ReportKeyLost { code }
            | Self::KeyLost(KeyLost::DoesNotLoad { rc: code }) => Some(*code),
            _ => None,
        }
    }
}

fn remedy(code: ResponseCode) -> &'static str {
    match (code.class(), code.base()) {
        (Class::Lockout, _) => {
            ": too many failed authorisations locked it; wait for its recovery time or reset it (tpm2_dictionarylockout)"
        }
        (Class::NoRoom, _) => {
            ": another program keeps too many objects or sessions loaded; use /dev/tpmrm0, or flush them"
        }
        (_, ResponseCode::INITIALIZE) => ": it was not started; the firmware sends TPM2_Startup",
        (_, ResponseCode::BAD_AUTH) => ": an authorisation value is set where Avouch needs an empty one",
        _ => "",
    }
}
