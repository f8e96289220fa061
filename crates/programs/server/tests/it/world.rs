//! A server for one test.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use avouch_crypto::ca::{CaCertificate, Identity};
use avouch_crypto::tls::agent_config;
use avouch_https::{Answer, Https};
use avouch_protocol::{Interval, Message, Refusal};
use avouch_server::{Admin, Appraise, Clock, Config, Running, Server, StartError};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Longest wait for something that happens by itself.
const DEADLINE: Duration = Duration::from_secs(20);

/// Both clocks of the machine, in the hands of the test.
pub(crate) struct Hands {
    wall: AtomicU64,
    boot: AtomicU64,
}

impl Hands {
    /// Starts at the real time, because certificates are checked against it.
    pub(crate) fn now() -> Arc<Self> {
        let wall = avouch_server::SystemClock.wall();
        Arc::new(Self { wall: wall.into(), boot: 1_000.into() })
    }

    /// Time passes.
    pub(crate) fn pass(&self, seconds: u64) {
        self.boot.fetch_add(seconds, Ordering::SeqCst);
        self.step(i64::try_from(seconds).unwrap());
    }

    /// Somebody sets the wall clock.
    pub(crate) fn step(&self, seconds: i64) {
        self.wall.fetch_add_signed_by(seconds);
    }
}

trait AddSigned {
    fn fetch_add_signed_by(&self, by: i64);
}

impl AddSigned for AtomicU64 {
    fn fetch_add_signed_by(&self, by: i64) {
        self.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| now.checked_add_signed(by)).unwrap();
    }
}

impl Clock for Hands {
    fn wall(&self) -> u64 {
        self.wall.load(Ordering::SeqCst)
    }

    fn boottime(&self) -> Duration {
        Duration::from_secs(self.boot.load(Ordering::SeqCst))
    }
}

/// A running server, its clock and its directory.
pub(crate) struct World {
    pub(crate) clock: Arc<Hands>,
    pub(crate) config: Config,
    running: Option<Running>,
    runtime: Runtime,
    _outer: TempDir,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: outer.path().join("data"),
            interval: Interval::new(10).unwrap(),
            stop_seconds: 5,
            ..Config::default()
        };
        change(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Hands::now();
        let running = runtime.block_on(Server::start(config.clone(), clock.clone())).unwrap();
        Self { clock, config, running: Some(running), runtime, _outer: outer }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Stops the server; true when every request finished.
    pub(crate) fn stop(&mut self) -> bool {
        self.runtime.block_on(self.running.take().unwrap().stop())
    }

    /// Starts it again on the same directory and clock.
    pub(crate) fn start_again(&mut self) {
        let started = Server::start(self.config.clone(), self.clock.clone());
        self.running = Some(self.runtime.block_on(started).unwrap());
    }

    /// Starts it again with another appraiser.
    pub(crate) fn start_with(&mut self, appraiser: impl Appraise + 'static) {
        let started = Server::start_with(self.config.clone(), self.clock.clone(), appraiser);
        self.running = Some(self.runtime.block_on(started).unwrap());
    }

    /// Starts a second server on the same directory.
    pub(crate) fn start_second(&self) -> Result<Running, StartError> {
        self.runtime.block_on(Server::start(self.config.clone(), self.clock.clone()))
    }

    /// A client with this identity.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> Https {
        let pins: Vec<[u8; 32]> = self.running().pins().iter().map(|pin| pin.0).collect();
        Https::new(self.running().origin(), agent_config(&pins, identity).unwrap(), "test", 1 << 26)
    }

    /// A client without a certificate.
    pub(crate) fn anonymous(&self) -> Https {
        self.client(None)
    }

    /// A client with the operator's certificate.
    pub(crate) fn operator(&self) -> Https {
        let paths = self.running().operator();
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        CaCertificate::from_pem(&read(&paths.server_ca)).unwrap();
        self.client(Some(&Identity::from_pem(&read(&paths.certificate), &read(&paths.key)).unwrap()))
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::open(&self.config, self.clock.wall()).unwrap()
    }
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("not JSON: {answer:?}"))
}

pub(crate) fn refusal(answer: &Answer) -> Refusal {
    Refusal::from_cbor(&answer.body).unwrap_or_else(|_| panic!("not a refusal: {answer:?}"))
}

/// Waits until `holds` or fails with `what`.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what} did not happen within {DEADLINE:?}");
        std::thread::yield_now();
    }
}
