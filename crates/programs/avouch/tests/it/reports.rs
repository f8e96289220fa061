//! Levels, pairs and changes of a node, the intent of a policy, and reports as files.

use std::fs;
use std::path::Path;

use avouch_crypto::signing::SigningKey;
use avouch_pairs::{attribute as a, learn};
use avouch_protocol::intent::{IntentFile, SignedIntent};
use avouch_testkit::{Said, Watched, demanding};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::world::{Said as Printed, avouch, said};

const WEB: &str = "unit:web.service";

fn run(watched: &Watched, words: &[&str]) -> Printed {
    let config = watched.site.folder().join("avouch.toml");
    let text = format!("origin = {:?}\ndata_dir = {:?}\n", watched.site.origin(), watched.site.data_dir());
    fs::write(&config, text).unwrap();
    let mut command = avouch(&config, words);
    command.current_dir(watched.site.folder());
    said(&mut command)
}

fn inspect(words: &[&str]) -> Printed {
    said(&mut avouch(Path::new("/dev/null"), &[&["inspect"], words].concat()))
}

/// A machine whose first report passed.
fn passing() -> Option<Watched> {
    let mut watched = Watched::open(Some(&demanding(&json!({})))).unwrap()?;
    watched.begin().unwrap();
    assert_eq!(watched.told().unwrap().0, "pass");
    Some(watched)
}

