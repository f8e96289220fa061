//! What happens to every request before and after its handler, the same for all routes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode, header};

use super::body::{HeldBody, drain};
use super::peer::{Peer, Role};
use super::refusal::Refused;
use super::reply::{CBOR, Reply, Wire};
use super::routes::Route;
use crate::app::App;

/// Longest that a handler works on a request whose body has arrived; a commit on a slow disk is the longest part.
const HANDLER: Duration = Duration::from_secs(30);

/// A request that may be served: its peer has the route's role, and its body is within the route's limit.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) peer: Peer,
    pub(crate) body: HeldBody,
    query: String,
    params: Vec<(String, String)>,
}

impl Call {
    /// A variable of the route's path; empty when the route has none of this name.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A value of the query, as written: no value here needs percent-encoding.
    pub(crate) fn text(&self, name: &'static str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// A value of the query that may hold any character, percent-encoded (RFC 3986, 2.1).
    pub(crate) fn decoded(&self, name: &'static str) -> Result<Option<String>, Refused> {
        let Some(value) = self.text(name) else { return Ok(None) };
        percent_decoded(value).map(Some).ok_or_else(|| {
            let what = format!("`{name}` in the query is not percent-encoded UTF-8.");
            Refused::new(
                StatusCode::BAD_REQUEST,
                "QUERY",
                what,
                "Write other characters than letters, digits and -_.~ as % and two hexadecimal digits each.",
            )
        })
    }

    /// A number of the query; absent is `None`.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, Refused> {
        let Some(value) = self.text(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| {
            let what = format!("`{name}` in the query is not a number.");
            Refused::new(StatusCode::BAD_REQUEST, "QUERY", what, "Write a whole number that is not negative.")
        })
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(match byte {
            b'%' => digit(rest.next())? << 4 | digit(rest.next())?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Runs one request of `route`.
pub(crate) async fn run(
    app: Arc<App>,
    route: &'static Route,
    params: RawPathParams,
    request: Request,
) -> Response<Body> {
    let started = Instant::now();
    let answer = answer(&app, route, params, request).await;
    let reply = answer.unwrap_or_else(|refused| {
        app.metrics.refused(refused.code);
        // Debug form: what came from outside is escaped, so that no request can write a line of the log.
        tracing::info!(route = route.path, code = refused.code, what = ?refused.what, "refused");
        refused.into_reply(route.wire)
    });
    tracing::debug!(route = route.path, status = reply.status.as_u16(), took = ?started.elapsed(), "answered");
    reply.into_response()
}

async fn answer(
    app: &Arc<App>,
    route: &'static Route,
    params: RawPathParams,
    request: Request,
) -> Result<Reply, Refused> {
    let (parts, mut body) = request.into_parts();
    let call = match admit(app, route, &params, &parts, &mut body).await {
        Ok(call) => call,
        Err(refused) => {
            drain(&mut body).await;
            return Err(refused);
        }
    };
    tokio::time::timeout(HANDLER, (route.handler)(app.clone(), call)).await.map_err(|_| {
        Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "TOO_SLOW_HERE",
            "The server did not finish in time; most often its disk is slow or full.",
            "Try again later; the operator finds the reason in the server's log.",
        )
        .retry(30)
    })?
}

async fn admit(
    app: &App,
    route: &Route,
    params: &RawPathParams,
    parts: &Parts,
    body: &mut Body,
) -> Result<Call, Refused> {
    let peer = parts.extensions.get::<Peer>().cloned().unwrap_or(Peer::Anonymous);
    authorise(&peer, route)?;
    media_type(&parts.headers, route)?;
    Ok(Call {
        peer,
        body: app.bodies.read(&parts.headers, body, route.limit).await?,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        params: params.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    })
}

fn authorise(peer: &Peer, route: &Route) -> Result<(), Refused> {
    if peer.may_act_as(route.role) {
        return Ok(());
    }
    let remedy = match route.role {
        Role::Node => {
            "Connect with the client certificate that enrolment gave to this node; `avouch-agent enroll` gets one."
        }
        Role::Operator | Role::Public => {
            "Connect with an operator certificate; the first one is in the directory `operator` of the data directory."
        }
    };
    match peer {
        Peer::Anonymous => {
            let what = "This route needs a client certificate and the connection has none.";
            Err(Refused::new(StatusCode::UNAUTHORIZED, "NO_CERTIFICATE", what, remedy))
        }
        Peer::Node { .. } | Peer::Operator { .. } => {
            let what = "The client certificate of this connection is for another role.";
            Err(Refused::new(StatusCode::FORBIDDEN, "WRONG_ROLE", what, remedy))
        }
    }
}

fn media_type(headers: &HeaderMap, route: &Route) -> Result<(), Refused> {
    if route.wire != Wire::Cbor || headers.get(header::CONTENT_TYPE).is_some_and(|value| value == CBOR) {
        return Ok(());
    }
    Err(Refused::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "MEDIA_TYPE",
        format!("This route takes {CBOR} only."),
        format!("Send `content-type: {CBOR}`."),
    ))
}

/// The answer to a path that is in no table.
pub(crate) fn no_such_route() -> Response<Body> {
    let what = "There is no such route.";
    let remedy = "See the table of routes in the documentation of this release.";
    Refused::new(StatusCode::NOT_FOUND, "NO_SUCH_ROUTE", what, remedy).into_reply(Wire::Json).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_odd_characters_comes_through_a_query() {
        let name = "dev-disk-by\\x2dlabel.device & listener:tcp:[::]:443@4026531840 \u{e9}%";
        let written: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(percent_decoded(&written).as_deref(), Some(name));
        assert_eq!(percent_decoded("ssh.service").as_deref(), Some("ssh.service"));
        for wrong in ["%", "%1", "%zz", "%ff", "a%4"] {
            assert_eq!(percent_decoded(wrong), None, "{wrong}");
        }
    }
}
