//! A virtual machine's snapshot: an earlier state of its TPM that can be started again, beside the machine itself.

use anyhow::Result;
use avouch_tpm_wire::StartupType;
use tempfile::TempDir;

use crate::{Machine, Swtpm};

/// What a machine has stored at one instant. Everything that happened afterwards is unknown to a machine made of it,
/// the seeds and keys of the TPM are the same.
#[derive(Debug)]
pub struct Snapshot {
    tpm: TempDir,
    boot_log: Vec<u8>,
    startup: Vec<u8>,
    list: Vec<u8>,
}

impl Snapshot {
    /// Takes a snapshot of a running machine.
    ///
    /// # Errors
    /// When the TPM's state cannot be copied.
    pub fn of(machine: &mut Machine) -> Result<Self> {
        let tpm = tempfile::Builder::new().prefix("avouch-").tempdir()?;
        machine.swtpm().copy_stored(tpm.path())?;
        let (boot_log, startup) = (machine.boot_log.clone(), machine.startup.clone());
        Ok(Self { tpm, boot_log, startup, list: machine.list()? })
    }

    /// Boots it: TPM2_Startup(CLEAR), and the boot is measured again.
    ///
    /// # Errors
    /// When swtpm does not come up.
    pub fn boot(&self) -> Result<Machine> {
        self.boot_as(|_| ())
    }

    /// Boots something else with its TPM.
    ///
    /// # Errors
    /// As [`Snapshot::boot`].
    pub fn boot_as(&self, change: impl FnOnce(&mut Machine)) -> Result<Machine> {
        let mut machine = self.machine(StartupType::Clear)?;
        change(&mut machine);
        machine.measure_boot()?;
        Ok(machine)
    }

    /// Resumes it: TPM2_Startup(STATE), PCRs and list as they were. It must have been taken after
    /// TPM2_Shutdown(STATE).
    ///
    /// # Errors
    /// As [`Snapshot::boot`].
    pub fn resume(&self) -> Result<Machine> {
        let machine = self.machine(StartupType::State)?;
        machine.show_boot(&self.list)?;
        Ok(machine)
    }

    fn machine(&self, startup: StartupType) -> Result<Machine> {
        Machine::of(Swtpm::on_copy_of(self.tpm.path(), startup)?, &self.boot_log, &self.startup)
    }
}
