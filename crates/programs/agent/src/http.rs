//! The agent's only way out: HTTPS POST to the server that its token names, answered by messages of the protocol.
//!
//! [`avouch_https`] carries it: always direct, without redirects, secured by what [`avouch_crypto::tls`] makes.

use std::sync::Arc;

use avouch_https::{Https, HttpsError};
use avouch_protocol::{Message, Refusal, WireError};
use rustls::ClientConfig;
use thiserror::Error;

pub use avouch_https::Answer;

/// Largest answer taken: every answer of the protocol is an enrolment-sized message at most ([`avouch_protocol::MAX_ENROL_BYTES`]).
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Speaks with one server, over kept-alive connections.
#[derive(Clone, Debug)]
pub struct Client {
    https: Https,
}

/// Why there is no usable answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection, or it broke; the server may be down or out of reach.
    #[error("{origin} cannot be reached: {reason}")]
    Unreachable {
        /// The server's URL.
        origin: String,
        /// What failed, and where.
        reason: String,
    },
    /// TLS did not stand: most often the server is not the one that the enrolment token pins, or it does not accept
    /// this node's certificate.
    #[error("{origin} did not prove to be the server of the enrolment token, or refused this node: {reason}")]
    Tls {
        /// The server's URL.
        origin: String,
        /// What TLS says.
        reason: String,
    },
    /// The server refused the request and said why, and what to do.
    #[error("{} ({})", .0.what, .0.code)]
    Refused(Refusal),
    /// An answer that is none of the protocol's messages.
    #[error("{origin} answered {path} with status {status} and bytes that are not the expected message: {error}")]
    Answer {
        /// The server's URL.
        origin: String,
        /// What was asked.
        path: &'static str,
        /// HTTP status.
        status: u16,
        /// Why the bytes are not the message.
        #[source]
        error: WireError,
    },
}

// === impl Client ===

impl Client {
    /// A client of the server at `origin` (`https://host:port`), over connections that `tls` secures.
    pub fn new(origin: &str, tls: Arc<ClientConfig>) -> Self {
        let user_agent = concat!("avouch-agent/", env!("CARGO_PKG_VERSION"));
        Self { https: Https::new(origin, tls, user_agent, MAX_ANSWER_BYTES) }
    }

    /// The server's URL.
    pub fn origin(&self) -> &str {
        self.https.origin()
    }

    /// Sends `body` as it is to `path` (starting with `/`).
    ///
    /// # Errors
    /// [`HttpError::Unreachable`] or [`HttpError::Tls`]; every HTTP status is an answer.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Answer, HttpError> {
        Ok(self.https.post(path, "application/cbor", body)?)
    }

    /// Sends a message's bytes and reads the message that answers them, with its exact bytes.
    ///
    /// # Errors
    /// [`HttpError`]; a refusal of the server is [`HttpError::Refused`].
    pub fn exchange<M: Message>(&self, path: &'static str, body: &[u8]) -> Result<(M, Vec<u8>), HttpError> {
        let Answer { status, body } = self.accepted(path, body)?;
        match M::from_cbor(&body) {
            Ok(message) => Ok((message, body)),
            Err(error) => Err(self.misfit(path, status, error)),
        }
    }

    /// Sends a message's bytes and returns the answer of a server that took them.
    ///
    /// # Errors
    /// As [`Client::exchange`].
    pub fn accepted(&self, path: &'static str, body: &[u8]) -> Result<Answer, HttpError> {
        let answer = self.post(path, body)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        match Refusal::from_cbor(&answer.body) {
            Ok(refusal) => Err(HttpError::Refused(printable(refusal))),
            Err(error) => Err(self.misfit(path, answer.status, error)),
        }
    }

    fn misfit(&self, path: &'static str, status: u16, error: WireError) -> HttpError {
        HttpError::Answer { origin: self.origin().to_owned(), path, status, error }
    }
}

// === impl HttpError ===

impl HttpError {
    /// The machine code of a refusal.
    pub fn refusal_code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.code),
            _ => None,
        }
    }
}

impl From<HttpsError> for HttpError {
    fn from(error: HttpsError) -> Self {
        match error {
            HttpsError::Tls { origin, reason } => Self::Tls { origin, reason },
            HttpsError::Unreachable { origin, reason } => Self::Unreachable { origin, reason },
        }
    }
}

/// What a refusal says is shown on terminals, in logs and to the service manager, where a control character could do
/// more than be read.
fn printable(refusal: Refusal) -> Refusal {
    let clean = |text: String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Refusal { code: clean(refusal.code), what: clean(refusal.what), remedy: clean(refusal.remedy), ..refusal }
}
