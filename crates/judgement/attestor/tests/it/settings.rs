//! Settings in both forms, and what is refused.

use std::path::{Path, PathBuf};

use avouch_attestor::{
    BodyError, DeploymentKind, DeploymentSetting, Hash, Loaded, LocalUrl, LocalUrlError, Profile, RefreshRequest,
    SecretPath, Settings, SettingsError, max_age,
};
use avouch_pairs::Level;

const FULL: &str = r#"
require_tpm = true
require_secure_boot = true
require_quote = true
require_levels = ["V8", "V4"]
policy_files = ["/etc/nginx/nginx.conf"]
refresh_interval = "1m"
stale_after = "3m"
latch_failed = false
ask_server = true
deployment = "bootc"
registry_manifest_path = "/var/lib/registry.json"
hmac_key_path = "%d/hmac-key"
token_path = "/etc/avouch/gate/token"
audit_log_path = "/var/log/avouch/audit.jsonl"
state_dir = "/var/lib/gate"
tpm = "unix:/run/swtpm.sock"
collector = "/run/avouch/gate.sock"
listen = "[::1]:9000"

[expected_pcrs]
7 = "0xABCDEF0000000000000000000000000000000000000000000000000000000000"
14 = "abcdef0000000000000000000000000000000000000000000000000000000000"

[service_binaries]
nginx = "/usr/sbin/nginx"
db = { path = "/usr/lib/postgresql/bin/postgres", unit = "postgresql.service" }

[baseline]
path = "/etc/avouch/baseline.json"
key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

[socket]
path = "/run/avouch-gate/gate.sock"
uids = [0, 990]
gids = [991]

[webhook]
url = "http://127.0.0.1:8515/api/v1/incidents/report"
token_path = "%d/incident-token"
"#;

fn toml(text: &str) -> Result<Loaded, SettingsError> {
    Settings::from_toml(text, Profile::Avouch)
}

fn yaml(text: &str) -> Result<Loaded, SettingsError> {
    Settings::from_yaml(text, Profile::SecureAi)
}

#[test]
fn every_key_of_the_native_form_is_read_and_explained() {
    let loaded = toml(FULL).unwrap();
    let settings = &loaded.settings;
    assert!(settings.require_tpm && settings.require_secure_boot && settings.require_quote && settings.ask_server);
    assert!(!settings.latch_failed);
    assert_eq!(settings.require_levels, [Level::V4, Level::V8]);
    assert_eq!(settings.expected_pcrs[&7], settings.expected_pcrs[&14], "any case, with and without 0x");
    assert_eq!(settings.service_binaries["nginx"].unit, "nginx.service");
    assert_eq!(settings.service_binaries["db"].unit, "postgresql.service");
    assert_eq!((settings.refresh_interval.as_secs(), settings.stale_after.as_secs()), (60, 180));
    assert_eq!(settings.deployment, DeploymentSetting::Of(DeploymentKind::Bootc));
    assert_eq!(settings.listen.unwrap().port(), 9000);
    assert_eq!(settings.socket.as_ref().unwrap().gids, [991]);
    assert_eq!(settings.baseline.as_ref().unwrap().key, [0; 32]);
    assert_eq!(settings.webhook.as_ref().unwrap().token_path, Some(SecretPath::Credential("incident-token".into())));
    let explained = loaded.explain();
    let defaults: Vec<&str> = explained.iter().filter(|it| !it.from_file).map(|it| it.key).collect();
    assert_eq!(defaults, ["version"], "everything else stands in the file");
    assert!(explained.iter().all(|it| !it.meaning.is_empty() && !it.value.is_empty()));
}

