//! Good inputs to start from: the parser crates' own recordings, messages built here, and the corpus where it is given.

use std::fs;
use std::path::{Path, PathBuf};

use crate::appraisal::{input, recording, stored};
use avouch_appraise::PolicyDraft;
use avouch_bootlog::BootLog;
use avouch_bootlog::cel::CelWriter;
use avouch_ima::policy::SHIPPED_POLICY;
use avouch_ima::{Body, parse_binary};
use avouch_pairs::{Fact, Observation, Reading, Subject, UnitIdentity, attribute};
use avouch_pe::Guid;
use avouch_pe::siglist::SignatureKind;
use avouch_protocol::intent::SignedIntent;
use avouch_protocol::{
    ActivateRequest, ActivateResponse, Challenge, ChallengeRequest, CredentialChallenge, EnrolRequest, EnrolmentToken,
    Evidence, Hash, ImaFormat, ImaSegment, KeyLost, Membership, Message, NodeProfile, NodeTag, Observed, Offsets,
    Receipt, RecordHeader, Refusal, Report, ReportHead, SignedReceipt, Status, Trigger,
};
use avouch_tpm_wire::command::*;
use avouch_tpm_wire::response::{self, Reply};
use avouch_tpm_wire::{
    Attest, AttestBody, Authorization, Capability, ClockInfo, Handle, HashAlg, PcrSelection, PublicArea, SelectionList,
    Signature, SizedPublic, StartupType, templates,
};

/// Cuts a recording to its first whole parts.
type Shorten = fn(&[u8]) -> &[u8];

/// Longest seed: many short inputs find more than a few long ones.
const MAX_SEED: usize = 4 * 1024;

/// The seeds of a target, in a fixed order.
///
/// # Panics
/// When a recording that belongs to the repository is missing, or `AVOUCH_CORPUS` names a folder without an index.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "appraisal" => appraisals(),
        "attest" => attestations(),
        name if name.starts_with("attestor_") => crate::attestor::seeds(name),
        "cel_cbor" => vec![cel_cbor()],
        "cel_json" => vec![CEL_JSON.as_bytes().to_vec()],
        "certificate" => {
            let mut seeds =
                files("judgement/crypto/tests/data", &["ek_rsa_cert.der", "ek_ecc_cert.der", "swtpm-root.pem"]);
            let names = ["rsa.cert.der", "P-256.cert.der", "P-521.cert.der", "ed.cert.der"];
            seeds.extend(files("judgement/crypto/tests/data/signing", &names));
            seeds
        }
        "cms" => {
            let names =
                ["rsa.sha256.attributes.p7s", "P-256.sha512.plain.p7s", "rsa.sha256.keyid.p7s", "two-signers.p7s"];
            files("judgement/crypto/tests/data/signing", &names)
        }
        "configured_files" => crate::configured::files(),
        "dbus" => crate::dbus::messages(),
        "kernel_binary" => crate::kernel::answers(),
        "kernel_text" => crate::kernel::texts(),
        "signature" => files("formats/tpm-wire/tests/data", &["quote.sig", "quote_rsa.sig"]),
        "public_area" => public_areas(),
        "tpm_command" => commands(),
        "tpm_response" => responses(),
        "bootlog" => recorded("formats/bootlog/tests/data", "binary_bios_measurements", boot_log_head),
        "cel" => boot_log_heads().iter().map(|log| canonical(log)).collect(),
        "final_events" => boot_log_heads().iter().map(|log| with_final_events(log)).collect(),
        "ima_binary" => recorded("formats/ima/tests/data", "binary_runtime_measurements", binary_head),
        "ima_feed" => {
            let lists = recorded("formats/ima/tests/data", "binary_runtime_measurements", binary_head);
            lists
                .iter()
                .zip([1, 17, 64, 255].into_iter().cycle())
                .map(|(list, size)| [&[size], &**list].concat())
                .collect()
        }
        "ima_critical" => recorded_bodies(|body| match body {
            Body::Buffer { name, data, .. } => Some([name, &[0], data].concat()),
            _ => None,
        }),
        "ima_signature" => {
            let mut seeds = recorded_bodies(|body| match body {
                Body::File { signature: Some(xattr), .. } => Some(xattr.to_vec()),
                _ => None,
            });
            seeds.extend([[6, 3, 4, 1, 2, 3, 4, 0, 1, 9], [5, 2, 6, 1, 2, 3, 4, 0, 1, 9]].map(|seed| seed.to_vec()));
            seeds
        }
        "ima_ascii" => recorded("formats/ima/tests/data", "ascii_runtime_measurements", ascii_head),
        "ima_policy" => {
            let mut seeds = files("formats/ima/tests/data", &["recorded-ima-policy"]);
            seeds.push(SHIPPED_POLICY.as_bytes().to_vec());
            seeds
        }
        "pairs" => vec![crate::pairs::seed(crate::pairs::HEALTHY)],
        "pe_image" => files("formats/pe/tests/data", &["signed.efi", "uki.efi"]),
        "siglist" => signature_lists(),
        "efivar" => signature_lists().into_iter().map(|list| [&[7, 0, 0, 0], list.as_slice()].concat()).collect(),
        "sbat" => vec![
            b"sbat,1,SBAT Version,sbat,1,https://example.org\ngrub,3,Example,grub2,2.06,https://example.org\n".to_vec(),
            b"sbat,1,2024040900\nshim,4\ngrub,3\n".to_vec(),
        ],
        "reference_policy" => vec![reference_policy()],
        "rego" => vec![include_bytes!("../../docs/examples/rule.rego").to_vec()],
        "session" => [sessions(), stored()].concat(),
        "challenge" => round_messages(),
        "evidence" => evidence(),
        "report" => reports(),
        "intent" => intents(),
        "enrol" => enrolment(),
        "token" => vec![token().to_cbor(), token().to_text().into_bytes()],
        other => panic!("no seeds for target {other}"),
    };
    seeds.extend(from_corpus(target));
    // That kind of file holds signatures and wrapped structures too, which would only be refused at the first byte.
    seeds.retain(|seed| target != "attest" || Attest::parse(seed).is_ok());
    seeds
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &str, names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| read(&crates().join(folder).join(name))).collect()
}

