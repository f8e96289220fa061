//! The accept loop: TLS, limits on connections and time, and a stop that lets requests finish.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tower::ServiceExt;

use super::peer::Peer;
use crate::app::App;
use crate::tls::TlsSettings;

/// Time for a TLS handshake, from the accepted connection to the last message.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for the head of a request, and so the longest a connection may rest between two requests.
const REQUEST_HEAD: Duration = Duration::from_secs(15);
/// Largest request head in bytes; the longest URL here is under 200.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Headers in one request; ordinary clients send ten.
const MAX_HEADERS: usize = 48;
/// Pause after a failed accept, most often because the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Everything that a connection needs.
pub(crate) struct Front {
    pub(crate) router: Router,
    pub(crate) tls: TlsSettings,
    pub(crate) app: Arc<App>,
    pub(crate) connections: Arc<Semaphore>,
}

/// Serves until `stop` says so; returns when no new connection is taken. Connections that still work hold permits of
/// `front.connections`.
pub(crate) async fn serve(listener: TcpListener, front: Arc<Front>, mut stop: watch::Receiver<bool>) {
    loop {
        let permit = tokio::select! {
            permit = front.connections.clone().acquire_owned() => permit,
            () = stopped(&mut stop) => return,
        };
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, front.clone(), stop.clone(), permit));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    front: Arc<Front>,
    mut stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) {
    let _counted = front.app.metrics.connection();
    // Receipts are small answers to small requests.
    let _ = stream.set_nodelay(true);
    let handshake = timeout(HANDSHAKE, front.tls.acceptor().accept(stream));
    let stream = tokio::select! {
        done = handshake => match done {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => return tracing::debug!("TLS handshake took too long"),
        },
        () = stopped(&mut stop) => return,
    };
    let Some(peer) = front.tls.peer(stream.get_ref().1, front.app.reading().now) else {
        return tracing::warn!("a client certificate that TLS took names no known role; connection closed");
    };
    let service = RequestService { router: front.router.clone(), peer };
    let serving = builder().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let outcome = tokio::select! {
        outcome = serving.as_mut() => outcome,
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended early");
    }
}

/// Returns when the server stops, also when it was dropped.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .half_close(false);
    builder
}

struct RequestService {
    router: Router,
    peer: Peer,
}

impl hyper::service::Service<hyper::Request<Incoming>> for RequestService {
    type Response = hyper::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = tower::util::Oneshot<Router, hyper::Request<Body>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer.clone());
        self.router.clone().oneshot(request)
    }
}
