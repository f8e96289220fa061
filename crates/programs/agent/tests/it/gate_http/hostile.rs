//! Callers that send slowly, too much, too often or nonsense.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use avouch_agent::gate::http::Limits;

use super::client::{Ask, Connection};
use super::world::{Site, TOKEN};

const VERIFY: &str = "/api/v1/verify";
const REFRESH: &str = "/api/v1/refresh";

/// Everything short enough to be waited for.
fn impatient() -> Limits {
    let milliseconds = Duration::from_millis;
    Limits {
        head: milliseconds(500),
        body: milliseconds(300),
        answer: milliseconds(500),
        idle: milliseconds(1_500),
        connections: 8,
    }
}

fn still_answers(site: &Site) {
    assert_eq!(site.tcp().ask(&Ask::get("/health")).status, 200);
    assert!(site.server.is_running());
}

/// Sends `pieces` with pauses until the other side ends the connection.
fn trickle(connection: &mut Connection, piece: &str) -> Duration {
    let begun = Instant::now();
    while connection.send(piece).is_ok() {
        thread::sleep(Duration::from_millis(20));
        assert!(begun.elapsed() < Duration::from_secs(20), "the connection is never ended");
    }
    begun.elapsed()
}

#[test]
fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let site = Site::with(impatient(), true);
    let mut connection = site.tcp();
    connection.send("GET /health HTTP/1.1\r\nX: ").unwrap();
    trickle(&mut connection, "a");
    let mut silent = site.tcp();
    assert!(silent.answer().is_none(), "whoever says nothing is not waited for");
    still_answers(&site);
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let site = Site::with(impatient(), true);
    let mut connection = site.tcp();
    let head =
        format!("POST {REFRESH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n{{");
    connection.send(head).unwrap();
    let answer = connection.answer().unwrap();
    assert_eq!(answer.status, 408);
    assert!(connection.answer().is_none(), "what comes after half a request is nobody's");
    assert_eq!(site.local.runs.load(Ordering::SeqCst), 0);
    still_answers(&site);
}

#[test]
fn a_connection_that_rests_is_ended_and_one_that_works_is_kept() {
    let site = Site::with(impatient(), true);
    let mut connection = site.tcp();
    for _ in 0..3 {
        assert_eq!(connection.ask(&Ask::get("/health")).status, 200);
        // Longer than a head may take.
        thread::sleep(Duration::from_millis(600));
    }
    assert!(connection.answer().is_none());
}

#[test]
fn whoever_takes_no_answers_is_cut_off() {
    let site = Site::with(impatient(), true);
    site.local.attest();
    let mut connection = site.unix();
    // Requests without end, of which no answer is read.
    let requests = Ask::get("/api/v1/attest").bytes().repeat(64);
    let begun = Instant::now();
    while connection.send(&requests).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the connection is never ended");
    }
    still_answers(&site);
}

#[test]
fn connections_beyond_the_limit_wait_until_one_ends() {
    let site = Site::with(Limits { idle: Duration::from_secs(60), head: Duration::from_secs(1), ..impatient() }, true);
    // Silent connections hold every place for as long as a head may take, and then it is somebody else's turn.
    let silent: Vec<_> = (0..8).map(|_| site.tcp()).collect();
    let answer = site.tcp().ask(&Ask::get("/health"));
    assert_eq!(answer.status, 200);
    drop(silent);
}

#[test]
fn where_places_run_short_an_answer_ends_its_connection() {
    let site = Site::with(Limits { idle: Duration::from_secs(60), ..impatient() }, true);
    let kept: Vec<_> = (0..4)
        .map(|_| {
            let mut connection = site.tcp();
            assert!(!connection.ask(&Ask::get("/health")).ends_connection());
            connection
        })
        .collect();
    let answer = site.tcp().ask(&Ask::get("/health"));
    assert!(answer.ends_connection(), "{}", answer.head);
    drop(kept);
}

#[test]
fn a_flood_of_refreshes_is_a_few_runs_and_the_state_stays_readable() {
    let site = Site::start();
    site.local.attest();
    site.local.hold();
    thread::scope(|scope| {
        let callers: Vec<_> =
            (0..200).map(|_| scope.spawn(|| site.unix().ask(&Ask::post(REFRESH, "")).status)).collect();
        // While the TPM is busy with the first run.
        while site.local.runs.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        for _ in 0..50 {
            assert_eq!(site.tcp().ask(&Ask::get(VERIFY).with(TOKEN)).status, 200);
        }
        site.local.release();
        let statuses: Vec<u16> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        let count = |wanted| statuses.iter().filter(|&&status| status == wanted).count();
        assert_eq!(count(200) + count(429), 200, "{statuses:?}");
        assert!(count(200) >= 1, "{statuses:?}");
    });
    // A burst, and then one in five seconds.
    let runs = site.local.runs.load(Ordering::SeqCst);
    assert!(runs <= 6, "{runs} runs");
}