/// `file` of every folder in `folder` that has one, shortened.
fn recorded(folder: &str, file: &str, shorten: Shorten) -> Vec<Vec<u8>> {
    let folder = crates().join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder entry").path().join(file)).collect();
    paths.sort();
    paths.iter().filter(|path| path.is_file()).map(|path| shorten(&read(path)).to_vec()).collect()
}

/// What `take` finds in the entries of every recorded list, each once.
fn recorded_bodies(take: fn(Body<'_>) -> Option<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for list in recorded("formats/ima/tests/data", "binary_runtime_measurements", |list| list) {
        let seeds = parse_binary(&list, 0).map_while(Result::ok).filter_map(|entry| take(entry.body));
        found.extend(seeds.filter(|seed| seed.len() <= MAX_SEED));
    }
    found.sort();
    found.dedup();
    found
}

/// Files of the corpus by kind; nothing where the corpus is not given.
fn from_corpus(target: &str) -> Vec<Vec<u8>> {
    let (kind, shorten): (&str, Shorten) = match target {
        "attest" => ("tpm-quote/attest", |bytes| bytes),
        "bootlog" => ("eventlog", boot_log_head),
        "certificate" => ("cert: ", |bytes| bytes),
        "cms" => ("authenticode/pkcs7", |bytes| bytes),
        "ima_binary" => ("ima-binary", binary_head),
        "ima_ascii" => ("ima-ascii", ascii_head),
        "siglist" | "efivar" => ("secure boot variable", |bytes| bytes),
        _ => return Vec::new(),
    };
    let Some(corpus) = std::env::var_os("AVOUCH_CORPUS").map(PathBuf::from) else { return Vec::new() };
    let index = String::from_utf8(read(&corpus.join("INDEX.tsv"))).expect("an index in UTF-8");
    let rows = index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let paths =
        rows.filter(|row| row.len() > 6 && row[6].starts_with(kind)).map(|row| corpus.join("files").join(row[0]));
    paths.map(|path| shorten(&read(&path)).to_vec()).filter(|seed| !seed.is_empty() && seed.len() <= MAX_SEED).collect()
}

fn boot_log_heads() -> Vec<Vec<u8>> {
    recorded("formats/bootlog/tests/data", "binary_bios_measurements", boot_log_head)
}

/// The log in its canonical form.
fn canonical(log: &[u8]) -> Vec<u8> {
    let mut writer = CelWriter::new();
    writer.boot_log(&BootLog::parse(log).expect("a recorded log"));
    writer.finish()
}

