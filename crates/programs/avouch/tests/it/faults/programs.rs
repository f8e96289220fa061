//! The real binaries as child processes.

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use avouch_crypto::ca::Identity;
use avouch_crypto::tls::agent_config;
use avouch_https::{Answer, Https};
use avouch_protocol::EnrolmentToken;
use avouch_testkit::Factory;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use super::instants::{Instants, until};

/// Within this a server answers or a program has ended, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// `avouch serve` on one data directory and one port, however often it is killed.
pub(crate) struct Verifier {
    folder: TempDir,
    data_dir: PathBuf,
    address: SocketAddr,
    child: Option<Child>,
    /// The slowest start, until a connection was taken.
    pub(crate) slowest_start: Duration,
}

impl Verifier {
    /// Configured and not yet started. `data_dir` may lie on a file system of its own.
    pub(crate) fn new(factory: &Factory, data_dir: Option<&Path>) -> Self {
        let folder = tempfile::Builder::new().prefix("avouch-").tempdir().unwrap();
        let data_dir = data_dir.map_or_else(|| folder.path().join("data"), Path::to_owned);
        let address = free_address();
        let config = format!(
            "listen = '{address}'\ndata_dir = '{}'\ninterval = 5\nek_roots = ['{}']\nstop_seconds = 5\n",
            data_dir.display(),
            factory.ek_roots().display()
        );
        fs::write(folder.path().join("avouch.toml"), config).unwrap();
        Self { folder, data_dir, address, child: None, slowest_start: Duration::ZERO }
    }

    /// Starts it and returns when it takes connections.
    pub(crate) fn start(&mut self) {
        let start = Instant::now();
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let mut child = self.command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        until("the server takes connections", PATIENCE, || {
            let ended = child.try_wait().unwrap();
            assert_eq!(ended, None, "the server ended by itself; its log:\n{}", self.log());
            TcpStream::connect(self.address).ok()
        });
        self.child = Some(child);
        self.slowest_start = self.slowest_start.max(start.elapsed());
    }

    /// SIGKILL. A server that had ended by itself is a failure.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "the server ended by itself; its log:\n{}", self.log());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// An enrolment token, made by `avouch enroll token`.
    pub(crate) fn token(&self, uses: u32) -> EnrolmentToken {
        let output = self.command(&["enroll", "token", "--uses", &uses.to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        EnrolmentToken::from_text(str::from_utf8(&output.stdout).unwrap().trim()).unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client without a certificate.
    pub(crate) fn anonymous(&self) -> Https {
        self.client(None)
    }

    /// A client with the first operator's certificate.
    pub(crate) fn operator(&self) -> Https {
        let read = |name: &str| fs::read_to_string(self.data_dir.join("operator").join(name)).unwrap();
        let identity = Identity::from_pem(&read("operator.pem"), &read("operator.key")).unwrap();
        self.client(Some(&identity))
    }

    /// SHA-256 of the server CA's SubjectPublicKeyInfo.
    pub(crate) fn pins(&self) -> Vec<[u8; 32]> {
        self.token(1).server_ca_pins.iter().map(|pin| pin.0).collect()
    }

    fn client(&self, identity: Option<&Identity>) -> Https {
        let tls = agent_config(&self.pins(), identity).unwrap();
        Https::new(&format!("https://{}", self.address), tls, "avouch-faults", 64 << 20)
    }

    /// What it told so far, of all its lives.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avouch"));
        command.arg("--config").arg(self.folder.path().join("avouch.toml")).args(arguments).stdin(Stdio::null());
        command
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            println!("the server's last lines:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}

/// The answer's JSON; anything but success is a failure.
pub(crate) fn json<T: DeserializeOwned>(answer: &Answer) -> T {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap()
}

/// An address that nobody else has while the server is down: connections that other tests open take their ports from
/// the system's range for those, on 127.0.0.1.
fn free_address() -> SocketAddr {
    let mut random = Instants::unseeded();
    loop {
        let host =
            [127, 77, u8::try_from(random.below(250)).unwrap() + 1, u8::try_from(random.below(250)).unwrap() + 1];
        let port = 20_000 + u16::try_from(random.below(10_000)).unwrap();
        if let Ok(listener) = TcpListener::bind(SocketAddr::from((host, port))) {
            return listener.local_addr().unwrap();
        }
    }
}

/// `avouch-agent` with one configuration.
pub(crate) struct AgentProgram {
    binary: PathBuf,
    config: PathBuf,
}

/// What one run of `avouch-agent once --json` came to.
#[derive(Debug)]
pub(crate) struct Once {
    pub(crate) exit: Option<i32>,
    pub(crate) report: Value,
    stderr: String,
}

impl AgentProgram {
    pub(crate) fn new(config: PathBuf) -> Self {
        Self { binary: agent_binary(), config }
    }

    /// Enrols; the token goes through a file.
    pub(crate) fn enroll(&self, token: &EnrolmentToken, more: &[&str]) -> Child {
        let file = self.config.with_file_name("token");
        fs::write(&file, token.to_text()).unwrap();
        let mut command = self.command(&["enroll", "--token-file"]);
        command.arg(&file).args(more).stdout(Stdio::null()).stderr(self.log()).spawn().unwrap()
    }

    /// One round, not waited for.
    pub(crate) fn start_once(&self) -> Child {
        self.command(&["once"]).stdout(Stdio::null()).stderr(self.log()).spawn().unwrap()
    }

    /// One round.
    pub(crate) fn once(&self) -> Once {
        let Output { status, stdout, stderr } = self.command(&["once", "--json"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let report = serde_json::from_slice(&stdout).unwrap_or(Value::Null);
        Once { exit: status.code(), report, stderr }
    }

    /// The bytes of what was sent last, as a person gets them.
    pub(crate) fn sent(&self) -> Vec<u8> {
        let Output { status, stdout, .. } = self.command(&["show", "--last", "--raw"]).output().unwrap();
        assert_eq!(status.code(), Some(0));
        stdout
    }

    fn log(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.config.with_file_name("agent.log")).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(&self.config).args(arguments).stdin(Stdio::null());
        command
    }
}

impl Once {
    /// Passes, or shows why not.
    pub(crate) fn pass(&self) {
        assert_eq!(self.exit, Some(0), "{self:#?}");
    }

    /// Code of the error, where it came to no receipt.
    pub(crate) fn code(&self) -> &str {
        self.report["error"]["code"].as_str().unwrap_or_default()
    }

    /// Everything that was told to a person.
    pub(crate) fn told(&self) -> &str {
        &self.stderr
    }
}

/// The agent beside the server in the target directory. A run of all tests has built it; a run of this package alone
/// has not.
fn agent_binary() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_avouch")).with_file_name("avouch-agent");
    if !binary.exists() {
        let profile = if binary.parent().is_some_and(|dir| dir.ends_with("release")) { "release" } else { "dev" };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["build", "--quiet", "-p", "avouch-agent", "--bin", "avouch-agent", "--profile", profile];
        let status = Command::new(cargo).args(arguments).status().unwrap();
        assert!(status.success() && binary.exists(), "cargo build -p avouch-agent left no {}", binary.display());
    }
    binary
}
