//! A node's hardware, which keeps its state, and the machine while it is powered on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::Job;
use crate::build::{Boot, copy_sparse};
use crate::channel::{Answer, Channel, Ready};
use crate::chip::Chip;
use crate::manufacture::copy_files;
use crate::tool::{self, Group, POLL};

/// Longest time that one power-on may last, whatever happens to this process.
const LIFE: Duration = Duration::from_secs(1_800);

/// Longest time for swtpm and QEMU to open their sockets.
const START: Duration = Duration::from_secs(20);

/// The processor that runs the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's software emulation: works everywhere, and the only one that the lab chooses by itself.
    #[default]
    Emulation,
    /// KVM, only when a person asked for it.
    Kvm,
}

/// How a node is powered on.
#[derive(Debug, Clone)]
pub struct PowerOn {
    /// The FAT image with the UKI.
    pub esp: PathBuf,
    /// Files for the guest's `/job`.
    pub job: Job,
    /// False: firmware without Secure Boot, with a variable store of its own.
    pub secure_boot: bool,
    /// What runs the guest.
    pub accelerator: Accelerator,
}

/// Firmware and logs that every node of a lab shares.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    pub(crate) boot: Boot,
    pub(crate) tpms: PathBuf,
    pub(crate) logs: PathBuf,
}

/// A node's hardware: TPM, flash and disk. All three keep what was written until it is dropped.
#[derive(Debug)]
pub struct Node {
    name: String,
    dir: TempDir,
    shelf: Shelf,
    boots: u32,
}

