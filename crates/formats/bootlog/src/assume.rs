//! What a log leaves open, and replays that fill the hole. Each says what it took as given; whether that is good
//! enough is policy.

use alloc::vec::Vec;

use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::replay::{PcrBank, replay_from};
use crate::{BootLog, Content, EventType, NoAction, ReplayError};

/// Something that a replay takes as given though the log does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Assumption {
    /// A hardware core root of trust measured before TPM2_Startup, so PCR 0 starts at 4 (TPM 2.0 Part 1, "H-CRTM
    /// before TPM2_Startup"), and no StartupLocality says so.
    HcrtmLocality4,
    /// The firmware extended PCR 5 when boot services ended, and did not log it.
    UnloggedExit {
        /// The first of the actions that the log lacks.
        missing: ExitActions,
    },
}

/// The actions at the end of boot services (PFP section 10.4.1, EV_EFI_ACTION in PCR 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitActions {
    /// Both "Exit Boot Services Invocation" and "Exit Boot Services Returned with Success".
    Both,
    /// The second alone: the log ends with the first.
    Success,
}

/// A replay that took something as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedReplay {
    /// What.
    pub assumption: Assumption,
    /// The PCRs if that is so.
    pub bank: PcrBank,
}

const INVOCATION: &[u8] = b"Exit Boot Services Invocation";
const SUCCESS: &[u8] = b"Exit Boot Services Returned with Success";

impl BootLog<'_> {
    /// What this log leaves open. Empty for a complete one.
    pub fn assumptions(&self) -> Vec<Assumption> {
        let hcrtm = self.events().iter().any(|event| match event.content() {
            Content::NoAction(NoAction::HcrtmComponent { .. }) => true,
            _ => event.event_type == EventType::EFI_HCRTM_EVENT && event.pcr == 0,
        });
        let hcrtm = (hcrtm && self.startup_locality().is_none()).then_some(Assumption::HcrtmLocality4);
        let mut actions =
            self.events().iter().filter(|event| event.pcr == 5 && event.event_type == EventType::EFI_ACTION);
        let last = actions.rfind(|event| event.data.starts_with(b"Exit Boot Services"));
        let missing = match last.map(|event| event.data) {
            None => Some(ExitActions::Both),
            Some(INVOCATION) => Some(ExitActions::Success),
            Some(_) => None,
        };
        let exit = missing.map(|missing| Assumption::UnloggedExit { missing });
        hcrtm.into_iter().chain(exit).collect()
    }

    /// [`BootLog::replay`] under one assumption.
    ///
    /// # Errors
    /// [`ReplayError::NoBank`] when the log has no digests for the bank.
    pub fn replay_assuming(
        &self,
        alg: HashAlg,
        hasher: &impl Hasher,
        assumption: Assumption,
    ) -> Result<AssumedReplay, ReplayError> {
        let bank = match assumption {
            Assumption::HcrtmLocality4 => replay_from(self, alg, hasher, Some(4))?,
            Assumption::UnloggedExit { missing } => {
                let mut bank = replay_from(self, alg, hasher, None)?;
                let actions = match missing {
                    ExitActions::Both => [INVOCATION, SUCCESS].as_slice(),
                    ExitActions::Success => &[SUCCESS],
                };
                for action in actions {
                    bank.extend(5, Some(hasher.hash(alg, &[action])), hasher);
                }
                bank
            }
        };
        Ok(AssumedReplay { assumption, bank })
    }

    /// Both values that PCR 0 may have, where a hardware core root of trust leaves it open: as the log says it, and
    /// as if PCR 0 had started at 4.
    ///
    /// # Errors
    /// [`ReplayError::NoBank`] when the log has no digests for the bank.
    pub fn pcr0_candidates(
        &self,
        alg: HashAlg,
        hasher: &impl Hasher,
    ) -> Result<(Option<Digest>, Option<Digest>), ReplayError> {
        let logged = self.replay(alg, hasher)?.value(0);
        let assumed = self.assumptions().contains(&Assumption::HcrtmLocality4);
        let assumed = assumed.then(|| replay_from(self, alg, hasher, Some(4))).transpose()?;
        Ok((logged, assumed.and_then(|bank| bank.value(0))))
    }
}
