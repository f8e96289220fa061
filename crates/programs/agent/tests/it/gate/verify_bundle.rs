//! A bundle of a real gate and a real TPM, saved and verified elsewhere; and the log with what was kept of it.

use std::fs;

use avouch_attestor::{BundleError, verify_bundle};
use serde_json::{Value, json};

use super::world::Appliance;
use crate::swtpm::Swtpm;

const NONCE: &str = "a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0";

/// A gate with a TPM that has answered this nonce, and the files that an auditor has of it.
struct Audited {
    appliance: Appliance,
    _tpm: Swtpm,
    bundle: Value,
}

impl Audited {
    fn start() -> Option<Self> {
        let tpm = Swtpm::start()?;
        let mut appliance = Appliance::new(&format!("require_quote = true\ntpm = '{}'", tpm.spec()));
        let early = appliance.run(&["key", "tpm"]);
        let told = String::from_utf8_lossy(&early.stderr).into_owned();
        assert!(early.status.code() == Some(5) && told.contains("start the gate"), "none is made by asking: {told}");
        appliance.start();
        assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
        let bundle = appliance.refresh_with(NONCE);
        let audited = Self { appliance, _tpm: tpm, bundle };
        let printed = audited.appliance.run(&["key", "tpm", "-o", &audited.path("ak.pem")]);
        assert!(printed.status.success(), "{printed:?}");
        Some(audited)
    }

    fn path(&self, name: &str) -> String {
        self.appliance.path(name).display().to_string()
    }

    /// Exit status and JSON of `gate verify-bundle` on this bundle.
    fn verify(&self, bundle: &Value, more: &[&str]) -> (i32, Value) {
        let file = self.path("bundle.json");
        fs::write(&file, bundle.to_string()).unwrap();
        let words = [&["verify-bundle", &file, "--json"], more].concat();
        let output = self.appliance.run(&words);
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code().unwrap(), document)
    }
}

#[test]
fn a_bundle_of_a_real_tpm_holds_elsewhere_and_nothing_in_it_can_be_changed() {
    let Some(audited) = Audited::start() else { return };
    let (ak, hmac) = (audited.path("ak.pem"), audited.path("hmac-key"));
    let by_tpm = ["--key", ak.as_str(), "--nonce", NONCE];
    let all = [&by_tpm[..], &["--hmac-key", &hmac]].concat();
    let (exit, document) = audited.verify(&audited.bundle, &all);
    assert_eq!((exit, &document["verdict"]), (0, &json!("holds")), "{document:#}");
    assert_eq!(audited.verify(&audited.bundle, &by_tpm).0, 0, "without any secret");
    assert_eq!(audited.verify(&audited.bundle, &[]).0, 2, "the key in the bundle proves nothing");

    let name = String::from_utf8(audited.appliance.run(&["key", "tpm", "--json"]).stdout).unwrap();
    let told: Value = serde_json::from_str(&name).unwrap();
    assert_eq!(told["sha256"], audited.bundle["tpm_ak_public_key_sha256"]);
    assert_eq!(told["pem"], fs::read_to_string(&ak).unwrap());

    let other = Swtpm::start().unwrap();
    let mut elsewhere = Appliance::new(&format!("tpm = '{}'", other.spec()));
    elsewhere.start();
    elsewhere.settled();
    let others = elsewhere.path("ak.pem").display().to_string();
    assert!(elsewhere.run(&["key", "tpm", "-o", &others]).status.success());
    let refused = |more: &[&str]| {
        let (exit, document) = audited.verify(&audited.bundle, more);
        assert_eq!((exit, &document["verdict"]), (1, &json!("refused")), "{more:?}: {document:#}");
    };
    refused(&["--key", &others]);
    refused(&["--key", &ak, "--nonce", &"00".repeat(32)]);
    refused(&["--hmac-key", &audited.path("token")]);

    for (name, value) in audited.bundle.as_object().unwrap() {
        let mut changed = audited.bundle.clone();
        changed[name] = match value {
            Value::Bool(flag) => json!(!flag),
            Value::Number(number) => json!(number.as_u64().unwrap() + 1),
            Value::String(_) if name == "state" => json!("failed"),
            Value::String(_) if name == "assurance" => json!("server"),
            Value::String(_) if name == "assurance_mode" => json!("hardware"),
            Value::String(_) if name == "trigger" => json!("event"),
            Value::String(text) => json!(format!("{text}0")),
            Value::Array(_) => json!([]),
            Value::Object(inner) => {
                let mut inner = inner.clone();
                let (key, value) = inner.iter_mut().next().unwrap();
                *value = match value {
                    Value::Object(_) => json!({}),
                    Value::String(text) => json!(format!("{text}0")),
                    other => panic!("{name}.{key} is {other}"),
                };
                Value::Object(inner)
            }
            Value::Null => panic!("{name} is null"),
        };
        let (exit, document) = audited.verify(&changed, &all);
        assert_eq!(exit, 1, "{name}: {document:#}");
    }
}

