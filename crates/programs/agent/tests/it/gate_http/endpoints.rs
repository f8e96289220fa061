//! What each endpoint answers, to clients of both eras.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use avouch_attestor::{HmacKey, verify_hmac};
use serde::Deserialize;
use serde_json::json;

use super::client::Ask;
use super::world::{KEY, Site, TOKEN};

const ATTEST: &str = "/api/v1/attest";
const HEALTH: &str = "/health";
const REFRESH: &str = "/api/v1/refresh";
const STATUS: &str = "/api/security/status";
const VERIFY: &str = "/api/v1/verify";
const ACKNOWLEDGE: &str = "/api/v1/acknowledge";
const ALL: [(&str, &[&str]); 6] = [
    (HEALTH, &["GET"]),
    (ATTEST, &["GET", "POST"]),
    (VERIFY, &["GET"]),
    (REFRESH, &["POST"]),
    (STATUS, &["GET"]),
    (ACKNOWLEDGE, &["POST"]),
];

/// A client of the first era: it knows these keys, and an answer without one of them is an error.
#[allow(dead_code, reason = "that the keys parse is what is shown")]
mod older {
    use super::*;

    #[derive(Debug, Deserialize)]
    pub(super) struct Health {
        pub(super) status: String,
        pub(super) state: String,
    }

    #[derive(Debug, Deserialize)]
    pub(super) struct Verify {
        pub(super) verified: bool,
        pub(super) state: String,
    }

    #[derive(Debug, Deserialize)]
    pub(super) struct Attest {
        pub(super) state: String,
        pub(super) bundle: Bundle,
    }

    #[derive(Debug, Deserialize)]
    pub(super) struct Bundle {
        pub(super) timestamp: String,
        pub(super) state: String,
        pub(super) boot_measurements: BootMeasurements,
        pub(super) deployment_digest: String,
        pub(super) service_digests: BTreeMap<String, String>,
        pub(super) policy_digest: String,
        pub(super) registry_manifest_hash: String,
        pub(super) kernel_cmdline: String,
        pub(super) kernel_lockdown: String,
        pub(super) tpm_available: bool,
        pub(super) tpm_quote_verified: bool,
        #[serde(default)]
        pub(super) failures: Vec<String>,
        pub(super) bundle_hmac: String,
    }

    #[derive(Debug, Deserialize)]
    pub(super) struct BootMeasurements {
        pub(super) secure_boot_enabled: bool,
        #[serde(default)]
        pub(super) pcr_values: BTreeMap<String, String>,
        pub(super) measured_at: String,
    }

    #[derive(Debug, Deserialize)]
    pub(super) struct Status {
        pub(super) attestation_state: String,
        pub(super) tpm_available: bool,
        pub(super) tpm_quote_verified: bool,
        pub(super) secure_boot: bool,
        pub(super) policy_digest: String,
        pub(super) deployment_digest: String,
        pub(super) service_count: u64,
        pub(super) failure_count: u64,
        pub(super) last_attested: String,
        pub(super) attest_count: u64,
        pub(super) degrade_count: u64,
        pub(super) fail_count: u64,
    }
}

impl Site {
    /// The answer to one request over TCP with the token.
    fn ask(&self, ask: Ask<'_>) -> super::client::Answer {
        self.tcp().ask(&ask.with(TOKEN))
    }

    fn read<T: for<'a> Deserialize<'a>>(&self, path: &str) -> T {
        let answer = self.ask(Ask::get(path));
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.body))
    }
}

#[test]
fn before_the_first_attestation_everything_is_pending() {
    let site = Site::start();
    let verify = site.ask(Ask::get(VERIFY));
    assert_eq!(
        (verify.status, &verify.json()["verified"], &verify.json()["state"]),
        (503, &json!(false), &json!("pending"))
    );
    let health = site.tcp().ask(&Ask::get(HEALTH));
    assert_eq!((health.status, health.json()["state"].clone()), (200, json!("pending")));
    assert_eq!(site.read::<older::Health>(HEALTH).status, "ok");
    assert_eq!(site.read::<older::Status>(STATUS).attestation_state, "pending");
    let attest = site.ask(Ask::get(ATTEST));
    assert_eq!((attest.status, attest.json()["state"].clone()), (200, json!("pending")));
}

#[test]
fn services_that_are_whole_are_verified() {
    let site = Site::start();
    site.local.attest();
    let verify = site.ask(Ask::get(VERIFY));
    assert_eq!(
        (verify.status, &verify.json()["verified"], &verify.json()["state"]),
        (200, &json!(true), &json!("attested"))
    );
    assert_eq!(verify.header("content-type"), Some("application/json"));
    assert_eq!(verify.header("cache-control"), Some("no-store"));
    let health = site.tcp().ask(&Ask::get(HEALTH));
    assert_eq!((health.json()["status"].clone(), health.json()["state"].clone()), (json!("ok"), json!("attested")));
}

