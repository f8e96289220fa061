//! A server in this process, over HTTPS on 127.0.0.1, with an operator and a clock in the hands of the test.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use avouch_appraise::{IMA_POLICY_PATH, PolicyDraft, ReferenceBoot};
use avouch_crypto::ca::Identity;
use avouch_crypto::tls::agent_config;
use avouch_https::{Answer, Https};
use avouch_ima::{Body, parse_binary};
use avouch_protocol::{EnrolmentToken, Hash, Interval, NodeProfile};
use avouch_server::api::{NodeView, Nodes, PolicyRef, RecordView, Records};
use avouch_server::{Admin, Appraise, Case, Config, Grant, Opinion, Pcrs, Pipeline, Running, Server};
use avouch_tpm_wire::HashAlg;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{Factory, HandClock};

/// Seconds between rounds of a site, unless a test configures others.
pub const INTERVAL_SECONDS: u64 = 10;
/// Largest answer that the operator takes.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;
/// Worker threads of the server.
const WORKERS: usize = 2;

/// One server with a data directory and a clock of its own.
pub struct Site {
    /// What server time follows.
    pub clock: Arc<HandClock>,
    config: Config,
    appraiser: Arc<dyn Appraise>,
    running: Option<Running>,
    address: SocketAddr,
    runtime: Runtime,
    outer: TempDir,
}

/// The server takes an appraiser by value; restarts and copies share one.
struct Shared(Arc<dyn Appraise>);

impl Appraise for Shared {
    fn appraise(&self, case: &Case<'_>) -> Opinion {
        self.0.appraise(case)
    }
}

impl Site {
    /// A new site that trusts the factory's EK certificates.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn start(factory: &Factory) -> Result<Self> {
        Self::with(factory, |_| (), Arc::new(Pipeline))
    }

    /// A new site with another configuration or appraiser. `change` must leave `listen` and `data_dir` as they are.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn with(factory: &Factory, change: impl FnOnce(&mut Config), appraiser: Arc<dyn Appraise>) -> Result<Self> {
        let outer = tempfile::Builder::new().prefix("avouch-").tempdir()?;
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: outer.path().join("data"),
            interval: Interval::new(INTERVAL_SECONDS).context("an interval within the range")?,
            ek_roots: vec![factory.ek_roots()],
            stop_seconds: 5,
            ..Config::default()
        };
        change(&mut config);
        Self::up(config, HandClock::new(), appraiser, outer)
    }

    /// The same server at the same instant, which nobody knows of: its store and keys are copies, its clock goes its
    /// own way from here on, and it speaks for the same origin. What is posted to one is unknown to the other, so two
    /// forms of one message can both be judged from the same state. A node reaches it by [`crate::Node::at`].
    ///
    /// # Errors
    /// When the files cannot be copied or the copy does not start.
    pub fn copy(&self) -> Result<Self> {
        self.copy_with(self.appraiser.clone())
    }

    /// [`Site::copy`] with another appraiser.
    ///
    /// # Errors
    /// As `copy`.
    pub fn copy_with(&self, appraiser: Arc<dyn Appraise>) -> Result<Self> {
        let outer = tempfile::Builder::new().prefix("avouch-").tempdir()?;
        let data_dir = outer.path().join("data");
        copy_data(&self.config.data_dir, &data_dir)?;
        let origin = Some(self.origin().to_owned());
        let config = Config { data_dir, origin, listen: ([127, 0, 0, 1], 0).into(), ..self.config.clone() };
        Self::up(config, self.clock.fork(), appraiser, outer)
    }

    fn up(config: Config, clock: Arc<HandClock>, appraiser: Arc<dyn Appraise>, outer: TempDir) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        let started = Server::start_with(config.clone(), clock.clone(), Shared(appraiser.clone()));
        let running = runtime.block_on(started)?;
        let address = running.local_addr();
        Ok(Self { clock, config, appraiser, running: Some(running), address, runtime, outer })
    }

    /// Stops the server in order; true when every request finished.
    pub fn stop(&mut self) -> bool {
        self.running.take().is_none_or(|running| self.runtime.block_on(running.stop()))
    }

    /// Starts it again on the same directory, clock and port.
    ///
    /// # Errors
    /// When it does not start, or was not stopped.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "the server still runs");
        let config = Config { listen: self.address, ..self.config.clone() };
        let started = Server::start_with(config, self.clock.clone(), Shared(self.appraiser.clone()));
        self.running = Some(self.runtime.block_on(started)?);
        Ok(())
    }

    /// The public URL: what tokens and challenges carry.
    pub fn origin(&self) -> &str {
        self.running.as_ref().map_or("", Running::origin)
    }

    /// URL of the socket that is listened on; another than the origin for a copy.
    pub fn address(&self) -> String {
        format!("https://{}", self.address)
    }

    /// SHA-256 of the server CA's SubjectPublicKeyInfo, as agents pin it.
    pub fn pins(&self) -> Vec<[u8; 32]> {
        self.running.iter().flat_map(Running::pins).map(|pin| pin.0).collect()
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// A folder that goes with the site, for a test's own files.
    pub fn folder(&self) -> PathBuf {
        self.outer.path().to_owned()
    }

    /// The PCRs that every challenge asks for.
    pub fn pcrs(&self) -> Pcrs {
        self.config.pcrs
    }

    /// Time passes.
    pub fn pass(&self, seconds: u64) {
        self.clock.pass(seconds);
    }

    /// Time passes until the next round begins.
    pub fn next_round(&self) {
        let interval = self.config.interval.seconds();
        self.clock.pass(interval - self.clock.now() % interval);
    }

    // --- what operators do ---

    /// A new enrolment token, valid for a day.
    ///
    /// # Errors
    /// When the owner key is gone.
    pub fn token(&self, uses: u32) -> Result<EnrolmentToken> {
        self.token_for(NodeProfile::EkCert, uses)
    }

    /// [`Site::token`] of another profile.
    ///
    /// # Errors
    /// As `token`.
    pub fn token_for(&self, profile: NodeProfile, uses: u32) -> Result<EnrolmentToken> {
        let now = self.clock.now();
        let grant = Grant { profile, uses, expires: now + 86_400, origin: self.origin().to_owned() };
        Ok(Admin::open(&self.config, now)?.enrolment_token(&grant, None)?)
    }

    /// A client with this identity, or with none.
    ///
    /// # Errors
    /// When the pins are unusable.
    pub fn client(&self, identity: Option<&Identity>) -> Result<Https> {
        Ok(Https::new(&self.address(), agent_config(&self.pins(), identity)?, "avouch-testkit", MAX_ANSWER))
    }

    /// A client with the first operator's certificate.
    ///
    /// # Errors
    /// When the credentials cannot be read.
    pub fn operator(&self) -> Result<Https> {
        let paths = self.running.as_ref().context("the server is stopped")?.operator();
        let identity = Identity::from_pem(&fs::read_to_string(&paths.certificate)?, &fs::read_to_string(&paths.key)?)?;
        self.client(Some(&identity))
    }

    /// `GET path` as the operator; anything but success is an error.
    ///
    /// # Errors
    /// When the server refuses or answers something else.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        json(path, &self.operator()?.get(path)?)
    }

    /// `POST path` as the operator with a JSON body.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub fn set<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T> {
        json(path, &self.operator()?.post(path, "application/json", body)?)
    }

    /// All nodes.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub fn nodes(&self) -> Result<Vec<NodeView>> {
        Ok(self.get::<Nodes>("/v1/nodes")?.nodes)
    }

    /// One node with its last verdict.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub fn node(&self, node: &str) -> Result<NodeView> {
        self.get(&format!("/v1/nodes/{node}"))
    }

    /// A node's records, newest first.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub fn records(&self, node: &str) -> Result<Vec<RecordView>> {
        Ok(self.get::<Records>(&format!("/v1/nodes/{node}/records"))?.records)
    }

    /// One record with its verdict.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub fn record(&self, node: &str, seq: u64) -> Result<RecordView> {
        self.get(&format!("/v1/nodes/{node}/records/{seq}"))
    }

    /// Stores a policy and makes it the one that judges every node without its own; its reference.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub fn apply(&self, policy: &[u8]) -> Result<String> {
        let stored: PolicyRef = self.set("/v1/policies", policy)?;
        let assigned: PolicyRef = self.set("/v1/default-policy", &serde_json::to_vec(&stored)?)?;
        assigned.policy_ref.context("the server assigned no policy")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A policy that approves exactly what these logs show, confirmed as the boot of *another* machine (another EK).
