//! The local attestor: its settings, its log, its bundles and what clients send.

use avouch_attestor::audit::{self, Tail};
use avouch_attestor::{
    BaselineFile, Bundle, Facts, Hash, Held, HmacKey, Machine, Moment, PinnedAk, Profile, Reading, References,
    RefreshRequest, SecureBoot, Settings, SignedBaseline, TpmFacts, Verdict, appraise, canonical, max_age,
    verify_bundle, verify_hmac,
};
use serde_json::Value;

/// A key that no seed is signed with.
const STRANGER: &[u8] = b"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// The native settings.
pub fn attestor_toml(data: &[u8]) -> bool {
    str::from_utf8(data).is_ok_and(|text| loads(Settings::from_toml(text, Profile::Avouch)))
}

/// The foreign settings.
pub fn attestor_yaml(data: &[u8]) -> bool {
    str::from_utf8(data).is_ok_and(|text| loads(Settings::from_yaml(text, Profile::SecureAi)))
}

fn loads(loaded: Result<avouch_attestor::Loaded, avouch_attestor::SettingsError>) -> bool {
    match loaded {
        Ok(loaded) => {
            let interval = loaded.settings.refresh_interval.as_secs();
            assert!(avouch_attestor::INTERVAL_RANGE.contains(&interval), "an interval that a timer can take");
            assert!(loaded.settings.stale_after >= loaded.settings.refresh_interval);
            assert!(loaded.settings.listen.is_none_or(|listen| listen.ip().is_loopback()));
            assert!(loaded.explain().iter().all(|explained| !explained.value.is_empty()));
            true
        }
        Err(error) => {
            assert!(error.line().is_none_or(|line| line > 0) && !error.to_string().is_empty());
            false
        }
    }
}

/// The audit log.
pub fn attestor_audit(data: &[u8]) -> bool {
    match audit::verify(data) {
        Ok(tail) => tail.seq > 0,
        Err(broken) => {
            assert!(broken.line > 0 && !broken.to_string().is_empty());
            false
        }
    }
}

/// A bundle, whoever made it.
pub fn attestor_bundle(data: &[u8]) -> bool {
    let stranger = HmacKey::from_file(STRANGER).expect("64 digits");
    assert!(verify_hmac(data, &stranger).is_err(), "nobody signed that");
    let held = Held { key: PinnedAk::read(data).ok(), nonce: Some(Hash::ZERO), hmac_key: Some(STRANGER) };
    if let Ok(verification) = verify_bundle(data, &held) {
        assert_ne!(verification.verdict, Verdict::Holds, "nobody signed that");
    }
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        let spelled = canonical(&value);
        let again: Value = serde_json::from_str(&spelled).expect("the canonical spelling is JSON");
        assert_eq!(canonical(&again), spelled, "there is one canonical spelling");
    }
    let Ok(bundle) = serde_json::from_slice::<Bundle>(data) else { return false };
    assert!(bundle.verify_quote().is_err(), "no seed has a quote");
    let again: Bundle = serde_json::from_str(&bundle.to_json()).expect("what is written reads back");
    assert_eq!(again, bundle);
    true
}

/// Baselines: signed, plain, and as an image ships them.
pub fn attestor_baseline(data: &[u8]) -> bool {
    if let Ok(signed) = SignedBaseline::from_json(data) {
        assert!(signed.open(&[0; 32]).is_err(), "nobody signed that");
    }
    let read = [BaselineFile::from_json(data), BaselineFile::from_release(data, "n", "c")];
    read.into_iter().flatten().fold(false, |_, file| {
        assert_eq!(BaselineFile::from_json(file.to_json().as_bytes()), Ok(file), "what is written reads back");
        true
    })
}

/// What clients send: the body of a refresh, the query of a verification.
pub fn attestor_request(data: &[u8]) -> bool {
    let query = str::from_utf8(data).is_ok_and(|query| max_age(query).is_ok());
    RefreshRequest::parse(data).is_ok() | query
}