impl Node {
    /// Assembles a node from a manufactured TPM, fresh flash and a copy of `disk`.
    pub(crate) fn assemble(name: &str, chip: Chip, disk: &Path, shelf: Shelf) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp")?;
        copy_files(&shelf.tpms.join(chip.name()), &dir.path().join("tpm"))?;
        let node = Self { name: name.to_owned(), dir, shelf, boots: 0 };
        node.fresh_flash()?;
        node.replace_disk(disk)?;
        Ok(node)
    }

    /// The name that its logs carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory with the TPM's state; swtpm must not be running when it is used from outside.
    pub fn tpm_state(&self) -> PathBuf {
        self.file("tpm")
    }

    /// The firmware's variable store under Secure Boot.
    pub fn variables(&self) -> PathBuf {
        self.file("vars-secure.fd")
    }

    /// Replaces the disk by a copy of `image`.
    pub fn replace_disk(&self, image: &Path) -> Result<()> {
        copy_sparse(image, &self.file("root.img"))
    }

    fn fresh_flash(&self) -> Result<()> {
        fs::copy(self.shelf.boot.file("vars-secure.fd"), self.file("vars-secure.fd"))?;
        fs::copy(self.shelf.boot.file("vars.fd"), self.file("vars.fd"))?;
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Switches the node on. TPM, flash and disk are as they were left.
    ///
    /// The calling thread must live as long as the machine: the kernel kills QEMU and swtpm when that thread ends.
    pub fn power_on(&mut self, how: &PowerOn) -> Result<Machine<'_>> {
        let power = self.switch_on(how)?;
        Ok(Machine { power, how: how.clone(), boot_id: String::new(), node: self })
    }

    fn switch_on(&mut self, how: &PowerOn) -> Result<Power> {
        self.boots += 1;
        fs::create_dir_all(&self.shelf.logs)?;
        let log = |suffix: &str| self.shelf.logs.join(format!("{}-{}.{suffix}", self.name, self.boots));
        let (console, tpm_log, qemu_log) = (log("console"), log("swtpm"), log("qemu"));
        fs::write(&console, "")?;
        how.job.write_image(&self.file("job.img"))?;
        for socket in ["tpm.sock", "lab.sock"] {
            let _ = fs::remove_file(self.file(socket));
        }
        let mut swtpm = tool::command("swtpm");
        // The firmware sends TPM2_Startup, as on any board.
        swtpm.args(["socket", "--tpm2", "--terminate"]);
        swtpm.arg("--tpmstate").arg(format!("dir={}", self.file("tpm").display()));
        swtpm.arg("--ctrl").arg(format!("type=unixio,path={}", self.file("tpm.sock").display()));
        let mut tpm = Group::spawn_bound(&swtpm, LIFE, &tpm_log)?;
        wait_for_file(&self.file("tpm.sock"), &mut tpm, &tpm_log)?;
        let mut qemu = Group::spawn_bound(&self.qemu(how, &console), LIFE, &qemu_log)?;
        wait_for_file(&self.file("lab.sock"), &mut qemu, &qemu_log)?;
        let channel = Channel::connect(&self.file("lab.sock"), START)?;
        Ok(Power { qemu, tpm, channel, console, started: Instant::now() })
    }

    fn qemu(&self, how: &PowerOn, console: &Path) -> std::process::Command {
        let mut qemu = tool::command("qemu-system-x86_64");
        let mut option = |name: &str, value: &str| {
            qemu.arg(name).arg(value);
        };
        let drive =
            |id: &str, file: &Path, extra: &str| format!("file={},format=raw,if=none,id={id}{extra}", file.display());
        match how.accelerator {
            Accelerator::Emulation => {
                option("-accel", "tcg,thread=multi,tb-size=512");
                option("-cpu", "qemu64,+rdrand");
            }
            Accelerator::Kvm => {
                option("-accel", "kvm");
                option("-cpu", "host");
            }
        }
        let (code, variables) = if how.secure_boot {
            option("-machine", "q35,smm=on");
            option("-global", "driver=cfi.pflash01,property=secure,value=on");
            (self.shelf.boot.file("code-secure.fd"), self.file("vars-secure.fd"))
        } else {
            option("-machine", "q35");
            (self.shelf.boot.file("code.fd"), self.file("vars.fd"))
        };
        option("-global", "ICH9-LPC.disable_s3=1");
        option("-smp", "2");
        option("-m", "1024");
        option("-display", "none");
        option("-monitor", "none");
        option("-serial", &format!("file:{}", console.display()));
        option("-drive", &format!("if=pflash,format=raw,unit=0,readonly=on,file={}", code.display()));
        option("-drive", &format!("if=pflash,format=raw,unit=1,file={}", variables.display()));
        option("-chardev", &format!("socket,id=tpm,path={}", self.file("tpm.sock").display()));
        option("-tpmdev", "emulator,id=tpm0,chardev=tpm");
        option("-device", "tpm-crb,tpmdev=tpm0");
        option("-drive", &drive("esp", &how.esp, ",readonly=on"));
        option("-device", "virtio-blk-pci,drive=esp,serial=esp,bootindex=0");
        // The host's page cache survives a killed QEMU, as a disk survives a power cut; the guest's does not.
        option("-drive", &drive("root", &self.file("root.img"), ",cache=unsafe,aio=threads"));
        option("-device", "nvme,drive=root,serial=root");
        option("-drive", &drive("job", &self.file("job.img"), ",readonly=on"));
        option("-device", "virtio-blk-pci,drive=job,serial=job");
        option("-netdev", "user,id=net");
        option("-device", "virtio-net-pci,netdev=net,romfile=");
        option("-device", "virtio-serial-pci");
        option("-chardev", &format!("socket,id=lab,server=on,wait=off,path={}", self.file("lab.sock").display()));
        option("-device", "virtserialport,chardev=lab,name=lab");
        qemu.args(["-nodefaults", "-no-user-config", "-no-reboot"]);
        qemu
    }
}

