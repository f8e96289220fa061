use std::net::TcpListener;
use std::process::Command;

use avouch_https::HttpsError;

use crate::server::Answering;

/// A proxy that nobody runs: whoever asks it gets nowhere.
const NO_PROXY_THERE: &str = "http://127.0.0.1:1";

#[test]
fn a_server_with_another_ca_key_is_not_talked_to() {
    let server = Answering::new("200 OK", b"");
    let error = server.client_at(&server.origin, [1; 32]).post("/", "text/plain", b"secret").unwrap_err();
    assert!(matches!(error, HttpsError::Tls { .. }), "{error:?}");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[test]
fn a_server_under_another_name_is_not_talked_to() {
    let server = Answering::new("200 OK", b"");
    let elsewhere = server.origin.replace("127.0.0.1", "localhost");
    let error = server.client_at(&elsewhere, server.pin).get("/").unwrap_err();
    assert!(matches!(error, HttpsError::Tls { .. }), "{error:?}");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[test]
fn plain_http_is_refused_before_anything_is_sent() {
    let server = Answering::new("200 OK", b"");
    let plain = server.origin.replace("https://", "http://");
    assert!(server.client_at(&plain, server.pin).get("/").is_err());
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_server_that_is_down_is_unreachable_and_named() {
    let server = Answering::new("200 OK", b"");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = server.client_at(&origin, server.pin).get("/").unwrap_err();
    assert!(matches!(error, HttpsError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&origin) && text.contains("nothing listens there"), "{text}");
}

/// Runs once more as its own child process, because the environment of a process with threads is not changed.
#[test]
fn proxy_variables_of_the_environment_are_not_read() {
    let variables = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    if std::env::var("HTTPS_PROXY").is_ok_and(|proxy| proxy == NO_PROXY_THERE) {
        assert_eq!(Answering::new("200 OK", b"direct").client().get("/").unwrap().body, b"direct");
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "peers::proxy_variables_of_the_environment_are_not_read"]);
    child.envs(variables.map(|name| (name, NO_PROXY_THERE))).env_remove("NO_PROXY").env_remove("no_proxy");
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}
