//! `avouch serve` as it is shipped, in a process of its own.

use std::fs::{self, File, read_to_string};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use avouch_protocol::EnrolmentToken;

use crate::place;

/// Longest wait for the server to listen.
const START: Duration = Duration::from_secs(20);
/// Ticks per second of the times in /proc/PID/stat: part of the kernel's interface (USER_HZ).
const TICKS: f64 = 100.0;

/// A running server; it is ended when this is dropped.
pub(crate) struct Server {
    child: Child,
    program: PathBuf,
    config: PathBuf,
}

/// Builds a program of the workspace in the profile of this one, and says where it is.
pub(crate) fn program(package: &str, name: &str) -> Result<PathBuf> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.current_dir(place::root()).args(["build", "--quiet", "-p", package, "--bin", name]);
    let mut folder = place::programs_folder()?;
    if !cfg!(debug_assertions) {
        // The agent is shipped in a profile of its own.
        let profile = if package == "avouch-agent" { "agent" } else { "release" };
        build.args(["--profile", profile]);
        folder.set_file_name(profile);
    }
    ensure!(build.status()?.success(), "{name} does not build");
    let path = folder.join(name);
    ensure!(path.is_file(), "{} is not there", path.display());
    Ok(path)
}

impl Server {
    /// Starts it on a new data directory in `folder`; it trusts the TPM vendors in `roots` (PEM).
    pub(crate) fn start(folder: &Path, roots: &str) -> Result<Self> {
        let program = program("avouch", "avouch")?;
        let roots_path = folder.join("roots.pem");
        fs::write(&roots_path, roots)?;
        // Free now; if another program takes it meanwhile, the server says so.
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let origin = format!("https://{listen}");
        let config = folder.join("avouch.toml");
        let data = folder.join("data");
        let text = format!(
            "listen = '{listen}'\norigin = '{origin}'\ndata_dir = '{}'\nek_roots = ['{}']\n",
            data.display(),
            roots_path.display()
        );
        fs::write(&config, text)?;
        let log = File::create(folder.join("server.log"))?;
        let child = Command::new(&program).arg("--config").arg(&config).arg("serve").stderr(log).spawn()?;
        let mut server = Self { child, program, config };
        let deadline = Instant::now() + START;
        while TcpStream::connect(listen).is_err() {
            if let Some(status) = server.child.try_wait()? {
                let log = read_to_string(folder.join("server.log")).unwrap_or_default();
                bail!("avouch serve ended with {status}:\n{log}");
            }
            ensure!(Instant::now() < deadline, "avouch serve does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// What an operator does: a token for `uses` nodes.
    pub(crate) fn token(&self, uses: usize) -> Result<EnrolmentToken> {
        let line = self.operate(&["enroll", "token", "--uses", &uses.to_string()])?;
        Ok(EnrolmentToken::from_text(&line)?)
    }

    /// What an operator does: this policy judges every node.
    pub(crate) fn apply(&self, policy: &Path) -> Result<()> {
        let path = policy.to_str().context("a path in UTF-8")?;
        self.operate(&["policy", "apply", path, "--default"]).map(|_| ())
    }

    fn operate(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.program).arg("--config").arg(&self.config).args(arguments).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "avouch {arguments:?} ended with {}: {error}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds, user and system, of all threads of a process so far.
pub(crate) fn cpu(pid: u32) -> Result<f64> {
    let stat = read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses; utime and stime are the 14th and 15th.
    let (_, rest) = stat.rsplit_once(") ").context("a name in parentheses")?;
    let ticks = rest.split(' ').skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}

/// Memory of a process in MiB, such as `VmRSS` or `VmHWM`.
pub(crate) fn memory(pid: u32, name: &str) -> Result<f64> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    let value = place::field(&status, name).with_context(|| format!("{name} in /proc/PID/status"))?;
    let kib: f64 = value.trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
