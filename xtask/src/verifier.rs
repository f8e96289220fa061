//! The server as a child process, and the CLI as people use it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::command::{cargo, must, root};

/// How the guest reaches the host through QEMU's user network.
const HOST_IN_GUEST: &str = "10.0.2.2";
/// Seconds between rounds, so that a deviation shows while a person watches.
pub(crate) const INTERVAL_SECONDS: u64 = 10;
/// A verdict is there within two rounds and their grace.
pub(crate) const VERDICT_DEADLINE: Duration = Duration::from_secs(4 * INTERVAL_SECONDS + 30);
/// Longest wait for the server to be ready; it needs well under a second.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// Pause between two looks at a state that is waited for.
const POLL: Duration = Duration::from_millis(250);

/// A running verifier with a folder of its own.
pub(crate) struct Verifier {
    folder: PathBuf,
    program: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// The programs that the demo and the lab run.
pub(crate) struct Programs {
    /// `avouch`, for this machine.
    pub avouch: PathBuf,
    /// `avouch-agent`, static, for the guest.
    pub agent: PathBuf,
}

/// How the guest's agent is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// As tests are.
    Debug,
    /// As people get it; that takes minutes.
    Shipped,
}

/// Builds both programs.
pub(crate) fn build_programs(agent: Build) -> Result<Programs> {
    // With the features of the whole workspace, so that what its tests compiled serves here.
    must(&mut cargo(&["build", "--quiet", "--workspace", "--bin", "avouch"]))?;
    Ok(Programs { avouch: target().join("debug/avouch"), agent: build_agent(agent)? })
}

/// Builds the agent for the guest.
///
/// It is linked statically because a program made on a newer C library does not start on an older one. Only its last
/// step is built so, and it is copied away from under the name that an ordinary
/// build writes to.
pub(crate) fn build_agent(build: Build) -> Result<PathBuf> {
    let (profile, folder) = match build {
        Build::Debug => ("dev", "debug"),
        Build::Shipped => ("agent", "agent"),
    };
    let agent = ["rustc", "--quiet", "--profile", profile, "-p", "avouch-agent", "--bin", "avouch-agent"];
    // Reading is most of what the agent does, and a guest without KVM is slow enough.
    let read = ["collect", "kernel", "systemd"].map(|name| format!("profile.dev.package.avouch-{name}.opt-level=1"));
    let read = read.iter().flat_map(|level| ["--config", level]);
    must(cargo(&agent).args(read).args(["--", "-C", "target-feature=+crt-static"]))?;
    let kept = target().join("xtask/avouch-agent-static");
    fs::create_dir_all(target().join("xtask"))?;
    fs::copy(target().join(folder).join("avouch-agent"), &kept).context("cannot keep the static agent")?;
    Ok(kept)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

impl Verifier {
    /// Starts a verifier with a new data directory below `folder`, trusting the TPMs of `ek_roots`.
    pub(crate) fn start(folder: &Path, programs: &Programs, ek_roots: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        // Free now; the server binds it a moment later and says so if somebody was faster.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let configuration = format!(
            "listen = \"127.0.0.1:{port}\"\norigin = \"https://{HOST_IN_GUEST}:{port}\"\nnames = [\"127.0.0.1\"]\n\
             data_dir = {:?}\ninterval = {INTERVAL_SECONDS}\nek_roots = [{ek_roots:?}]\n",
            folder.join("data")
        );
        fs::write(folder.join("avouch.toml"), configuration)?;
        let mut verifier = Self { folder: folder.into(), program: programs.avouch.clone(), port, child: None };
        verifier.resume()?;
        Ok(verifier)
    }

    /// Starts the server on its data directory, again after [`Verifier::stop`].
    pub(crate) fn resume(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let child = Command::new(&self.program)
            .arg("--config")
            .arg(self.folder.join("avouch.toml"))
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        self.child = Some(child);
        let start = Instant::now();
        while self.cli(&["node", "list"]).is_err() {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose()) {
                bail!("the server ended with {}; see {}", status?, self.log().display());
            }
            ensure!(start.elapsed() < START_DEADLINE, "the server is not ready; see {}", self.log().display());
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends the server at once, as a crash does.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when the process is gone already, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where the server's log goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The CLI with the words that name this server.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.folder.join("avouch.toml"));
        command.args(["--server", &format!("https://127.0.0.1:{}", self.port)]).args(words);
        command
    }

    /// Runs the CLI and returns its JSON. A verdict's exit status is no error here.
    pub(crate) fn cli(&self, words: &[&str]) -> Result<Value> {
        let output = self.command(words).arg("--json").stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).with_context(|| format!("avouch {}: {}", words.join(" "), said.trim()))
    }

    /// Runs the CLI as a person would, its output on the terminal.
    pub(crate) fn show(&self, words: &[&str]) -> Result<()> {
        eprintln!("$ avouch {}", words.join(" "));
        self.command(words).stdin(Stdio::null()).stdout(std::io::stderr()).status()?;
        Ok(())
    }

    /// A token for one machine.
    pub(crate) fn token(&self) -> Result<String> {
        let answer = self.cli(&["enroll", "token", "--expires", "1h"])?;
        Ok(answer["token"].as_str().context("no token in the answer")?.to_owned())
    }

    /// Waits until `node show` of this node satisfies `wanted`, and returns that answer.
    pub(crate) fn wait(&self, node: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let start = Instant::now();
        let mut last = Value::Null;
        while start.elapsed() < limit {
            // Before the node has enrolled the server does not know it; that is waited out as well.
            if let Ok(answer) = self.cli(&["node", "show", node]) {
                if wanted(&answer) {
                    return Ok(answer);
                }
                last = answer;
            }
            std::thread::sleep(POLL);
        }
        let standing = format!("{} {}", last["node"]["verdict"], last["node"]["code"]);
        bail!(
            "{node} did not get there within {} s; it stands at {standing}; see {}",
            limit.as_secs(),
            self.log().display()
        )
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.stop();
    }
}
