//! Talker and collector over a real socket.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use avouch_agent::collector::{
    Answer, Ask, Collector, EventKind, Hub, LinkError, MAX_REQUEST_BYTES, Request, ScopeAsked, Told, Witnesses, listen,
    receive, send, serve,
};
use avouch_pairs::{Attribute, Fact, Observation, Reading};
use avouch_protocol::VERSION;

/// Longest wait for a thread that has only to be scheduled.
const SOON: Duration = Duration::from_secs(10);

/// Sees one unit for each that it is asked for.
struct Seeing;

impl Witnesses for Seeing {
    fn observe(&mut self, scope: &ScopeAsked) -> Observation {
        let mut observation = Observation::default();
        for unit in scope.units.iter().flatten() {
            let subject = observation.subjects.entry(format!("unit:{unit}")).or_default();
            let attribute = Attribute::named("memory.max").unwrap().attribute;
            subject.facts.insert(attribute, Fact::kernel(Reading::Value("max".into())));
        }
        observation
    }
}

struct Running {
    _dir: tempfile::TempDir,
    path: PathBuf,
    hub: Arc<Hub>,
}

fn running() -> Running {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/collector.sock");
    let listener = listen(&path).unwrap();
    let hub = Arc::new(Hub::default());
    let told = Arc::clone(&hub);
    thread::spawn(move || serve(&listener, Seeing, &told));
    Running { _dir: dir, path, hub }
}

fn units(names: &[&str]) -> ScopeAsked {
    ScopeAsked { units: Some(names.iter().map(|&name| name.into()).collect()), ..ScopeAsked::default() }
}