/// The log's first half behind its length, and a table with the second half.
fn with_final_events(log: &[u8]) -> Vec<u8> {
    let parsed = BootLog::parse(log).expect("a recorded log");
    let half = parsed.events().len() / 2;
    let (first, second) = log.split_at(parsed.events()[half].offset);
    let len = u16::try_from(first.len()).expect("a short seed");
    let count = (parsed.events().len() - half) as u64;
    [&len.to_le_bytes()[..], first, &1_u64.to_le_bytes(), &count.to_le_bytes(), second].concat()
}

/// The first whole events.
fn boot_log_head(bytes: &[u8]) -> &[u8] {
    let Ok(log) = BootLog::parse(bytes) else { return bytes };
    let ends = log.events().iter().map(|event| event.offset).chain([bytes.len()]);
    &bytes[..ends.take_while(|end| *end <= MAX_SEED).last().unwrap_or(0)]
}

/// The first whole entries.
fn binary_head(bytes: &[u8]) -> &[u8] {
    let ends = parse_binary(bytes, 0).map_while(Result::ok).map(|entry| entry.end_offset);
    &bytes[..ends.take_while(|end| *end <= MAX_SEED).last().unwrap_or(bytes.len())]
}

/// The first whole lines.
fn ascii_head(bytes: &[u8]) -> &[u8] {
    let head = &bytes[..bytes.len().min(MAX_SEED)];
    head.iter().rposition(|byte| *byte == b'\n').map_or(head, |end| &head[..=end])
}

/// A quote of each signature scheme, a time and a certification.
fn attestations() -> Vec<Vec<u8>> {
    let mut seeds = files("formats/tpm-wire/tests/data", &["quote.msg", "quote_rsa.msg"]);
    let clock = ClockInfo { clock: 86_400_000, reset_count: 4, restart_count: 0, safe: true };
    let name = [9; 34].as_slice();
    let bodies = [
        AttestBody::Time { time: 4_000, clock, firmware_version: 7 },
        AttestBody::Certify { name, qualified_name: name },
    ];
    seeds.extend(bodies.map(|body| {
        let attest = Attest { qualified_signer: name, extra_data: &[1; 32], clock, firmware_version: 7, body };
        attest.encode().expect("an attestation within its bounds")
    }));
    seeds
}

