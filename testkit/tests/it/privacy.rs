//! Secrets where units keep theirs, and every byte that leaves the machine, stays on it, or lies at the server.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use avouch_agent::collector::{ScopeAsked, Witnesses};
use avouch_collect::observe::{Observer, Scope};
use avouch_kernel::source::Root;
use avouch_kernel::{Kernel, Source};
use avouch_pairs::Observation;
use avouch_protocol::{Message, Observed};
use avouch_testkit::recorded_tree::{DUAL_SOURCE, Recording};
use avouch_testkit::{Config, FakeSystemd, Watched};
use tracing_subscriber::filter::LevelFilter;

use crate::scene::observer;

/// The beginning of every secret.
const SECRET: &str = "canary-";
/// What must be found, so that the search is known to find.
const UNIT: &str = "payroll-7c1e.service";

/// Everything that was logged in this process.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both witnesses of a machine in memory, as the collector reads them.
struct InMemory(Observer);

impl Witnesses for InMemory {
    fn observe(&mut self, _: &ScopeAsked) -> Observation {
        self.0.observe(&Scope::default())
    }
}

fn secretive() -> FakeSystemd {
    let systemd = FakeSystemd::new();
    let config = Config {
        exec: vec!["/usr/bin/payroll".into(), format!("--password={SECRET}argument")],
        environment: vec![format!("TOKEN={SECRET}environment")],
        user: format!("{SECRET}user"),
        groups: vec![format!("{SECRET}group")],
        credentials: vec![(format!("{SECRET}name"), format!("{SECRET}credential"))],
        ..Config::hardened()
    };
    systemd.add_service(UNIT, config);
    systemd
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The contents of every file below a folder.
fn files(folder: &Path, found: &mut Vec<u8>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.is_file() {
            found.extend(fs::read(&path)?);
        }
    }
    Ok(())
}

#[test]
fn no_secret_of_a_unit_is_in_any_byte_from_the_report_to_the_database() -> Result<()> {
    let logging = tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG).with_ansi(false);
    logging.with_writer(|| Log).init();
    let systemd = secretive();
    let kernel = systemd.kernel();
    let process = kernel.root(Root::Proc).ok().context("a /proc")?;
    for file in ["environ", "cmdline"] {
        let held = process.read(&format!("301/{file}"), 4096).ok().context("the process has it")?;
        assert!(contains(&held, SECRET), "the secret is where it belongs, in {file}");
    }
    let Some(mut watched) = Watched::by(InMemory(observer(&systemd)), None)? else { return Ok(()) };
    watched.begin()?;
    // A finding puts the unit's name into the verdict, and a change into what changed.
    systemd.write(UNIT, "memory.max", "max");
    watched.round()?;
    systemd.write(UNIT, "memory.max", "67108864");
    assert!(watched.attester.event()?);
    watched.round()?;

    let (evidence, reports) = watched.attester.sent()?;
    assert!(reports.len() == 2 && evidence.report_signature.is_some());
    let mut state = Vec::new();
    files(watched.attester.state().path(), &mut state)?;
    let operator = watched.site.operator()?;
    let mut answers = vec![("state directory", state)];
    for path in ["", "/observation", "/pairs", "/changes", "/intent", "/records"] {
        let answer = operator.get(&format!("/v1/nodes/{}{path}", watched.tag))?;
        assert_eq!(answer.status, 200, "{path}");
        answers.push((if path.is_empty() { "node" } else { path }, answer.body));
    }
    let mut stored = Vec::new();
    for record in watched.site.records(&watched.tag)? {
        let answer = operator.get(&format!("/v1/nodes/{}/records/{}/evidence", watched.tag, record.seq))?;
        assert_eq!(answer.status, 200);
        stored.extend(answer.body);
    }
    answers.push(("evidence", stored));
    answers.push(("metrics", operator.get("/metrics")?.body));
    assert!(watched.site.stop());
    let mut data = Vec::new();
    files(watched.site.data_dir(), &mut data)?;
    answers.push(("data directory", data));
    answers.push(("log", LOGGED.lock().unwrap_or_else(PoisonError::into_inner).clone()));
    for (place, bytes) in &answers {
        assert!(!contains(bytes, SECRET), "a secret is in {place}");
        let unnamed = matches!(*place, "metrics" | "/records" | "/intent" | "log");
        assert!(unnamed || contains(bytes, UNIT), "the unit's name is not in {place}, {} bytes", bytes.len());
    }
    Ok(())
}

#[test]
fn no_secret_of_a_recorded_process_is_in_an_observation_of_it() {
    let recording = Recording::parse(DUAL_SOURCE);
    let mut looked = 0;
    for ((phase, unit), snapshot) in &recording.snapshots {
        let mut snapshot = snapshot.clone();
        let ask = snapshot.ask(unit);
        if ask.main_pid == 0 {
            continue;
        }
        let pid = ask.main_pid;
        for (file, content) in
            [("environ", "TOKEN=canary-environment\0"), ("cmdline", "/usr/bin/x\0--password=canary-argument\0")]
        {
            snapshot.write(&format!("proc/{pid}/{file}"), content.as_bytes());
        }
        let kernel: Kernel = snapshot.kernel();
        let pass = kernel.begin();
        let mut observation = Observation::default();
        observation.subjects.insert(format!("unit:{unit}"), pass.unit(&ask));
        let bytes = Observed::of(&observation).expect("an observation that travels").to_cbor();
        assert!(!contains(&bytes, SECRET), "{phase} {unit}");
        assert!(contains(&bytes, unit), "{phase} {unit}: the unit is named");
        looked += 1;
    }
    assert!(looked >= 10, "{looked} processes were looked at");
}
