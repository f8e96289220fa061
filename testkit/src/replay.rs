//! Putting recorded logs into a TPM as firmware and kernel did.

use anyhow::{Result, ensure};
use avouch_bootlog::BootLog;
use avouch_crypto::Hash as Sha;
use avouch_ima::{IMA_PCR, parse_binary};
use avouch_tpm::{Tpm, Transport};
use avouch_tpm_wire::{Digest, HashAlg, PcrSelection};

/// Extends a freshly started TPM with a whole boot log and a whole binary IMA list.
///
/// # Errors
/// As [`replay_boot_log`] and [`replay_ima_list`].
pub fn replay<T: Transport>(tpm: &mut Tpm<T>, boot_log: &[u8], ima_list: &[u8]) -> Result<()> {
    replay_boot_log(tpm, boot_log)?;
    replay_ima_list(tpm, ima_list)
}

/// TPM2_PCR_Extend for each event that extends, in every bank that log and TPM share.
///
/// # Errors
/// When the log does not parse, starts from another locality than 0 (a socket cannot do that), or the TPM refuses.
pub fn replay_boot_log<T: Transport>(tpm: &mut Tpm<T>, boot_log: &[u8]) -> Result<()> {
    let log = BootLog::parse(boot_log)?;
    let banks = active_banks(tpm)?;
    for event in log.events() {
        if event.extends() {
            let digests: Vec<Digest> = banks.iter().filter_map(|bank| event.digest(*bank)).collect();
            tpm.pcr_extend(u8::try_from(event.pcr)?, &digests)?;
        }
    }
    for bank in banks.into_iter().filter(|bank| log.banks().contains(bank)) {
        let told = log.replay(bank, &Sha)?.value(0);
        let held = tpm.pcr_read(PcrSelection::of(bank, &[0]))?;
        ensure!(held.first().map(|(_, value)| *value) == told, "the {bank} log starts PCR 0 from another locality");
    }
    Ok(())
}

/// TPM2_PCR_Extend of PCR 10 for each entry: the template hash in each bank's own algorithm, ones for a violation.
///
/// # Errors
/// When the list does not parse to its end, or the TPM refuses.
pub fn replay_ima_list<T: Transport>(tpm: &mut Tpm<T>, ima_list: &[u8]) -> Result<()> {
    let banks = active_banks(tpm)?;
    for entry in parse_binary(ima_list, 0) {
        let entry = entry?;
        let digests: Vec<Digest> = banks.iter().map(|bank| entry.event_digest(*bank, &Sha)).collect();
        tpm.pcr_extend(u8::try_from(IMA_PCR)?, &digests)?;
    }
    Ok(())
}

fn active_banks<T: Transport>(tpm: &mut Tpm<T>) -> Result<Vec<HashAlg>> {
    Ok(tpm.pcr_banks()?.iter().filter_map(|bank| HashAlg::from_id(bank.alg)).collect())
}
