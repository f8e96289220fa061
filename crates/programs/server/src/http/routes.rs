//! The one table of routes. A path that is not in it is not served, and a role is part of every row.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use avouch_appraise::MAX_POLICY_BYTES;
use avouch_protocol::{MAX_CHALLENGE_REQUEST_BYTES, MAX_ENROL_BYTES, MAX_EVIDENCE_BYTES};
use axum::Router;
use axum::extract::{RawPathParams, Request};
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use super::guard::{Call, no_such_route, run};
use super::peer::Role;
use super::refusal::Refused;
use super::reply::{Reply, Wire};
use crate::app::App;
use crate::{enrol, operator, probes, round};

/// Largest JSON request of an operator; each has one or two short fields.
const MAX_JSON_BYTES: usize = 4 * 1024;
/// A request without a body.
const NO_BODY: usize = 0;

/// One row of the table.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) role: Role,
    pub(crate) wire: Wire,
    /// Largest request body in bytes.
    pub(crate) limit: usize,
    pub(crate) handler: Handler,
}

type Answer = Pin<Box<dyn Future<Output = Result<Reply, Refused>> + Send>>;
pub(crate) type Handler = fn(Arc<App>, Call) -> Answer;

macro_rules! route {
    ($method:ident $path:literal $role:ident $wire:ident $limit:ident $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            role: Role::$role,
            wire: Wire::$wire,
            limit: $limit,
            handler: |app, call| Box::pin($handler(app, call)),
        }
    };
}

/// Everything that this server serves.
pub(crate) static ROUTES: &[Route] = &[
    route!(GET "/healthz" Public Text NO_BODY probes::healthz),
    route!(GET "/readyz" Public Text NO_BODY probes::readyz),
    route!(GET "/metrics" Public Text NO_BODY probes::metrics),
    route!(POST "/v1/enroll" Public Cbor MAX_ENROL_BYTES enrol::enroll),
    route!(POST "/v1/enroll/activate" Public Cbor MAX_ENROL_BYTES enrol::activate),
    route!(POST "/v1/challenge" Node Cbor MAX_CHALLENGE_REQUEST_BYTES round::challenge),
    route!(POST "/v1/evidence" Node Cbor MAX_EVIDENCE_BYTES round::evidence),
    route!(POST "/v1/key-lost" Node Cbor MAX_CHALLENGE_REQUEST_BYTES round::key_lost),
    route!(GET "/v1/nodes" Operator Json NO_BODY operator::nodes),
    route!(GET "/v1/nodes/{node}" Operator Json NO_BODY operator::node),
    route!(GET "/v1/nodes/{node}/records" Operator Json NO_BODY operator::records),
    route!(GET "/v1/nodes/{node}/records/{seq}" Operator Json NO_BODY operator::record),
    route!(GET "/v1/nodes/{node}/records/{seq}/evidence" Operator Json NO_BODY operator::evidence),
    route!(GET "/v1/nodes/{node}/rounds" Operator Json NO_BODY operator::rounds),
    route!(GET "/v1/nodes/{node}/reference-boot" Operator Json NO_BODY operator::reference_boot),
    route!(POST "/v1/nodes/{node}/policy" Operator Json MAX_JSON_BYTES operator::assign_policy),
    route!(GET "/v1/policies" Operator Json NO_BODY operator::policies),
    route!(POST "/v1/policies" Operator Json MAX_POLICY_BYTES operator::put_policy),
    route!(GET "/v1/policies/{ref}" Operator Json NO_BODY operator::policy),
    route!(POST "/v1/default-policy" Operator Json MAX_JSON_BYTES operator::default_policy),
];

/// The router over the table.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let table = ROUTES.iter().fold(Router::new(), |router, route| {
        let app = app.clone();
        let handler = move |params: RawPathParams, request: Request| run(app.clone(), route, params, request);
        let filter = if route.method == Method::POST { MethodFilter::POST } else { MethodFilter::GET };
        router.route(route.path, on(filter, handler))
    });
    table.fallback(|| async { no_such_route() })
}
