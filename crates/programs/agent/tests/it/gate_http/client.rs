//! HTTP by hand: what a client of any age or intent may send.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Longest wait for anything that is sure to come.
const SOON: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The value of a header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn ends_connection(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

/// A connection over either socket.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// What came after the last answer.
    rest: Vec<u8>,
}

pub(super) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

impl Connection {
    pub(super) fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Self { stream: Box::new(stream), rest: Vec::new() }
    }

    pub(super) fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Self { stream: Box::new(stream), rest: Vec::new() }
    }

    /// Whatever the bytes are.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// The next answer; `None` when the connection ends before one begins.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.more() == 0 {
                assert!(self.rest.is_empty(), "an answer broke off: {:?}", String::from_utf8_lossy(&self.rest));
                return None;
            }
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.rest.len() < length {
            assert!(self.more() > 0, "a body broke off");
        }
        answer.body = String::from_utf8(self.rest.drain(..length).collect()).unwrap();
        Some(answer)
    }

    /// Reads on; a reset ends a connection as well as a close.
    fn more(&mut self) -> usize {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.rest.extend_from_slice(&bytes[..count]);
                count
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came, and the connection is open: {error}"),
        }
    }

    pub(super) fn ask(&mut self, request: &Ask<'_>) -> Answer {
        self.send(request.bytes()).unwrap();
        self.answer().expect("an answer")
    }
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) body: &'a str,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self { method: "GET", path, token: None, body: "" }
    }

    pub(super) fn post(path: &'a str, body: &'a str) -> Self {
        Self { method: "POST", path, token: None, body }
    }

    pub(super) fn with(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self { method, path, body, .. } = self;
        let token = self.token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let length = if *method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:8505\r\n{token}{length}\r\n{body}").into_bytes()
    }
}