/// A list of two digests and one of a certificate, bare and as a signed update.
fn signature_lists() -> Vec<Vec<u8>> {
    let list = |kind: SignatureKind, data: &[u8], count: u32| {
        let size = data.len() as u32 + 16;
        let sizes = [28 + size * count, 0, size].map(u32::to_le_bytes).concat();
        [kind.guid().0.as_slice(), &sizes, &[[1; 16].as_slice(), data].concat().repeat(count as usize)].concat()
    };
    let lists = [list(SignatureKind::Sha256, &[9; 32], 2), list(SignatureKind::X509, b"certificate", 1)].concat();
    let pkcs7 = Guid::from_text("4aafd29d-68df-49ee-8aa9-347d375665a7").expect("a GUID");
    let time = [0xE7, 7, 3, 14, 15, 9, 26, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let header = [&33_u32.to_le_bytes(), [0, 2, 0xF1, 0x0E].as_slice(), &pkcs7.0, b"signature"].concat();
    vec![lists.clone(), [time.as_slice(), &header, &lists].concat()]
}

fn public_areas() -> Vec<Vec<u8>> {
    let sized = files("formats/tpm-wire/tests/data", &["ak.pub.tpm2b", "ak_rsa.pub.tpm2b", "ek_rsa.pub.tpm2b"]);
    let recorded = sized.iter().map(|bytes| bytes[2..].to_vec());
    recorded.chain([&templates::AK, &templates::AK_PARENT].map(PublicArea::encode)).collect()
}

fn selection() -> SelectionList {
    SelectionList::from(PcrSelection::of(HashAlg::Sha256, &[0, 7, 10]))
}

fn commands() -> Vec<Vec<u8>> {
    let object = Handle(0x8000_0000);
    let in_public = SizedPublic(templates::AK);
    let data = [9; 32].as_slice();
    [
        Startup { startup_type: StartupType::Clear }.encode(&[]),
        GetCapability { capability: Capability::HANDLES, property: 0x8000_0000, property_count: 8 }.encode(&[]),
        Load { parent_handle: object, in_private: data, in_public }.encode(&[Authorization::EMPTY]),
        FlushContext { flush_handle: object }.encode(&[]),
        ReadPublic { object_handle: Handle::EK_RSA2048 }.encode(&[]),
        NvReadPublic { nv_index: Handle::EK_CERTIFICATE_RSA2048 }.encode(&[]),
        PolicyOr { policy_session: Handle(0x0300_0000), branches: vec![&[7; 32], &[8; 32]] }.encode(&[]),
        MakeCredential { handle: object, credential: data, object_name: data }.encode(&[]),
    ]
    .map(|bytes| bytes.expect("a command within its bounds"))
    .to_vec()
}

/// Each response behind the low byte of its command's code.
fn responses() -> Vec<Vec<u8>> {
    let out_public = SizedPublic(templates::AK);
    let object_handle = Handle(0x8000_0000);
    let name = [9; 32].as_slice();
    let recorded = files("formats/tpm-wire/tests/data", &["quote.msg", "quote.sig"]);
    let signature = Signature::parse(&recorded[1]).expect("a recorded signature");
    let capability = response::GetCapability { more_data: true, data: Capability::Pcrs(selection()) };
    let values = response::PcrRead { pcr_update_counter: 3, pcr_selection_out: selection(), pcr_values: vec![name; 3] };
    [
        (Startup::CODE, response::Empty {}.encode(0)),
        (GetCapability::CODE, capability.encode(0)),
        (Load::CODE, response::Load { object_handle, name }.encode(1)),
        (ReadPublic::CODE, response::ReadPublic { out_public, name, qualified_name: name }.encode(0)),
        (NvRead::CODE, response::NvRead { data: name }.encode(1)),
        (ActivateCredential::CODE, response::ActivateCredential { cert_info: name }.encode(2)),
        (Quote::CODE, response::Attested { attest: &recorded[0], signature }.encode(1)),
        (PcrRead::CODE, values.encode(0)),
    ]
    .map(|(code, bytes)| [&[code.0 as u8], bytes.expect("a response within its bounds").as_slice()].concat())
    .to_vec()
}

fn reference_policy() -> Vec<u8> {
    let mut draft = PolicyDraft::new("web", "2026-01-01");
    draft.add_file(&[7; 32], "/usr/bin/true").expect("a plain path");
    draft.add_ima_policy("/etc/ima/ima-policy", SHIPPED_POLICY).expect("the shipped policy");
    let more = r#""bound": ["/usr/sbin"], "keyrings": {".ima": []}, "packages": [{"name": "p", "version": "1", "files": {}, "until": 9}],
        "exclusions": [{"directory": "/home/*/b", "owner": "o", "until": 9, "why": "w"}], "files""#;
    let text = String::from_utf8(draft.to_bytes()).expect("JSON in UTF-8");
    text.replacen("\"files\"", more, 1).into_bytes()
}

/// The stored form of a session that has nothing proven: version, counters, firmware.
fn sessions() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut out);
    let written = encoder.map(6).and_then(|map| {
        for (key, value) in [(0, 1), (1, 86_400_000), (2, 4_u64), (3, 0)] {
            map.u8(key)?.u64(value)?;
        }
        map.u8(4)?.bool(true)?.u8(5)?.u64(0x2016_0511_0016_2800)
    });
    written.expect("writing to memory");
    vec![out]
}

/// The recorded machine's logs, shortened.
fn appraisals() -> Vec<Vec<u8>> {
    let (boot_log, ima) = recording();
    let (boot_head, ima_head) = (boot_log_head(&boot_log), binary_head(&ima));
    vec![input(&boot_log, ima_head), input(boot_head, ima_head), input(&boot_log, &[])]
}

fn evidence() -> Vec<Vec<u8>> {
    let recorded = files("formats/tpm-wire/tests/data", &["quote.msg", "quote.sig"]);
    let list = recorded_head("formats/ima/tests/data/uefi-nosb/binary_runtime_measurements");
    let evidence = Evidence {
        v: 1,
        seq: 7,
        challenge: Hash([1; 32]),
        quote: recorded[0].clone().into(),
        quote_signature: recorded[1].clone().into(),
        time: None,
        time_signature: None,
        boot_log: Some(vec![0; 60].into()),
        ima: Some(ImaSegment { format: ImaFormat::Binary, from_count: 0, bytes: list.into() }),
        agent_version: "0.1.0".into(),
        report_digest: Hash::ZERO,
        userspace_log: None,
        reports: Vec::new(),
        report_signature: None,
        report_key: None,
    };
    let lost = KeyLost { v: 1, seq: 7, challenge: Hash([1; 32]), tpm_rc: 0x1DF };
    vec![evidence.to_cbor(), lost.to_cbor()]
}