#[test]
fn a_program_that_is_gone_degrades_until_it_is_back_and_was_looked_at() {
    let site = Site::start();
    site.local.attest();
    let program = site.local.program("registry");
    fs::rename(&program, program.with_extension("away")).unwrap();
    assert_eq!(site.ask(Ask::get(VERIFY)).status, 200, "nobody has looked since");
    let refreshed = site.ask(Ask::post(REFRESH, ""));
    assert_eq!((refreshed.status, refreshed.json()["state"].clone()), (200, json!("degraded")));
    let verify = site.ask(Ask::get(VERIFY));
    assert_eq!(
        (verify.status, &verify.json()["verified"], &verify.json()["state"]),
        (503, &json!(false), &json!("degraded"))
    );
    fs::rename(program.with_extension("away"), &program).unwrap();
    assert_eq!(site.ask(Ask::post(REFRESH, "")).json()["state"], "attested");
    assert_eq!(site.ask(Ask::get(VERIFY)).status, 200);
}

#[test]
fn every_answer_is_understood_by_a_strict_client_of_the_first_era() {
    let site = Site::start();
    for state in ["attested", "degraded"] {
        site.local.attest();
        assert_eq!(site.read::<older::Health>(HEALTH).state, state);
        let verify: older::Verify = site.read(VERIFY);
        assert_eq!((verify.verified, verify.state.as_str()), (state == "attested", state));
        let attest: older::Attest = site.read(ATTEST);
        assert_eq!((attest.state.as_str(), attest.bundle.state.as_str()), (state, state));
        assert_eq!(attest.bundle.service_digests.len(), 2);
        assert_eq!(attest.bundle.failures.is_empty(), state == "attested");
        assert!(attest.bundle.timestamp.ends_with('Z') && attest.bundle.boot_measurements.measured_at.ends_with('Z'));
        assert_eq!(attest.bundle.bundle_hmac.len(), 64);
        let refreshed = site.ask(Ask::post(REFRESH, "{}"));
        let bundle: older::Bundle = serde_json::from_str(&refreshed.body).unwrap();
        assert_eq!(bundle.kernel_cmdline, "root=/dev/vda2 ro quiet");
        let _ = fs::remove_file(site.local.program("airlock"));
    }
    let status: older::Status = site.read(STATUS);
    assert_eq!((status.attest_count, status.degrade_count, status.fail_count), (2, 2, 0), "one counter for each run");
    assert_eq!((status.service_count, status.tpm_available), (2, false));
}

#[test]
fn attest_is_the_same_by_get_and_post() {
    let site = Site::start();
    site.local.attest();
    let bundles = [Ask::get(ATTEST), Ask::post(ATTEST, "")].map(|ask| site.ask(ask).json()["bundle"].clone());
    assert_eq!(bundles[0], bundles[1]);
    assert!(bundles[0].is_object());
}

#[test]
fn other_methods_are_refused_and_told_which_are_taken() {
    let site = Site::start();
    let mut connection = site.tcp();
    for (path, allowed) in ALL {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            if allowed.contains(&method) {
                continue;
            }
            let answer = connection.ask(&Ask { method, path, token: Some(TOKEN), body: "" });
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some(allowed.join(", ").as_str())),
                "{method} {path}"
            );
        }
    }
    let answer = site.ask(Ask::get("/api/v1/nothing"));
    assert_eq!((answer.status, answer.json()), (404, json!({"error": "not found"})));
}

#[test]
fn without_the_token_only_health_answers() {
    let site = Site::start();
    site.local.attest();
    let mut connection = site.tcp();
    let wrong = TOKEN.replace('5', "6");
    for path in [ATTEST, VERIFY, STATUS, REFRESH, ACKNOWLEDGE, "/api/v1/nothing", "/", "/healthz"] {
        for token in [None, Some(wrong.as_str()), Some(""), Some(&TOKEN[..63])] {
            let answer = connection.ask(&Ask { method: "GET", path, token, body: "" });
            assert_eq!((answer.status, answer.json()), (403, json!({"error": "forbidden"})), "{path} {token:?}");
        }
    }
    let refused = connection.ask(&Ask::post(REFRESH, ""));
    assert_eq!((refused.status, site.local.runs.load(Ordering::SeqCst)), (403, 0));
    assert_eq!(connection.ask(&Ask::get(HEALTH)).status, 200);
}

#[test]
fn where_no_token_is_configured_tcp_is_closed_to_everybody() {
    let site = Site::with(avouch_agent::gate::http::Limits::default(), false);
    site.local.attest();
    for (path, methods) in ALL.into_iter().filter(|(path, _)| *path != HEALTH) {
        for token in [None, Some(TOKEN), Some("")] {
            let answer = site.tcp().ask(&Ask { method: methods[0], path, token, body: "" });
            let unavailable = json!({"error": "service authentication unavailable"});
            assert_eq!((answer.status, answer.json()), (503, unavailable), "{path} {token:?}");
        }
    }
    assert_eq!(site.tcp().ask(&Ask::get(HEALTH)).status, 200);
    assert_eq!(site.unix().ask(&Ask::get(VERIFY)).status, 200, "the kernel says who asks here");
}

