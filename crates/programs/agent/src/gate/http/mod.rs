//! The local attestor API over HTTP: what services ask before they start.
//!
//! | path | methods | who | answer |
//! | --- | --- | --- | --- |
//! | `/health` | GET | everybody | 200: the process answers, and its state |
//! | `/api/v1/attest` | GET, POST | callers | 200: the state and the whole bundle |
//! | `/api/v1/verify?max_age=SECONDS` | GET | callers | 200 if attested and fresh, else 503 |
//! | `/api/v1/refresh` | POST | callers | 200: the bundle of an attestation that began after the request |
//! | `/api/security/status` | GET | callers | 200: counters and digests |
//! | `/api/v1/acknowledge` | POST | root or this user, Unix socket | 200: a latched failure is cleared and judged anew |
//!
//! A caller is a peer of the Unix socket whose user or primary group the settings list, as the kernel says
//! (SO_PEERCRED), or whoever presents the bearer token, on either socket. Being on this machine identifies nobody.
//!
//! One thread answers; it only reads what was published ([`Attestor::standing`]), so no attestation that hangs keeps
//! it from saying how old its answer is. A second thread asks for attestations on request ([`refresh`]). Every time,
//! size and number is bounded ([`Limits`]).

mod access;
mod answer;
mod listen;
mod log;
mod paced;
mod refresh;
mod route;
mod secret;
mod serve;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use avouch_attestor::{Hash, Moment, NothingToAcknowledge, Standing};
use thiserror::Error;

pub use access::Access;
pub use listen::{ListenError, Listeners};
pub use secret::{Secret, SecretError};
pub use serve::Server;
pub use shared::SharedSecret;

/// What answers are made from.
pub trait Attestor: Send + Sync + 'static {
    /// Now, on the clocks that ages are counted on.
    fn now(&self) -> Moment;

    /// What was published last. Never waits.
    fn standing(&self) -> Arc<Standing>;

    /// Attests and publishes, with the caller's nonce or one of its own: a run that begins after this call. Called by
    /// one thread, which waits as long as the run takes.
    ///
    /// # Errors
    /// [`NotRefreshed`].
    fn refresh(&self, nonce: Option<Hash>) -> Result<Arc<Standing>, NotRefreshed>;

    /// Says for `by` that what failed is known; the next run, which is asked for at once, judges anew. Never waits for a
    /// run.
    ///
    /// # Errors
    /// [`NothingToAcknowledge`].
    fn acknowledge(&self, by: &str) -> Result<(), NothingToAcknowledge>;
}

/// Why a request for an attestation has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotRefreshed {
    /// More callers wait than may.
    #[error("more requests wait for an attestation than may")]
    Busy,
    /// The run takes longer than a caller waits.
    #[error("the attestation takes longer than a request waits; it goes on")]
    Slow,
    /// The service stops.
    #[error("the service is stopping")]
    Stopping,
}

/// Bounds on what callers may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time for the head of a request, from the connection or from the head's first byte.
    pub head: Duration,
    /// Time for a body, from the end of the head.
    pub body: Duration,
    /// Time for an answer to be taken.
    pub answer: Duration,
    /// Time that a connection may rest between two requests.
    pub idle: Duration,
    /// Open connections on each of the two sockets; the next wait until one ends. Beyond half of them an answer ends
    /// its connection.
    pub connections: usize,
}

/// Largest request head in bytes.
const MAX_HEAD_BYTES: usize = 1024 * 1024;
/// Largest body in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        // With a full head on each connection of both sockets the service stays below the memory its unit gives it.
        Self { head: seconds(5), body: seconds(10), answer: seconds(30), idle: seconds(60), connections: 48 }
    }
}
