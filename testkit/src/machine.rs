//! A machine without a kernel: a software TPM, and the files that a kernel would show.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use avouch_collect::Securityfs;
use avouch_tpm::{SwtpmTransport, Tpm};
use avouch_tpm_wire::command::Shutdown;
use avouch_tpm_wire::{StartupType, response};
use tempfile::TempDir;

use crate::ima::without_aggregate;
use crate::{Factory, Measurement, Swtpm, boot_aggregate, replay, replay_ima_list};

/// The boot log of the recorded machine: UEFI Secure Boot, Debian 12.
pub fn node_boot_log() -> &'static [u8] {
    include_bytes!("../fixtures/node/binary_bios_measurements")
}

/// Its binary IMA list, 367 entries.
pub fn node_ima_list() -> &'static [u8] {
    include_bytes!("../fixtures/node/binary_runtime_measurements")
}

/// The IMA policy that it loaded from `/etc/ima/ima-policy`.
pub fn node_ima_policy() -> &'static str {
    include_str!("../fixtures/node/ima-policy")
}

/// A machine that boots, measures and loses power. What it boots next is in [`Machine::boot_log`] and
/// [`Machine::startup`].
#[derive(Debug)]
pub struct Machine {
    /// Boot log of the next boot.
    pub boot_log: Vec<u8>,
    /// What the kernel measures of itself in the next boot: a binary IMA list without `boot_aggregate`.
    pub startup: Vec<u8>,
    swtpm: Swtpm,
    folder: TempDir,
}

impl Machine {
    /// The recorded machine with TPM number `which`, booted.
    ///
    /// # Errors
    /// When swtpm does not come up.
    pub fn new(factory: &Factory, which: usize) -> Result<Self> {
        Self::with(factory, which, node_boot_log(), node_ima_list())
    }

    /// A machine with these logs, booted. The first entry of `ima_list` is made anew from the boot log.
    ///
    /// # Errors
    /// When the logs do not parse or swtpm does not come up.
    pub fn with(factory: &Factory, which: usize, boot_log: &[u8], ima_list: &[u8]) -> Result<Self> {
        let machine = Self::of(factory.start(which)?, boot_log, without_aggregate(ima_list)?)?;
        machine.measure_boot()?;
        Ok(machine)
    }

    /// A machine that has not measured anything yet.
    pub(crate) fn of(swtpm: Swtpm, boot_log: &[u8], startup: &[u8]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("avouch-").tempdir()?;
        for part in ["security/tpm0", "security/ima"] {
            fs::create_dir_all(folder.path().join(part))?;
        }
        Ok(Self { boot_log: boot_log.to_vec(), startup: startup.to_vec(), swtpm, folder })
    }

    /// Orderly reboot: the TPM is told first.
    ///
    /// # Errors
    /// When swtpm does not come up.
    pub fn reboot(&mut self) -> Result<()> {
        self.shutdown(StartupType::Clear)?;
        self.power_cut()
    }

    /// The power goes and comes back.
    ///
    /// # Errors
    /// When swtpm does not come up.
    pub fn power_cut(&mut self) -> Result<()> {
        self.swtpm.power_cut()?;
        self.measure_boot()
    }

    /// Suspend to RAM and resume (TPM2_Shutdown and TPM2_Startup with STATE): PCRs and logs stay.
    ///
    /// # Errors
    /// When swtpm does not come up.
    pub fn suspend(&mut self) -> Result<()> {
        self.shutdown(StartupType::State)?;
        self.swtpm.resume()
    }

    /// The kernel measures: the entry is in the list and in PCR 10.
    ///
    /// # Errors
    /// When the TPM refuses.
    pub fn measure(&self, measurement: &Measurement) -> Result<()> {
        let entry = measurement.encode();
        self.append_unmeasured(&entry)?;
        replay_ima_list(&mut self.tpm()?, &entry)
    }

    /// A program or library that ran: `ima-sig` with the SHA-256 of its content.
    ///
    /// # Errors
    /// As [`Machine::measure`].
    pub fn run(&self, path: &str, sha256: &[u8; 32]) -> Result<()> {
        self.measure(&Measurement::file(path.as_bytes(), sha256))
    }

    /// Bytes at the end of the list that no PCR knows of.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append_unmeasured(&self, bytes: &[u8]) -> Result<()> {
        let mut list = fs::OpenOptions::new().append(true).open(self.list_path())?;
        Ok(list.write_all(bytes)?)
    }

    /// The list as the kernel shows it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.list_path())?)
    }

    /// Replaces the list that is shown; the TPM keeps what it knows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn show_list(&self, list: &[u8]) -> Result<()> {
        Ok(fs::write(self.list_path(), list)?)
    }

    /// A connection to the TPM. swtpm serves one at a time: drop it before the machine, or an agent, opens another.
    ///
    /// # Errors
    /// When swtpm is gone.
    pub fn tpm(&self) -> Result<Tpm<SwtpmTransport>> {
        Ok(Tpm::new(SwtpmTransport::connect(&self.swtpm.transport())?))
    }

    /// The TPM itself.
    pub fn swtpm(&mut self) -> &mut Swtpm {
        &mut self.swtpm
    }

    /// What `tpm` in an agent's configuration says: `unix:PATH`.
    pub fn tpm_address(&self) -> String {
        self.swtpm.transport()
    }

    /// The machine's securityfs.
    pub fn securityfs(&self) -> Securityfs {
        Securityfs::at(self.securityfs_path())
    }

    /// Where its securityfs is.
    pub fn securityfs_path(&self) -> PathBuf {
        self.folder.path().join("security")
    }

    /// Where an agent of this machine keeps its state; it need not exist.
    pub fn state_path(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Writes an `agent.toml` for this machine and says where it is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn agent_config(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("agent.toml");
        let (state, securityfs) = (self.state_path(), self.securityfs_path());
        let text = format!(
            "state_dir = '{}'\ntpm = '{}'\nsecurityfs = '{}'\n",
            state.display(),
            self.tpm_address(),
            securityfs.display()
        );
        fs::write(&path, text)?;
        Ok(path)
    }

    fn shutdown(&self, shutdown_type: StartupType) -> Result<()> {
        self.tpm()?.execute(&Shutdown { shutdown_type }, &[])?.read::<response::Empty>()?;
        Ok(())
    }

    /// What firmware and kernel do after the TPM's reset.
    pub(crate) fn measure_boot(&self) -> Result<()> {
        let list = [boot_aggregate(&self.boot_log)?.encode(), self.startup.clone()].concat();
        replay(&mut self.tpm()?, &self.boot_log, &list).context("cannot replay the logs into the TPM")?;
        self.show_boot(&list)
    }

    /// Shows the boot log and this list; the TPM keeps what it knows.
    pub(crate) fn show_boot(&self, list: &[u8]) -> Result<()> {
        fs::write(self.securityfs_path().join("tpm0/binary_bios_measurements"), &self.boot_log)?;
        self.show_list(list)
    }

    fn list_path(&self) -> PathBuf {
        self.securityfs_path().join("ima/binary_runtime_measurements")
    }
}
