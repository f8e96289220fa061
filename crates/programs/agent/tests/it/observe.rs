//! `observe` and intents, from what witnesses say to the exit status.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use avouch_agent::cli::{Cli, Command, Exit};
use avouch_agent::collector::{ScopeAsked, Witnesses};
use avouch_agent::config::{Config, TpmAddress};
use avouch_agent::error::AgentError;
use avouch_agent::intent::IntentTrouble;
use avouch_agent::{intent, observe};
use avouch_pairs::{Attribute, Fact, Observation, Reading, UnitIdentity};
use avouch_protocol::{Message, Report};
use avouch_tpm_wire::PublicArea;
use clap::Parser;
use data_encoding::BASE64;

use crate::swtpm::Swtpm;

const GIB: &str = "1073741824";

/// Always the same machine.
struct Recorded(Observation);

impl Witnesses for Recorded {
    fn observe(&mut self, _: &ScopeAsked) -> Observation {
        self.0.clone()
    }
}

/// One service with this limit in systemd's column and this one in the kernel's.
fn machine(systemd: &str, kernel: Reading) -> Recorded {
    let mut observation = Observation::default();
    let subject = observation.subjects.entry("unit:a.service".into()).or_default();
    subject.identity = Some(UnitIdentity {
        invocation: "0".repeat(32),
        main_pid: 7,
        main_start: 1,
        active_state: "active".into(),
        sub_state: "running".into(),
        started_usec: 1,
        attempts: 1,
        steady: true,
    });
    let fact = Fact { orchestrator: Reading::Value(systemd.into()), kernel, second: Reading::NotRead };
    subject.facts.insert(Attribute::named("memory.max").unwrap().attribute, fact);
    Recorded(observation)
}

fn agreeing() -> Recorded {
    machine(GIB, Reading::Value(GIB.into()))
}

fn config(dir: &Path) -> Config {
    Config {
        state_dir: dir.join("state"),
        tpm: TpmAddress::Software(format!("unix:{}", dir.join("no-tpm").display())),
        ..Config::default()
    }
}

fn run(config: &Config, args: &[&str], machine: &mut Recorded) -> (Result<Exit, AgentError>, String) {
    let line = ["avouch-agent", "observe"].iter().chain(args);
    let Command::Observe(args) = Cli::try_parse_from(line).unwrap().command else { panic!("not observe") };
    let mut out = Vec::new();
    let exit = observe::observe(config, &args, machine, &mut out);
    (exit, String::from_utf8(out).unwrap())
}

fn run_intent(config: &Config, args: &[&str]) -> Result<Exit, AgentError> {
    let line = ["avouch-agent", "intent"].iter().chain(args);
    let Command::Intent(command) = Cli::try_parse_from(line).unwrap().command else { panic!("not intent") };
    intent::execute(config, &command)
}

#[test]
fn the_exit_status_is_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    for (kernel, wanted, word) in [
        (Reading::Value(GIB.into()), Exit::Done, "pass"),
        (Reading::Value("max".into()), Exit::Fail, "V4.memory.max.kernel_weaker"),
        (Reading::Unreadable("permission denied".into()), Exit::Unverifiable, "inconclusive"),
    ] {
        for args in [&[][..], &["--json"], &["--brief"], &["--unit", "a"], &["--level", "V4"]] {
            let (exit, out) = run(&config, args, &mut machine(GIB, kernel.clone()));
            assert_eq!(exit.unwrap(), wanted, "{args:?}\n{out}");
            assert!(out.contains(word), "{args:?} {word}\n{out}");
        }
    }
    // A level of which nothing was read has not passed.
    let (exit, _) = run(&config, &["--level", "V9"], &mut agreeing());
    assert_eq!(exit.unwrap(), Exit::Unverifiable);
}

#[test]
fn nothing_observed_is_told_apart_from_every_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let (exit, out) = run(&config(dir.path()), &[], &mut Recorded(Observation::default()));
    let error = exit.unwrap_err();
    assert!(matches!(error, AgentError::NothingSeen) && error.exit() == Exit::NoAnswer, "{error}");
    assert!(out.is_empty() && !error.remedy().is_empty());
}

#[test]
fn without_a_tpm_the_report_is_unsigned_and_says_why_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let (_, out) = run(&config(dir.path()), &["--json"], &mut agreeing());
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(json["signature"].is_null());
    assert!(json["unsigned_because"].as_str().unwrap().contains("TPM"), "{}", json["unsigned_because"]);
    assert!(!dir.path().join("state").exists());
    let report = BASE64.decode(json["report"]["bytes"].as_str().unwrap().as_bytes()).unwrap();
    let report = Report::from_cbor(&report).unwrap();
    assert_eq!(report.observation(None).unwrap(), agreeing().0, "the report holds every raw string");
}

