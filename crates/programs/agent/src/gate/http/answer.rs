//! From a request to its answer.

use std::sync::Arc;
use std::time::Duration;

use avouch_attestor::{ErrorAnswer, RefreshRequest, Standing, max_age};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use tokio::time::timeout;

use super::access::{Access, Denied, Peer};
use super::log::Refusals;
use super::refresh::Refresher;
use super::route::Route;
use super::{Attestor, Limits, MAX_BODY_BYTES, NotRefreshed};

/// When somebody who was turned away should come again, in seconds.
const COME_AGAIN: u16 = 5;

/// An answer, whole.
pub(super) type Answer = Response<Full<Bytes>>;

/// Everything that answers need.
pub(super) struct Gate {
    pub(super) attestor: Arc<dyn Attestor>,
    pub(super) access: Access,
    pub(super) refresher: Refresher,
    pub(super) limits: Limits,
    pub(super) refusals: Refusals,
}

// === impl Gate ===

impl Gate {
    /// Answers `request` of `peer`, which is `None` over TCP.
    pub(super) async fn answer<B>(&self, peer: Option<Peer>, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let route = Route::of(request.uri().path());
        // Before anything else, so that nobody learns more than that they may not.
        if route != Some(Route::Health)
            && let Err(denied) = self.access.check(peer, request.headers())
        {
            return self.deny(peer, denied);
        }
        let Some(route) = route else { return refuse(StatusCode::NOT_FOUND, "not found") };
        if !route.takes(request.method()) {
            let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
            return answer;
        }
        match route {
            Route::Acknowledge => self.acknowledge(peer).await,
            Route::Attest => json(StatusCode::OK, &self.standing().at(self.attestor.now()).attest()),
            Route::Health => json(StatusCode::OK, &self.standing().at(self.attestor.now()).health()),
            Route::Refresh => self.refresh(request.into_body()).await,
            Route::Status => json(StatusCode::OK, &self.standing().at(self.attestor.now()).status()),
            Route::Verify => self.verify(request.uri().query().unwrap_or_default()),
        }
    }

    fn standing(&self) -> Arc<Standing> {
        self.attestor.standing()
    }

    fn verify(&self, query: &str) -> Answer {
        let oldest: Option<Duration> = match max_age(query) {
            Ok(oldest) => oldest,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let standing = self.standing();
        let answer = standing.at(self.attestor.now()).verify(oldest);
        // Whoever gates on this must never see success by mistake.
        let status = StatusCode::from_u16(answer.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        json(status, &answer)
    }

    async fn refresh<B>(&self, body: B) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let bytes = match read(body, self.limits.body).await {
            Ok(bytes) => bytes,
            Err(answer) => return answer,
        };
        let nonce = match RefreshRequest::parse(&bytes) {
            Ok(request) => request.request_nonce,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let standing = match self.refresher.refresh(nonce).await {
            Ok(standing) => standing,
            Err(why) => return turn_away(why),
        };
        match standing.at(self.attestor.now()).bundle() {
            Some(bundle) => json(StatusCode::OK, bundle),
            None => refuse(StatusCode::SERVICE_UNAVAILABLE, "nothing could be published; see the journal"),
        }
    }

    async fn acknowledge(&self, peer: Option<Peer>) -> Answer {
        let Some(peer) = peer.filter(|peer| peer.is_master()) else { return self.deny(peer, Denied::Forbidden) };
        if let Err(error) = self.attestor.acknowledge(&format!("uid {}, pid {}", peer.uid, peer.pid)) {
            return refuse(StatusCode::CONFLICT, &error.to_string());
        }
        match self.refresher.refresh(None).await {
            Ok(standing) => json(StatusCode::OK, &standing.at(self.attestor.now()).status()),
            Err(why) => turn_away(why),
        }
    }

    fn deny(&self, peer: Option<Peer>, denied: Denied) -> Answer {
        let (status, what) = match denied {
            Denied::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Denied::NoToken => (StatusCode::SERVICE_UNAVAILABLE, "service authentication unavailable"),
        };
        self.refusals.add(peer, what);
        refuse(status, what)
    }
}

/// The whole body, within its size and time.
async fn read<B>(body: B, time: Duration) -> Result<Bytes, Answer>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match timeout(time, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(refuse(StatusCode::BAD_REQUEST, &format!("the body is longer than {MAX_BODY_BYTES} bytes")))
        }
        Ok(Err(_)) => Err(refuse(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

fn turn_away(why: NotRefreshed) -> Answer {
    let status = match why {
        NotRefreshed::Busy => StatusCode::TOO_MANY_REQUESTS,
        NotRefreshed::Slow | NotRefreshed::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut answer = refuse(status, &why.to_string());
    answer.headers_mut().insert(RETRY_AFTER, COME_AGAIN.into());
    answer
}

fn refuse(status: StatusCode, error: &str) -> Answer {
    json(status, &ErrorAnswer::new(error))
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let Ok(text) = serde_json::to_vec(value) else {
        // No answer has a key that is no text or a number that JSON lacks.
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return answer;
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
