//! Who takes a gate's reports of failures: a real listener that can be told to misbehave.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver as Queue, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// The digits of the token, half of them.
const TOKEN: &str = "5c";
/// Within this a report has come, also behind one that was given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the listener does with a call.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Manner {
    Takes,
    Answers500,
    NeverAnswers,
}

/// A call as it came.
pub(super) struct Report {
    /// `POST /path HTTP/1.1`.
    pub(super) line: String,
    pub(super) token: Option<String>,
    pub(super) incident: Value,
}

pub(super) struct Receiver {
    /// Far from everything else that the gate reads.
    folder: TempDir,
    at: SocketAddr,
    manner: Arc<AtomicU8>,
    came: Queue<Report>,
    sender: Sender<Report>,
    open: Option<Open>,
    /// Connections that are never answered.
    held: Arc<Mutex<Vec<TcpStream>>>,
}

struct Open {
    closed: Arc<AtomicU8>,
    thread: JoinHandle<()>,
}

impl Receiver {
    pub(super) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (sender, came) = channel();
        let at = listener.local_addr().unwrap();
        let manner = Arc::new(AtomicU8::new(Manner::Takes as u8));
        let folder = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp").unwrap();
        let mut receiver = Self { folder, at, manner, came, sender, open: None, held: Arc::default() };
        receiver.listen(listener);
        fs::write(receiver.token_path(), receiver.token()).unwrap();
        fs::set_permissions(receiver.token_path(), Permissions::from_mode(0o400)).unwrap();
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/api/v1/incidents/report", self.at)
    }

    pub(super) fn token(&self) -> String {
        TOKEN.repeat(32)
    }

    pub(super) fn token_path(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    pub(super) fn behave(&self, manner: Manner) {
        self.manner.store(manner as u8, Ordering::SeqCst);
    }

    /// From now on connections are refused.
    pub(super) fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        open.closed.store(1, Ordering::SeqCst);
        // Has the thread look; where nobody listens any more it has ended.
        drop(TcpStream::connect(self.at));
        open.thread.join().unwrap();
    }

    /// At the same address as before.
    pub(super) fn reopen(&mut self) {
        self.listen(TcpListener::bind(self.at).unwrap());
    }

    /// The next report.
    pub(super) fn next(&self) -> Report {
        self.came.recv_timeout(PATIENCE).expect("a report")
    }

    /// Reports that nobody has looked at.
    pub(super) fn left(&self) -> usize {
        self.came.try_iter().count()
    }

    fn listen(&mut self, listener: TcpListener) {
        let (manner, sender, held) = (Arc::clone(&self.manner), self.sender.clone(), Arc::clone(&self.held));
        let closed = Arc::new(AtomicU8::new(0));
        let end = Arc::clone(&closed);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) == 1 {
                    return;
                }
                let mut stream = stream.unwrap();
                let report = read(&stream);
                let status = match manner.load(Ordering::SeqCst) {
                    manner if manner == Manner::NeverAnswers as u8 => {
                        sender.send(report).unwrap();
                        held.lock().unwrap().push(stream);
                        continue;
                    }
                    manner if manner == Manner::Answers500 as u8 => "500 Internal Server Error",
                    _ => "202 Accepted",
                };
                sender.send(report).unwrap();
                // A gate that was ended with its test takes no answer.
                let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        self.open = Some(Open { closed, thread });
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.close();
    }
}

fn read(stream: &TcpStream) -> Report {
    let mut stream = BufReader::new(stream);
    let (mut line, mut token, mut length) = (String::new(), None, 0);
    stream.read_line(&mut line).unwrap();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Report { line: line.trim_end().to_owned(), token, incident: serde_json::from_slice(&body).unwrap() }
}
