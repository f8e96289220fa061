//! An appliance in a folder, and the built program as its gate.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use avouch_agent::gate::client::{Answer, Call, CallError, Door};
use hyper::Method;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// Within this a gate answers, a run ends and a program has ended, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings, keys and two services' binaries.
pub(super) struct Appliance {
    folder: TempDir,
    log_dir: PathBuf,
    child: Option<Child>,
}

impl Appliance {
    /// `more` are further lines of the settings.
    pub(super) fn new(more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp").unwrap();
        let log_dir = folder.path().join("log");
        Self::with_log_dir(folder, log_dir, more)
    }

    /// The audit log on a file system of its own.
    pub(super) fn logging_to(log_dir: &Path, more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp").unwrap();
        Self::with_log_dir(folder, log_dir.to_owned(), more)
    }

    fn with_log_dir(folder: TempDir, log_dir: PathBuf, more: &str) -> Self {
        let appliance = Self { folder, log_dir, child: None };
        fs::create_dir_all(appliance.path("bin")).unwrap();
        for name in ["first", "second"] {
            fs::write(appliance.path("bin").join(name), format!("the program {name}\n")).unwrap();
        }
        fs::write(appliance.path("policy.yaml"), "allow: nothing\n").unwrap();
        for key in ["hmac-key", "token"] {
            let digits = if key == "token" { "2b".repeat(32) } else { "0f".repeat(32) };
            fs::write(appliance.path(key), digits + "\n").unwrap();
            fs::set_permissions(appliance.path(key), fs::Permissions::from_mode(0o400)).unwrap();
        }
        fs::write(appliance.path("agent.toml"), format!("state_dir = {:?}\n", appliance.path("agent"))).unwrap();
        appliance.configure(more);
        appliance
    }

    /// Writes the settings anew.
    pub(super) fn configure(&self, more: &str) {
        let tpm =
            if more.contains("tpm = ") { String::new() } else { format!("tpm = 'unix:{}'\n", self.show("no-tpm")) };
        let listen = if more.contains("listen = ") { "" } else { "listen = 'none'\n" };
        let text = format!(
            "{tpm}{more}\n{listen}deployment = 'none'\nrefresh_interval = '1h'\nhmac_key_path = '{}'\ntoken_path = '{}'\n\
             audit_log_path = '{}'\nstate_dir = '{}'\ncollector = '{}'\npolicy_files = ['{}']\n\
             [service_binaries]\nfirst = '{}'\nsecond = '{}'\n[socket]\npath = '{}'\n",
            self.show("hmac-key"),
            self.show("token"),
            self.audit_log().display(),
            self.show("state"),
            self.show("collector.sock"),
            self.show("policy.yaml"),
            self.show("bin/first"),
            self.show("bin/second"),
            self.show("gate.sock"),
        );
        fs::write(self.path("gate.toml"), text).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn show(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.log_dir.join("audit.jsonl")
    }

    /// `avouch-agent gate` with these words.
    pub(super) fn gate(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avouch-agent"));
        command.arg("--config").arg(self.path("agent.toml"));
        command.arg("gate").arg("--settings").arg(self.path("gate.toml")).args(words);
        command.stdin(Stdio::null()).env_remove("CREDENTIALS_DIRECTORY").env_remove("NOTIFY_SOCKET");
        command
    }

    pub(super) fn run(&self, words: &[&str]) -> Output {
        self.gate(words).output().unwrap()
    }

    /// Starts it and returns with the time until it answered.
    pub(super) fn start(&mut self) -> Duration {
        self.start_by(|gate| gate)
    }

    /// The same, with the program started as `by` says.
    pub(super) fn start_by(&mut self, by: impl FnOnce(Command) -> Command) -> Duration {
        let started = Instant::now();
        let mut command = by(self.gate(&[]));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.log("log.txt")).spawn().unwrap();
        loop {
            if let Ok(answer) = self.ask(Method::GET, "/health") {
                assert_eq!(answer.status.as_u16(), 200);
                break;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the gate ended: {}", self.told());
            assert!(started.elapsed() < PATIENCE, "the gate does not answer: {}", self.told());
        }
        self.child = Some(child);
        started.elapsed()
    }

    /// `avouch-agent` with these words: what else runs on this machine.
    pub(super) fn agent(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avouch-agent"));
        command.arg("--config").arg(self.path("agent.toml")).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.log("talker.txt"));
        command.env_remove("CREDENTIALS_DIRECTORY").env_remove("NOTIFY_SOCKET");
        command
    }

