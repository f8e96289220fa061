//! A server, its configuration file, and the built binary against it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use avouch_server::{Config, Running, Server, SystemClock};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) struct World {
    running: Option<Running>,
    runtime: Runtime,
    folder: TempDir,
}

impl World {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config =
            Config { listen: ([127, 0, 0, 1], 0).into(), data_dir: folder.path().join("data"), ..Config::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = runtime.block_on(Server::start(config, Arc::new(SystemClock))).unwrap();
        let world = Self { running: Some(running), runtime, folder };
        world.write("avouch.toml", &format!("origin = {:?}\ndata_dir = {:?}\n", world.origin(), world.path("data")));
        world
    }

    pub(crate) fn origin(&self) -> String {
        self.running.as_ref().unwrap().origin().to_owned()
    }

    pub(crate) fn stop(&mut self) {
        self.runtime.block_on(self.running.take().unwrap().stop());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in the world's folder, its directories made.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The binary with these words, in the world's folder.
    pub(crate) fn avouch(&self, words: &[&str]) -> Command {
        let mut command = avouch(&self.path("avouch.toml"), words);
        command.current_dir(self.folder.path());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        said(&mut self.avouch(words))
    }
}

/// The binary with a configuration.
pub(crate) fn avouch(config: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avouch"));
    command.arg("--config").arg(config).args(words).stdin(Stdio::null()).env_remove("AVOUCH_LOG");
    command
}

/// What a run printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { exit: status.code().expect("it ended by itself"), out: text(stdout), err: text(stderr) }
}

impl Said {
    /// The JSON of a run that went well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!((self.exit, self.err.as_str()), (0, ""), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The JSON of a run that failed: nothing on standard output, code, cause and remedy on standard error.
    pub(crate) fn failure(&self) -> Value {
        assert_eq!((self.exit, self.out.as_str()), (2, ""), "{self:?}");
        let failure: Value = serde_json::from_str(&self.err).unwrap_or_else(|_| panic!("not JSON: {self:?}"));
        let mut fields: Vec<_> = failure.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["code", "remedy", "what"]);
        assert!(failure["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{failure}");
        failure
    }

    /// The text of a run that failed.
    pub(crate) fn error(&self) -> &str {
        assert_eq!((self.exit, self.out.as_str()), (2, ""), "{self:?}");
        assert!(self.err.contains("\n  to do: "), "{self:?}");
        &self.err
    }
}