fn wait_for_file(path: &Path, group: &mut Group, log: &Path) -> Result<()> {
    let end = Instant::now() + START;
    while !path.exists() {
        let output = || fs::read_to_string(log).unwrap_or_default();
        if let Some(status) = group.ended()? {
            bail!("ended at once ({status}) without making {}:\n{}", path.display(), output());
        }
        if Instant::now() >= end {
            bail!("made no {} within {} s:\n{}", path.display(), START.as_secs(), output());
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// The processes of one power-on.
#[derive(Debug)]
struct Power {
    qemu: Group,
    tpm: Group,
    channel: Channel,
    console: PathBuf,
    started: Instant,
}

/// A node that is powered on. Dropping it cuts the power.
#[derive(Debug)]
pub struct Machine<'a> {
    power: Power,
    how: PowerOn,
    boot_id: String,
    node: &'a mut Node,
}

impl Machine<'_> {
    /// The file with everything the guest wrote to its serial console; it is kept.
    pub fn console(&self) -> &Path {
        &self.power.console
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// Time since power-on.
    pub fn age(&self) -> Duration {
        self.power.started.elapsed()
    }

    /// Waits until the guest takes requests in a boot that was not announced before.
    pub fn wait_ready(&mut self, limit: Duration) -> Result<Ready> {
        let end = Instant::now() + limit;
        loop {
            let ready = self.power.channel.ready(end).with_context(|| self.evidence("the guest did not come up"))?;
            if ready.boot_id != self.boot_id {
                self.boot_id.clone_from(&ready.boot_id);
                return Ok(ready);
            }
        }
    }

    /// Waits until the console holds `text`.
    pub fn wait_console(&mut self, text: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let console = fs::read(&self.power.console)?;
            if String::from_utf8_lossy(&console).contains(text) {
                return Ok(());
            }
            if self.power.qemu.ended()?.is_some() {
                bail!(self.evidence(&format!("the machine went off before its console said '{text}'")));
            }
            if Instant::now() >= end {
                bail!(self.evidence(&format!("the console did not say '{text}' in {} s", limit.as_secs())));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Runs `/job/<command>` (a script's name and its words) in the guest and returns its exit status and output.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<Answer> {
        let end = Instant::now() + limit;
        self.power.channel.ask(&format!("run {command}"), end).with_context(|| self.evidence("a request failed"))
    }

    /// The bytes of a file in the guest.
    pub fn get(&mut self, path: &str, limit: Duration) -> Result<Vec<u8>> {
        let end = Instant::now() + limit;
        let request = format!("get {path}");
        let answer = self.power.channel.ask(&request, end).with_context(|| self.evidence("a request failed"))?;
        if answer.status != 0 {
            bail!("the guest could not read {path}");
        }
        Ok(answer.output)
    }

    /// Reboots orderly and waits until the guest takes requests again.
    ///
    /// The guest shuts down and asks the board to reset; the board is then started anew with the TPM, flash and disk
    /// it had. A reset inside one QEMU would mean the same to guest and TPM, but its firmware then takes a minute.
    pub fn reboot(&mut self, limit: Duration) -> Result<Ready> {
        let end = Instant::now() + limit;
        self.leave("reboot", end)?;
        self.power = self.node.switch_on(&self.how)?;
        self.wait_ready(end.saturating_duration_since(Instant::now()))
    }

    /// Shuts down orderly and waits until the power is off.
    pub fn shut_down(mut self, limit: Duration) -> Result<()> {
        self.leave("poweroff", Instant::now() + limit)
    }

    fn leave(&mut self, request: &str, end: Instant) -> Result<()> {
        self.power.channel.ask(request, end)?;
        if self.power.qemu.wait(end.saturating_duration_since(Instant::now()))?.is_none() {
            bail!(self.evidence(&format!("the guest did not finish its orderly {request} in time")));
        }
        self.tpm_stores()
    }

    /// swtpm ends by itself when QEMU's end of the connection closes; its state is stored then.
    fn tpm_stores(&mut self) -> Result<()> {
        if self.power.tpm.wait(START)?.is_none() {
            bail!(self.evidence("swtpm did not end with QEMU"));
        }
        Ok(())
    }

    /// Cuts the power: QEMU is killed in the middle of whatever it does. TPM, flash and disk keep their state.
    pub fn cut_power(mut self) -> Result<()> {
        self.power.qemu.kill();
        self.tpm_stores()
    }

    fn evidence(&self, what: &str) -> String {
        let console = fs::read(&self.power.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&console[console.len().saturating_sub(1_500)..]).into_owned();
        format!(
            "{}: {what} ({} s after power-on); console {}:\n{text}",
            self.node.name,
            self.age().as_secs(),
            self.power.console.display()
        )
    }
}