    /// `avouch-agent run` for as long as `meanwhile` takes.
    pub(super) fn talker(&self, meanwhile: impl FnOnce()) {
        let mut child = Ended(self.agent(&["run"]).spawn().unwrap());
        meanwhile();
        signal(&child.0, Signal::TERM);
        assert!(child.0.wait().unwrap().success());
    }

    fn log(&self, name: &str) -> File {
        OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap()
    }

    /// SIGHUP.
    pub(super) fn reload(&self) {
        signal(self.child.as_ref().unwrap(), Signal::HUP);
    }

    /// SIGKILL. A gate that had ended by itself is a failure.
    pub(super) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "the gate ended by itself: {}", self.told());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What it wrote to its journal.
    pub(super) fn told(&self) -> String {
        fs::read_to_string(self.path("log.txt")).unwrap_or_default()
    }

    /// The same, once `words` stand in it.
    pub(super) fn told_until(&self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let told = self.told();
            if told.contains(words) {
                return told;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not say {words:?}: {told}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn ask(&self, method: Method, path: &str) -> Result<Answer, CallError> {
        let call = Call { method, path, body: None, token: None };
        Door::Socket(self.path("gate.sock")).call(call, PATIENCE)
    }

    pub(super) fn get(&self, path: &str) -> (u16, Value) {
        told(&self.ask(Method::GET, path).unwrap())
    }

    /// A new attestation.
    pub(super) fn refresh(&self) -> Value {
        let (status, bundle) = told(&self.ask(Method::POST, "/api/v1/refresh").unwrap());
        assert_eq!(status, 200, "{bundle}");
        bundle
    }

    /// The same, with a caller's nonce.
    pub(super) fn refresh_with(&self, nonce: &str) -> Value {
        let body = Some(format!("{{\"request_nonce\":\"{nonce}\"}}").into_bytes());
        let call = Call { method: Method::POST, path: "/api/v1/refresh", body, token: None };
        let (status, bundle) = told(&Door::Socket(self.path("gate.sock")).call(call, PATIENCE).unwrap());
        assert_eq!(status, 200, "{bundle}");
        bundle
    }

    /// HTTP status and state of `/api/v1/verify`.
    pub(super) fn verify(&self) -> (u16, String) {
        let (status, answer) = self.get("/api/v1/verify");
        assert_eq!(answer["verified"], status == 200, "{answer}");
        (status, answer["state"].as_str().unwrap().to_owned())
    }

    /// Waits for the first attestation.
    pub(super) fn settled(&self) -> (u16, String) {
        let begun = Instant::now();
        loop {
            let now = self.verify();
            if now.1 != "pending" {
                return now;
            }
            assert!(begun.elapsed() < PATIENCE, "it stays pending: {}", self.told());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Whole lines of the audit log.
    pub(super) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The first line whose run had this trigger, waited for: its place and its text.
    pub(super) fn line_by(&self, trigger: &str) -> (usize, String) {
        let begun = Instant::now();
        loop {
            let text = self.text();
            let mut lines = text.lines().enumerate();
            let found = lines.find(|(_, line)| line.contains(&format!("\"trigger\":\"{trigger}\"")));
            if let Some((at, line)) = found {
                return (at, line.to_owned());
            }
            assert!(begun.elapsed() < PATIENCE, "no run by {trigger}: {}", self.told());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn text(&self) -> String {
        let text = fs::read_to_string(self.audit_log()).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        text[..whole].to_owned()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            println!("the gate's last words:\n{}", self.told());
        }
    }
}

/// A program that ends with its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(child: &Child, signal: Signal) {
    rustix::process::kill_process(Pid::from_child(child), signal).unwrap();
}

fn told(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
}

/// Codes of a bundle's findings.
pub(super) fn codes(bundle: &Value) -> Vec<String> {
    let findings = bundle["findings"].as_array().into_iter().flatten();
    findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// Appends bytes as a killed gate would leave them.
pub(super) fn tear(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file: File = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