#[test]
fn an_observation_crosses_the_socket_as_it_was_made() {
    let running = running();
    let collector = Collector::at(&running.path);
    let asked = units(&["a.service", "b\u{1b}[2J\\x2d.service"]);
    let observed = collector.observe(asked.clone()).unwrap();
    assert_eq!(observed.observation, Seeing.observe(&asked));
    assert!(observed.started_ms <= observed.finished_ms && observed.started_ms > 0);
    assert_eq!(fs::metadata(&running.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn events_reach_everybody_who_watches() {
    let running = running();
    let mut readers: Vec<_> = (0..2).map(|_| Collector::at(&running.path).events().unwrap()).collect();
    let hub = Arc::clone(&running.hub);
    // The reader's place in the hub is taken by a thread of the collector; until it is, events are nobody's.
    let telling = thread::spawn(move || {
        let end = Instant::now() + SOON;
        while Instant::now() < end && Arc::strong_count(&hub) > 1 {
            hub.tell(EventKind::UnitChanged, "a.service");
            thread::sleep(Duration::from_millis(5));
        }
    });
    for reader in &mut readers {
        assert_eq!(reader.next().unwrap().unwrap(), (EventKind::UnitChanged, "a.service".to_owned()));
    }
    drop(telling);
}

#[test]
fn a_frame_that_announces_too_much_ends_its_connection_alone() {
    let running = running();
    let mut stream = UnixStream::connect(&running.path).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(&u32::try_from(MAX_REQUEST_BYTES + 1).unwrap().to_be_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the collector hangs up");
    assert!(Collector::at(&running.path).observe(units(&["a.service"])).is_ok());
}

#[test]
fn bytes_that_are_no_request_end_their_connection_alone() {
    let running = running();
    for bytes in [&b"\0\0\0\x03abc"[..], b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = UnixStream::connect(&running.path).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(bytes).unwrap();
        // Where bytes of ours were left unread the end shows as a reset.
        assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)), "{bytes:?}");
    }
    assert!(Collector::at(&running.path).observe(units(&["a.service"])).is_ok());
}

#[test]
fn connections_are_counted_and_given_back() {
    let running = running();
    for _ in 0..3 {
        let open: Vec<_> = (0..32).map(|_| UnixStream::connect(&running.path).unwrap()).collect();
        drop(open);
    }
    let end = Instant::now() + SOON;
    while Collector::at(&running.path).observe(units(&["a.service"])).is_err() {
        assert!(Instant::now() < end, "the places of connections that ended are not given back");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn without_a_collector_the_error_says_what_to_do() {
    let error = Collector::at("/no/such/socket").observe(ScopeAsked::default()).unwrap_err();
    assert!(matches!(error, LinkError::Absent { .. }));
    assert!(error.remedy().contains("avouch-collector.socket"), "{}", error.remedy());
}

#[test]
fn a_killed_collector_leaves_a_socket_that_the_next_one_takes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("collector.sock");
    // What a process that is killed leaves behind.
    drop(UnixListener::bind(&path).unwrap());
    assert!(matches!(Collector::at(&path).observe(ScopeAsked::default()), Err(LinkError::Absent { .. })));
    let listener = listen(&path).unwrap();
    thread::spawn(move || serve(&listener, Seeing, &Arc::new(Hub::default())));
    assert!(Collector::at(&path).observe(units(&["a.service"])).is_ok());
}

/// kill -9 of the real process, and the real one again: what was observed before is observable after.
#[test]
fn the_collector_itself_survives_its_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/collector.sock");
    let config = dir.path().join("agent.toml");
    fs::write(&config, format!("collector = \"{}\"\n", path.display())).unwrap();
    let start = || {
        let mut collect = Command::new(env!("CARGO_BIN_EXE_avouch-agent"));
        collect.arg("--config").arg(&config).arg("collect").stderr(Stdio::null()).spawn().unwrap()
    };
    let observed = || {
        let end = Instant::now() + SOON;
        loop {
            match Collector::at(&path).observe(units(&["no-such.service"])) {
                Err(LinkError::Absent { .. }) if Instant::now() < end => thread::sleep(Duration::from_millis(20)),
                observed => break observed.unwrap(),
            }
        }
    };
    for _ in 0..3 {
        let mut collector = start();
        assert!(!observed().observation.subjects.is_empty(), "the host is seen, whatever units there are");
        collector.kill().unwrap();
        collector.wait().unwrap();
        assert!(matches!(Collector::at(&path).observe(ScopeAsked::default()), Err(LinkError::Absent { .. })));
    }
}

#[test]
fn a_second_collector_does_not_take_the_socket_of_the_first() {
    let running = running();
    assert!(matches!(listen(&running.path), Err(LinkError::Bind { .. })));
    let file = running.path.with_file_name("file");
    fs::write(&file, b"mine").unwrap();
    assert!(matches!(listen(&file), Err(LinkError::Bind { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn an_answer_that_was_not_asked_for_and_a_collector_that_ends_are_errors() {
    for told in [Some(Told::Event(EventKind::Module, "x".into())), None] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("collector.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let wrong = told.clone();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let request: Request = receive(&mut stream).unwrap().unwrap();
            assert!(matches!(request.ask, Ask::Observe(_)));
            if let Some(told) = wrong {
                send(&mut stream, &Answer { v: VERSION, told }).unwrap();
            }
        });
        let error = Collector::at(&path).observe(ScopeAsked::default()).unwrap_err();
        assert_eq!(matches!(error, LinkError::Unasked(_)), told.is_some(), "{error}");
        assert_eq!(matches!(error, LinkError::Cut { got: 0, .. }), told.is_none(), "{error}");
    }
}

/// A process of another user that may connect as far as modes go, and is refused all the same.
#[test]
fn another_user_is_refused_on_either_side() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: another user's process is made by root alone");
        return;
    }
    let running = running();
    open_to_all(&running.path);
    // Connects, sends nothing, and reports whether it is hung up on.
    let asked = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect(sys.argv[1])\nsys.exit(0 if s.recv(1)==b'' else 1)";
    let refused = as_nobody(&["-c", asked, &running.path.display().to_string()]).status().unwrap();
    assert!(refused.success(), "the collector spoke with another user");
    assert!(Collector::at(&running.path).observe(units(&["a.service"])).is_ok());

    let dir = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let path = dir.path().join("collector.sock");
    let posing = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()\ns.settimeout(10)\nc,_=s.accept()\nc.recv(1)";
    let mut impostor = as_nobody(&["-c", posing, &path.display().to_string()]).spawn().unwrap();
    let end = Instant::now() + SOON;
    let error = loop {
        match Collector::at(&path).observe(ScopeAsked::default()).unwrap_err() {
            LinkError::Absent { .. } if Instant::now() < end => thread::sleep(Duration::from_millis(20)),
            error => break error,
        }
    };
    assert!(matches!(error, LinkError::Peer { wanted: 0, got: 65534 }), "{error}");
    impostor.wait().unwrap();
}

fn as_nobody(args: &[&str]) -> Command {
    let mut python = Command::new("python3");
    python.args(args).uid(65534).gid(65534);
    python
}

fn open_to_all(socket: &Path) {
    for path in socket.ancestors().take(3) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
}
