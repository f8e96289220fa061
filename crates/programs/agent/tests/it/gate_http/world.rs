//! The API over real sockets, with the real judgement of real files behind it. Only time is the test's.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use avouch_agent::gate::http::{Access, Attestor, Limits, Listeners, NotRefreshed, Secret, Server};
use avouch_attestor::{
    Facts, FileDigest, Hash, HmacKey, Machine, Moment, NothingToAcknowledge, PolicyDigest, Profile, Reading,
    References, SecureBoot, Service, ServiceFacts, Settings, Standing, TpmFacts, appraise, audit,
};
use avouch_crypto::sha256;

use super::client::Connection;

/// The bearer token.
pub(super) const TOKEN: &str = "5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e0123";
/// The key of the HMAC, as its file spells it.
pub(super) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
/// 2026-11-22T09:20:00Z.
const BEGINNING: u64 = 1_795_339_200_000;

/// An attestor whose services are files of this test.
pub(super) struct Local {
    services: PathBuf,
    settings: Settings,
    state: Mutex<(Machine, audit::Tail, Arc<Standing>)>,
    elapsed_ms: AtomicU64,
    pub(super) runs: AtomicUsize,
    held: Mutex<bool>,
    let_go: Condvar,
}

impl Local {
    fn new(dir: &tempfile::TempDir) -> Self {
        let services = dir.path().join("libexec");
        fs::create_dir(&services).unwrap();
        let mut settings = Settings::defaults(Profile::Avouch);
        settings.policy_files.clear();
        settings.service_binaries = ["airlock", "registry"]
            .map(|name| {
                fs::write(services.join(name), format!("program {name}")).unwrap();
                let service = Service { path: services.join(name), unit: format!("{name}.service") };
                (name.to_owned(), service)
            })
            .into();
        let machine = Machine::new(&settings, None);
        let standing = machine.standing();
        Self {
            services,
            settings,
            state: Mutex::new((machine, audit::Tail::EMPTY, standing)),
            elapsed_ms: AtomicU64::new(0),
            runs: AtomicUsize::new(0),
            held: Mutex::new(false),
            let_go: Condvar::new(),
        }
    }

    /// Time goes on.
    pub(super) fn pass(&self, time: Duration) {
        self.elapsed_ms.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.services.join(name)
    }

    /// Runs wait from now on, until [`Self::release`].
    pub(super) fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    pub(super) fn release(&self) {
        *self.held.lock().unwrap() = false;
        self.let_go.notify_all();
    }

    /// One attestation, as the service does at its start and in every interval.
    pub(super) fn attest(&self) -> Arc<Standing> {
        self.run(None)
    }

    fn run(&self, nonce: Option<Hash>) -> Arc<Standing> {
        let facts = self.facts(nonce);
        let mut state = self.state.lock().unwrap();
        let (machine, tail, published) = &mut *state;
        let appraisal =
            appraise(&facts, &self.settings, &References { baseline: None, first_seen: machine.first_seen() });
        let key = Reading::Value(HmacKey::from_file(KEY.as_bytes()).unwrap());
        let prepared = machine.prepare(appraisal, &key, tail);
        *tail = prepared.tail();
        *published = machine.publish(prepared);
        Arc::clone(published)
    }

    fn facts(&self, nonce: Option<Hash>) -> Facts {
        let digest = |path: &PathBuf| match fs::read(path) {
            Ok(bytes) => {
                let size = u64::try_from(bytes.len()).unwrap();
                Reading::Value(FileDigest { sha256: Hash(sha256(&[&bytes])), size })
            }
            Err(_) => Reading::Absent,
        };
        let service = |(name, service): (&String, &Service)| {
            let facts = ServiceFacts {
                path: service.path.clone(),
                on_disk: digest(&service.path),
                running: Reading::Absent,
                in_ima: Reading::Absent,
            };
            (name.clone(), facts)
        };
        Facts {
            taken_at: self.now(),
            nonce: nonce.unwrap_or(Hash(avouch_crypto::random())),
            secure_boot: SecureBoot { variable: Reading::Absent, log: Reading::Absent },
            deployment: Reading::Absent,
            services: self.settings.service_binaries.iter().map(service).collect(),
            policy_files: Vec::new(),
            policy_digest: Reading::Value(PolicyDigest::new().finish()),
            files: BTreeMap::new(),
            registry: Reading::Absent,
            cmdline: Reading::Value("root=/dev/vda2 ro quiet".into()),
            lockdown: Reading::Value("none [integrity] confidentiality".into()),
            levels: Reading::Absent,
            server: None,
            tpm: TpmFacts::Absent { why: "there is no /dev/tpmrm0".into() },
        }
    }
}

impl Attestor for Local {
    fn now(&self) -> Moment {
        let elapsed = self.elapsed_ms.load(Ordering::SeqCst);
        Moment { unix_ms: BEGINNING + elapsed, boot_ms: 1_000 + elapsed }
    }

    fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.state.lock().unwrap().2)
    }

    fn refresh(&self, nonce: Option<Hash>) -> Result<Arc<Standing>, NotRefreshed> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let held = self.held.lock().unwrap();
        drop(self.let_go.wait_while(held, |held| *held).unwrap());
        Ok(self.run(nonce))
    }

    fn acknowledge(&self, by: &str) -> Result<(), NothingToAcknowledge> {
        let now = self.now();
        self.state.lock().unwrap().0.acknowledge(by, now)
    }
}

/// A running API.
pub(super) struct Site {
    _dir: tempfile::TempDir,
    pub(super) local: Arc<Local>,
    pub(super) address: SocketAddr,
    pub(super) socket: PathBuf,
    pub(super) server: Server,
}

impl Site {
    pub(super) fn start() -> Self {
        Self::with(Limits::default(), true)
    }

    pub(super) fn with(limits: Limits, with_token: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("service-token");
        fs::write(&token, TOKEN).unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o400)).unwrap();
        let token = with_token.then(|| Secret::read(&token, None).unwrap());
        let tcp = Listeners::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let socket = dir.path().join("run/gate.sock");
        let unix = Listeners::unix(&socket).unwrap();
        let address = tcp.local_addr().unwrap();
        let local = Arc::new(Local::new(&dir));
        let listeners = Listeners { tcp: Some(tcp), unix: Some(unix) };
        let access = Access { token: token.into(), uids: vec![65_501], gids: vec![65_502] };
        let server = Server::start(listeners, access, local.clone(), limits).unwrap();
        Self { _dir: dir, local, address, socket, server }
    }

    pub(super) fn tcp(&self) -> Connection {
        Connection::tcp(self.address)
    }

    pub(super) fn unix(&self) -> Connection {
        Connection::unix(&self.socket)
    }
}