#[test]
fn defaults_are_those_of_the_profile() {
    let loaded = toml("").unwrap();
    assert_eq!(loaded.settings, Settings::defaults(Profile::Avouch));
    assert_eq!(loaded, Loaded::defaults(Profile::Avouch));
    assert!(loaded.settings.latch_failed && !loaded.settings.checks_anything());
    assert_eq!(loaded.settings.audit_log_path, PathBuf::from("/var/lib/avouch-gate/audit.jsonl"));
    let secure = yaml("# nothing\n").unwrap().settings;
    assert_eq!(secure, Settings::defaults(Profile::SecureAi));
    assert_eq!(secure.audit_log_path, PathBuf::from("/var/lib/secure-ai/logs/runtime-attestor-audit.jsonl"));
    assert_eq!(secure.token_path.to_string(), "/run/secure-ai/service-token");
    for profile in [Profile::Avouch, Profile::SecureAi] {
        assert_eq!(Profile::named(profile.name()), Some(profile));
    }
    assert_eq!(Profile::SecureAi.settings_path(), "/etc/secure-ai/policy/attestation.yaml");
}

#[test]
fn unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    let refused = |text: &str| toml(text).unwrap_err().to_string();
    assert_eq!(
        refused("\n\nrequire_tmp = true\n"),
        "line 3: there is no key `require_tmp`; did you mean `require_tpm`?"
    );
    assert!(
        refused("[webhook]\nurl = \"http://[::1]\"\nuri = 1\n").starts_with("line 3: there is no key `webhook.uri`")
    );
    assert!(refused("[service_binaries]\na = { path = \"/a\", units = \"b.service\" }\n").starts_with("line 2: "));
}

#[test]
fn values_out_of_range_are_refused_with_their_line() {
    let cases = [
        "require_tpm = 1",
        "require_tpm = \"true\"",
        "refresh_interval = 300",
        "refresh_interval = \"0s\"",
        "refresh_interval = \"-1s\"",
        "refresh_interval = \"abc\"",
        "refresh_interval = \"1ns\"",
        "refresh_interval = \"10y\"",
        "refresh_interval = \"9s\"",
        "refresh_interval = \"24h1s\"",
        "stale_after = \"1m\"",
        "stale_after = \"169h\"",
        "require_levels = [\"V3\"]",
        "require_levels = [\"V15\"]",
        "require_levels = \"V4\"",
        "policy_files = [\"etc/x\"]",
        "policy_files = [\"/x\", \"/x\"]",
        "deployment = \"docker\"",
        "listen = \"0.0.0.0:8505\"",
        "listen = \"127.0.0.1:0\"",
        "listen = \"localhost:8505\"",
        "tpm = \"/dev/tpmrm0\"",
        "hmac_key_path = \"%d/../x\"",
        "hmac_key_path = \"key\"",
        "audit_log_path = \"%d/log\"",
        "expected_pcrs = { 24 = \"0000000000000000000000000000000000000000000000000000000000000000\" }",
        "expected_pcrs = { 7 = \"00\" }",
        "expected_pcrs = { \"+7\" = \"0000000000000000000000000000000000000000000000000000000000000000\" }",
        "service_binaries = { x = \"relative\" }",
        "service_binaries = { x = { path = \"/x\", unit = \"x\" } }",
        "version = 2",
        "baseline = { path = \"/x\", key = \"AAAA\" }",
        "webhook = { url = 8515 }",
        "socket = { path = \"/x\", uids = [-1] }",
    ];
    for case in cases {
        let error = toml(&format!("# a comment\n{case}\n")).unwrap_err();
        assert!(matches!(error, SettingsError::Value { .. }), "{case}: {error}");
        assert_eq!(error.line(), Some(2), "{case}");
    }
}

#[test]
fn a_receiver_of_reports_that_is_elsewhere_is_refused_with_what_to_write() {
    for (url, why) in [
        ("https://recorder.example/report", LocalUrlError::Https),
        ("https://127.0.0.1:8515/report", LocalUrlError::Https),
        ("http://10.0.0.1/x", LocalUrlError::Elsewhere),
        ("http://127.0.0.1@evil.example/x", LocalUrlError::Host),
        ("http://127.0.0.1:8515?x", LocalUrlError::Host),
        ("ftp://x", LocalUrlError::Scheme),
    ] {
        let error = toml(&format!("# a comment\n[webhook]\nurl = \"{url}\"\n")).unwrap_err();
        assert_eq!(error, SettingsError::Webhook { line: 3, got: format!("{url:?}"), why });
        let text = error.to_string();
        assert!(text.starts_with("line 3: `webhook.url` cannot be ") && text.contains(url), "{text}");
        assert!(text.contains("http://127.0.0.1:PORT/PATH") && text.contains("forwarder"), "what to write: {text}");
    }
    for url in ["http://localhost:8515/x", "http://127.0.0.1/x", "http://[::1]:8515"] {
        let loaded = toml(&format!("webhook = {{ url = \"{url}\" }}")).unwrap();
        assert_eq!(loaded.settings.webhook.unwrap().url, LocalUrl::read(url).unwrap());
    }
}

