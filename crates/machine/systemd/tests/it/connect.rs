//! Ways to systemd that lead nowhere.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use avouch_systemd::{How, Manager, SystemdError};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn without_a_socket_it_says_where_it_looked() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("private");
    let error = Manager::connect_within(&How::Private(path.clone()), SHORT).expect_err("nobody is there");
    assert!(matches!(&error, SystemdError::Connect { path: at, .. } if *at == path), "{error}");
}

#[test]
fn a_socket_that_accepts_nobody_is_waited_for_until_the_deadline() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("private");
    let _listener = UnixListener::bind(&path).expect("a socket");
    let before = Instant::now();
    let error = Manager::connect_within(&How::Private(path), SHORT).expect_err("nobody answers");
    assert!(matches!(error, SystemdError::Deadline { .. }), "{error}");
    assert!(before.elapsed() >= SHORT);
}

#[test]
fn a_peer_that_speaks_something_else_is_refused_in_its_own_words() {
    use std::io::Write;
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
    theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("it is written");
    let error = Manager::connect_within(&How::Stream(ours), SHORT).expect_err("no D-Bus");
    assert!(matches!(&error, SystemdError::Refused { answer } if answer.starts_with("HTTP/1.1 400")), "{error}");
}

#[test]
fn a_peer_that_accepts_and_says_nothing_is_waited_for_until_the_deadline() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("private");
    let listener = UnixListener::bind(&path).expect("a socket");
    let held = std::thread::spawn(move || listener.accept());
    let error = Manager::connect_within(&How::Private(path), SHORT).expect_err("nobody answers");
    assert!(matches!(error, SystemdError::Deadline { call: "authentication", .. }), "{error}");
    held.join().expect("the thread ended").expect("it was accepted");
}

#[test]
fn a_peer_that_authenticates_and_never_answers_a_call_is_waited_for_until_the_deadline() {
    use std::io::{Read, Write};
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("private");
    let listener = UnixListener::bind(&path).expect("a socket");
    let held = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a peer");
        let mut asked = [0; 512];
        let _ = stream.read(&mut asked).expect("a mechanism");
        stream.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n").expect("it is written");
        stream
    });
    let error = Manager::connect_within(&How::Private(path), SHORT).expect_err("nobody answers");
    assert!(matches!(error, SystemdError::Deadline { .. }), "{error}");
    drop(held.join());
}
