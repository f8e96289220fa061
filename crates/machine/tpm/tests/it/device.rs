//! Names of TPMs, and the TCP socket.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use avouch_tpm::{Tpm, open};

use crate::swtpm::Swtpm;

#[test]
fn socket_opens_by_its_name_and_by_its_bare_path() {
    let Some(swtpm) = Swtpm::start() else { return };
    for spec in [swtpm.spec(), swtpm.socket().display().to_string()] {
        let mut tpm = Tpm::new(open(&spec).unwrap());
        assert_eq!(tpm.properties().unwrap().manufacturer, "IBM");
    }
}

#[test]
fn tcp_socket_opens_by_its_name() {
    // Only to know that swtpm is there.
    let Some(_swtpm) = Swtpm::start() else { return };
    let folder = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut process = Command::new("swtpm")
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .args(["--tpmstate", &format!("dir={}", folder.path().display())])
        .args(["--server", &format!("type=tcp,port={port}")])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let opened = loop {
        match open(&format!("tcp:127.0.0.1:{port}")) {
            Err(error) if start.elapsed() > Duration::from_secs(20) => break Err(error),
            Err(_) => std::thread::yield_now(),
            opened => break opened,
        }
    };
    let made = opened.map(|transport| Tpm::new(transport).create_attestation_key().is_ok());
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(made.unwrap());
}

#[test]
fn what_is_no_tpm_is_told() {
    let error = open("/dev/null").map(Tpm::new).unwrap().properties().unwrap_err().to_string();
    assert!(error.starts_with("TPM2_GetCapability: the TPM closed the connection"), "{error}");
    let error = open("device:/nonexistent/tpmrm0").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("enable it in the firmware setup"), "{error}");
}
