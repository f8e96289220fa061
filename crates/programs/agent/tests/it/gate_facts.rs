//! Facts of a gate: trees, a software TPM, and a collector on a real socket.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use avouch_agent::collector::{
    Ask, Collector, Desk, Hub, Peers, Request as Asking, ScopeAsked, Witnesses, listen, send,
};
use avouch_agent::gate::facts::{Reader, Request, baseline};
use avouch_attestor::{
    Baseline, BaselineError, BaselineFile, DeploymentKind, Facts, PinnedBaseline, Profile, Reading, Service, Settings,
    SignedBaseline, TpmFacts, VerifiedQuote,
};
use avouch_bootlog::BootLog;
use avouch_collect::appliance::{Appliance, Asked, Found};
use avouch_crypto::sha256;
use avouch_crypto::signing::SigningKey;
use avouch_pairs::{Attribute, Fact, LevelResult, Observation, Reading as Column, UnitIdentity};
use avouch_protocol::{Hash, VERSION};
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::{Handle, HashAlg, PcrSelection, response};

use crate::swtpm::Swtpm;

const BOOT_LOG: &[u8] = include_bytes!("../../../../../testkit/fixtures/node/binary_bios_measurements");
const VARIABLE: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// A path that no machine has.
const ONE: &str = "/avouch-test/one";
const NOBODY: u32 = 65_534;

/// A machine as a tree, and the settings of its gate.
struct Box {
    dir: tempfile::TempDir,
    settings: Settings,
}