/// Writes what the node sent as its newest report.
fn newest(watched: &Watched, name: &str) -> String {
    let (evidence, _) = watched.attester.sent().unwrap();
    let path = watched.site.folder().join(name);
    fs::write(&path, evidence.reports.last().unwrap().as_slice()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_node_without_a_report_says_what_to_wait_for() {
    let Some(mut watched) = Watched::open(Some(&demanding(&json!({})))).unwrap() else { return };
    for rounds in 0..2 {
        let levels = run(&watched, &["node", "levels", "watched"]);
        assert_eq!(levels.exit, 0, "{levels:?}");
        assert!(levels.out.contains("no level was judged") && levels.out.contains("to do: "), "{levels:?}");
        let json = run(&watched, &["node", "levels", "watched", "--json"]).json();
        assert_eq!((&json["levels"], &json["attained_level"]), (&json!([]), &Value::Null));
        for command in ["pairs", "changes"] {
            let said = run(&watched, &["node", command, "watched"]);
            assert!(said.error().contains("NOTHING_OBSERVED"), "{said:?}");
            assert!(said.error().contains("to do: Wait for a round with a report"), "{said:?}");
            let failure = run(&watched, &["node", command, "watched", "--json"]).failure();
            assert_eq!(failure["code"], "NOTHING_OBSERVED");
        }
        if rounds == 0 {
            watched.begin().unwrap();
        }
    }
    for command in ["levels", "pairs", "changes"] {
        let failure = run(&watched, &["node", command, "nobody", "--json"]).failure();
        assert_eq!(failure["code"], "NODE_UNKNOWN");
    }
}

#[test]
fn levels_pairs_and_changes_of_a_node_are_told_to_people_and_programs() {
    let Some(mut watched) = passing() else { return };
    let levels = run(&watched, &["node", "levels", "watched"]);
    assert!(levels.exit == 0 && levels.out.starts_with("watched: ✓ pass, attained level V14\n"), "{levels:?}");
    let once = run(&watched, &["node", "changes", "watched"]);
    assert!(once.exit == 0 && once.out.starts_with("one observation so far"), "{once:?}");

    watched.said.set(WEB, a::MEMORY_MAX, Some("67108864"), Some("max"));
    watched.round().unwrap();
    let levels = run(&watched, &["node", "levels", "watched"]);
    assert!(levels.out.starts_with("watched: ✗ fail, attained level V3\n"), "{levels:?}");
    let line = levels.out.lines().find(|line| line.starts_with("V4 ")).unwrap();
    assert!(line.contains("✗ fail") && line.ends_with("yes"), "{line}");
    let json = run(&watched, &["node", "levels", "watched", "--json"]).json();
    let fourth = json!({"level": "V4", "result": "fail", "pairs": 2, "discrepant": 1, "required": true});
    assert_eq!((&json["attained_level"], &json["levels"][3]), (&json!("V3"), &fourth));

    let pairs = run(&watched, &["node", "pairs", "watched", "--findings"]);
    assert!(pairs.exit == 0 && pairs.out.contains("✗ kernel weaker  V4  memory.max"), "{pairs:?}");
    assert!(pairs.out.contains("systemd: 67108864") && pairs.out.contains("kernel: infinity"), "{pairs:?}");
    assert!(pairs.out.contains("means: ") && pairs.out.contains("do: "), "{pairs:?}");
    assert!(pairs.out.ends_with("1 pairs: 0 agree, 1 do not, 0 could not be told\n"), "{pairs:?}");
    let json = run(&watched, &["node", "pairs", "watched", "--level", "v4", "--unit", "web", "--json"]).json();
    assert_eq!(json["pairs"].as_array().map(Vec::len), Some(2));
    let wrong = run(&watched, &["node", "pairs", "watched", "--level", "V15", "--json"]).failure();
    assert_eq!(wrong["code"], "USAGE");

    let changes = run(&watched, &["node", "changes", "watched"]);
    assert!(changes.exit == 0 && changes.out.contains(WEB), "{changes:?}");
    assert!(changes.out.contains("~ V4 memory.max, kernel: 67108864 -> max"), "{changes:?}");
    let json = run(&watched, &["node", "changes", "watched", "--json"]).json();
    assert_eq!((&json["changes"][0]["attribute"], &json["omitted"]), (&json!("memory.max"), &json!(0)));
}

#[test]
fn the_intent_of_a_reference_machine_finds_what_changed_both_witnesses() {
    let Some(mut watched) = passing() else { return };
    let reference = watched.site.node(&watched.tag).unwrap().policy_ref.unwrap();
    let policy = run(&watched, &["policy", "show", &reference, "--json"]).out;
    fs::write(watched.site.folder().join("p.json"), policy).unwrap();
    let made = run(&watched, &["policy", "intent", "p.json", "--from", "watched"]);
    assert!(made.exit == 0 && made.out.contains("1 units must be active"), "{made:?}");
    let applied = run(&watched, &["policy", "apply", "p.json", "--default"]);
    assert_eq!(applied.exit, 0, "{applied:?}");
    assert_eq!(watched.told().unwrap(), ("pass", String::new()));
    watched.said.set(WEB, a::PIDS_MAX, Some("200"), Some("200"));
    assert_eq!(watched.told().unwrap(), ("fail", "V4.pids.max.intent_drift".into()));
    let pairs = run(&watched, &["node", "pairs", "watched", "--findings"]);
    assert!(pairs.out.contains("✗ intent drift  V4  pids.max") && pairs.out.contains("intended: 20"), "{pairs:?}");

    let nobody = ["policy", "intent", "p.json", "--from", "nobody", "--json"];
    assert_eq!(run(&watched, &nobody).failure()["code"], "NODE_UNKNOWN");
}

#[test]
fn an_intent_counts_by_the_key_that_is_named_and_by_no_other() {
    let Some(watched) = Watched::open(None).unwrap() else { return };
    let folder = watched.site.folder();
    let policy = run(&watched, &["policy", "show", &reference(&watched), "--json"]).out;
    fs::write(folder.join("p.json"), &policy).unwrap();
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let file = IntentFile::of("web", "2026-11-22", &learn(&Said::green().lock())).to_json();
    let signature = key.sign(&SignedIntent::signed_bytes(file.as_bytes()));
    let signed = |signature: &[u8]| SignedIntent::of(file.as_bytes(), &key.public(), signature).to_json();
    fs::write(folder.join("signed.json"), signed(&signature)).unwrap();
    fs::write(folder.join("forged.json"), signed(&[0; 64])).unwrap();
    fs::write(folder.join("plain.json"), &file).unwrap();
    fs::write(folder.join("key.txt"), BASE64.encode(&key.public()) + "\n").unwrap();
    let (ours, theirs) = (BASE64.encode(&key.public()), BASE64.encode(&other.public()));

    let intent = |words: &[&str]| run(&watched, &[&["policy", "intent", "p.json", "--json"], words].concat());
    for (words, code) in [
        (&["--file", "signed.json"][..], "INTENT_KEY"),
        (&["--file", "signed.json", "--key", &theirs], "INTENT"),
        (&["--file", "forged.json", "--key", &ours], "INTENT"),
        (&["--file", "plain.json", "--key", &ours], "INTENT_KEY"),
        (&["--file", "signed.json", "--key", "absent.txt"], "INTENT_KEY"),
        (&["--file", "absent.json"], "FILE"),
        (&["--file", "p.json"], "INTENT"),
        (&["--file", "plain.json", "--required", "V4", "--not-applicable", "V4"], "INTENT"),
        (&["--required", "V4"], "USAGE"),
        (&["--file", "plain.json", "--required", "V99"], "USAGE"),
    ] {
        assert_eq!(intent(words).failure()["code"], code, "{words:?}");
        assert_eq!(fs::read_to_string(folder.join("p.json")).unwrap(), policy, "{words:?}: nothing was written");
    }
    let told = intent(&["--file", "signed.json", "--key", "key.txt", "--required", "V4,V5", "-o", "q.json"]).json();
    assert_eq!((&told["required"], &told["units"]), (&json!(["V4", "V5"]), &json!(1)));
    let told = intent(&["--file", "plain.json"]).json();
    assert_eq!(told["required"].as_array().map(Vec::len), Some(11), "V4 to V14");
    let applied = run(&watched, &["policy", "apply", "q.json", "--default"]);
    assert_eq!(applied.exit, 0, "{applied:?}");
}

fn reference(watched: &Watched) -> String {
    watched.site.node(&watched.tag).unwrap().policy_ref.unwrap()
}

#[test]
fn a_report_is_read_as_far_as_it_goes_and_a_difference_with_what_it_begins_from() {
    let Some(mut watched) = passing() else { return };
    let whole = newest(&watched, "whole.report");
    watched.said.set(WEB, a::MEMORY_MAX, Some("67108864"), Some("max"));
    watched.round().unwrap();
    let difference = newest(&watched, "difference.report");

    let people = inspect(&["report", &whole]);
    assert!(people.exit == 0 && people.out.contains("1 in its boot session, by slot"), "{people:?}");
    assert!(people.out.contains("✓ match") && people.out.contains("memory.max"), "{people:?}");
    let guessed = inspect(&[&whole, "--json"]);
    let facts: Value = serde_json::from_str(&guessed.out).unwrap();
    assert_eq!((guessed.exit, &facts[0]["kind"], &facts[0]["form"]), (0, &json!("report"), &json!("report")));
    assert_eq!((&facts[0]["head"]["base"], &facts[0]["observed"]["subjects"]), (&Value::Null, &json!(3)));

    let alone = inspect(&["report", &difference]);
    assert!(alone.exit == 1 && alone.out.contains("--base"), "{alone:?}");
    let wrong = inspect(&["report", &difference, "--base", &difference]);
    assert!(wrong.exit == 1 && wrong.out.contains("--base"), "{wrong:?}");
    let read = inspect(&["report", &difference, "--base", &whole, "--findings"]);
    assert!(read.exit == 0 && read.out.contains("✗ kernel weaker"), "{read:?}");
    assert!(!read.out.contains("✓ match"), "{read:?}");

    // The observation that the server keeps is read as well.
    let observation = watched.site.operator().unwrap().get("/v1/nodes/watched/observation").unwrap().body;
    let stored = watched.site.folder().join("observation");
    fs::write(&stored, observation).unwrap();
    let stored = stored.to_str().unwrap();
    let facts: Value = serde_json::from_str(&inspect(&["report", stored, "--level", "V4", "--json"]).out).unwrap();
    assert_eq!((&facts[0]["form"], &facts[0]["head"]), (&json!("observation"), &Value::Null));
    assert_eq!(facts[0]["observed"]["pairs"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_file_that_is_no_report_or_a_cut_one_is_told_with_its_place() {
    let Some(watched) = passing() else { return };
    let whole = newest(&watched, "whole.report");
    let bytes = fs::read(&whole).unwrap();
    let folder = watched.site.folder();
    for cut in [0, 1, 10, bytes.len() / 2, bytes.len() - 1] {
        let path = folder.join("cut.report");
        fs::write(&path, &bytes[..cut]).unwrap();
        let said = inspect(&["report", path.to_str().unwrap(), "--json"]);
        let facts: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.exit, &facts[0]["read"]), (2, &json!("not")), "cut at {cut}");
        let what = facts[0]["problems"][0]["what"].as_str().unwrap();
        assert!(what.contains("report"), "cut at {cut}: {what}");
    }
    let other = folder.join("other");
    fs::write(&other, avouch_testkit::node_boot_log()).unwrap();
    let said = inspect(&["report", other.to_str().unwrap()]);
    assert!(said.exit == 2 && said.out.contains("report"), "{said:?}");
    assert_eq!(inspect(&["report", "absent.report"]).exit, 2);
    let failure = inspect(&["report", &whole, "--base", "absent", "--json"]).failure();
    assert_eq!(failure["code"], "FILE");
}
