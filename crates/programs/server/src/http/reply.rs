//! The form of requests and answers.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// How the bodies of a route are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Deterministic CBOR, both ways.
    Cbor,
    /// JSON answers; a request body is JSON or raw bytes.
    Json,
    /// Plain text answers, no request body.
    Text,
}

/// An answer before it becomes HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) retry_in: Option<u64>,
}

/// Media type of the node protocol.
pub(crate) const CBOR: &str = "application/cbor";
const JSON: &str = "application/json";

impl Reply {
    pub(crate) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, body: body.into(), retry_in: None }
    }

    pub(crate) fn cbor(body: impl Into<Bytes>) -> Self {
        Self::new(CBOR, body)
    }

    pub(crate) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(JSON, body),
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..Self::new(JSON, Bytes::new()) }
            }
        }
    }

    pub(crate) fn raw(body: impl Into<Bytes>) -> Self {
        Self::new("application/octet-stream", body)
    }

    pub(crate) fn text(content_type: &'static str, body: String) -> Self {
        Self::new(content_type, body)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_in {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