/// Two units and a listener, whole, alone, and as a difference to nothing.
fn reports() -> Vec<Vec<u8>> {
    let value = |text: &str| Reading::Value(text.into());
    let unit = |name: &str, pid: u32| {
        let group = format!("/system.slice/{name}.service");
        let both = |text: &str| Fact { orchestrator: value(text), kernel: value(text), second: Reading::NotRead };
        let files = format!("/usr/lib/systemd/system/{name}.service\t0644 0 0 {}", "5a".repeat(32));
        let facts = [
            (attribute::MEMORY_MAX, both("max")),
            (attribute::CGROUP_MAIN, both(&group)),
            (attribute::MOUNTS, Fact::kernel(value("/\tro\text4\t/\n/var\trw\text4\t/var"))),
            (attribute::UNIT_FILES, Fact::kernel(value(&files))),
            (attribute::LANDLOCK, Fact::kernel(Reading::NotSupported("no readout".into()))),
            (attribute::SECCOMP, Fact::kernel(Reading::Unreadable("permission denied".into()))),
        ];
        let run = UnitIdentity { invocation: "0f".repeat(16), main_pid: pid, ..UnitIdentity::default() };
        Subject { identity: Some(run), facts: facts.into() }
    };
    let listener = Subject { identity: None, facts: [(attribute::LISTENER, Fact::kernel(Reading::Absent))].into() };
    let subjects = [
        ("unit:nginx.service".to_owned(), unit("nginx", 7)),
        ("unit:redis.service".to_owned(), unit("redis", 8)),
        ("listener:tcp:0.0.0.0:80".to_owned(), listener),
    ];
    let observation = Observation { subjects: subjects.into() };
    let head = ReportHead {
        seq: 1,
        prev: Hash::ZERO,
        trigger: Trigger::Slot,
        started_ms: 1,
        finished_ms: 2,
        agent_version: "0.1.0".into(),
    };
    let base = Observation::default();
    vec![
        Report::whole(&observation, head.clone()).expect("a small report").to_cbor(),
        Report::difference(&observation, &base, Hash([1; 32]), head).expect("a small report").to_cbor(),
        Observed::of(&observation).expect("a small observation").to_cbor(),
    ]
}

fn intents() -> Vec<Vec<u8>> {
    let file =
        br#"{"v":1,"name":"db","created":"2026-11-22","units":["a.service"],"listeners":["listener:tcp:[::]:22"],
        "not_applicable":["V1"],"subjects":{"host":{"lsm":"bpf"},"unit:a.service":{"memory.max":"1"}}}"#;
    vec![file.to_vec(), SignedIntent::of(file, &[0; 32], &[1; 64]).to_json().into_bytes()]
}

fn recorded_head(path: &str) -> Vec<u8> {
    read(&crates().join(path))[..300].to_vec()
}

fn round_messages() -> Vec<Vec<u8>> {
    let (node_tag, hash) = (NodeTag([2; 32]), Hash([3; 32]));
    let challenge = Challenge {
        v: 1,
        origin: "https://verifier.example:8443".into(),
        node_tag,
        round: 5_900_000,
        seq: 8,
        prev: hash,
        base: Hash::ZERO,
        server_nonce: hash,
        pcr_bank: HashAlg::Sha256.id(),
        pcr_mask: 0x6FF,
        policy_ref: hash,
        offsets: Offsets {
            reset_count: Some(4),
            ima_count: 300,
            ima_bytes: 40_000,
            boot_log_proven: true,
            ..Offsets::default()
        },
        deadline: 1_780_000_000,
        chain_pcr: None,
        cap_pcr: None,
    };
    let receipt = Receipt {
        v: 1,
        node_tag,
        seq: 8,
        record_hash: hash,
        evidence: hash,
        round: 5_900_000,
        status: Status::Pass,
        code: String::new(),
        time: 1_780_000_000,
        expires: 1_780_000_330,
    };
    let signed = SignedReceipt { v: 1, receipt: receipt.to_cbor().into(), signature: vec![5; 64].into(), next_in: 300 };
    let record = RecordHeader {
        v: 1,
        node_tag,
        seq: 8,
        prev: hash,
        challenge: challenge.to_cbor().into(),
        evidence: hash,
        time: 1_780_000_000,
    };
    vec![
        challenge.to_cbor(),
        ChallengeRequest { v: 1, last_seq: 7, last_record: hash }.to_cbor(),
        receipt.to_cbor(),
        signed.to_cbor(),
        record.to_cbor(),
        Refusal::new("CHALLENGE_SPENT", "the challenge was answered", "ask for another").to_cbor(),
    ]
}