#[test]
fn one_pcr_has_one_value() {
    let digest = "0".repeat(64);
    let text = format!("[expected_pcrs]\n7 = \"{digest}\"\n07 = \"{digest}\"\n");
    assert_eq!(toml(&text).unwrap_err().line(), Some(3));
}

#[test]
fn sections_must_be_whole() {
    for (text, missing) in [
        ("[baseline]\npath = \"/x\"", "baseline.key"),
        ("[baseline]\nkey = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"", "baseline.path"),
        ("[socket]\nuids = [0]", "socket.path"),
        ("[webhook]\ntoken_path = \"/x\"", "webhook.url"),
        ("service_binaries = { x = { unit = \"x.service\" } }", "path"),
        ("listen = \"none\"", "socket"),
    ] {
        let error = toml(text).unwrap_err();
        assert!(matches!(error, SettingsError::Incomplete { key, .. } if key == missing), "{text}: {error}");
    }
    assert_eq!(toml("listen = \"none\"\n[socket]\npath = \"/x\"\n").unwrap().settings.listen, None);
}

#[test]
fn broken_toml_is_refused_with_its_line() {
    for (text, line) in [("a = ", 1), ("\n\nrequire_tpm = tru", 3), ("require_tpm = true\nrequire_tpm = true", 2)] {
        let error = toml(text).unwrap_err();
        assert!(matches!(error, SettingsError::Syntax { .. }), "{text:?}: {error}");
        assert_eq!(error.line(), Some(line), "{text:?}: {error}");
    }
    assert!(matches!(toml(&"[".repeat(10_000)), Err(SettingsError::Syntax { .. })), "deep nesting is no panic");
    assert!(matches!(toml(&" ".repeat((1 << 20) + 1)), Err(SettingsError::TooLong { .. })));
    for end in 0..FULL.len() {
        let _ = toml(&FULL[..end]);
    }
}

#[test]
fn unquoted_digests_and_numbers_are_read_as_they_stand() {
    let digits = "1".repeat(64);
    let exponent = format!("{}e{}", "1".repeat(31), "1".repeat(32));
    let text = format!("expected_pcrs:\n  0: {digits}\n  14: {exponent}\n  7: \"0xAB{}\"\n", "00".repeat(31));
    let pcrs = yaml(&text).unwrap().settings.expected_pcrs;
    assert_eq!(pcrs[&0], Hash::from_hex(&digits).unwrap());
    assert_eq!(pcrs[&14], Hash::from_hex(&exponent).unwrap());
    assert_eq!(pcrs[&7].0[0], 0xAB);
}

#[test]
fn foreign_form_warns_of_what_it_does_not_know() {
    let loaded = yaml("version: 1\nrequire_tpm: true\nlatch_failed: false\nother:\n  a: [1, 2]\n").unwrap();
    assert!(loaded.settings.require_tpm && loaded.settings.latch_failed, "an unknown key changes nothing");
    let lines: Vec<_> = loaded.warnings.iter().map(|warning| (warning.line, warning.key.as_str())).collect();
    assert_eq!(lines, [(3, "latch_failed"), (4, "other")]);
}

#[test]
fn foreign_form_refuses_what_the_native_form_refuses() {
    for (text, line) in [
        ("version: 2\n", 1),
        ("version: 1\nrefresh_interval: 0s\n", 2),
        ("version: 1\nrefresh_interval: 300\n", 2),
        ("expected_pcrs:\n  24: \"00\"\n", 2),
        ("service_binaries:\n  a: /a\n  b: relative\n", 3),
        ("policy_files:\n  - /a\n  - /a\n", 3),
        ("hmac_key_path: relative\n", 1),
    ] {
        let error = yaml(text).unwrap_err();
        assert!(matches!(error, SettingsError::Value { .. }), "{text:?}: {error}");
        assert_eq!(error.line(), Some(line), "{text:?}: {error}");
    }
}

#[test]
fn null_and_empty_mean_the_default_and_nothing() {
    let settings = yaml("service_binaries: {}\npolicy_files: []\nexpected_pcrs:\n").unwrap().settings;
    assert!(settings.service_binaries.is_empty() && settings.policy_files.is_empty());
    assert!(!settings.checks_anything());
    assert_eq!(yaml("service_binaries:\n").unwrap().settings.service_binaries.len(), 4);
}

#[test]
fn keys_that_stand_twice_and_bombs_are_refused() {
    for text in [
        "require_tpm: true\nrequire_tpm: false\n",
        "service_binaries:\n  a: /a\n  a: /b\n",
        "a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nrequire_tpm: *c\n",
    ] {
        assert!(yaml(text).is_err(), "{text:?}");
    }
    let mut bomb = "a0: &a0 [x]\n".to_owned();
    (1..40).for_each(|n| bomb += &format!("a{n}: &a{n} [*a{p}, *a{p}, *a{p}, *a{p}]\n", p = n - 1));
    assert!(yaml(&bomb).is_err());
    assert!(yaml(&"[".repeat(100_000)).is_err());
    assert!(matches!(yaml(&" ".repeat((1 << 20) + 1)), Err(SettingsError::TooLong { .. })));
}

#[test]
fn credentials_are_found_where_systemd_puts_them() {
    let secret = Settings::defaults(Profile::Avouch).token_path;
    assert_eq!(secret.to_string(), "%d/token");
    let directory = Path::new("/run/credentials/avouch-gate.service");
    assert_eq!(secret.resolve(Some(directory)), Some(directory.join("token")));
    assert_eq!(secret.resolve(None), None);
    assert_eq!(SecretPath::File("/x".into()).resolve(None), Some("/x".into()));
}

#[test]
fn refresh_bodies_are_strict() {
    let nonce = "0a".repeat(32);
    let parse = |body: &str| RefreshRequest::parse(body.as_bytes()).map(|request| request.request_nonce);
    assert_eq!(parse(""), Ok(None));
    assert_eq!(parse("{}"), Ok(None));
    assert_eq!(parse(&format!(r#" {{"request_nonce": "{nonce}"}} "#)), Ok(Hash::from_hex(&nonce)));
    for body in
        ["null", "[]", "{", "{} {}", "{}x", r#"{"other":1}"#, r#"{"request_nonce":null}"#, r#"{"request_nonce":1}"#]
    {
        assert_eq!(parse(body), Err(BodyError::Json), "{body}");
    }
    let twice = format!(r#"{{"request_nonce":"{nonce}","request_nonce":"{nonce}"}}"#);
    assert_eq!(parse(&twice), Err(BodyError::Json));
    for text in ["", &nonce[1..], &nonce.to_uppercase(), &format!("{nonce}00"), &nonce.replace('0', "g")] {
        assert_eq!(parse(&format!(r#"{{"request_nonce":"{text}"}}"#)), Err(BodyError::Nonce), "{text}");
    }
    assert_eq!(RefreshRequest::parse(&[0xFF]), Err(BodyError::Json));
}

#[test]
fn a_misspelt_limit_is_not_no_limit() {
    assert_eq!(max_age(""), Ok(None));
    assert_eq!(max_age("max_age=30").unwrap().unwrap().as_secs(), 30);
    for query in ["max_age", "max_age=", "max_age=-1", "max_age=+1", "maxage=3", "max_age=3&x=1", "max_age=1s", "a=1"] {
        assert_eq!(max_age(query), Err(BodyError::MaxAge), "{query}");
    }
}
