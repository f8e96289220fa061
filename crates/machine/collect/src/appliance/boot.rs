//! How the machine was booted: Secure Boot by the firmware's variable and by the boot log.

use avouch_bootlog::{BootLog, SecureBoot};
use avouch_crypto::Hash as Sha;
use avouch_pe::efivar;
use avouch_protocol::Hash;
use avouch_tpm_wire::HashAlg;
use minicbor::{Decode, Encode};

use super::{Appliance, Found};
use crate::CollectError;

/// The variable, with the vendor EFI_GLOBAL_VARIABLE (UEFI 2.10 section 3.3).
const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Where Linux shows that it was started by UEFI, whether or not the variables are mounted.
const UEFI: &str = "/sys/firmware/efi";
/// Attributes and value are five bytes.
const MAX_VARIABLE_BYTES: usize = 64;
/// Longest boot log: real ones have some ten to hundred kilobytes.
const MAX_LOG_BYTES: usize = 8 << 20;
/// The PCR that Secure Boot is measured into.
const PCR: u32 = 7;

/// What the boot log says of Secure Boot. It counts only where the TPM's PCR 7 has the value that the log replays to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BootLogSeen {
    /// What the variable said when it was measured; a firmware without it counts as off.
    #[n(0)]
    pub secure_boot: bool,
    /// PCR 7, bank sha256, as the log replays.
    #[n(1)]
    pub pcr7: Hash,
}

// === impl Appliance ===

impl Appliance {
    /// The variable SecureBoot. [`Found::Absent`] where UEFI did not start this machine, or has no such variable.
    pub fn secure_boot(&self) -> Found<bool> {
        let bytes = match self.kernels_bytes(VARIABLE, MAX_VARIABLE_BYTES) {
            Ok(bytes) => bytes,
            Err(Found::Absent) if self.has_uefi_without_variables() => {
                return Found::Failed(
                    "UEFI started this machine and its variables are not to be seen; mount efivarfs at \
                     /sys/firmware/efi/efivars"
                        .to_owned(),
                );
            }
            Err(found) => return found,
        };
        let switch = efivar::parse(&bytes).and_then(|variable| variable.switch());
        switch.map_or_else(|error| Found::Failed(format!("the UEFI variable SecureBoot: {error}")), Found::Value)
    }

    fn has_uefi_without_variables(&self) -> bool {
        let variables = self.of_kernel("/sys/firmware/efi/efivars").read_dir();
        self.of_kernel(UEFI).is_dir() && variables.is_ok_and(|mut names| names.next().is_none())
    }

    /// The boot log's word, and what it must be held against.
    pub fn boot_log(&self) -> Found<BootLogSeen> {
        match self.securityfs().boot_log(MAX_LOG_BYTES) {
            Ok(bytes) => read(&bytes).map_or_else(Found::Failed, Found::Value),
            Err(error) => error.into(),
        }
    }
}

fn read(bytes: &[u8]) -> Result<BootLogSeen, String> {
    let log = BootLog::parse(bytes).map_err(|error| format!("the boot log: {error}"))?;
    let bank = log.replay(HashAlg::Sha256, &Sha).map_err(|error| error.to_string())?;
    let pcr7 = bank.value(PCR).and_then(|value| value.as_bytes().try_into().ok()).map(Hash);
    let pcr7 = pcr7.ok_or("the boot log does not say what PCR 7 must be")?;
    let state = log.check(HashAlg::Sha256, &Sha).boot_state();
    // What the digest does not cover is not proven by PCR 7, whoever wrote it there.
    let fact = state.secure_boot.filter(|fact| fact.covered());
    let fact = fact.ok_or("the boot log does not say, or says twice, whether Secure Boot was on")?;
    Ok(BootLogSeen { secure_boot: fact.value == SecureBoot::On, pcr7 })
}

impl<T> From<CollectError> for Found<T> {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Absent { .. } => Self::Absent,
            CollectError::Forbidden { .. } => Self::Denied(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}
