//! What clients send: the body of a refresh and the query of a verification.

use core::fmt;
use core::time::Duration;

use avouch_protocol::Hash;
use serde::Deserialize;

/// `POST /api/v1/refresh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshRequest {
    /// What the new bundle's quote and HMAC must be made over; an own nonce where the caller has none.
    pub request_nonce: Option<Hash>,
}

/// Why a request is refused. The client is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// Not one JSON object with known keys, each once.
    Json,
    /// Not 64 lower-case hexadecimal digits.
    Nonce,
    /// Not `max_age=SECONDS`.
    MaxAge,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default, deserialize_with = "text")]
    request_nonce: Option<String>,
}

impl RefreshRequest {
    /// Reads a body. An empty one asks for nothing in particular.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        if body.is_empty() {
            return Ok(Self { request_nonce: None });
        }
        // serde takes an array for a struct, too.
        if !is_object(body) {
            return Err(BodyError::Json);
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| BodyError::Json)?;
        let nonce = body.request_nonce.map(|text| {
            let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
            Hash::from_hex(&text).filter(|_| lower).ok_or(BodyError::Nonce)
        });
        Ok(Self { request_nonce: nonce.transpose()? })
    }
}

/// Whether JSON begins an object.
pub(crate) fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().first() == Some(&b'{')
}

/// A key that stands there has a text, never null.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// The age that the query of `/api/v1/verify` asks for: `max_age=SECONDS`, or nothing. Other parameters, and one that
/// stands twice, are refused: a misspelt limit must not be no limit.
///
/// # Errors
/// [`BodyError::MaxAge`].
pub fn max_age(query: &str) -> Result<Option<Duration>, BodyError> {
    if query.is_empty() {
        return Ok(None);
    }
    let digits = query.strip_prefix("max_age=").ok_or(BodyError::MaxAge)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.parse::<u64>().ok().filter(|_| plain).ok_or(BodyError::MaxAge)?;
    Ok(Some(Duration::from_secs(seconds)))
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "the body must be one JSON object with no key but request_nonce, or empty",
            Self::Nonce => "request_nonce must be 64 lower-case hexadecimal digits",
            Self::MaxAge => "the query must be max_age=SECONDS, or empty",
        })
    }
}

impl std::error::Error for BodyError {}
