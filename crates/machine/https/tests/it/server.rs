//! A TLS server on a thread that gives every request the same answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use avouch_crypto::ca::{NodeCa, OperatorCa, ServerCa};
use avouch_crypto::tls::{agent_config, server_config};
use avouch_https::Https;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Largest answer that the clients of these tests take.
pub(crate) const MAX_ANSWER: u64 = 10_000;

pub(crate) struct Answering {
    pub(crate) origin: String,
    /// The server CA's key, as a client pins it.
    pub(crate) pin: [u8; 32],
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Answering {
    pub(crate) fn new(status: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
        Self::with([head.as_bytes(), body].concat())
    }

    /// Answers with these bytes, headers and all.
    pub(crate) fn with(answer: Vec<u8>) -> Self {
        Self::serving(answer, true)
    }

    /// Answers with these bytes and ends the connection.
    pub(crate) fn once_with(answer: Vec<u8>) -> Self {
        Self::serving(answer, false)
    }

    fn serving(answer: Vec<u8>, kept: bool) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let ca = ServerCa::create(now).unwrap();
        let leaf = ca.issue_server_leaf(&["127.0.0.1".into()], now, 90).unwrap();
        let (nodes, operators) = (NodeCa::create(now).unwrap(), OperatorCa::create(now).unwrap());
        let config = server_config(&leaf, nodes.certificate(), operators.certificate()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let counter = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                counter.connections.fetch_add(1, Ordering::SeqCst);
                let (config, answer, seen) = (config.clone(), answer.clone(), counter.clone());
                thread::spawn(move || serve(config, stream.unwrap(), &answer, kept, &seen));
            }
        });
        Self { origin, pin: ca.spki_sha256(), seen }
    }

    /// A client that pins this server.
    pub(crate) fn client(&self) -> Https {
        self.client_at(&self.origin, self.pin)
    }

    /// A client that knows the server by another name or key.
    pub(crate) fn client_at(&self, origin: &str, pin: [u8; 32]) -> Https {
        Https::new(origin, agent_config(&[pin], None).unwrap(), "test/1", MAX_ANSWER)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Heads of the requests, lower case, and their bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

/// Answers once, or until the peer goes or does not get through the handshake.
fn serve(config: Arc<ServerConfig>, stream: TcpStream, answer: &[u8], kept: bool, seen: &Seen) {
    let mut peer = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream));
    while let Some(request) = request(&mut peer) {
        seen.requests.lock().unwrap().push(request);
        if peer.get_mut().write_all(answer).is_err() || !kept {
            return;
        }
    }
}

fn request(peer: &mut impl BufRead) -> Option<String> {
    let mut text = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if peer.read_line(&mut line).ok()? == 0 {
            return None;
        }
        line.make_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        text.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    peer.read_exact(&mut body).ok()?;
    Some(text + &String::from_utf8_lossy(&body))
}
