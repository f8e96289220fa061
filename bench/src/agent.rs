//! The agent's size on disk and in memory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use avouch_testkit::{Factory, Machine, Site, skip_without_swtpm};

use crate::logs::{FIRST_ENTRIES, LARGE_BOOT_LOG, boot_log, ima_list};
use crate::measure::Spread;
use crate::page::Section;
use crate::place;
use crate::server::memory;

/// Longest wait for the agent's first round.
const FIRST_ROUND: Duration = Duration::from_secs(60);

/// Ends a process when it is dropped.
struct Ended(Child);

pub(crate) fn measure() -> Result<Section> {
    let mut section = Section::new("The agent");
    let program = build()?;
    let size = f64::from(u32::try_from(std::fs::metadata(&program)?.len() / 1024)?);
    section.row("binary: static, profile `agent`, stripped", "KiB", Spread::once(size));
    if let Some(factory) = skip_without_swtpm()? {
        let (resident, most) = memory_of(&program, &factory)?;
        section.row("memory after its first round (VmRSS)", "MiB", Spread::once(resident));
        section.row("memory at most (VmHWM)", "MiB", Spread::once(most));
    }
    section.note(format!(
        "`avouch-agent run` with a software TPM (swtpm), a boot log of {} KiB and {FIRST_ENTRIES} IMA entries, all of \
         which its first round sends.",
        LARGE_BOOT_LOG / 1024
    ));
    Ok(section)
}

/// The agent as it is shipped: one file that needs nothing of the node.
fn build() -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(place::root()).env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.args(["build", "--profile", "agent", "-p", "avouch-agent", "--bin", "avouch-agent", "--target", &target]);
    ensure!(cargo.status()?.success(), "the agent does not build");
    let programs = place::programs_folder()?;
    let folder = programs.parent().unwrap_or(&programs);
    Ok(folder.join(target).join("agent/avouch-agent"))
}

/// VmRSS and VmHWM in MiB of an agent that has done its first round.
fn memory_of(program: &Path, factory: &Factory) -> Result<(f64, f64)> {
    let site = Site::start(factory)?;
    let boot_log = boot_log(LARGE_BOOT_LOG)?;
    let machine = Machine::with(factory, 0, &boot_log, &ima_list(&boot_log, FIRST_ENTRIES)?)?;
    let config = machine.agent_config()?;
    let agent = |arguments: &[&str]| {
        let mut command = Command::new(program);
        command.arg("--config").arg(&config).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    ensure!(agent(&["enroll", &site.token(1)?.to_text()]).status()?.success(), "the agent does not enrol");
    let running = Ended(agent(&["run"]).spawn()?);
    let deadline = Instant::now() + FIRST_ROUND;
    while site.nodes()?.iter().all(|node| node.head_seq == 0) {
        ensure!(Instant::now() < deadline, "the agent does not attest");
        std::thread::sleep(Duration::from_millis(50));
    }
    // The receipt is on its way or just written.
    std::thread::sleep(Duration::from_millis(500));
    let pid = running.0.id();
    Ok((memory(pid, "VmRSS")?, memory(pid, "VmHWM")?))
}

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