/// Good inputs.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match target {
        "attestor_toml" => texts(&[TOML, "", "refresh_interval = \"1m\"\n"]),
        "attestor_yaml" => texts(&[YAML, "version: 1\n", "{require_tpm: true, policy_files: [/a, '/b']}\n"]),
        "attestor_audit" => vec![log(1), log(3)],
        "attestor_bundle" => vec![log(1)],
        "attestor_baseline" => texts(&[BASELINE, RELEASE, SIGNED]),
        _ => texts(&["{}", &format!(r#"{{"request_nonce":"{}"}}"#, "0a".repeat(32)), "max_age=300"]),
    }
}

fn log(lines: usize) -> Vec<u8> {
    let settings = Settings::defaults(Profile::SecureAi);
    let facts = Facts {
        taken_at: Moment { unix_ms: 1_773_403_200_000, boot_ms: 60_000 },
        nonce: Hash([1; 32]),
        secure_boot: SecureBoot { variable: Reading::Value(true), log: Reading::Absent },
        deployment: Reading::Absent,
        services: Default::default(),
        policy_files: Vec::new(),
        policy_digest: Reading::Absent,
        files: Default::default(),
        registry: Reading::Absent,
        cmdline: Reading::Value("quiet a=<b>&c".into()),
        lockdown: Reading::Value("none [integrity] confidentiality".into()),
        levels: Reading::Absent,
        server: None,
        tpm: TpmFacts::Absent { why: "there is no /dev/tpmrm0".into() },
    };
    let key = Reading::Value(HmacKey::from_file("0a".repeat(32).as_bytes()).expect("64 digits"));
    let mut machine = Machine::new(&settings, None);
    let (mut log, mut tail) = (Vec::new(), Tail::EMPTY);
    for _ in 0..lines {
        let prepared = machine.prepare(appraise(&facts, &settings, &References::default()), &key, &tail);
        log.extend(prepared.line());
        tail = prepared.tail();
        machine.publish(prepared);
    }
    log
}

const TOML: &str = r#"
require_tpm = true
require_levels = ["V4", "V8"]
policy_files = ["/etc/nginx/nginx.conf"]
refresh_interval = "1m30s"
deployment = "bootc"
listen = "[::1]:9000"
[expected_pcrs]
7 = "0xabcdef0000000000000000000000000000000000000000000000000000000000"
[service_binaries]
db = { path = "/usr/lib/postgresql/bin/postgres", unit = "postgresql.service" }
nginx = "/usr/sbin/nginx"
[baseline]
path = "/etc/avouch/baseline.json"
key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
[socket]
path = "/run/avouch-gate/gate.sock"
uids = [0, 990]
[webhook]
url = "http://127.0.0.1:8515/x"
token_path = "%d/incident-token"
"#;

const YAML: &str = "version: 1
require_tpm: false
require_secure_boot: no
expected_pcrs:
  0: 1111111111111111111111111111111111111111111111111111111111111111
  7: \"0xABCDEF0000000000000000000000000000000000000000000000000000000000\"
service_binaries:
  registry: /usr/libexec/secure-ai/registry
policy_files:
  - /etc/secure-ai/policy/policy.yaml # first
  - &agent /etc/secure-ai/policy/agent.yaml
refresh_interval: 5m
hmac_key_path: /run/secure-ai/attestation-hmac-key
other: [*agent, {a: ~}]
";

const BASELINE: &str = r#"{"v":1,"name":"n","created":"c","registry":"abababababababababababababababababababababababababababababababab",
"deployment":{"kind":"rpm-ostree","id":"x","digest":"abababababababababababababababababababababababababababababababab"},
"files":{"/usr/bin/x":{"sha256":"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd","size":7}}}"#;

const RELEASE: &str = r#"{"version":1,"source_commit":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f","files":[{"path":"/usr/bin/x",
"sha256":"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd","size":7}]}"#;

const SIGNED: &str = r#"{"baseline":"e30=","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","signature":"AAAA"}"#;
