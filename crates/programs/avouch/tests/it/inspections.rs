//! `avouch inspect` as people and programs meet it: the binary, its output and its exit status.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::world::{Said, avouch, said};

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../judgement/crypto/tests/data").join(name)
}

fn inspect(words: &[&str]) -> Said {
    let mut command = avouch(Path::new("/dev/null"), &[&["inspect"], words].concat());
    said(&mut command)
}

fn reports(said: &Said) -> Vec<Value> {
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("not JSON: {said:?}"))
}

/// One event of a log in the SHA-1 form: type 8, the version of the core root of trust.
fn event(pcr: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [pcr.to_le_bytes(), 8_u32.to_le_bytes()].concat();
    bytes.extend([7; 20]);
    bytes.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    bytes.extend(data);
    bytes
}

fn written(folder: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_recorded_quote_is_recognised_and_every_check_is_done_or_said_not_to_be() {
    let (quote, signature, key) = (recorded("quote.msg"), recorded("quote.sig"), recorded("ak.pub.tpm2b"));
    let alone = inspect(&[quote.to_str().unwrap(), "--json"]);
    let report = &reports(&alone)[0];
    assert_eq!((alone.exit, &report["kind"], &report["attest"]["attests"]), (0, &"quote".into(), &"quote".into()));
    assert!(report["checks"].as_array().unwrap().iter().all(|check| check["result"] == "not_done"), "{report}");

    let words =
        ["quote", quote.to_str().unwrap(), "--signature", signature.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let checked = inspect(&words);
    assert!(checked.exit == 0 && checked.out.contains("✓ signature: holds: ECDSA/sha256"), "{checked:?}");
    assert!(checked.out.contains("? nonce: not checked: give --nonce"), "{checked:?}");
    let wrong = inspect(&[&words[..], &["--nonce", "00"]].concat());
    assert!(wrong.exit == 1 && wrong.out.contains("✗ nonce"), "{wrong:?}");
}

#[test]
fn a_cut_log_is_read_up_to_the_cut_and_says_where_that_is() {
    let folder = tempfile::tempdir().unwrap();
    let first = event(0, b"version");
    let whole = [first.clone(), event(1, b"more")].concat();
    for cut in first.len() + 5..whole.len() {
        let file = written(&folder, "log", &whole[..cut]);
        let said = inspect(&["eventlog", &file, "--json"]);
        let report = &reports(&said)[0];
        assert_eq!(
            (said.exit, &report["read"], &report["counts"]["events"]),
            (1, &"partly".into(), &1.into()),
            "{cut}"
        );
        let offset = report["problems"].as_array().unwrap().last().unwrap()["offset"].as_u64().unwrap();
        assert!(offset >= u64::try_from(first.len()).unwrap(), "{report}");
        assert!(report["pcrs"]["sha1"]["0"].is_string() && report["pcrs"]["sha1"]["1"].is_null(), "{report}");
    }
}

#[test]
fn wrappings_come_off_and_standard_input_is_read() {
    let log = event(0, b"version");
    let hex: String = log.iter().map(|byte| format!("{byte:02X}")).collect();
    let mut command = avouch(Path::new("/dev/null"), &["inspect", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(hex.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let reports: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&reports[0]["kind"], &reports[0]["wrappings"][0]), (&"eventlog".into(), &"hex".into()));
    assert_eq!(reports[0]["file"], "-");
}

#[test]
fn of_several_files_the_worst_decides_the_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let good = written(&folder, "good", &event(0, b"version"));
    let nothing = written(&folder, "nothing", b"\x13\x37 no evidence at all");
    let said = inspect(&[&good, &nothing, "absent", "--json"]);
    let reports = reports(&said);
    assert_eq!((said.exit, reports.len()), (2, 3));
    let read: Vec<_> = reports.iter().map(|report| report["read"].as_str().unwrap()).collect();
    assert_eq!(read, ["whole", "not", "not"]);
    assert!(reports[2]["bytes"].is_null() && reports[2]["problems"][0]["what"].is_string());
    let people = inspect(&[&nothing]);
    assert!(people.exit == 2 && people.out.contains("nothing is known of its content"), "{people:?}");
}

#[test]
fn text_in_a_file_cannot_move_the_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let digest = "ab".repeat(32);
    let line = format!("10 {} ima-ng sha256:{digest} /tmp/\u{1b}[2Jx\u{202e}y\n", "cd".repeat(20));
    let file = written(&folder, "list", line.as_bytes());
    let said = inspect(&["ima", &file, "--events"]);
    assert!(!said.out.contains('\u{1b}') && !said.out.contains('\u{202e}'), "{said:?}");
    assert!(said.exit == 1 && said.out.contains("template hash is not that of its data"), "{said:?}");
}

#[test]
fn a_command_line_without_files_is_wrong() {
    for words in [&["--json"][..], &["eventlog", "--json"], &["ima", "--bank", "md5", "x", "--json"]] {
        let said = inspect(words);
        assert_eq!((said.exit, said.out.as_str()), (2, ""), "{said:?}");
        assert!(said.err.contains("\"code\":\"USAGE\""), "{said:?}");
    }
}

/// Replayed PCRs of a report in the banks of `only`.
fn pcrs(report: &Value, only: &Value) -> Vec<(String, Value)> {
    let banks = only["pcrs"].as_object().unwrap().keys();
    banks.map(|bank| (bank.clone(), report["pcrs"][bank].clone())).collect()
}

#[test]
fn an_exported_log_replays_to_the_same_pcrs_in_every_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = [("eventlog", avouch_testkit::node_boot_log()), ("ima", avouch_testkit::node_ima_list())];
    for (kind, bytes) in inputs {
        let file = written(&folder, kind, bytes);
        let original = reports(&inspect(&[kind, &file, "--json"])).remove(0);
        assert!(!original["pcrs"].as_object().unwrap().is_empty(), "{original}");
        for spelling in ["cel-tlv", "cel-json", "cel-cbor"] {
            let output = folder.path().join(format!("{kind}.{spelling}")).to_str().unwrap().to_owned();
            let words = [kind, &file, "--export", spelling, "--output", &output];
            assert!(inspect(&words).exit < 2);
            let again = reports(&inspect(&[&output, "--json"])).remove(0);
            assert_eq!((&again["kind"], &again["format"]), (&"eventlog".into(), &spelling.into()), "{again}");
            assert_eq!((&again["read"], &again["converted"]), (&"whole".into(), &(spelling != "cel-tlv").into()));
            assert_eq!(pcrs(&again, &original), pcrs(&original, &original), "{kind} {spelling}");
            let before = fs::read(&output).unwrap();
            let refused = inspect(&words);
            assert!(refused.exit == 2 && refused.err.contains("--force"), "{refused:?}");
            assert_eq!(fs::read(&output).unwrap(), before);
            assert!(inspect(&[&words[..], &["--force"]].concat()).exit < 2);
        }
    }
}