impl Box {
    fn new(tpm: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp").unwrap();
        let service = Service { path: ONE.into(), unit: "one.service".into() };
        let settings = Settings {
            tpm: tpm.to_owned(),
            state_dir: dir.path().join("state"),
            collector: dir.path().join("gate.sock"),
            service_binaries: BTreeMap::from([("one".to_owned(), service)]),
            policy_files: vec!["/avouch-test/policy".into()],
            registry_manifest_path: Some("/avouch-test/manifest".into()),
            ..Settings::defaults(Profile::Avouch)
        };
        let made = Self { dir, settings };
        for (path, content) in [
            ("avouch-test/one", &b"the program"[..]),
            ("avouch-test/policy", b"the policy"),
            ("avouch-test/manifest", b"the manifest"),
            ("proc/cmdline", b"ro quiet\n"),
            ("etc/os-release", b"IMAGE_ID=box\nIMAGE_VERSION=7\n"),
            ("sys/kernel/security/lockdown", b"none [integrity] confidentiality\n"),
            ("sys/kernel/security/tpm0/binary_bios_measurements", BOOT_LOG),
            ("sys/fs/cgroup/cgroup.procs", b""),
            (VARIABLE, &[6, 0, 0, 0, 1]),
        ] {
            made.write(path, content);
        }
        made
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.dir.path().join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn tree(&self) -> Appliance {
        Appliance::at(self.dir.path().join("tree"))
    }

    fn reader(&self) -> Reader {
        Reader::over(&self.settings, None, self.tree())
    }

    fn read(&self) -> Facts {
        self.reader().read(Request::default(), None)
    }

    fn key_file(&self) -> PathBuf {
        self.settings.state_dir.join("gate-key")
    }
}

fn hash(content: &[u8]) -> Hash {
    Hash(sha256(&[content]))
}

/// Extends PCR 7 as the firmware of the recorded machine did.
fn boot(swtpm: &Swtpm) {
    let log = BootLog::parse(BOOT_LOG).unwrap();
    let (mut tpm, _) = swtpm.tpm();
    for event in log.events().iter().filter(|event| event.extends() && event.pcr == 7) {
        tpm.pcr_extend(7, &[event.digest(HashAlg::Sha256).unwrap()]).unwrap();
    }
}

fn check(facts: &Facts) -> Result<VerifiedQuote, avouch_attestor::QuoteRefusal> {
    let TpmFacts::Quoted(quote) = &facts.tpm else { panic!("a quote: {:?}", facts.tpm) };
    let over = facts.qualifying_data();
    VerifiedQuote::check(&quote.attest, &quote.signature, &quote.ak_public, &quote.pcrs, &over)
}

fn ak(facts: &Facts) -> Vec<u8> {
    let TpmFacts::Quoted(quote) = &facts.tpm else { panic!("a quote: {:?}", facts.tpm) };
    quote.ak_public.clone()
}

fn why<T: std::fmt::Debug>(reading: &Reading<T>) -> &str {
    match reading {
        Reading::Unreadable(why) => why,
        other => panic!("unreadable, with its reason: {other:?}"),
    }
}

fn unavailable(facts: &Facts) -> &str {
    match &facts.tpm {
        TpmFacts::Unavailable { why } => why,
        other => panic!("a TPM that is unavailable: {other:?}"),
    }
}

#[test]
fn the_quote_covers_the_nonce_and_everything_that_was_read() {
    let Some(swtpm) = Swtpm::start() else { return };
    boot(&swtpm);
    let machine = Box::new(&swtpm.spec());
    let request = Request { nonce: Some(Hash([5; 32])), server: None };
    let facts = machine.reader().read(request, None);
    assert_eq!(facts.nonce, Hash([5; 32]));
    assert_eq!((facts.secure_boot.variable.value(), facts.secure_boot.log.value()), (Some(&true), Some(&true)));
    let one = &facts.services["one"];
    assert_eq!(one.on_disk.value().map(|file| (file.sha256, file.size)), Some((hash(b"the program"), 11)));
    assert_eq!((&one.running, &one.in_ima), (&Reading::Value(vec![]), &Reading::Absent));
    assert_eq!(facts.policy_digest, Reading::Value(hash(b"/avouch-test/policy\0the policy\0")));
    assert_eq!(facts.registry.value().map(|file| file.sha256), Some(hash(b"the manifest")));
    assert_eq!(
        facts.deployment.value().map(|seen| (seen.kind, seen.id.as_str())),
        Some((DeploymentKind::Image, "box 7"))
    );
    assert_eq!(facts.cmdline, Reading::Value("ro quiet".into()));
    assert_eq!(facts.lockdown, Reading::Value("none [integrity] confidentiality".into()));
    assert_eq!(check(&facts).unwrap().selection(), "sha256:0,2,4,7");
    assert!(matches!(&facts.tpm, TpmFacts::Quoted(quote) if quote.software));
    // What is changed afterwards is not what the TPM signed.
    for alter in [
        |facts: &mut Facts| facts.nonce = Hash([6; 32]),
        |facts: &mut Facts| facts.cmdline = Reading::Value("ro".into()),
        |facts: &mut Facts| facts.policy_digest = Reading::Value(Hash::ZERO),
    ] {
        let mut altered = facts.clone();
        alter(&mut altered);
        assert!(check(&altered).is_err());
    }
    let (mut tpm, _) = swtpm.tpm();
    assert_eq!(tpm.handles(Handle::FIRST_TRANSIENT).unwrap(), [], "nothing of the gate stays in the TPM");
}

#[test]
fn every_expected_pcr_is_quoted_and_own_nonces_differ() {
    let Some(swtpm) = Swtpm::start() else { return };
    let mut machine = Box::new(&swtpm.spec());
    machine.settings.expected_pcrs = BTreeMap::from([(14, Hash::ZERO), (23, Hash::ZERO)]);
    let (first, second) = (machine.read(), machine.read());
    assert_eq!(check(&first).unwrap().selection(), "sha256:0,2,4,7,14,23");
    assert_ne!(first.nonce, second.nonce);
    check(&second).unwrap();
}

#[test]
fn the_key_is_made_once_and_never_replaced_by_itself() {
    let Some(swtpm) = Swtpm::start() else { return };
    let mut machine = Box::new(&swtpm.spec());
    let shown = machine.reader().key().unwrap();
    assert_eq!((ak(&machine.read()), ak(&machine.read())), (shown.clone(), shown));
    assert_eq!(fs::metadata(machine.key_file()).unwrap().mode() & 0o777, 0o600);
    let kept = fs::read(machine.key_file()).unwrap();

    // Another TPM, as after TPM2_Clear with another seed.
    let Some(other) = Swtpm::start() else { return };
    machine.settings.tpm = other.spec();
    let facts = machine.read();
    let told = unavailable(&facts);
    assert!(told.contains("gate-key") && told.contains("lost"), "{told}");
    assert_eq!(fs::read(machine.key_file()).unwrap(), kept);
    // A person decides.
    fs::remove_file(machine.key_file()).unwrap();
    check(&machine.read()).unwrap();

    fs::write(machine.key_file(), b"damaged").unwrap();
    assert!(unavailable(&machine.read()).contains("damaged"));
    assert_eq!(fs::read(machine.key_file()).unwrap(), b"damaged");
}

#[test]
fn a_boot_log_that_pcr_7_does_not_bear_out_says_nothing() {
    let Some(swtpm) = Swtpm::start() else { return };
    let machine = Box::new(&swtpm.spec());
    let facts = machine.read();
    assert!(why(&facts.secure_boot.log).contains("PCR 7"), "{:?}", facts.secure_boot);
    check(&facts).unwrap();
    boot(&swtpm);
    assert_eq!(machine.read().secure_boot.log, Reading::Value(true));
}

#[test]
fn without_a_tpm_everything_else_is_read() {
    let machine = Box::new("unix:/nonexistent/avouch-tpm");
    let facts = machine.read();
    assert!(
        matches!(&facts.tpm, TpmFacts::Absent { why } if why.contains("/nonexistent/avouch-tpm")),
        "{:?}",
        facts.tpm
    );
    assert!(why(&facts.secure_boot.log).contains("no TPM"), "{:?}", facts.secure_boot);
    assert_eq!(facts.secure_boot.variable, Reading::Value(true));
    assert!(facts.services["one"].on_disk.value().is_some() && facts.policy_digest.value().is_some());
    assert!(!machine.settings.state_dir.exists(), "no key is made for no TPM");
}

#[test]
fn a_tpm_that_is_named_wrongly_gone_or_not_speaking_is_unavailable() {
    let machine = Box::new("tpm0");
    assert!(unavailable(&machine.read()).contains("names no TPM"));
    let path = machine.dir.path().join("tpm");
    drop(UnixListener::bind(&path).unwrap());
    let gone = Box::new(&format!("unix:{}", path.display()));
    assert!(unavailable(&gone.read()).contains("cannot open the TPM"));
    fs::remove_file(&path).unwrap();
    // A TPM that was switched off in the middle: the connection ends.
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || while listener.accept().is_ok() {});
    assert!(unavailable(&gone.read()).contains("TPM"));
}

