//! What a booted machine shows of itself, read without the agent.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use avouch_bootlog::BootLog;
use avouch_crypto::Hash;
use avouch_ima::{Replay, parse_binary};
use avouch_lab::{Job, Machine};
use avouch_tpm_wire::{Digest, HashAlg};

/// Longest time for reading one thing.
const READ: Duration = Duration::from_secs(60);

/// The PCRs that the firmware, the stub and the kernel extend before user space runs, as far as they are quoted.
pub(crate) const BOOT_PCRS: [u32; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14];

const PCRS_SCRIPT: &str = "for pcr in {0..23}; do cat /sys/class/tpm/tpm0/pcr-sha256/$pcr; done";

/// TPM2_ReadClock in one write, because the kernel takes every write for a whole command.
const CLOCK_SCRIPT: &str = r"printf '\x80\x01\x00\x00\x00\x0a\x00\x00\x01\x81' >/run/lab/read-clock
exec 4<>/dev/tpmrm0
cat /run/lab/read-clock >&4
head -c 35 <&4";

/// Measurement logs, PCR values and counters of one boot.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    /// The firmware's log.
    pub boot_log: Vec<u8>,
    /// The binary IMA list; it may be longer than what `pcrs` holds.
    pub ima_list: Vec<u8>,
    /// The SHA-256 bank.
    pub pcrs: Vec<Digest>,
    /// How often the TPM was reset since it was last cleared.
    pub reset_count: u32,
}

impl Observation {
    /// Adds the scripts that [`Observation::of`] needs to a job.
    #[must_use]
    pub(crate) fn scripts(job: Job) -> Job {
        job.file("observe-pcrs", PCRS_SCRIPT).file("observe-clock", CLOCK_SCRIPT)
    }

    /// Reads everything: PCRs before the lists that explain them.
    pub(crate) fn of(machine: &mut Machine<'_>) -> Result<Self> {
        let clock = machine.run("observe-clock", READ)?.output;
        let count = clock.get(26..30).and_then(|bytes| bytes.try_into().ok()).context("TPM2_ReadClock's response")?;
        let pcrs = machine.run("observe-pcrs", READ)?.text();
        let pcrs = pcrs.lines().map(digest).collect::<Result<Vec<_>>>()?;
        if pcrs.len() != 24 {
            bail!("the kernel shows {} PCRs, not 24", pcrs.len());
        }
        Ok(Self {
            boot_log: machine.get("/sys/kernel/security/tpm0/binary_bios_measurements", READ)?,
            ima_list: machine.get("/sys/kernel/security/ima/binary_runtime_measurements", READ)?,
            pcrs,
            reset_count: u32::from_be_bytes(count),
        })
    }

    /// Every event of the boot log that extends a PCR of [`BOOT_PCRS`]: PCR and SHA-256 digest, in the log's order.
    pub(crate) fn boot_events(&self) -> Result<Vec<(u32, Digest)>> {
        let log = BootLog::parse(&self.boot_log)?;
        let events = log.events().iter().filter(|event| event.extends() && BOOT_PCRS.contains(&event.pcr));
        events
            .map(|event| Ok((event.pcr, event.digest(HashAlg::Sha256).context("an event without a SHA-256 digest")?)))
            .collect()
    }

    /// Checks that the boot log explains every PCR of [`BOOT_PCRS`].
    pub(crate) fn check_boot_log(&self) -> Result<()> {
        let bank = BootLog::parse(&self.boot_log)?.replay(HashAlg::Sha256, &Hash)?;
        for pcr in BOOT_PCRS {
            let replayed = bank.value(pcr).with_context(|| format!("PCR {pcr} cannot be replayed"))?;
            if replayed != self.pcrs[pcr as usize] {
                bail!("the boot log does not explain PCR {pcr}");
            }
        }
        Ok(())
    }

    /// Checks that a prefix of the IMA list explains PCR 10, and returns its length in entries.
    pub(crate) fn check_ima_list(&self) -> Result<u64> {
        let mut replay = Replay::new(HashAlg::Sha256);
        for entry in parse_binary(&self.ima_list, 0) {
            if replay.push(&entry?, &Hash) == self.pcrs[10] {
                return Ok(replay.count());
            }
        }
        bail!("no prefix of the IMA list explains PCR 10")
    }
}

fn digest(line: &str) -> Result<Digest> {
    let bytes = (0..line.len() / 2)
        .map(|at| u8::from_str_radix(line.get(2 * at..2 * at + 2).unwrap_or_default(), 16))
        .collect::<Result<Vec<_>, _>>();
    let bytes = bytes.with_context(|| format!("the PCR value '{line}'"))?;
    Digest::new(HashAlg::Sha256, &bytes).with_context(|| format!("the PCR value '{line}'"))
}
