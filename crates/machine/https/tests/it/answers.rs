use avouch_https::{Answer, HttpsError};

use crate::server::{Answering, MAX_ANSWER};

#[test]
fn requests_come_as_they_were_sent_over_one_connection() {
    let server = Answering::new("200 OK", b"hello");
    let client = server.client();
    let hello = Answer { status: 200, body: b"hello".to_vec() };
    assert_eq!(client.get("/v1/a?b=c").unwrap(), hello);
    assert_eq!(client.post("/v1/d", "application/cbor", b"body").unwrap(), hello);
    let requests = server.requests();
    assert!(requests[0].starts_with("get /v1/a?b=c http/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains("user-agent: test/1\r\n"), "{requests:?}");
    assert!(
        requests[1].starts_with("post /v1/d http/1.1\r\n") && requests[1].ends_with("\r\n\r\nbody"),
        "{requests:?}"
    );
    assert!(requests[1].contains("content-type: application/cbor\r\n"), "{requests:?}");
    assert_eq!(server.connections(), 1);
}

#[test]
fn every_status_is_an_answer() {
    for (line, status) in [("204 No Content", 204), ("403 Forbidden", 403), ("503 Service Unavailable", 503)] {
        assert_eq!(Answering::new(line, b"").client().get("/").unwrap().status, status);
    }
}

#[test]
fn a_redirect_is_an_answer_and_not_followed() {
    let other = Answering::new("200 OK", b"other");
    for status in ["301 M", "302 F", "303 S", "307 T", "308 P"] {
        let answer = format!("HTTP/1.1 {status}\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", other.origin);
        let client = Answering::with(answer.into_bytes()).client();
        assert!(status.starts_with(&client.get("/").unwrap().status.to_string()));
        assert!(status.starts_with(&client.post("/", "text/plain", b"").unwrap().status.to_string()));
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn an_answer_up_to_the_limit_is_taken_and_none_beyond() {
    let limit = usize::try_from(MAX_ANSWER).unwrap();
    assert_eq!(Answering::new("200 OK", &vec![7; limit]).client().get("/").unwrap().body, vec![7; limit]);
    assert!(Answering::new("200 OK", &vec![7; limit + 1]).client().get("/").is_err());
    // Without a length the end is known only when it comes.
    let chunk = format!("{:x}\r\n{}\r\n", limit, "7".repeat(limit));
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(3));
    assert!(Answering::with(endless.into_bytes()).client().get("/").is_err());
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    let server = Answering::once_with(answer);
    let error = server.client().get("/").unwrap_err();
    assert!(matches!(error, HttpsError::Unreachable { .. }), "{error:?}");
}
