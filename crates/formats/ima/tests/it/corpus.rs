//! Real lists that nobody on this project wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use avouch_crypto::Hash;
use avouch_ima::{Body, Entry, Feed, ImaError, Replay, detect_template_hash, parse_ascii, parse_binary};
use avouch_tpm_wire::HashAlg;
use serde_json::{Value, json};

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
    mismatches: usize,
    templates: BTreeMap<String, u64>,
    digest_algs: BTreeMap<String, u64>,
    boot_aggregates: Vec<String>,
    strange_paths: u64,
    replays: Vec<(HashAlg, Replay)>,
    padded: Vec<(HashAlg, Replay)>,
    error: Option<ImaError>,
}

impl Outcome {
    fn new() -> Self {
        let replays = HashAlg::ALL.map(|alg| (alg, Replay::new(alg))).to_vec();
        let padded = HashAlg::ALL.map(|alg| (alg, Replay::padded(alg))).to_vec();
        Self { replays, padded, ..Self::default() }
    }

    fn of<'a>(items: impl Iterator<Item = Result<Entry<'a>, ImaError>>) -> Self {
        let mut outcome = Self::new();
        for item in items {
            match item {
                Ok(entry) => outcome.push(&entry),
                Err(error) => outcome.error = Some(error),
            }
        }
        outcome
    }

    fn push(&mut self, entry: &Entry<'_>) {
        self.entries += 1;
        self.violations += u64::from(entry.is_violation());
        *self.templates.entry(entry.template.to_owned()).or_default() += 1;
        if let Body::File { digest_alg, .. } | Body::Buffer { digest_alg, .. } = entry.body
            && entry.template != "ima"
        {
            *self.digest_algs.entry(digest_alg.to_string()).or_default() += 1;
        }
        if let Body::File { digest, path, signature, .. } = entry.body {
            self.signed += u64::from(signature.is_some());
            self.strange_paths += u64::from(path.iter().any(|byte| *byte == b' ' || !byte.is_ascii()));
            if entry.is_boot_aggregate() {
                self.boot_aggregates.push(digest.iter().map(|byte| format!("{byte:02x}")).collect());
            }
        }
        let width = HashAlg::ALL.into_iter().find(|alg| alg.size() == entry.template_hash.len()).unwrap();
        let recomputed = entry.template_data.hash(width, &Hash);
        self.mismatches += usize::from(!entry.is_violation() && recomputed.as_bytes() != entry.template_hash);
        for (_, replay) in self.replays.iter_mut().chain(&mut self.padded) {
            replay.push(entry, &Hash);
        }
    }
}

/// A list of either spelling, as a caller would read it who knows nothing but the bytes.
fn read(bytes: &[u8], kind: &str) -> (Outcome, HashAlg) {
    if kind == "ima-binary" {
        let width = detect_template_hash(bytes).unwrap_or(HashAlg::Sha1);
        return (Outcome::of(parse_binary(bytes, 0).template_hash(width)), width);
    }
    let list = parse_ascii(bytes, 0);
    (Outcome::of(list.entries()), list.template_hash())
}

#[test]
fn corpus_lists_are_read_or_refused_and_agree_with_the_independent_values() {
    let Some(corpus) = corpus() else { return };
    let truth: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(corpus.join("truth/ima_replay.json")).unwrap()).unwrap();
    let (mut whole, mut stopped, mut compared) = (0, 0, 0);
    let lists: Vec<_> = lists(&corpus).into_iter().filter(|(_, kind)| !kind.contains("base64")).collect();
    for (path, kind) in &lists {
        let bytes = std::fs::read(corpus.join("files").join(path)).unwrap();
        let (outcome, width) = read(&bytes, kind);
        match &outcome.error {
            None => whole += 1,
            Some(error) => {
                stopped += 1;
                println!("stopped in {path} ({kind}) after {} entries: {error}", outcome.entries);
            }
        }
        let wanted = truth.get(path).unwrap_or_else(|| panic!("{path} has no independent values"));
        compared += compare(path, &outcome, width, wanted);
        if kind == "ima-binary" {
            feed_agrees(path, &bytes, width, &outcome);
        }
    }
    assert_eq!(truth.len(), lists.len(), "every list with independent values was read");
    println!("IMA lists: {whole} parsed, {stopped} refused or cut, {compared} values equal");
    assert!(compared >= 300, "only {compared} values compared");
}