#[test]
fn systemd_words_are_told_and_errors_are_at_bytes_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let record = |digest: &str| {
        format!(
            "\u{1e}{{\"pcr\":11,\"digests\":[{{\"hashAlg\":\"sha256\",\"digest\":\"{digest}\"}}],\
             \"content_type\":\"systemd\",\"content\":{{\"string\":\"sysinit\",\"eventType\":\"phase\"}}}}\n"
        )
    };
    let good = record(&"ab".repeat(32));
    let file = written(&folder, "log", good.as_bytes());
    let told = inspect(&[&file, "--json"]);
    assert_eq!(reports(&told)[0]["format"], "systemd", "{told:?}");
    let people = inspect(&["eventlog", &file, "--events"]);
    assert!(people.out.contains("sysinit") && people.out.contains("converted to TLV"), "{people:?}");
    // A digest of the wrong length is found in the TLV form, a digit that is none in the text.
    for (digest, read) in [("abab", "partly"), ("xx", "not")] {
        let file = written(&folder, "bad", [good.clone(), record(digest)].concat().as_bytes());
        let report = reports(&inspect(&["eventlog", &file, "--json"])).remove(0);
        let offset = report["problems"].as_array().unwrap().last().unwrap()["offset"].as_u64().unwrap();
        assert_eq!((report["read"].as_str(), offset), (Some(read), u64::try_from(good.len() + 1).unwrap()), "{report}");
    }
}
