//! Secrets where processes keep theirs, and every byte that comes out of an observation by the real kernel.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use avouch_agent::cli::{Cli, Command as Asked};
use avouch_agent::collector::{ScopeAsked, Witnesses};
use avouch_agent::config::{Config, TpmAddress};
use avouch_agent::observe;
use avouch_kernel::{HostAsk, Kernel, UnitAsk};
use avouch_pairs::{Attribute, Observation};
use avouch_protocol::{Message, Observed};
use clap::Parser;
use data_encoding::BASE64;

const SECRET: &[u8] = b"CANARY";

/// Ends its process when it is dropped.
struct Keeper(Child);

impl Keeper {
    /// A process with a secret in its environment, in its arguments and in its name.
    fn start() -> Self {
        let mut child = Command::new("sh");
        child.args(["-c", "echo; read line; :", "CANARY-argument", "--password=CANARY-password"]);
        child.env("TOKEN", "CANARY-environment").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        // Its line says that it is the shell by now, with the shell's arguments and environment.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 1]).unwrap();
        Self(child)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The kernel of this machine, asked for the cgroup that the process is in.
struct Live {
    kernel: Kernel,
    ask: UnitAsk,
}

impl Witnesses for Live {
    fn observe(&mut self, _: &ScopeAsked) -> Observation {
        let pass = self.kernel.begin();
        let mut observation = Observation::default();
        observation.subjects.insert("unit:keeper.service".into(), pass.unit(&self.ask));
        let unit_groups = vec![(self.ask.control_group.clone(), self.ask.name.clone())];
        observation.join(pass.host(&HostAsk { unit_groups, ..HostAsk::default() }));
        observation
    }
}

#[test]
fn no_secret_of_a_process_is_in_any_byte_that_leaves_the_observation() {
    let keeper = Keeper::start();
    let pid = keeper.0.id();
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let Some(group) = cgroup.lines().find_map(|line| line.strip_prefix("0::")) else {
        println!("skipped: this machine has no cgroup version 2");
        return;
    };
    for path in ["environ", "cmdline"] {
        let held = fs::read(format!("/proc/{pid}/{path}")).unwrap();
        assert!(contains(&held, SECRET), "the secret is where it belongs, in {path}");
    }
    let ask =
        UnitAsk { name: "keeper.service".into(), control_group: group.into(), main_pid: pid, ..UnitAsk::default() };
    let mut live = Live { kernel: Kernel::open().unwrap(), ask };
    let seen = live.observe(&ScopeAsked::default());
    let processes = Attribute::named("processes").unwrap().attribute;
    let seen_pids = seen.subjects["unit:keeper.service"].facts[&processes].kernel.value().unwrap();
    assert!(seen_pids.lines().any(|line| line == pid.to_string()), "the process was looked at: {seen_pids}");

    assert!(!contains(&Observed::of(&seen).unwrap().to_cbor(), SECRET), "over the collector's socket");
    for args in [&["--all"][..], &["--brief"], &["--json"], &["--learn"]] {
        let out = printed(args, &mut live);
        assert!(!contains(&out, SECRET), "{args:?}");
        if args == ["--json"] {
            let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let report = BASE64.decode(json["report"]["bytes"].as_str().unwrap().as_bytes()).unwrap();
            assert!(report.len() > 500 && !contains(&report, SECRET), "in the report's bytes");
        }
    }
}

fn printed(args: &[&str], live: &mut Live) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tpm = TpmAddress::Software(format!("unix:{}/none", dir.path().display()));
    let config = Config { state_dir: dir.path().join("state"), tpm, ..Config::default() };
    let line = ["avouch-agent", "observe"].iter().chain(args);
    let Asked::Observe(args) = Cli::try_parse_from(line).unwrap().command else { panic!("not observe") };
    let mut out = Vec::new();
    observe::observe(&config, &args, live, &mut out).unwrap();
    out
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
