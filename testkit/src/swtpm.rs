//! A software TPM per test: manufactured once per checkout with EK certificates of one local CA, copied for each test.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use avouch_tpm_wire::StartupType;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// How many different TPMs the factory makes; a test names one by its number.
pub const TPMS: usize = 4;
/// Longest wait for swtpm to open its socket. Hitting it means swtpm is broken, not slow: it needs milliseconds.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// Manufactured TPM states and the CA that certified their endorsement keys.
#[derive(Clone, Debug)]
pub struct Factory {
    folder: PathBuf,
}

/// The factory; `None`, with a line that says so, where swtpm is not installed. In continuous integration that fails.
///
/// # Errors
/// When swtpm is installed and cannot manufacture.
pub fn skip_without_swtpm() -> Result<Option<Factory>> {
    let factory = Factory::open()?;
    if factory.is_none() {
        const MISSING: &str = "swtpm is not installed (apt-get install swtpm swtpm-tools)";
        ensure!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), MISSING);
        println!("skipped: {MISSING}");
    }
    Ok(factory)
}

/// A running software TPM with a state of its own; ends when dropped.
#[derive(Debug)]
pub struct Swtpm {
    // Declared before the folder: the process ends before its state is removed.
    process: Process,
    folder: TempDir,
    starts: u32,
}

#[derive(Debug)]
struct Process(Child);

// === impl Factory ===

impl Factory {
    /// The factory of this checkout, manufacturing on first use. `None` when swtpm is not installed.
    ///
    /// # Errors
    /// When swtpm is installed and cannot manufacture.
    pub fn open() -> Result<Option<Self>> {
        if !installed("swtpm") || !installed("swtpm_setup") {
            return Ok(None);
        }
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(default_target, PathBuf::from);
        let factory = Self { folder: target.join("testkit") };
        fs::create_dir_all(&factory.folder)?;
        let lock = fs::File::create(factory.folder.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        if !factory.folder.join("complete").exists() {
            factory.manufacture().context("cannot manufacture software TPMs")?;
            fs::write(factory.folder.join("complete"), b"")?;
        }
        Ok(Some(factory))
    }

    /// PEM bundle of the root and the issuer of the EK certificates.
    pub fn ek_roots(&self) -> PathBuf {
        self.folder.join("ek-roots.pem")
    }

    /// Starts a fresh copy of TPM number `which`.
    ///
    /// # Errors
    /// When there is no such TPM or swtpm does not come up.
    pub fn start(&self, which: usize) -> Result<Swtpm> {
        ensure!(which < TPMS, "there are {TPMS} TPMs, number {which} is not one of them");
        Swtpm::on_copy_of(&self.state(which), StartupType::Clear)
    }

    fn state(&self, which: usize) -> PathBuf {
        self.folder.join(format!("tpm-{which}"))
    }

    fn manufacture(&self) -> Result<()> {
        let names: Vec<String> = (0..TPMS).map(|which| format!("tpm-{which}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        avouch_lab::manufacture(&names, "testkit", &self.folder)
    }
}

/// `target` beside the lock file of the workspace, wherever below it this is compiled.
fn default_target() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap_or(here).join("target")
}

fn installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

// === impl Swtpm ===

impl Swtpm {
    /// A software TPM on a copy of the state in this folder.
    pub(crate) fn on_copy_of(stored: &Path, startup: StartupType) -> Result<Self> {
        // Socket paths end at 107 bytes, and AppArmor profiles of swtpm allow /tmp.
        let folder = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp")?;
        let state = folder.path().join("state");
        fs::create_dir(&state)?;
        copy_state(stored, &state)?;
        let process = Process::start(folder.path(), startup)?;
        Ok(Self { process, folder, starts: 1 })
    }

    /// Copies what the TPM has stored so far, as a snapshot of a virtual machine's disk has it.
    pub(crate) fn copy_stored(&self, to: &Path) -> Result<()> {
        copy_state(&self.folder.path().join("state"), to)
    }

    /// How a transport names this TPM: `unix:PATH`.
    pub fn transport(&self) -> String {
        format!("unix:{}", socket(self.folder.path()).display())
    }

    /// Ends the process at once and starts it again with the state it had stored: a power cut, then a boot.
    ///
    /// # Errors
    /// When swtpm does not come up again.
    pub fn power_cut(&mut self) -> Result<()> {
        self.start_again(StartupType::Clear)
    }

    /// Starts again with TPM2_Startup(STATE); only after TPM2_Shutdown(STATE) will the TPM have that.
    ///
    /// # Errors
    /// When swtpm does not come up again.
    pub fn resume(&mut self) -> Result<()> {
        self.start_again(StartupType::State)
    }

    fn start_again(&mut self, startup: StartupType) -> Result<()> {
        self.process.end();
        self.process = Process::start(self.folder.path(), startup)?;
        self.starts += 1;
        Ok(())
    }

    /// How often the TPM was started.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Ends the process and keeps it down, as a TPM that fell off the bus.
    pub fn unplug(&mut self) {
        self.process.end();
    }
}

/// The permanent state alone: volatile state and the lock belong to a running process.
fn copy_state(from: &Path, to: &Path) -> Result<()> {
    const STORED: &str = "tpm2-00.permall";
    fs::copy(from.join(STORED), to.join(STORED)).context("cannot copy the TPM's state")?;
    Ok(())
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("tpm.sock")
}

// === impl Process ===

impl Process {
    fn start(folder: &Path, startup: StartupType) -> Result<Self> {
        let path = socket(folder);
        let flags = match startup {
            StartupType::Clear => "not-need-init,startup-clear",
            StartupType::State => "not-need-init,startup-state",
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let log = fs::File::create(folder.join("swtpm.log"))?;
        let child = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", flags, "--tpmstate"])
            .arg(format!("dir={}", folder.join("state").display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", path.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start swtpm")?;
        let mut process = Self(child);
        let start = Instant::now();
        // The file is there a moment before swtpm listens on it.
        while UnixStream::connect(&path).is_err() {
            if let Some(status) = process.0.try_wait()? {
                bail!(
                    "swtpm ended with {status}: {}",
                    fs::read_to_string(folder.join("swtpm.log")).unwrap_or_default()
                );
            }
            ensure!(start.elapsed() < START_DEADLINE, "swtpm did not open {}", path.display());
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(process)
    }

    fn end(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