#[test]
fn a_busy_tpm_is_waited_for_within_bounds() {
    let dir = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp").unwrap();
    let path = dir.path().join("tpm");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut command = [0; 4096];
        while stream.read(&mut command).is_ok_and(|count| count > 0) {
            if stream.write_all(&response::encode_refusal(ResponseCode::RETRY)).is_err() {
                return;
            }
        }
    });
    let machine = Box::new(&format!("unix:{}", path.display()));
    assert!(unavailable(&machine.read()).contains("busy"));
}

#[test]
fn what_cannot_be_read_is_told_of_each_thing() {
    let machine = Box::new("unix:/nonexistent/avouch-tpm");
    fs::remove_file(machine.dir.path().join("tree/avouch-test/policy")).unwrap();
    fs::create_dir(machine.dir.path().join("tree/avouch-test/policy")).unwrap();
    fs::remove_file(machine.dir.path().join("tree/avouch-test/one")).unwrap();
    machine.write(VARIABLE, &[6, 0]);
    let facts = machine.read();
    assert_eq!(facts.services["one"].on_disk, Reading::Absent);
    assert!(why(&facts.policy_files[0].1).contains("no regular file"));
    assert!(why(&facts.policy_digest).contains("policy file"));
    assert!(why(&facts.secure_boot.variable).contains("SecureBoot"));
}

