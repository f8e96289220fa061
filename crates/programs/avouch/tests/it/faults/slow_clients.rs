//! Clients that take their time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use avouch_testkit::{Machine, skip_without_swtpm};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::member::Member;
use super::programs::Verifier;

/// Clients of each kind.
const EACH: usize = 20;
/// Time between two bytes.
const PACE: Duration = Duration::from_millis(500);
/// The longest deadline of the server is 15 seconds; the rest is a slow machine.
const DEADLINE: Duration = Duration::from_secs(40);

/// How a client wastes time.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Begins a TLS handshake and never ends it.
    HalfOpen,
    /// Sends the head of a request a byte at a time.
    SlowHead,
    /// Announces a body and sends it a byte at a time.
    SlowBody,
}

/// Trickles until the server closes the connection; how long that took.
fn waste_time(kind: Kind, address: SocketAddr, tls: Arc<ClientConfig>) -> Duration {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PACE)).unwrap();
    let start = Instant::now();
    match kind {
        Kind::HalfOpen => {
            // A handshake record of 512 bytes, of which the first ones come.
            trickle(socket, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b'\x03', start)
        }
        Kind::SlowHead => trickle(connect(socket, address, tls), b"POST /v1/enroll HTTP/1.1\r\nx-slow: ", b'x', start),
        Kind::SlowBody => {
            let head = format!(
                "POST /v1/enroll HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/cbor\r\n\
                 content-length: 4000\r\n\r\n"
            );
            trickle(connect(socket, address, tls), head.as_bytes(), 0, start)
        }
    }
    start.elapsed()
}

fn connect(socket: TcpStream, address: SocketAddr, tls: Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let connection = ClientConnection::new(tls, ServerName::IpAddress(address.ip().into())).unwrap();
    StreamOwned::new(connection, socket)
}

fn trickle(mut stream: impl Read + Write, first: &[u8], then: u8, start: Instant) {
    if stream.write_all(first).and_then(|()| stream.flush()).is_err() {
        return;
    }
    loop {
        assert!(start.elapsed() < DEADLINE, "the server keeps a slow client for {DEADLINE:?}");
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return,
            // An answer, such as one that says that it was too slow.
            Ok(_) => (),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stream.write_all(&[then]).and_then(|()| stream.flush()).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

#[test]
fn slow_and_broken_clients_cost_little() {
    let Some(factory) = skip_without_swtpm().unwrap() else { return };
    let mut verifier = Verifier::new(&factory, None);
    verifier.start();
    let mut member = Member::new(Machine::new(&factory, 3).unwrap(), "good node", verifier.token(1));
    while member.acknowledged.is_empty() {
        member.step().unwrap();
    }
    let tls = avouch_crypto::tls::agent_config(&verifier.pins(), None).unwrap();
    let open = AtomicUsize::new(3 * EACH);
    let (longest, during) = thread::scope(|scope| {
        let kinds = [Kind::HalfOpen, Kind::SlowHead, Kind::SlowBody];
        let clients: Vec<_> = std::iter::repeat_n(kinds, EACH)
            .flatten()
            .map(|kind| {
                let (address, tls, open) = (verifier.address(), tls.clone(), &open);
                let client = scope.spawn(move || {
                    let _closed = Closed(open);
                    waste_time(kind, address, tls)
                });
                (kind, client)
            })
            .collect();
        let mut during = 0;
        while open.load(Ordering::SeqCst) > 0 {
            let all = open.load(Ordering::SeqCst) == 3 * EACH;
            member.step().unwrap();
            during += usize::from(all);
            // Pace of a busy fleet, not of a load test.
            thread::park_timeout(Duration::from_millis(50));
        }
        let joined = clients.into_iter().map(|(kind, client)| (client.join().unwrap(), kind));
        (joined.max_by_key(|(took, _)| *took).unwrap(), during)
    });
    let metrics = String::from_utf8(verifier.anonymous().get("/metrics").unwrap().body).unwrap();
    println!(
        "counted: {} slow clients, the longest was kept for {longest:?}; {during} rounds of a good node passed while \
         all of them were there, {} in all",
        3 * EACH,
        member.acknowledged.len()
    );
    assert!(during >= 10, "only {during} rounds of the good node while the slow clients were there");
    assert!(metrics.contains("TOO_SLOW"), "{metrics}");
    // And afterwards as before.
    member.step().unwrap();
}

/// Counts down, also when the client's thread panics.
struct Closed<'a>(&'a AtomicUsize);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