#[test]
fn whoever_is_turned_away_is_told_when_to_come_again() {
    let site = Site::start();
    site.local.hold();
    // 24 may wait.
    let mut waiting: Vec<_> = (0..25)
        .map(|_| {
            let mut connection = site.unix();
            connection.send(Ask::post(REFRESH, "").bytes()).unwrap();
            connection
        })
        .collect();
    let busy = waiting.pop().and_then(|mut last| last.answer()).unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("5")));
    site.local.release();
    for mut connection in waiting {
        assert_eq!(connection.answer().unwrap().status, 200);
    }
}

#[test]
fn a_head_beyond_its_size_is_refused() {
    let site = Site::start();
    let mut connection = site.tcp();
    let long = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(2 * 1024 * 1024));
    // It may hang up before all of it was sent.
    let _ = connection.send(long);
    assert!(connection.answer().is_none_or(|answer| answer.status == 431));
    still_answers(&site);
}

#[test]
fn nonsense_ends_its_connection_alone() {
    let site = Site::with(impatient(), true);
    let health = String::from_utf8(Ask::get("/health").bytes()).unwrap();
    let refresh = format!("POST {REFRESH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n");
    let nonsense = [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".repeat(64),
        "GET\r\n\r\n".to_owned(),
        "GET /health HTTP/9.9\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        format!("{refresh}Content-Length: -1\r\n\r\n"),
        format!("{refresh}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
        format!("{refresh}Transfer-Encoding: chunked\r\n\r\nZZ\r\n"),
        format!("{refresh}Transfer-Encoding: gzip, chunked, x\r\n\r\n"),
        health.replace("Host:", "Ho st:"),
        health.replace("\r\n", "\n\0\n"),
    ];
    for bytes in &nonsense {
        let mut connection = site.tcp();
        let _ = connection.send(bytes);
        let answer = connection.answer();
        assert!(answer.as_ref().is_none_or(|answer| (400..600).contains(&answer.status)), "{bytes:?}: {answer:?}");
    }
    assert_eq!(site.local.runs.load(Ordering::SeqCst), 0);
    still_answers(&site);
}

#[test]
fn requests_cut_or_changed_at_any_byte_never_end_the_service() {
    let site = Site::with(impatient(), true);
    let good = String::from_utf8(Ask::get(VERIFY).with(TOKEN).bytes()).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 0x80;
        let mut connection = site.tcp();
        let _ = connection.send(&bytes[..]);
        let _ = connection.send("\r\n\r\n");
        if let Some(answer) = connection.answer() {
            assert_ne!(answer.status, 200, "{at}: nothing is attested");
        }
        let mut cut = site.tcp();
        let _ = cut.send(&good.as_bytes()[..at]);
    }
    still_answers(&site);
}

#[test]
fn requests_in_one_piece_are_answered_in_turn() {
    let site = Site::start();
    let mut connection = site.tcp();
    connection
        .send([Ask::get("/health").bytes(), Ask::get(VERIFY).bytes(), Ask::get("/health").bytes()].concat())
        .unwrap();
    let statuses: Vec<u16> = (0..3).map(|_| connection.answer().unwrap().status).collect();
    assert_eq!(statuses, [200, 403, 200]);
}

#[test]
fn a_client_of_http_1_0_is_answered_and_left() {
    let site = Site::start();
    let mut connection = site.tcp();
    connection.send("GET /health HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(connection.answer().unwrap().status, 200);
    assert!(connection.answer().is_none());
}

#[test]
fn a_service_that_stops_finishes_its_answers_and_is_gone() {
    let site = Site::start();
    site.local.hold();
    let mut waiting = site.tcp();
    waiting.send(Ask::post(REFRESH, "").with(TOKEN).bytes()).unwrap();
    while site.local.runs.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    let idle = site.tcp();
    let (local, address) = (site.local.clone(), site.address);
    let releasing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        local.release();
    });
    site.server.stop();
    releasing.join().unwrap();
    assert_eq!(waiting.answer().unwrap().status, 200, "it was under way");
    assert!(std::net::TcpStream::connect(address).is_err());
    drop(idle);
}