#[test]
fn a_nonce_comes_back_in_a_bundle_whose_hmac_verifies() {
    let site = Site::start();
    let nonce = "ab".repeat(32);
    let body = json!({"request_nonce": nonce}).to_string();
    let answer = site.ask(Ask::post(REFRESH, &body));
    assert_eq!((answer.status, answer.json()["request_nonce"].clone()), (200, json!(nonce)));
    verify_hmac(answer.body.as_bytes(), &HmacKey::from_file(KEY.as_bytes()).unwrap()).unwrap();
}

#[test]
fn bodies_that_are_not_the_request_are_refused_and_cost_no_run() {
    let site = Site::start();
    let nonce = "ab".repeat(32);
    let long = format!("{{\"request_nonce\":\"{nonce}\"}}{}", " ".repeat(64 * 1024));
    let bad = [
        "x".to_owned(),
        "[]".to_owned(),
        format!("[\"{nonce}\"]"),
        "null".to_owned(),
        "{}{}".to_owned(),
        "{} x".to_owned(),
        "{\"request_nonce\":1}".to_owned(),
        format!("{{\"request_nonce\":\"{}\"}}", nonce.to_uppercase()),
        format!("{{\"request_nonce\":\"{}\"}}", &nonce[1..]),
        format!("{{\"request_nonce\":\"{nonce}\",\"more\":1}}"),
        format!("{{\"nonce\":\"{nonce}\"}}"),
        long,
    ];
    for body in bad {
        let answer = site.ask(Ask::post(REFRESH, &body));
        assert_eq!(answer.status, 400, "{body:.80}: {}", answer.body);
        assert!(answer.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "{}", answer.body);
    }
    assert_eq!(site.local.runs.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_too_old_is_not_verified() {
    let site = Site::start();
    site.local.attest();
    let verify = |query: &str| site.ask(Ask::get(&format!("{VERIFY}{query}"))).status;
    site.local.pass(Duration::from_secs(100));
    assert_eq!((verify("?max_age=100"), verify("?max_age=99"), verify("")), (200, 503, 200));
    for bad in [
        "?max_age=",
        "?max_age=-1",
        "?max_age=1s",
        "?maxage=1",
        "?max_age=1&max_age=2",
        "?max_age=99999999999999999999",
    ] {
        assert_eq!(verify(bad), 400, "{bad}: a mistyped bound must not be no bound");
    }
    site.local.pass(Duration::from_secs(24 * 3600));
    let answer = site.ask(Ask::get(VERIFY));
    assert_eq!((answer.status, answer.json()["verified"].clone()), (503, json!(false)));
    assert_ne!(site.read::<older::Health>(HEALTH).state, "attested", "a dead refresher leaves nothing green");
}

#[test]
fn the_owner_of_the_socket_needs_no_token_and_only_there_may_acknowledge() {
    let site = Site::start();
    site.local.attest();
    let mut local = site.unix();
    assert_eq!(local.ask(&Ask::get(VERIFY)).status, 200);
    let nothing = local.ask(&Ask::post(ACKNOWLEDGE, ""));
    assert_eq!(nothing.status, 409, "{}", nothing.body);
    let remote = site.ask(Ask::post(ACKNOWLEDGE, ""));
    assert_eq!((remote.status, remote.json()), (403, json!({"error": "forbidden"})), "the token identifies no person");
}

#[test]
fn no_reader_ever_sees_a_bundle_of_two_runs() {
    let site = Site::start();
    site.local.attest();
    let key = HmacKey::from_file(KEY.as_bytes()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut connection = site.unix();
                let mut read = 0_u32;
                while !done.load(Ordering::Relaxed) || read < 20 {
                    let answer: older::Attest = serde_json::from_str(&connection.ask(&Ask::get(ATTEST)).body).unwrap();
                    let body = connection.ask(&Ask::get(ATTEST)).json();
                    verify_hmac(body["bundle"].to_string().as_bytes(), &key).unwrap();
                    assert_eq!(answer.state, answer.bundle.state);
                    read += 1;
                }
            });
        }
        for round in 0..200 {
            if round % 2 == 0 {
                fs::remove_file(site.local.program("airlock")).unwrap();
            } else {
                fs::write(site.local.program("airlock"), "program airlock").unwrap();
            }
            site.local.attest();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_program_that_was_replaced_stays_a_finding_until_somebody_acknowledges_it() {
    let site = Site::start();
    site.local.attest();
    fs::write(site.local.program("registry"), "another program").unwrap();
    let mut local = site.unix();
    for _ in 0..2 {
        assert_eq!(local.ask(&Ask::post(REFRESH, "")).json()["state"], "degraded");
    }
    let known = local.ask(&Ask::post(ACKNOWLEDGE, ""));
    assert_eq!((known.status, known.json()["attestation_state"].clone()), (200, json!("attested")), "{}", known.body);
    let bundle = local.ask(&Ask::get(ATTEST)).json()["bundle"].clone();
    assert!(bundle["acknowledged"]["by"].as_str().is_some_and(|by| by.contains("uid ")), "{bundle}");
    assert_eq!(local.ask(&Ask::get(VERIFY)).status, 200);
}
