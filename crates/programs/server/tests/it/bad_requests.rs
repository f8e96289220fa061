//! Malformed, oversized, slow and lying requests: a typed answer, and a server that serves on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use avouch_protocol::{EnrolRequest, MAX_ENROL_BYTES, Message, NodeProfile, VERSION};
use avouch_server::Grant;

use crate::world::{World, eventually, json, refusal};

const CBOR: &str = "application/cbor";

#[test]
fn bytes_that_are_no_message_get_a_refusal_with_offset_and_remedy() {
    let world = World::start();
    let answer = world.anonymous().post("/v1/enroll", CBOR, b"\xff\x00").unwrap();
    let refused = refusal(&answer);
    assert_eq!((answer.status, refused.code.as_str()), (400, "MALFORMED"));
    assert!(refused.what.contains("byte 0"), "{}", refused.what);
    assert!(!refused.remedy.is_empty());
}

#[test]
fn a_body_beyond_the_limit_of_its_route_is_refused() {
    let world = World::start();
    let answer = world.anonymous().post("/v1/enroll", CBOR, &vec![0; MAX_ENROL_BYTES + 1]).unwrap();
    assert_eq!((answer.status, refusal(&answer).code.as_str()), (413, "TOO_LARGE"));
    assert_eq!(world.anonymous().get("/healthz").unwrap().status, 200);
}

#[test]
fn another_media_type_is_refused() {
    let world = World::start();
    let answer = world.anonymous().post("/v1/enroll", "application/json", b"{}").unwrap();
    assert_eq!((answer.status, refusal(&answer).code.as_str()), (415, "MEDIA_TYPE"));
}

#[test]
fn a_path_outside_the_table_is_not_served() {
    let world = World::start();
    for path in ["/", "/v1", "/v1/nodes/a/b/c", "/metrics/", "/v1/../healthz"] {
        let answer = world.operator().get(path).unwrap();
        assert_eq!((answer.status, json(&answer)["code"].as_str()), (404, Some("NO_SUCH_ROUTE")), "{path}");
    }
}

#[test]
fn plain_http_and_noise_get_no_answer_and_harm_nothing() {
    let world = World::start();
    for bytes in [b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".as_slice(), &[0; 3], &[0x16, 3, 1, 0xff, 0xff]] {
        let mut stream = TcpStream::connect(world.running().local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // The end of the stream or a reset: no HTTP either way.
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert_eq!(world.anonymous().get("/healthz").unwrap().status, 200);
}

#[test]
fn connections_beyond_the_limit_wait_and_are_served_when_others_end() {
    let world = World::with(|config| config.max_connections = 2);
    let held: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(world.running().local_addr()).unwrap()).collect();
    let client = world.anonymous();
    let waiting = std::thread::spawn(move || client.get("/healthz").map(|answer| answer.status));
    eventually("the third connection is in the queue", || !waiting.is_finished());
    drop(held);
    assert_eq!(waiting.join().unwrap().unwrap(), 200);
}

#[test]
fn a_token_that_is_forged_expired_or_for_another_server_enrols_nobody() {
    let world = World::start();
    let other = World::start();
    let grant =
        |expires| Grant { profile: NodeProfile::EkCert, uses: 1, expires, origin: world.running().origin().to_owned() };
    let far = u64::from(u32::MAX);
    let code = |token: Vec<u8>| {
        let none = || Vec::new().into();
        let request = EnrolRequest {
            v: VERSION,
            token: token.into(),
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
        refusal(&world.anonymous().post("/v1/enroll", CBOR, &request.to_cbor()).unwrap()).code
    };
    let good = world.admin().enrolment_token(&grant(far), None).unwrap();
    // A good token gets as far as the configuration lets it.
    assert_eq!(code(good.to_cbor()), "NO_EK_ROOTS");
    let mut more_uses = good.clone();
    more_uses.uses = 1_000;
    assert_eq!(code(more_uses.to_cbor()), "TOKEN_SIGNATURE");
    assert_eq!(code(other.admin().enrolment_token(&grant(far), None).unwrap().to_cbor()), "TOKEN_SIGNATURE");
    assert_eq!(code(world.admin().enrolment_token(&grant(1_000), None).unwrap().to_cbor()), "TOKEN_EXPIRED");
    let elsewhere = Grant { origin: "https://elsewhere.example".into(), ..grant(far) };
    assert_eq!(code(world.admin().enrolment_token(&elsewhere, None).unwrap().to_cbor()), "TOKEN_ORIGIN");
}
