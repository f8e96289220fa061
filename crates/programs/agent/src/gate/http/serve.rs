//! The thread that answers.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::socket_peercred;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::access::{Access, Peer};
use super::answer::Gate;
use super::log::Refusals;
use super::paced::{Paced, Progress, Stage};
use super::refresh::{Rate, Refresher};
use super::{Attestor, Limits, Listeners, MAX_HEAD_BYTES};

/// Pause after a failed accept, most often because the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Peers of the Unix socket that may not ask get one place in so many; whoever may is never kept out by them.
const STRANGERS: usize = 6;
/// How long answers under way are waited for when the service stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// Attestations on request: a burst of callers is one run, and in the long term a run every five seconds leaves the
/// TPM and the unit's share of the CPU to everybody else.
const RATE: Rate = Rate { gather: Duration::from_millis(20), period: Duration::from_secs(5), burst: 4 };

/// The running API. Dropping it ends it without waiting.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// The sockets inside the runtime.
struct Sockets {
    tcp: Option<TcpListener>,
    unix: Option<UnixListener>,
}

/// Connections that one socket may have open.
#[derive(Clone)]
struct Places {
    all: Arc<Semaphore>,
    /// Of these, those of peers that the settings do not list.
    strangers: Arc<Semaphore>,
    count: usize,
}

/// What every connection shares.
#[derive(Clone)]
struct Front {
    gate: Arc<Gate>,
    stop: watch::Receiver<bool>,
}

// === impl Server ===

impl Server {
    /// Answers on `listeners` from now on.
    ///
    /// # Errors
    /// When the system gives no thread, no poll instance or refuses a socket.
    pub fn start(
        listeners: Listeners,
        access: Access,
        attestor: Arc<dyn Attestor>,
        limits: Limits,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let sockets = Sockets::of(listeners, &runtime)?;
        let refresher = Refresher::start(Arc::clone(&attestor), RATE)?;
        let gate = Arc::new(Gate { attestor, access, refresher, limits, refusals: Refusals::default() });
        let (stop, stopped) = watch::channel(false);
        let front = Front { gate, stop: stopped };
        let work = move || runtime.block_on(answer_all(sockets, front));
        let thread = thread::Builder::new().name("gate-http".to_owned()).spawn(work)?;
        Ok(Self { stop, thread })
    }

    /// Whether it still answers; a service whose API ended must end as well.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Takes no new connection, lets answers under way finish within two seconds, and ends.
    pub fn stop(self) {
        // Nobody listens when it ended by itself.
        let _ = self.stop.send(true);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the local attestor API panicked");
        }
    }
}

// === impl Sockets ===

impl Sockets {
    fn of(listeners: Listeners, runtime: &Runtime) -> io::Result<Self> {
        let _inside = runtime.enter();
        let tcp = listeners.tcp.map(|tcp| tcp.set_nonblocking(true).and_then(|()| TcpListener::from_std(tcp)));
        let unix = listeners.unix.map(|unix| unix.set_nonblocking(true).and_then(|()| UnixListener::from_std(unix)));
        Ok(Self { tcp: tcp.transpose()?, unix: unix.transpose()? })
    }
}

async fn answer_all(sockets: Sockets, front: Front) {
    let (tcp, unix) = (Places::new(&front.gate.limits), Places::new(&front.gate.limits));
    if let Some(listener) = sockets.tcp {
        tokio::spawn(accept_all(listener, front.clone(), tcp.clone()));
    }
    if let Some(listener) = sockets.unix {
        tokio::spawn(accept_all(listener, front.clone(), unix.clone()));
    }
    let mut stop = front.stop.clone();
    drop(front);
    stopped(&mut stop).await;
    // What is not done by then is cut off with the runtime.
    let _ = timeout(LAST_ANSWERS, async { (tcp.emptied().await, unix.emptied().await) }).await;
}

async fn accept_all<D: Door>(door: D, front: Front, places: Places) {
    let mut stop = front.stop.clone();
    loop {
        let Ok(place) = places.all.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = door.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let stranger = match peer {
            Some(peer) if !front.gate.access.knows(peer) => match places.strangers.clone().try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) => continue,
            },
            _ => None,
        };
        let kept = places.has_plenty();
        tokio::spawn(connection(stream, peer, front.clone(), kept, (place, stranger)));
    }
}

async fn connection<S>(
    stream: S,
    peer: Option<Peer>,
    front: Front,
    kept: bool,
    _places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Front { gate, mut stop } = front;
    let progress = Progress::new();
    let stream = Paced::new(stream, progress.clone(), gate.limits);
    let service = service_fn(|request| {
        let (gate, progress) = (&gate, &progress);
        progress.enter(Stage::Work);
        async move {
            let answer = gate.answer(peer, request).await;
            progress.enter(Stage::Answer);
            Ok::<_, Infallible>(answer)
        }
    });
    let serving = builder(kept).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let outcome = tokio::select! {
        outcome = serving.as_mut() => outcome,
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Returns when the service stops, also when its handle was dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn builder(kept: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The stream keeps the times itself.
    builder.header_read_timeout(None).max_buf_size(MAX_HEAD_BYTES).keep_alive(kept).half_close(false);
    builder
}

// === impl Places ===

impl Places {
    fn new(limits: &Limits) -> Self {
        let strangers = (limits.connections / STRANGERS).max(1);
        Self {
            all: Arc::new(Semaphore::new(limits.connections)),
            strangers: Arc::new(Semaphore::new(strangers)),
            count: limits.connections,
        }
    }

    fn has_plenty(&self) -> bool {
        self.all.available_permits() >= self.count / 2
    }

    async fn emptied(&self) {
        // It is never closed.
        let _ = self.all.acquire_many(u32::try_from(self.count).unwrap_or(u32::MAX)).await;
    }
}

// === impl Door ===

/// A listening socket, and who is at the other end of what it accepts.
trait Door: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<Peer>)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<Peer>)> {
        let (stream, _) = Self::accept(self).await?;
        // Answers are small.
        stream.set_nodelay(true)?;
        Ok((stream, None))
    }
}

impl Door for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Option<Peer>)> {
        let (stream, _) = Self::accept(self).await?;
        // Without credentials this is nobody's connection: it is dropped, and never taken for one over TCP.
        let found = socket_peercred(&stream)?;
        let peer = Peer { uid: found.uid.as_raw(), gid: found.gid.as_raw(), pid: found.pid.as_raw_nonzero().get() };
        Ok((stream, Some(peer)))
    }
}