#[test]
fn bad_input_is_told_with_its_place() {
    let appliance = Appliance::new("");
    let path = appliance.path("bundle.json");
    fs::write(&path, "{\"state\": tru").unwrap();
    let refused = appliance.run(&["verify-bundle", &path.display().to_string()]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        refused.status.code() == Some(5) && told.contains("offset 13") && told.contains("/api/v1/refresh"),
        "{told}"
    );
    let error = verify_bundle(b"{\"state\": tru", &avouch_attestor::Held::default()).unwrap_err();
    assert!(matches!(error, BundleError::Json { offset: 13, .. }), "{error}");
    fs::write(&path, "{}").unwrap();
    let path = path.display().to_string();
    let refused = appliance.run(&["verify-bundle", &path, "--key", &path]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(5) && told.contains("gate key tpm"), "{told}");
    assert_eq!(appliance.run(&["verify-bundle", &path, "--nonce", "12"]).status.code(), Some(64));
}

#[test]
fn a_log_that_was_written_anew_shows_by_its_head_and_by_its_hmacs() {
    let mut appliance = Appliance::new("");
    appliance.start();
    appliance.settled();
    appliance.refresh();
    let verify = |more: &[&str]| {
        let output = appliance.run(&[&["audit", "verify", "--json"], more].concat());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), document)
    };
    let (_, document) = verify(&[]);
    let head = document["hash"].as_str().unwrap().to_owned();
    appliance.refresh();
    let key = appliance.path("hmac-key").display().to_string();
    let (exit, document) = verify(&["--head", &head, "--hmac-key", &key]);
    assert_eq!((exit, &document["head"]["found"]["line"]), (0, &json!(2)), "{document:#}");
    assert_eq!(document["hmac"], json!({ "signed": 3, "unsigned": 0, "refused": null }));

    // Whoever can write the file writes it anew from the second line on: the chain is whole.
    let text = fs::read_to_string(appliance.audit_log()).unwrap();
    let mut forged = String::new();
    for (at, line) in text.lines().enumerate() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if at > 0 {
            line["kernel_cmdline"] = json!("quiet");
            let before = forged.lines().last().unwrap();
            line["prev"] = json!(data_encoding::HEXLOWER.encode(&avouch_crypto::sha256(&[before.as_bytes()])));
        }
        let line = if at == 0 { text.lines().next().unwrap().to_owned() } else { line.to_string() };
        forged += &(line + "\n");
    }
    let path = appliance.path("forged.jsonl");
    fs::write(&path, forged).unwrap();
    let path = path.display().to_string();
    assert_eq!(verify(&[&path]).0, 0, "the chain alone does not show it");
    let (exit, document) = verify(&[&path, "--head", &head]);
    assert_eq!((exit, &document["head"]["found"]), (1, &Value::Null), "{document:#}");
    let (exit, document) = verify(&[&path, "--hmac-key", &key]);
    assert_eq!((exit, &document["hmac"]["refused"]["line"]), (1, &json!(2)), "{document:#}");
    // Of several keys, one has to fit.
    let other = appliance.path("token").display().to_string();
    assert_eq!(verify(&["--hmac-key", &other, "--hmac-key", &key]).0, 0);
    assert_eq!(verify(&["--hmac-key", &other]).0, 1);

    fs::remove_file(appliance.path("hmac-key")).unwrap();
    assert_eq!(appliance.refresh()["bundle_hmac"], "unsigned");
    fs::write(appliance.path("kept-key"), "0f".repeat(32)).unwrap();
    let kept = appliance.path("kept-key").display().to_string();
    let verify = |more: &[&str]| appliance.run(&[&["audit", "verify", "--json"], more].concat()).status.code();
    assert_eq!((verify(&[]), verify(&["--hmac-key", &kept])), (Some(0), Some(2)), "unsigned is not verified");
}
