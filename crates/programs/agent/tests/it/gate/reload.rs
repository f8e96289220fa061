//! Secrets are exchanged while the gate runs.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use avouch_attestor::{HmacKey, HmacRefusal, verify_hmac};

use super::world::Appliance;

const SOON: Duration = Duration::from_secs(30);

/// An address that no other test has.
fn own_address() -> SocketAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 78, high, low.max(1));
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

/// One more request on an open connection; its status.
fn asked(connection: &mut TcpStream, token: &str) -> u16 {
    write!(connection, "GET /api/v1/verify HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    connection.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Puts another file in the place of a secret, as those do who rotate them.
fn replace(appliance: &Appliance, name: &str, content: &str) {
    let beside = appliance.path(&format!("{name}.new"));
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o400)).unwrap();
    fs::rename(beside, appliance.path(name)).unwrap();
}

#[test]
fn token_and_hmac_key_are_renewed_by_a_signal_and_nothing_else_is_lost() {
    let address = own_address();
    let mut appliance = Appliance::new(&format!("listen = '{address}'"));
    appliance.start();
    assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
    let (old, new) = ("2b".repeat(32), "3c".repeat(32));
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!((asked(&mut connection, &old), asked(&mut connection, &new)), (200, 403));

    replace(&appliance, "token", &new);
    replace(&appliance, "hmac-key", &"4d".repeat(32));
    appliance.reload();
    appliance.told_until("the token was read anew");
    assert_eq!((asked(&mut connection, &old), asked(&mut connection, &new)), (403, 200), "on the same connection");
    let (_, line) = appliance.line_by("reload");
    let key = |pair: &str| HmacKey::from_file(pair.repeat(32).as_bytes()).unwrap();
    assert_eq!(verify_hmac(line.as_bytes(), &key("4d")), Ok(()));
    assert_eq!(verify_hmac(line.as_bytes(), &key("0f")), Err(HmacRefusal::Mismatch));
    // A run is counted after its line is written.
    let begun = Instant::now();
    let counted = || appliance.get("/api/security/status").1["attest_count"].as_u64();
    while counted() != u64::try_from(appliance.lines().len()).ok() {
        assert!(begun.elapsed() < SOON, "the counters did not go on: {:?}", counted());
        std::thread::park_timeout(Duration::from_millis(5));
    }

    replace(&appliance, "token", "no token");
    appliance.reload();
    let told = appliance.told_until("the token from before goes on");
    assert!(told.contains("exactly 64 lower-case hexadecimal digits"), "{told}");
    assert_eq!(asked(&mut connection, &new), 200);
    fs::remove_file(appliance.path("token")).unwrap();
    appliance.reload();
    appliance.told_until("the token is gone");
    assert_eq!(asked(&mut connection, &new), 200);
    assert_eq!(appliance.run(&["audit", "verify"]).status.code(), Some(0));
    appliance.kill();
}
