//! Calls to a gate on this machine, and to whoever takes its reports: HTTP/1.1 over a Unix socket, or over TCP to this
//! machine alone. A secret goes with a call, so no other machine is called in the clear.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use avouch_attestor::LocalUrlError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Largest answer that is taken: a bundle with a quote, some hundred services and their failures.
const MAX_ANSWER: usize = 4 << 20;

/// Where to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// A Unix socket: the kernel says who calls.
    Socket(PathBuf),
    /// A TCP port of this machine.
    Port(SocketAddr),
}

/// One call.
#[derive(Debug)]
pub struct Call<'a> {
    /// GET or POST.
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// JSON, if anything.
    pub body: Option<Vec<u8>>,
    /// What follows `Bearer `.
    pub token: Option<&'a Zeroizing<String>>,
}

/// An answer as it came; every status is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody listens there, or this user may not connect.
    #[error("no answer at {door}: {error}")]
    Connect {
        /// Where.
        door: Door,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("no usable answer at {door}: {reason}")]
    Http {
        /// Where.
        door: Door,
        /// What HTTP says.
        reason: String,
    },
    /// It took too long.
    #[error("no answer at {door} within {} s", limit.as_secs_f32())]
    Late {
        /// Where.
        door: Door,
        /// How long was waited.
        limit: Duration,
    },
    /// No call could be made at all.
    #[error("no call can be made: {0}")]
    Local(#[from] io::Error),
    /// A URL that is not called.
    #[error("{url:?} is no URL that is called: {why}")]
    Url {
        /// As written.
        url: String,
        /// What is wrong.
        why: LocalUrlError,
    },
}

// === impl Door ===

impl Door {
    /// Makes `call`, and gives its answer or the reason why there is none within `limit`.
    ///
    /// # Errors
    /// [`CallError`]; no HTTP status is one.
    pub fn call(&self, call: Call<'_>, limit: Duration) -> Result<Answer, CallError> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let answer = runtime.block_on(async { timeout(limit, self.answer(call)).await });
        answer.unwrap_or_else(|_| Err(CallError::Late { door: self.clone(), limit }))
    }

    async fn answer(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let absent = |error| CallError::Connect { door: self.clone(), error };
        match self {
            Self::Socket(path) => self.exchange(UnixStream::connect(path).await.map_err(absent)?, call).await,
            Self::Port(at) => self.exchange(TcpStream::connect(at).await.map_err(absent)?, call).await,
        }
    }

    async fn exchange<S>(&self, stream: S, call: Call<'_>) -> Result<Answer, CallError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let failed = |error: hyper::Error| self.failed(&error);
        let request = self.request(call).map_err(|error| self.failed(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // Ends with the sender; what goes wrong shows in the answer.
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| self.failed(error.as_ref()))?.to_bytes();
        Ok(Answer { status, body })
    }

    fn request(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let host = match self {
            Self::Socket(_) => "localhost".to_owned(),
            Self::Port(at) => at.to_string(),
        };
        let mut request = Request::builder().method(call.method).uri(call.path).header(HOST, host);
        if let Some(token) = call.token {
            let text = Zeroizing::new(format!("Bearer {}", token.as_str()));
            let mut value = HeaderValue::from_str(&text)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(call.body.map_or_else(Full::default, |body| Full::new(body.into())))
    }

    fn failed(&self, error: &(impl std::error::Error + ?Sized)) -> CallError {
        CallError::Http { door: self.clone(), reason: error.to_string() }
    }
}

impl std::fmt::Display for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Port(at) => write!(f, "http://{at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_there_is_told_with_the_place() {
        let temp = tempfile::tempdir().unwrap();
        let door = Door::Socket(temp.path().join("none"));
        let call = Call { method: Method::GET, path: "/health", body: None, token: None };
        let error = door.call(call, Duration::from_secs(5)).unwrap_err();
        assert!(matches!(&error, CallError::Connect { .. }) && error.to_string().contains("/none"), "{error}");
    }

    #[test]
    fn a_peer_that_does_not_answer_is_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door::Port(listener.local_addr().unwrap());
        let call = Call { method: Method::GET, path: "/health", body: None, token: None };
        assert!(matches!(door.call(call, Duration::from_millis(50)), Err(CallError::Late { .. })));
    }
}
