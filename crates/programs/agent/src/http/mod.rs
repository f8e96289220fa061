//! The agent's only way out: HTTPS POST to the server that its token names.
//!
//! Connections are always direct: proxy variables of the environment are not read, because a proxy adds a party that
//! the token does not name. Redirects are not followed for the same reason. TLS settings come from
//! [`avouch_crypto::tls`] alone; ureq carries HTTP/1.1 over a rustls connection that [`tls`] opens.

mod tls;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use avouch_protocol::{Message, Refusal, WireError};
use rustls::ClientConfig;
use thiserror::Error;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, TcpConnector};

/// TCP and TLS must stand within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The name must resolve within this.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// No single read or write may take longer: a peer that trickles is given up.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);
/// A whole exchange, the largest evidence over a slow line included.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(90);
/// Largest answer taken: every answer of the protocol is an enrolment-sized message at most ([`avouch_protocol::MAX_ENROL_BYTES`]).
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Idle connections older than this are not used again.
const IDLE: Duration = Duration::from_secs(120);

/// Speaks with one server, over kept-alive connections.
#[derive(Clone, Debug)]
pub struct Client {
    origin: String,
    agent: ureq::Agent,
}

/// An answer as it came; the status is not judged here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
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
        let config = ureq::Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("avouch-agent/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections(2)
            .max_idle_age(IDLE)
            .timeout_global(Some(TOTAL_TIMEOUT))
            .timeout_resolve(Some(RESOLVE_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(STEP_TIMEOUT))
            .timeout_per_write(Some(STEP_TIMEOUT))
            .build();
        let connector = ().chain(TcpConnector::default()).chain(tls::TlsConnector::new(tls));
        let agent = ureq::Agent::with_parts(config, connector, DefaultResolver::default());
        Self { origin: origin.trim_end_matches('/').to_owned(), agent }
    }

    /// The server's URL.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends `body` as it is to `path` (starting with `/`).
    ///
    /// # Errors
    /// [`HttpError::Unreachable`] or [`HttpError::Tls`]; every HTTP status is an answer.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Answer, HttpError> {
        let sent = self.agent.post(format!("{}{path}", self.origin)).content_type("application/cbor").send(body);
        let mut response = sent.map_err(|error| self.failure(error))?;
        let status = response.status().as_u16();
        // ureq wants to see the end of a body below its limit.
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES + 1).read_to_vec();
        Ok(Answer { status, body: body.map_err(|error| self.failure(error))? })
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
        HttpError::Answer { origin: self.origin.clone(), path, status, error }
    }

    fn failure(&self, error: ureq::Error) -> HttpError {
        let origin = self.origin.clone();
        match error {
            ureq::Error::Io(error) if tls::is_tls(&error) => HttpError::Tls { origin, reason: error.to_string() },
            ureq::Error::Tls(reason) => HttpError::Tls { origin, reason: reason.to_owned() },
            ureq::Error::Io(error) => HttpError::Unreachable { origin, reason: plain(&error) },
            error => HttpError::Unreachable { origin, reason: error.to_string() },
        }
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

/// What a refusal says is shown on terminals, in logs and to the service manager, where a control character could do
/// more than be read.
fn printable(refusal: Refusal) -> Refusal {
    let clean = |text: String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Refusal { code: clean(refusal.code), what: clean(refusal.what), remedy: clean(refusal.remedy), ..refusal }
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there (connection refused)".to_owned(),
        ErrorKind::UnexpectedEof => "the connection ended before the answer was complete".to_owned(),
        _ => error.to_string(),
    }
}
