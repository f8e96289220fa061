//! Requests that are refused: always a code, what happened, and what to do.

use avouch_protocol::{Message, Refusal, WireError};
use axum::http::StatusCode;
use serde::Serialize;

use super::reply::{Reply, Wire};

/// A refusal and the HTTP status it goes out with.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// A word from the program, never from a request: it becomes a metrics label.
    pub(crate) code: &'static str,
    pub(crate) what: String,
    pub(crate) remedy: String,
    pub(crate) retry_in: Option<u64>,
}

#[derive(Serialize)]
struct Json<'a> {
    code: &'a str,
    what: &'a str,
    remedy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in: Option<u64>,
}

impl Refused {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { status, code, what: what.into(), remedy: remedy.into(), retry_in: None }
    }

    /// The request cannot be understood.
    pub(crate) fn malformed(error: &WireError) -> Self {
        let remedy =
            "Send what this release of the protocol defines; client and server of one release understand each other.";
        match error {
            WireError::TooLong { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", error.to_string(), remedy)
            }
            WireError::Version { .. } => Self::new(StatusCode::BAD_REQUEST, "VERSION", error.to_string(), remedy),
            _ => Self::new(StatusCode::BAD_REQUEST, "MALFORMED", error.to_string(), remedy),
        }
    }

    /// The server's own fault, told in the log in full and to the caller in general.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed inside the server");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "The server failed inside; its log says more.",
            "Read the server's log, and try again.",
        )
        .retry(30)
    }

    /// Another try after `seconds` makes sense.
    pub(crate) fn retry(mut self, seconds: u64) -> Self {
        self.retry_in = Some(seconds);
        self
    }

    pub(crate) fn into_reply(self, wire: Wire) -> Reply {
        let (status, retry_in) = (self.status, self.retry_in);
        let reply = match wire {
            Wire::Cbor => {
                let refusal = Refusal { retry_in, ..Refusal::new(self.code, self.what, self.remedy) };
                Reply::cbor(refusal.to_cbor())
            }
            Wire::Json | Wire::Text => {
                Reply::json(&Json { code: self.code, what: &self.what, remedy: &self.remedy, retry_in })
            }
        };
        Reply { status, retry_in, ..reply }
    }
}