#[test]
fn a_deployment_of_another_kind_than_the_settings_say_is_told() {
    use avouch_attestor::DeploymentSetting as Setting;
    let mut machine = Box::new("unix:/nonexistent/avouch-tpm");
    machine.settings.deployment = Setting::Of(DeploymentKind::Image);
    assert!(machine.read().deployment.value().is_some());
    machine.settings.deployment = Setting::Of(DeploymentKind::Bootc);
    assert!(why(&machine.read().deployment).contains("the settings say"));
    machine.settings.deployment = Setting::None;
    assert_eq!(machine.read().deployment, Reading::Absent);
}

fn signed(machine: &Box, key: &SigningKey) -> Vec<u8> {
    let file = BaselineFile::of(&machine.read(), "box", "today").to_json();
    let signature = key.sign(&SignedBaseline::signed_bytes(file.as_bytes()));
    SignedBaseline::of(file.as_bytes(), &key.public(), &signature).to_json().into_bytes()
}

#[test]
fn a_baseline_is_believed_from_the_pinned_key_alone_and_its_files_are_read() {
    let mut machine = Box::new("unix:/nonexistent/avouch-tpm");
    assert_eq!(baseline(&machine.settings), None);
    let key = SigningKey::generate().unwrap();
    let path = machine.dir.path().join("baseline.json");
    machine.settings.baseline = Some(PinnedBaseline { path: path.clone(), key: key.public() });
    assert_eq!(baseline(&machine.settings), Some(Err(BaselineError::Missing)));
    fs::create_dir(&path).unwrap();
    assert!(matches!(baseline(&machine.settings), Some(Err(BaselineError::Unreadable(_)))));
    fs::remove_dir(&path).unwrap();
    fs::write(&path, signed(&machine, &SigningKey::generate().unwrap())).unwrap();
    assert!(matches!(baseline(&machine.settings), Some(Err(BaselineError::Key { .. }))));
    fs::write(&path, signed(&machine, &key)).unwrap();
    let Some(Ok(believed)) = baseline(&machine.settings) else { panic!("the baseline is good") };

    // A service that is no longer checked by its own setting is still a file of the baseline.
    machine.settings.service_binaries.clear();
    let files = |baseline: &Baseline| machine.reader().read(Request::default(), Some(baseline)).files;
    let seen = files(&believed);
    assert_eq!(seen[Path::new(ONE)].value().map(|file| file.sha256), Some(hash(b"the program")));
}