fn enrolment() -> Vec<Vec<u8>> {
    let request = EnrolRequest {
        v: 1,
        token: token().to_cbor().into(),
        client_spki: vec![1; 91].into(),
        ek_public: vec![2; 314].into(),
        ek_certificate: vec![3; 900].into(),
        parent_public: templates::AK_PARENT.encode().into(),
        ak_public: templates::AK.encode().into(),
        ak_private: vec![4; 126].into(),
        label: Some("node-1".into()),
        further_eks: Vec::new(),
        cloud_key: None,
        ek_chain: None,
    };
    let credential = CredentialChallenge {
        v: 1,
        attempt: Hash([5; 32]),
        credential_blob: vec![6; 68].into(),
        encrypted_secret: vec![7; 258].into(),
        further: Vec::new(),
    };
    let activate = ActivateRequest {
        v: 1,
        attempt: Hash([5; 32]),
        proof: Hash([8; 32]),
        parent_certify: vec![9; 150].into(),
        parent_certify_signature: vec![10; 72].into(),
        cloud_certify: None,
        report_key: None,
    };
    let membership = Membership {
        node_tag: NodeTag([2; 32]),
        client_certificate: vec![11; 500].into(),
        node_ca: vec![12; 400].into(),
        generation: 1,
        interval: 300,
    };
    let response = ActivateResponse { v: 1, membership, next_in: 12 };
    vec![request.to_cbor(), credential.to_cbor(), activate.to_cbor(), response.to_cbor()]
}

fn token() -> EnrolmentToken {
    EnrolmentToken {
        v: 1,
        id: Hash([1; 32]),
        origin: "https://verifier.example:8443".into(),
        server_ca_pins: vec![Hash([2; 32]), Hash([3; 32])],
        log_key: Hash([4; 32]),
        witness_policy: String::new(),
        profile: NodeProfile::EkCert,
        uses: 3,
        expires: 1_780_000_000,
        signature: vec![5; 64].into(),
    }
}

/// A phase as systemd logs it, an event of the firmware and an entry of an IMA list.
const CEL_JSON: &str = concat!(
    "\u{1e}{\"pcr\":11,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\"2222222222222222222222222222222222222222222222222222222222222222\"}],",
    "\"content_type\":\"systemd\",\"content\":{\"eventType\":\"phase\",\"bootId\":\"0123456789abcdef0123456789abcdef\",\"timestamp\":5,\"string\":\"ready\"}}\n",
    "\u{1e}{\"recnum\":1,\"pcr\":0,\"digests\":[{\"hashAlg\":11,\"digest\":\"3333333333333333333333333333333333333333333333333333333333333333\"}],",
    "\"content_type\":\"pcclient_std\",\"content\":{\"event_type\":\"EV_SEPARATOR\",\"event_data\":\"00000000\"}}\n",
    "\u{1e}{\"pcr\":10,\"digests\":[],\"content_type\":\"ima_template\",\"content\":{\"template_name\":\"ima-ng\",\"template_data\":\"0102\"}}\n",
);

/// The same kinds of records in CBOR.
fn cel_cbor() -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut out);
    let written = encoder.array(2).and_then(|list| {
        list.map(4)?.u8(0)?.u8(0)?.u8(1)?.u8(11)?.u8(3)?.map(1)?.u8(0x0B)?.bytes(&[2; 32])?;
        list.u8(9)?.map(2)?.u8(0)?.str("phase")?.u8(3)?.bytes(b"ready")?;
        list.map(4)?.u8(0)?.u8(1)?.u8(1)?.u8(0)?.u8(3)?.array(1)?.array(2)?.u8(0x0B)?.bytes(&[3; 32])?;
        list.u8(5)?.map(2)?.u8(0)?.u8(4)?.u8(1)?.bytes(&[0; 4])
    });
    written.expect("writing to memory");
    out
}
