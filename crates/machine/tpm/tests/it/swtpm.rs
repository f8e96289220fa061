//! A software TPM of its own for each test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use avouch_tpm::{SwtpmTransport, Tpm};
use tempfile::TempDir;

use crate::wire::Wire;

const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Swtpm {
    process: Child,
    // Last, so that the state goes after the process.
    folder: TempDir,
}

impl Swtpm {
    /// A fresh TPM; `None`, with a word about it, when swtpm is not installed and this is not CI.
    pub(crate) fn start() -> Option<Self> {
        if !installed("swtpm") {
            missing("swtpm is not installed (apt-get install swtpm swtpm-tools)");
            return None;
        }
        // Under /tmp, because socket paths end at 107 bytes.
        let folder = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp").unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let process = spawn(folder.path());
        let swtpm = Self { process, folder };
        swtpm.wait_for_socket();
        Some(swtpm)
    }

    /// Power off and on again, with the state that is on disk.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.process = spawn(self.folder.path());
        self.wait_for_socket();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("tpm")
    }

    pub(crate) fn spec(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// The TPM over a wire that counts and can interfere. swtpm serves one connection at a time.
    pub(crate) fn tpm(&self) -> (Tpm<Wire>, Wire) {
        let wire = Wire::new(SwtpmTransport::connect(&self.spec()).unwrap());
        (Tpm::new(wire.clone()), wire)
    }

    /// Runs one of tpm2-tools on this TPM, in its folder; the answer is what it printed.
    pub(crate) fn tool(&self, line: &str) -> String {
        tool(self.folder.path(), Some(&self.socket()), line)
    }

    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(self.socket());
    }

    fn wait_for_socket(&self) {
        let start = Instant::now();
        while SwtpmTransport::connect(&self.spec()).is_err() {
            assert!(start.elapsed() < DEADLINE, "swtpm opened no socket within {DEADLINE:?}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &Path) -> Child {
    let show = |name: &str| folder.join(name).display().to_string();
    Command::new("swtpm")
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .args(["--tpmstate", &format!("dir={}", show("state"))])
        .args(["--server", &format!("type=unixio,path={}", show("tpm"))])
        // tpm2-tools wants the control channel beside the command socket.
        .args(["--ctrl", &format!("type=unixio,path={}", show("tpm.ctrl"))])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs a command line of tpm2-tools; `None` as socket is for tools that need no TPM.
pub(crate) fn tool(folder: &Path, socket: Option<&Path>, line: &str) -> String {
    let mut words = line.split(' ');
    let tcti = socket.map_or("none".to_owned(), |socket| format!("swtpm:path={}", socket.display()));
    let output = Command::new(words.next().unwrap())
        .args(words)
        .env("TPM2TOOLS_TCTI", tcti)
        .current_dir(folder)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// True when tpm2-tools are there; else says what is missing, or fails in CI.
pub(crate) fn tools_installed() -> bool {
    let installed = installed("tpm2_getcap");
    if !installed {
        missing("tpm2-tools are not installed (apt-get install tpm2-tools)");
    }
    installed
}

fn installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{what}");
    println!("skipped: {what}");
}
