//! Reports of failures to whoever handles incidents on this machine. They are sent beside the gate's work and never
//! hold it up: who is slow or gone misses reports, and that is said.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use avouch_attestor::LocalUrl;
use hyper::Method;
use zeroize::Zeroizing;

use super::client::{Call, Door};
use super::http::SharedSecret;

/// Reports that wait while one is sent.
const MAX_WAITING: usize = 16;
/// One report may take so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes reports, and sends them one after the other.
#[derive(Debug)]
pub struct Webhook {
    queue: SyncSender<Vec<u8>>,
}

// === impl Webhook ===

impl Webhook {
    /// Starts the thread that posts to `url`.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(url: LocalUrl, token: SharedSecret) -> io::Result<Self> {
        let (queue, reports) = sync_channel(MAX_WAITING);
        thread::Builder::new().name("incidents".to_owned()).spawn(move || deliver(&url, &token, &reports))?;
        Ok(Self { queue })
    }

    /// Has a report sent, if there is room for it.
    pub fn report(&self, body: Vec<u8>) {
        match self.queue.try_send(body) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!("{MAX_WAITING} reports of failures wait to be taken; one more is dropped");
            }
            Err(TrySendError::Disconnected(_)) => tracing::error!("reports of failures are sent no more"),
        }
    }
}

/// Until the gate ends.
fn deliver(url: &LocalUrl, token: &SharedSecret, reports: &Receiver<Vec<u8>>) {
    let door = Door::Port(url.at());
    for body in reports {
        let token = token.current().map(|token| Zeroizing::new(token.digits().to_owned()));
        let call = Call { method: Method::POST, path: url.path(), body: Some(body), token: token.as_ref() };
        match door.call(call, PATIENCE) {
            Ok(answer) if answer.status.is_success() => tracing::info!("a failure was reported to {door}"),
            Ok(answer) => tracing::warn!("{door} does not take a report of a failure: {}", answer.status),
            Err(error) => tracing::warn!("a failure cannot be reported: {error}"),
        }
    }
}