/// Number of values that were compared, all equal: everything that the independent replay tells.
fn compare(path: &str, outcome: &Outcome, width: HashAlg, truth: &Value) -> usize {
    let mut compared = 0;
    let mut equal = |name: &str, got: Value| {
        if let Some(wanted) = truth.get(name) {
            assert_eq!(*wanted, got, "{path} {name}");
            compared += 1;
        }
    };
    equal("entries", json!(outcome.entries));
    equal("violations", json!(outcome.violations));
    equal("signed_entries", json!(outcome.signed));
    equal("n_template_hash_mismatches", json!(outcome.mismatches));
    equal("templates", json!(outcome.templates));
    equal("file_digest_algs", json!(outcome.digest_algs));
    equal("boot_aggregates", json!(outcome.boot_aggregates));
    equal("paths_with_space_or_nonascii", json!(outcome.strange_paths));
    let has_entries = outcome.entries > 0;
    equal("template_hash_alg", if has_entries { json!(width.name()) } else { Value::Null });
    let errors = truth["errors"].as_array().map_or(0, Vec::len);
    assert_eq!(errors > 0, outcome.error.is_some(), "{path}: {:?}", outcome.error);
    // A padded bank exists only where the list has SHA-1 template hashes.
    let banks = [("pcrs", &outcome.replays), ("pcrs_if_kernel_zero_padded_sha1", &outcome.padded)];
    for (name, replays) in banks {
        for (bank, replay) in replays {
            if let Some(wanted) = truth[name][bank.name()]["10"].as_str() {
                assert_eq!(replay.value().to_string(), wanted, "{path} {name} {bank}");
                compared += 1;
            }
        }
    }
    compared
}

fn feed_agrees(path: &str, bytes: &[u8], width: HashAlg, outcome: &Outcome) {
    let mut fed = Outcome::new();
    let mut feed = Feed::new(0).template_hash(width);
    let pushed = bytes.chunks(997).try_for_each(|piece| feed.push(piece, |entry| fed.push(entry)));
    let error = pushed.err().or_else(|| feed.finish().err());
    assert_eq!((fed.entries, &fed.replays, &error), (outcome.entries, &outcome.replays, &outcome.error), "{path}");
}

#[test]
fn corpus_lists_in_base64_hold_what_was_taken_out_of_them() {
    let Some(corpus) = corpus() else { return };
    let mut compared = 0;
    for (path, _) in lists(&corpus).into_iter().filter(|(_, kind)| kind.contains("base64")) {
        let text = std::fs::read(corpus.join("files").join(&path)).unwrap();
        let bytes = base64(&text);
        let name = Path::new(&path).file_stem().unwrap().to_str().unwrap();
        let derived = corpus.join(format!("files/tpm2-software+tpm2-tss/_derived/{name}.bin"));
        assert_eq!(bytes, std::fs::read(derived).unwrap(), "{path}");
        let (outcome, _) = read(&bytes, "ima-binary");
        println!("{path}: {} entries, {:?}", outcome.entries, outcome.error.map(|error| error.to_string()));
        compared += 1;
    }
    assert_eq!(compared, 4);
}

/// RFC 4648 section 4, with whatever white space is between.
fn base64(text: &[u8]) -> Vec<u8> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text.iter().filter_map(|byte| letters.iter().position(|letter| letter == byte));
    let (mut out, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for value in values {
        bits = (bits << 6) | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}