#[test]
fn a_machine_with_a_tpm_signs_by_a_key_of_its_boot_state_and_keeps_it() {
    let Some(swtpm) = Swtpm::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = Config { tpm: TpmAddress::Software(swtpm.spec()), ..config(dir.path()) };
    fs::create_dir(dir.path().join("state")).unwrap();
    fs::set_permissions(dir.path().join("state"), fs::Permissions::from_mode(0o700)).unwrap();
    let signed = || {
        let (_, out) = run(&config, &["--json"], &mut agreeing());
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(json.get("unsigned_because").is_none(), "{out}");
        json
    };
    let (first, second) = (signed(), signed());
    assert_eq!(first["signature"]["key_name"], second["signature"]["key_name"], "the key is kept");
    let decode = |field: &str| BASE64.decode(first["signature"][field].as_str().unwrap().as_bytes()).unwrap();
    let public = decode("key_public");
    let key = avouch_crypto::ReportKey::new(&PublicArea::parse(&public).unwrap()).unwrap();
    let report = BASE64.decode(first["report"]["bytes"].as_str().unwrap().as_bytes()).unwrap();
    key.verify(&avouch_crypto::sha256(&[&report]), &decode("value")).unwrap();

    // Another boot state: PCR 12 is where the boot loader measures what was added to the command line.
    {
        let (mut tpm, _) = swtpm.tpm();
        avouch_agent::chain::extend_pcr(&mut tpm, 12, &avouch_protocol::Hash([1; 32])).unwrap();
    }
    let other = signed();
    assert_ne!(other["signature"]["key_name"], first["signature"]["key_name"], "the key of before refuses");
    assert_ne!(other["signature"]["auth_policy_sha256"], first["signature"]["auth_policy_sha256"]);
}

#[test]
fn an_intent_goes_from_a_machine_over_a_person_to_a_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let plain = config(dir.path());
    let (exit, learned) = run(&plain, &["--learn"], &mut agreeing());
    assert_eq!(exit.unwrap(), Exit::Done);
    assert!(learned.contains(GIB) && learned.contains("unit:a.service"), "{learned}");
    fs::write(path("intent.json"), &learned).unwrap();

    assert_eq!(run_intent(&plain, &["key", "-o", &path("key")]).unwrap(), Exit::Done);
    assert_eq!(fs::metadata(path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    let again = run_intent(&plain, &["key", "-o", &path("key")]).unwrap_err();
    assert!(matches!(again, AgentError::Intent(IntentTrouble::Write { .. })), "a key is never replaced: {again}");
    let confirm = ["confirm", &path("intent.json"), "--key", &path("key"), "-o", &path("signed.json"), "--yes"];
    assert_eq!(run_intent(&plain, &confirm).unwrap(), Exit::Done);

    let pem = fs::read_to_string(path("key")).unwrap();
    let key = avouch_crypto::signing::SigningKey::from_pem(&pem).unwrap().public();
    let mut pinned = config(dir.path());
    let intent = avouch_agent::config::PinnedIntent { path: path("signed.json").into(), key };
    pinned.observe.intent = Some(intent.clone());
    assert_eq!(run(&pinned, &[], &mut agreeing()).0.unwrap(), Exit::Done);
    // `systemctl set-property` changes both witnesses: they agree, and the intent does not.
    let mut both = machine("2147483648", Reading::Value("2147483648".into()));
    assert_eq!(run(&plain, &[], &mut both).0.unwrap(), Exit::Done);
    let (exit, out) = run(&pinned, &[], &mut both);
    assert_eq!(exit.unwrap(), Exit::Fail);
    assert!(out.contains("V4.memory.max.intent_drift") && out.contains("intent   1073741824 (1.0 GiB)"), "{out}");

    // Nobody else's word counts, and none that was changed.
    pinned.observe.intent = Some(avouch_agent::config::PinnedIntent { key: [7; 32], ..intent.clone() });
    assert!(matches!(run(&pinned, &[], &mut both).0, Err(AgentError::Intent(IntentTrouble::Text { .. }))));
    pinned.observe.intent = Some(avouch_agent::config::PinnedIntent { path: path("intent.json").into(), ..intent });
    assert!(matches!(run(&pinned, &[], &mut both).0, Err(AgentError::Intent(IntentTrouble::Unsigned { .. }))));
    // A person may look with an intent that is not signed yet, and is told so.
    let (exit, out) = run(&plain, &["--intent", &path("intent.json")], &mut both);
    assert_eq!(exit.unwrap(), Exit::Fail);
    assert!(out.contains("not signed"), "{out}");
}

#[test]
fn an_intent_that_a_person_does_not_confirm_is_not_signed() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let plain = config(dir.path());
    fs::write(path("intent.json"), run(&plain, &["--learn"], &mut agreeing()).1).unwrap();
    run_intent(&plain, &["key", "-o", &path("key")]).unwrap();
    for (answer, code) in [("", 5), ("n\n", 5), ("\n", 5), ("y\n", 0)] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_avouch-agent"))
            .args(["intent", "confirm", &path("intent.json"), "--key", &path("key"), "-o", &path("signed.json")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{answer:?}");
        assert_eq!(dir.path().join("signed.json").exists(), code == 0, "{answer:?}");
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains("memory.max = 1073741824"), "what is signed is shown before: {shown}");
    }
}
