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
    route!(GET "/v1/nodes/{node}/observation" Operator Json NO_BODY operator::observation),
    route!(GET "/v1/nodes/{node}/pairs" Operator Json NO_BODY operator::pairs),
    route!(GET "/v1/nodes/{node}/changes" Operator Json NO_BODY operator::changed),
    route!(GET "/v1/nodes/{node}/intent" Operator Json NO_BODY operator::intent),
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

#[cfg(test)]
mod tests {
    use avouch_crypto::ca::Identity;
    use avouch_crypto::client_key::ClientKey;
    use avouch_crypto::tls::agent_config;
    use avouch_https::{Answer, Https};
    use avouch_protocol::{Message, Refusal};

    use super::*;
    use crate::data_dir::DataDir;
    use crate::keys::{Keys, OperatorPaths};
    use crate::{Clock, Config, Running, Server, SystemClock};

    fn client(running: &Running, identity: Option<&Identity>) -> Https {
        let pins: Vec<[u8; 32]> = running.pins().iter().map(|pin| pin.0).collect();
        Https::new(running.origin(), agent_config(&pins, identity).unwrap(), "test", 1 << 20)
    }

    fn operator(dir: &DataDir) -> Identity {
        let paths = OperatorPaths::of(dir);
        let read = |path| std::fs::read_to_string(path).unwrap();
        Identity::from_pem(&read(&paths.certificate), &read(&paths.key)).unwrap()
    }

    /// A certificate of the node CA for a node that the store does not know.
    fn node(dir: &DataDir) -> Identity {
        let keys = Keys::open(dir, SystemClock.wall()).unwrap();
        let key = ClientKey::generate().unwrap();
        let certificate = keys.node_ca.issue_node(key.spki_der(), &"ab".repeat(32), SystemClock.wall()).unwrap();
        Identity::new(&[certificate], key).unwrap()
    }

    fn ask(client: &Https, route: &Route) -> Answer {
        let path =
            route.path.replace("{node}", &"ab".repeat(32)).replace("{seq}", "1").replace("{ref}", &"cd".repeat(32));
        match route.method {
            Method::POST => client.post(&path, "application/cbor", b"").unwrap(),
            _ => client.get(&path).unwrap(),
        }
    }

    fn code(route: &Route, answer: &Answer) -> String {
        match route.wire {
            Wire::Cbor => Refusal::from_cbor(&answer.body).unwrap().code,
            _ => serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["code"].as_str().unwrap().into(),
        }
    }

    #[test]
    fn every_route_refuses_everybody_without_its_role() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let outer = tempfile::tempdir().unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let config = Config { listen, data_dir: outer.path().join("data"), ..Config::default() };
        let running = runtime.block_on(Server::start(config.clone(), SystemClock)).unwrap();
        let dir = DataDir::open(&config.data_dir).unwrap();
        let (node, operator) = (node(&dir), operator(&dir));
        let clients = [None, Some((&node, Role::Node)), Some((&operator, Role::Operator))];
        for caller in clients {
            let client = client(&running, caller.map(|(identity, _)| identity));
            for route in ROUTES.iter().filter(|route| route.role != Role::Public) {
                let answer = ask(&client, route);
                match caller {
                    None => assert_eq!(
                        (answer.status, code(route, &answer).as_str()),
                        (401, "NO_CERTIFICATE"),
                        "{}",
                        route.path
                    ),
                    Some((_, role)) if role != route.role => {
                        assert_eq!(
                            (answer.status, code(route, &answer).as_str()),
                            (403, "WRONG_ROLE"),
                            "{}",
                            route.path
                        );
                    }
                    Some(_) => assert!(
                        answer.status != 401 && !answer.body.windows(10).any(|w| w == b"WRONG_ROLE"),
                        "{}",
                        route.path
                    ),
                }
            }
        }
        assert!(runtime.block_on(running.stop()));
    }

    #[test]
    fn public_routes_are_few_and_none_of_them_takes_much() {
        let public: Vec<_> = ROUTES.iter().filter(|route| route.role == Role::Public).collect();
        let paths: Vec<_> = public.iter().map(|route| route.path).collect();
        assert_eq!(paths, ["/healthz", "/readyz", "/metrics", "/v1/enroll", "/v1/enroll/activate"]);
        assert!(public.iter().all(|route| route.limit <= MAX_ENROL_BYTES));
    }
}