///
/// # Errors
/// When the logs do not parse or hold nothing to approve.
pub fn policy_for(boot_log: &[u8], ima_list: &[u8], ima_policy: &str, pcrs: Pcrs) -> Result<PolicyDraft> {
    let bank = HashAlg::from_id(pcrs.bank).context("a bank that is known")?;
    let mut draft = PolicyDraft::new("recorded", "2026-11-21");
    draft.add_ima_policy(IMA_POLICY_PATH, ima_policy)?;
    for entry in parse_binary(ima_list, 0) {
        let Body::File { digest, path, .. } = entry?.body else { continue };
        if let Some(path) = str::from_utf8(path).ok().filter(|path| path.starts_with('/') && *path != IMA_POLICY_PATH) {
            draft.add_file(digest.try_into()?, path)?;
        }
    }
    let boot = ReferenceBoot::extract(boot_log, ima_list, bank, pcrs.mask, Hash([0xEE; 32]))?;
    draft.confirm(&boot, "another machine of the same image", "2026-11-21")?;
    Ok(draft)
}

fn json<T: DeserializeOwned>(path: &str, answer: &Answer) -> Result<T> {
    if answer.status != 200 {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        bail!("{path} was answered with {}: {body}", answer.status);
    }
    serde_json::from_slice(&answer.body).with_context(|| format!("the answer to {path}"))
}

/// The database as of one instant, and everything else that lies beside it.
fn copy_data(from: &Path, to: &Path) -> Result<()> {
    copy_folder(from, to)?;
    let database = to.join("avouch.db");
    let source = rusqlite::Connection::open(from.join("avouch.db"))?;
    source.busy_timeout(std::time::Duration::from_secs(5))?;
    source.execute("VACUUM INTO ?1", [database.to_str().context("a path in UTF-8")?])?;
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let shared = name.to_string_lossy().starts_with("avouch.db") || name == "lock";
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &to.join(name))?,
            false if shared => {}
            false => {
                fs::copy(entry.path(), to.join(name))?;
            }
        }
    }
    Ok(())
}
