//! A real node without hardware: a Debian 12 machine with UEFI Secure Boot, a TPM 2.0, IMA and systemd in software
//! emulation, made and driven from the host.
//!
//! ```no_run
//! # use std::{path::Path, time::Duration};
//! # use avouch_lab::{Chip, Job, Lab, PowerOn};
//! let lab = Lab::prepare(&mut |step| println!("{} {:.1?}", step.name, step.took))?;
//! let disk = lab.image(Path::new("target/avouch-agent"), &mut |_| ())?;
//! let mut node = lab.node("node", Chip::Node, &disk)?;
//! let job = Job::new().file("unknown", "echo hello");
//! let mut machine = node.power_on(&PowerOn::new(lab.uki(), job))?;
//! machine.wait_ready(Duration::from_secs(120))?;
//! println!("{}", machine.run("unknown", Duration::from_secs(20))?.text());
//! machine.shut_down(Duration::from_secs(60))?;
//! # anyhow::Ok(())
//! ```

mod build;
mod cache;
mod channel;
mod chip;
mod job;
mod machine;
mod manufacture;
pub mod packages;
mod tool;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use build::{Boot, UkiParts};
use cache::Cache;
use machine::Shelf;

pub use cache::Step;
pub use channel::{Answer, Ready};
pub use chip::Chip;
pub use job::Job;
pub use machine::{Accelerator, Machine, Node, PowerOn};
pub use manufacture::manufacture;

/// Everything that machines are made from, prepared once and kept under `target/lab`.
#[derive(Debug)]
pub struct Lab {
    cache: Cache,
    boot: Boot,
    root: PathBuf,
    initrd: PathBuf,
    uki: Uki,
    shelf: Shelf,
}

/// A unified kernel image and the boot medium that carries it.
#[derive(Debug, Clone)]
pub struct Uki {
    /// The EFI program as the firmware loads it.
    pub efi: PathBuf,
    /// The FAT image that holds it as `EFI/BOOT/BOOTX64.EFI`.
    pub esp: PathBuf,
    /// Its embedded kernel command line.
    pub command_line: String,
}

impl Lab {
    /// Prepares the lab; steps whose inputs did not change are taken from the cache. `progress` hears of each step.
    pub fn prepare(progress: &mut dyn FnMut(Step)) -> Result<Self> {
        let (source, dir) = places()?;
        let cache = Cache::open(&dir)?;
        let boot = build::boot(&cache, progress)?;
        let root = build::root(&cache, &boot, source, progress)?;
        let initrd = build::initrd(&cache, &root, source, progress)?;
        let tpms = chip::manufacture(&cache, progress)?;
        let uki = make_uki(&cache, &boot, &initrd, build::COMMAND_LINE, true, progress)?;
        let shelf = Shelf { boot: boot.clone(), tpms, logs: dir.join("logs") };
        Ok(Self { cache, boot, root, initrd, uki, shelf })
    }

    /// The root tree without the agent: what reference values of files are computed from.
    pub fn root_tree(&self) -> PathBuf {
        self.root.join("tree")
    }

    /// The root image without the agent.
    pub fn bare_image(&self) -> PathBuf {
        self.root.join("root.img")
    }

    /// The initrd as one archive.
    pub fn initrd(&self) -> PathBuf {
        self.initrd.join("initrd.img")
    }

    /// The files of the initrd, for reference values.
    pub fn initrd_tree(&self) -> PathBuf {
        self.initrd.join("tree")
    }

    /// PEM bundle of the CA that certified the TPMs' endorsement keys: its issuing and its root certificate.
    pub fn ek_roots(&self) -> PathBuf {
        self.shelf.tpms.join("ek-roots.pem")
    }

    /// Where consoles and program logs are kept, as `<node>-<power-on>.{console,qemu,swtpm}`.
    pub fn logs(&self) -> &Path {
        &self.shelf.logs
    }

    /// The signed UKI that the policy is meant to approve.
    pub fn uki(&self) -> &Uki {
        &self.uki
    }

    /// Another UKI: with `words` after the usual kernel command line, signed by the key that the firmware trusts or
    /// not at all.
    pub fn other_uki(&self, words: &str, signed: bool, progress: &mut dyn FnMut(Step)) -> Result<Uki> {
        let line = format!("{} {words}", build::COMMAND_LINE);
        make_uki(&self.cache, &self.boot, &self.initrd, line.trim_end(), signed, progress)
    }

    /// The root image with `agent`, a static executable, as `/usr/bin/avouch-agent`.
    pub fn image(&self, agent: &Path, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
        build::image(&self.cache, &self.root, agent, progress)
    }

    /// Assembles a node: the TPM `chip` as manufactured, fresh flash and a copy of `disk`.
    pub fn node(&self, name: &str, chip: Chip, disk: &Path) -> Result<Node> {
        Node::assemble(name, chip, disk, self.shelf.clone())
    }
}

/// The root of a tree with Debian's kernel, OVMF, shim, GRUB and systemd-boot in the places of their packages, kept
/// under `target/lab` like the rest of the lab. Of the lab's packages it needs mmdebstrap and openssl.
pub fn boot_programs(progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    build::boot_programs(&Cache::open(&places()?.1)?, progress)
}

impl PowerOn {
    /// Secure Boot in software emulation with `uki` and `job`.
    pub fn new(uki: &Uki, job: Job) -> Self {
        Self { esp: uki.esp.clone(), job, secure_boot: true, accelerator: Accelerator::Emulation }
    }
}

fn make_uki(
    cache: &Cache,
    boot: &Boot,
    initrd: &Path,
    command_line: &str,
    signed: bool,
    progress: &mut dyn FnMut(Step),
) -> Result<Uki> {
    let archive = initrd.join("initrd.img");
    let dir = build::uki(cache, UkiParts { boot, initrd: &archive, command_line, signed }, progress)?;
    Ok(Uki { efi: dir.join("uki.efi"), esp: dir.join("esp.img"), command_line: command_line.to_owned() })
}

/// The workspace, and where the lab keeps what it makes.
fn places() -> Result<(&'static Path, PathBuf)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the lab has no workspace")?;
    Ok((source, target_dir(source).join("lab")))
}

fn target_dir(source: &Path) -> PathBuf {
    let dir = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| source.join("target"), PathBuf::from);
    fs::canonicalize(&dir).unwrap_or(dir)
}