/// Sees one unit, with this limit in the kernel's column.
struct Limit(&'static str);

impl Witnesses for Limit {
    fn observe(&mut self, scope: &ScopeAsked) -> Observation {
        let mut observation = Observation::default();
        for unit in scope.units.iter().flatten() {
            let subject = observation.subjects.entry(format!("unit:{unit}")).or_default();
            subject.identity = Some(UnitIdentity {
                active_state: "active".into(),
                sub_state: "running".into(),
                main_pid: 7,
                main_start: 1,
                attempts: 1,
                steady: true,
                ..UnitIdentity::default()
            });
            let (orchestrator, kernel) = (Column::Value("4096".into()), Column::Value(self.0.into()));
            let fact = Fact { orchestrator, kernel, second: Column::NotRead };
            subject.facts.insert(Attribute::named("memory.max").unwrap().attribute, fact);
        }
        observation
    }
}

/// A collector that reads the tree.
fn collector(machine: &Box, kernel: &'static str, peers: Peers) {
    let listener = listen(&machine.settings.collector).unwrap();
    let desk = Arc::new(Desk::new(Limit(kernel), Arc::new(Hub::default()), machine.tree()));
    thread::spawn(move || desk.serve(&listener, peers));
}

#[test]
fn what_the_gate_cannot_see_the_collector_reads_for_it() {
    let machine = Box::new("unix:/nonexistent/avouch-tpm");
    let digest = [b"sha256:\0", &sha256(&[b"the program"])[..]].concat();
    let counted = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
    let data = [counted(&digest), counted(format!("{ONE}\0").as_bytes())].concat();
    let entry = [&10_u32.to_le_bytes()[..], &[1; 20], &counted(b"ima-ng"), &counted(&data)].concat();
    machine.write("sys/kernel/security/ima/binary_runtime_measurements", &entry);

    let reader = Reader::over(&machine.settings, None, Appliance::running());
    let alone = reader.read(Request::default(), None);
    assert_eq!((&alone.services["one"].on_disk, alone.policy_digest.value()), (&Reading::Absent, None));
    collector(&machine, "4096", Peers::Root);
    let helped = reader.read(Request::default(), None);
    let one = &helped.services["one"];
    assert_eq!(one.on_disk.value().map(|file| file.sha256), Some(hash(b"the program")));
    assert_eq!(one.in_ima, Reading::Value(vec![hash(b"the program")]));
    assert_eq!(helped.policy_digest, Reading::Value(hash(b"/avouch-test/policy\0the policy\0")));
    assert_eq!(helped.registry.value().map(|file| file.sha256), Some(hash(b"the manifest")));
    // Its own command line the gate reads itself.
    assert_eq!(helped.cmdline, alone.cmdline);
}

#[test]
fn demanded_levels_come_from_both_witnesses_and_nobody_else_pays_for_them() {
    let level = Attribute::named("memory.max").unwrap().attribute.spec().unwrap().level;
    for (kernel, expected) in [("4096", LevelResult::Pass), ("max", LevelResult::Fail)] {
        let mut machine = Box::new("unix:/nonexistent/avouch-tpm");
        let levels = |machine: &Box| {
            Reader::over(&machine.settings, None, Appliance::running()).read(Request::default(), None).levels
        };
        machine.settings.require_levels = vec![level];
        assert!(why(&levels(&machine)).contains("avouch-gate-collector.socket"));
        collector(&machine, kernel, Peers::Root);
        let Reading::Value(seen) = levels(&machine) else { panic!("levels: {:?}", levels(&machine)) };
        assert_eq!(seen.iter().find(|verdict| verdict.level == level).map(|verdict| verdict.result), Some(expected));
        machine.settings.require_levels.clear();
        assert_eq!(levels(&machine), Reading::Absent);
    }
}

#[test]
fn the_socket_of_the_gate_is_for_its_group() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: another user's process is made by root alone");
        return;
    }
    let mut frame = Vec::new();
    let asked = Asked { files: vec![ONE.into()], ..Asked::default() };
    send(&mut frame, &Asking { v: VERSION, ask: Ask::Appliance(asked.clone()) }).unwrap();
    let frame: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
    let program = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect(sys.argv[1])\n\
        s.sendall(bytes.fromhex(sys.argv[2]))\ntry: n=len(s.recv(4))\nexcept OSError: n=0\nsys.exit(0 if n==4 else 1)";
    for (group, answered) in [(NOBODY, true), (NOBODY - 1, false)] {
        let machine = Box::new("unix:/nonexistent/avouch-tpm");
        collector(&machine, "4096", Peers::Group(group));
        let socket = &machine.settings.collector;
        chown(socket, None, Some(group)).unwrap();
        fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(machine.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut python = Command::new("python3");
        python.args(["-c", program]).arg(socket).arg(&frame).uid(NOBODY).gid(NOBODY);
        assert_eq!(python.status().unwrap().success(), answered, "group {group}");
        // Root and the collector's own user may always.
        let seen = Collector::of_root(socket).appliance(asked.clone()).unwrap();
        assert!(matches!(&seen.files[ONE], Found::Value(file) if file.sha256 == hash(b"the program")));
    }
}

#[test]
fn the_pcrs_are_those_that_the_tpm_has() {
    let Some(swtpm) = Swtpm::start() else { return };
    boot(&swtpm);
    let machine = Box::new(&swtpm.spec());
    let facts = machine.read();
    let TpmFacts::Quoted(quote) = &facts.tpm else { panic!("a quote: {:?}", facts.tpm) };
    let (mut tpm, _) = swtpm.tpm();
    let read = tpm.pcr_read(PcrSelection::of(HashAlg::Sha256, &[0, 2, 4, 7])).unwrap();
    let read: BTreeMap<u8, Hash> = read
        .into_iter()
        .map(|(pcr, value)| (u8::try_from(pcr).unwrap(), Hash(value.as_bytes().try_into().unwrap())))
        .collect();
    assert_eq!(quote.pcrs, read);
    assert_ne!(read[&7], Hash::ZERO);
}
