//! Start and stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use avouch_protocol::Hash;
use avouch_store::{Change, Cluster, ClusterNameError, SqliteStore, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::app::App;
use crate::appraisal::{Appraise, Pipeline};
use crate::cache::Caches;
use crate::clock::{Clock, ServerClock};
use crate::config::{Config, ConfigError};
use crate::data_dir::{DataDir, DataDirError, Lock};
use crate::enrol::{FirstContact, TrustError};
use crate::http::accept::{Front, serve};
use crate::http::body::BodyBudget;
use crate::http::routes::router;
use crate::keys::{Keys, OperatorPaths};
use crate::metrics::Metrics;
use crate::tls::{LeafError, TlsSettings};
use crate::upkeep;

/// Open files that the process needs beside its connections: store, log, keys.
const OTHER_FILES: u64 = 64;

/// Starts servers.
pub struct Server;

/// A server that serves. Dropping it without [`Running::stop`] cuts its connections off.
pub struct Running {
    local_addr: SocketAddr,
    origin: String,
    operator: OperatorPaths,
    front: Arc<Front>,
    connections: usize,
    stop_time: Duration,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    _lock: Lock,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The name of the cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterNameError),
    /// The data directory or a key in it.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What first contact rests on: roots, or the list of endorsement keys.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The server certificate.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// The address.
    #[error("cannot listen on {addr}: {source}; choose another `listen`, or stop what uses it")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Server {
    /// Starts a server on the clock that is given, which is [`crate::SystemClock`] outside of tests. Must be called
    /// on a tokio runtime with timers and I/O.
    ///
    /// # Errors
    /// [`StartError`], which says what to change.
    pub async fn start(config: Config, clock: impl Clock + 'static) -> Result<Running, StartError> {
        Self::start_with(config, clock, Pipeline).await
    }

    /// [`Server::start`] with another appraiser, such as one that fails.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_with(
        config: Config,
        clock: impl Clock + 'static,
        appraiser: impl Appraise + 'static,
    ) -> Result<Running, StartError> {
        config.check()?;
        let cluster = Cluster::new(&config.cluster)?;
        let dir = DataDir::open(&config.data_dir)?;
        let lock = dir.lock()?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir.database())?);
        let clock = ServerClock::new(clock, store.highest_time(&cluster)?);
        let now = clock.read().now;
        let keys = Keys::open(&dir, now)?;
        tell_owner_key(&keys);
        let first_contact = FirstContact::load(&config)?;
        raise_file_limit(config.max_connections);
        let listen_error = |source| StartError::Listen { addr: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let local_addr = listener.local_addr().map_err(listen_error)?;
        let names = config.certificate_names(local_addr);
        let (node_ca, operator_ca) = (keys.node_ca.certificate().clone(), keys.operator_ca.certificate().clone());
        let tls = TlsSettings::new(keys.server_ca, node_ca, operator_ca, names, now)?;
        let gap_end = store.gaps(&cluster)?.iter().map(|gap| gap.to).max().unwrap_or(0);
        let app = Arc::new(App {
            cluster,
            origin: config.origin_at(local_addr),
            interval: config.interval,
            pcrs: config.pcrs,
            first_contact,
            store,
            clock,
            node_ca: keys.node_ca,
            log_key: keys.log_key,
            owner: keys.owner,
            tenant_key: keys.tenant_key,
            appraiser: Arc::new(appraiser),
            metrics: Arc::new(Metrics::new()),
            bodies: BodyBudget::new(config.body_memory_mib),
            caches: Caches::new(),
            gap_end: AtomicU64::new(gap_end),
            round_secret: Mutex::new(None),
        });
        Ok(Running::run(&config, &dir, lock, listener, local_addr, app, tls))
    }
}

impl Running {
    fn run(
        config: &Config,
        dir: &DataDir,
        lock: Lock,
        listener: TcpListener,
        local_addr: SocketAddr,
        app: Arc<App>,
        tls: TlsSettings,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let origin = app.origin.clone();
        let front = Arc::new(Front {
            router: router(&app),
            tls,
            app,
            connections: Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS))),
        });
        tracing::info!(%local_addr, origin, "serving");
        Self {
            local_addr,
            origin,
            operator: OperatorPaths::of(dir),
            connections: config.max_connections.min(Semaphore::MAX_PERMITS),
            stop_time: Duration::from_secs(config.stop_seconds),
            accepting: tokio::spawn(serve(listener, front.clone(), stopped.clone())),
            upkeep: tokio::spawn(upkeep::run(front.clone(), stopped)),
            front,
            stop,
            _lock: lock,
        }
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The public URL: what tokens and challenges carry.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// SHA-256 of the SubjectPublicKeyInfo of the server CA keys: what agents pin.
    pub fn pins(&self) -> Vec<Hash> {
        vec![self.front.tls.pin()]
    }

    /// The credentials of the first operator.
    pub fn operator(&self) -> &OperatorPaths {
        &self.operator
    }

    /// Takes no new connection, lets requests that have begun finish within the configured time, and closes the store.
    /// True when all finished.
    pub async fn stop(self) -> bool {
        // Nobody listens when both tasks have ended already.
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
        let _ = self.upkeep.await;
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        let finished = timeout(self.stop_time, self.front.connections.acquire_many(all)).await.is_ok();
        if !finished {
            tracing::warn!("requests were cut off: they did not finish in time");
        }
        // So that a clock that is set back before or after the stop is found out at the next start.
        let now = self.front.app.reading().now;
        if let Err(error) = self.front.app.apply(now, Change::NoteTime).await {
            tracing::warn!(%error, "the time of the stop could not be stored");
        }
        tracing::info!("stopped");
        finished
    }
}

fn tell_owner_key(keys: &Keys) {
    if let Some(path) = &keys.new_owner_key {
        tracing::warn!(
            path = %path.display(),
            "an owner key was made: it signs enrolment tokens; move it offline and name it to `avouch enroll token` when you need one"
        );
    }
}

/// Raises the soft limit on open files as far as the connections need and the hard limit allows.
fn raise_file_limit(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < wanted) else { return };
    let raised = limit.maximum.map_or(wanted, |hard| hard.min(wanted));
    let raising = Rlimit { current: Some(raised), maximum: limit.maximum };
    if raised < wanted || setrlimit(Resource::Nofile, raising).is_err() {
        tracing::warn!(current, wanted, "fewer open files are allowed than `max_connections` may need");
    }
}
