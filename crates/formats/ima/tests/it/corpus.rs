//! Real lists that nobody on this project wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use avouch_crypto::Hash;
use avouch_ima::{Body, Entry, ImaError, Replay, parse_ascii, parse_binary};
use avouch_tpm_wire::HashAlg;
use serde_json::Value;

/// The collection, or `None` with a line that says how to run this test.
fn corpus() -> Option<PathBuf> {
    match std::env::var_os("AVOUCH_CORPUS") {
        Some(path) => {
            let path = PathBuf::from(path);
            assert!(path.join("INDEX.tsv").is_file(), "AVOUCH_CORPUS={} has no INDEX.tsv", path.display());
            Some(path)
        }
        None => {
            println!("skipped: set AVOUCH_CORPUS to the folder of the collected lists (the one with INDEX.tsv)");
            None
        }
    }
}

/// Paths and kinds of every IMA list.
fn lists(corpus: &Path) -> Vec<(String, String)> {
    let index = std::fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let columns = index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    columns.filter(|c| c[6].starts_with("ima-")).map(|c| (c[0].to_owned(), c[6].to_owned())).collect()
}

#[derive(Default)]
struct Outcome {
    entries: u64,
    violations: u64,
    signed: u64,
    replays: Vec<(HashAlg, Replay)>,
    error: Option<ImaError>,
}

fn read<'a>(items: impl Iterator<Item = Result<Entry<'a>, ImaError>>) -> Outcome {
    let mut outcome =
        Outcome { replays: HashAlg::ALL.map(|alg| (alg, Replay::new(alg))).to_vec(), ..Outcome::default() };
    for item in items {
        match item {
            Ok(entry) => {
                outcome.entries += 1;
                outcome.violations += u64::from(entry.is_violation());
                outcome.signed += u64::from(matches!(entry.body, Body::File { signature: Some(_), .. }));
                for (_, replay) in &mut outcome.replays {
                    replay.push(&entry, &Hash);
                }
            }
            Err(error) => outcome.error = Some(error),
        }
    }
    outcome
}

#[test]
fn corpus_lists_are_read_or_refused_and_replay_to_the_independent_values() {
    let Some(corpus) = corpus() else { return };
    let truth: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(corpus.join("truth/ima_replay.json")).unwrap()).unwrap();
    let (mut whole, mut stopped, mut compared) = (0, 0, 0);
    for (path, kind) in lists(&corpus) {
        let bytes = std::fs::read(corpus.join("files").join(&path)).unwrap();
        let wanted = truth.get(&path);
        let width = wanted.and_then(|wanted| wanted["template_hash_alg"].as_str()).and_then(HashAlg::from_name);
        let outcome = if kind == "ima-binary" {
            read(parse_binary(&bytes, 0).template_hash(width.unwrap_or(HashAlg::Sha1)))
        } else {
            read(parse_ascii(&bytes, 0).entries())
        };
        match &outcome.error {
            None => whole += 1,
            Some(error) => {
                stopped += 1;
                println!("stopped in {path} ({kind}) after {} entries: {error}", outcome.entries);
            }
        }
        if let Some(wanted) = wanted {
            compared += compare(&path, &outcome, wanted);
        }
    }
    println!("IMA lists: {whole} parsed, {stopped} refused or cut, {compared} PCR values equal");
    assert!(compared >= 60, "only {compared} values compared");
}

/// Number of PCR values that were compared, all equal.
fn compare(path: &str, outcome: &Outcome, truth: &Value) -> usize {
    assert_eq!(truth["entries"], outcome.entries, "{path}");
    let errors = truth["errors"].as_array().map_or(0, Vec::len);
    assert_eq!(errors > 0, outcome.error.is_some(), "{path}: {:?}", outcome.error);
    if truth["form"] == "empty" {
        return 0;
    }
    assert_eq!(truth["violations"], outcome.violations, "{path}");
    assert_eq!(truth["signed_entries"], outcome.signed, "{path}");
    let mut compared = 0;
    for (bank, replay) in &outcome.replays {
        if let Some(wanted) = truth["pcrs"][bank.name()]["10"].as_str() {
            assert_eq!(replay.value().to_string(), wanted, "{path} {bank}");
            compared += 1;
        }
    }
    compared
}
