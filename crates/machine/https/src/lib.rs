//! HTTPS as agents and operators speak it: HTTP/1.1 over one ready-made rustls configuration, to one server.
//!
//! Connections are always direct: proxy variables of the environment are not read, because a proxy adds a party that
//! nobody pinned. Redirects are not followed for the same reason. The TLS configuration is made elsewhere, and there
//! is no way here to weaken it.

mod tls;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use thiserror::Error;
use ureq::Body;
use ureq::http::Response;
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
/// Idle connections older than this are not used again.
const IDLE: Duration = Duration::from_secs(120);

/// Speaks with one server, over kept-alive connections.
#[derive(Clone, Debug)]
pub struct Https {
    origin: String,
    max_answer: u64,
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

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HttpsError {
    /// No connection, it broke, or the answer is longer than is taken; the server may be down or out of reach.
    #[error("{origin} cannot be reached: {reason}")]
    Unreachable {
        /// The server's URL.
        origin: String,
        /// What failed, and where.
        reason: String,
    },
    /// TLS did not stand: most often the server holds another CA key than the pinned one, or it does not accept this
    /// client's certificate.
    #[error("{origin} did not prove to be the pinned server, or refused this client: {reason}")]
    Tls {
        /// The server's URL.
        origin: String,
        /// What TLS says.
        reason: String,
    },
}

// === impl Https ===

impl Https {
    /// A client of the server at `origin` (`https://host:port`) over connections that `tls` secures; answers beyond
    /// `max_answer` bytes are refused. `user_agent` names the program and its release.
    pub fn new(origin: &str, tls: Arc<ClientConfig>, user_agent: &str, max_answer: u64) -> Self {
        let config = ureq::Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(user_agent)
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
        Self { origin: origin.trim_end_matches('/').to_owned(), max_answer, agent }
    }

    /// The server's URL.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Asks for `path` (starting with `/`).
    ///
    /// # Errors
    /// [`HttpsError`]; every HTTP status is an answer.
    pub fn get(&self, path: &str) -> Result<Answer, HttpsError> {
        self.answer(self.agent.get(self.url(path)).call())
    }

    /// Sends `body` as it is to `path` (starting with `/`).
    ///
    /// # Errors
    /// [`HttpsError`]; every HTTP status is an answer.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer, HttpsError> {
        self.answer(self.agent.post(self.url(path)).content_type(content_type).send(body))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    fn answer(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<Answer, HttpsError> {
        let mut response = sent.map_err(|error| self.failure(error))?;
        let status = response.status().as_u16();
        // ureq wants to see the end of a body below its limit.
        let limit = self.max_answer.saturating_add(1);
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        Ok(Answer { status, body: body.map_err(|error| self.failure(error))? })
    }

    fn failure(&self, error: ureq::Error) -> HttpsError {
        let origin = self.origin.clone();
        match error {
            ureq::Error::Io(error) if tls::is_tls(&error) => HttpsError::Tls { origin, reason: error.to_string() },
            ureq::Error::Tls(reason) => HttpsError::Tls { origin, reason: reason.to_owned() },
            ureq::Error::Io(error) => HttpsError::Unreachable { origin, reason: plain(&error) },
            error => HttpsError::Unreachable { origin, reason: error.to_string() },
        }
    }
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there (connection refused)".to_owned(),
        ErrorKind::UnexpectedEof => "the connection ended before the answer was complete".to_owned(),
        _ => error.to_string(),
    }
}
