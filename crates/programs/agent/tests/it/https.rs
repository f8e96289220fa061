use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use avouch_agent::Client;
use avouch_agent::http::HttpError;
use avouch_crypto::ca::{NodeCa, OperatorCa, ServerCa};
use avouch_crypto::tls::{agent_config, server_config};
use avouch_protocol::{Hash, Message, Refusal, SignedReceipt};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A TLS server that gives every request the same answer and counts connections.
struct Answering {
    origin: String,
    pin: [u8; 32],
    connections: Arc<AtomicUsize>,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn answering(answer: Vec<u8>) -> Answering {
    let ca = ServerCa::create(now()).unwrap();
    let leaf = ca.issue_server_leaf(&["127.0.0.1".into()], now(), 90).unwrap();
    let (nodes, operators) = (NodeCa::create(now()).unwrap(), OperatorCa::create(now()).unwrap());
    let config = server_config(&leaf, nodes.certificate(), operators.certificate()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
            let (config, answer) = (config.clone(), answer.clone());
            thread::spawn(move || serve(config, stream.unwrap(), &answer));
        }
    });
    Answering { origin, pin: ca.spki_sha256(), connections }
}

/// Answers until the peer goes or does not get through the handshake.
fn serve(config: Arc<ServerConfig>, stream: std::net::TcpStream, answer: &[u8]) {
    let mut reader = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream));
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
            }
        }
        if reader.read_exact(&mut vec![0; length]).is_err() || reader.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn client(server: &Answering, pin: [u8; 32]) -> Client {
    Client::new(&server.origin, agent_config(&[pin], None).unwrap())
}

#[test]
fn requests_share_one_connection() {
    let server = answering(http("200 OK", b"hello"));
    let client = client(&server, server.pin);
    for size in [0, 1, 100_000] {
        let answer = client.post("/v1/x", &vec![1; size]).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_server_with_another_ca_is_not_talked_to() {
    let server = answering(http("200 OK", b"hello"));
    let error = client(&server, [1; 32]).post("/v1/x", b"secret").unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
}

#[test]
fn a_server_under_another_name_is_not_talked_to() {
    let server = answering(http("200 OK", b"hello"));
    let elsewhere = server.origin.replace("127.0.0.1", "localhost");
    let error = Client::new(&elsewhere, agent_config(&[server.pin], None).unwrap()).post("/", b"").unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
}

#[test]
fn plain_http_is_refused() {
    let config = agent_config(&[[1; 32]], None).unwrap();
    assert!(Client::new("http://127.0.0.1:1", config).post("/", b"").is_err());
}

#[test]
fn an_absent_server_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&origin, agent_config(&[[1; 32]], None).unwrap()).post("/", b"").unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_redirect_is_an_answer_and_not_followed() {
    let other = answering(http("200 OK", b"other"));
    let redirect = format!("HTTP/1.1 307 T\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", other.origin);
    let server = answering(redirect.into_bytes());
    assert_eq!(client(&server, server.pin).post("/v1/x", b"").unwrap().status, 307);
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn an_answer_beyond_the_limit_is_refused() {
    let server = answering(http("200 OK", &vec![0; 64 * 1024 + 1]));
    assert!(client(&server, server.pin).post("/v1/x", b"").is_err());
    let server = answering(http("200 OK", &vec![0; 64 * 1024]));
    assert_eq!(client(&server, server.pin).post("/v1/x", b"").unwrap().body.len(), 64 * 1024);
}

#[test]
fn a_refusal_keeps_code_and_remedy() {
    let refusal = Refusal { retry_in: Some(7), ..Refusal::new("CHALLENGE_SPENT", "It was answered.", "Ask again.") };
    let server = answering(http("409 Conflict", &refusal.to_cbor()));
    match client(&server, server.pin).exchange::<SignedReceipt>("/v1/evidence", b"") {
        Err(HttpError::Refused(got)) => assert_eq!(got, refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn control_characters_of_a_refusal_do_not_reach_terminal_or_service_manager() {
    let refusal = Refusal::new("X", "gone\nREADY=1", "run \u{1b}[2J");
    let server = answering(http("403 Forbidden", &refusal.to_cbor()));
    let error = client(&server, server.pin).accepted("/v1/evidence", b"").unwrap_err();
    assert_eq!(error.to_string(), "gone READY=1 (X)");
    assert!(matches!(error, HttpError::Refused(refusal) if refusal.remedy == "run  [2J"));
}

#[test]
fn an_answer_that_is_no_message_is_told_as_such() {
    for (status, body) in [("200 OK", &b"<html>"[..]), ("502 Bad Gateway", b""), ("200 OK", &Hash::ZERO.0)] {
        let server = answering(http(status, body));
        let error = client(&server, server.pin).exchange::<SignedReceipt>("/v1/evidence", b"").unwrap_err();
        assert!(matches!(error, HttpError::Answer { .. }), "{error:?}");
    }
}
