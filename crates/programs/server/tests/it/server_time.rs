//! Time that goes back, time that jumps, and what is told of it.

use avouch_protocol::{EnrolRequest, Message, VERSION};

use crate::world::{World, json, refusal};

const CBOR: &str = "application/cbor";

fn enrolment() -> Vec<u8> {
    let none = || Vec::new().into();
    let request = EnrolRequest {
        v: VERSION,
        token: none(),
        client_spki: none(),
        ek_public: none(),
        ek_certificate: none(),
        parent_public: none(),
        ak_public: none(),
        ak_private: none(),
        label: None,
        further_eks: Vec::new(),
        cloud_key: None,
        ek_chain: None,
    };
    request.to_cbor()
}

#[test]
fn a_backward_step_stops_rounds_until_the_clock_has_caught_up() {
    let world = World::start();
    let client = world.anonymous();
    assert_eq!(client.get("/readyz").unwrap().status, 200);
    world.clock.step(-6);
    let answer = client.get("/readyz").unwrap();
    assert_eq!((answer.status, json(&answer)["code"].as_str()), (503, Some("VERIFIER_CLOCK")));
    let refused = refusal(&client.post("/v1/enroll", CBOR, &enrolment()).unwrap());
    assert_eq!((refused.code.as_str(), refused.retry_in), ("VERIFIER_CLOCK", Some(30)));
    assert_eq!(client.get("/healthz").unwrap().status, 200);
    world.clock.step(6);
    assert_eq!(client.get("/readyz").unwrap().status, 200);
    assert_eq!(refusal(&client.post("/v1/enroll", CBOR, &enrolment()).unwrap()).code, "TOKEN_MALFORMED");
}

#[test]
fn a_clock_that_is_set_back_while_the_server_is_down_is_found_out() {
    let mut world = World::start();
    world.clock.pass(600);
    let before = json(&world.operator().get("/v1/nodes").unwrap())["now"].as_u64().unwrap();
    world.stop();
    world.clock.step(-600);
    world.start_again();
    let answer = world.anonymous().get("/readyz").unwrap();
    assert_eq!((answer.status, json(&answer)["code"].as_str()), (503, Some("VERIFIER_CLOCK")));
    let after = json(&world.operator().get("/v1/nodes").unwrap())["now"].as_u64().unwrap();
    assert!(after >= before, "server time went from {before} to {after}");
}
