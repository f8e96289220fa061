//! Real logs that nobody on this project wrote.

mod facts;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use avouch_bootlog::{BootLog, Format};
use avouch_crypto::Hash;
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
            println!("skipped: set AVOUCH_CORPUS to the folder of the collected logs (the one with INDEX.tsv)");
            None
        }
    }
}

/// Paths and kinds of every event log.
fn logs(corpus: &Path) -> Vec<(String, String)> {
    let index = std::fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let columns = index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    columns.filter(|c| c[6].starts_with("event")).map(|c| (c[0].to_owned(), c[6].to_owned())).collect()
}

/// A file of independent values.
fn truth(corpus: &Path, name: &str) -> Vec<u8> {
    std::fs::read(corpus.join("truth").join(name)).unwrap()
}

#[test]
fn corpus_logs_parse_or_are_refused_and_replay_to_the_independent_values() {
    let Some(corpus) = corpus() else { return };
    let truth: BTreeMap<String, Value> = serde_json::from_slice(&truth(&corpus, "tcg_replay.json")).unwrap();
    let (mut parsed, mut refused, mut other, mut compared, mut with_truth) = (0, 0, 0, 0, 0);
    for (path, kind) in logs(&corpus) {
        let bytes = std::fs::read(corpus.join("files").join(&path)).unwrap();
        let wanted = truth.get(&path);
        match BootLog::parse(&bytes) {
            Ok(log) => {
                parsed += 1;
                for event in log.events() {
                    assert!(!event.describe().chars().any(char::is_control), "{path}");
                }
                if let Some(wanted) = wanted {
                    with_truth += 1;
                    compared += compare(&path, &log, wanted);
                }
            }
            Err(error) => {
                println!("refused {path} ({kind}): {error}");
                assert!(wanted.is_none_or(|wanted| !wanted["parse_error"].is_null()), "{path}: {error}");
                // Base64, hexadecimal text and bodies of events are no logs in this form.
                *(if wanted.is_some() { &mut refused } else { &mut other }) += 1;
            }
        }
    }
    println!(
        "event logs: {with_truth} agree ({compared} PCR values), {refused} refused as expected, {} nothing to compare",
        parsed - with_truth + other
    );
    assert!(
        with_truth >= 81 && refused >= 2 && compared >= 1200,
        "only {with_truth} logs, {refused} refused, {compared} values compared"
    );
}

/// Number of PCR values that were compared, all equal.
fn compare(path: &str, log: &BootLog<'_>, truth: &Value) -> usize {
    assert!(truth["parse_error"].is_null(), "{path}: parsed what the truth refuses: {}", truth["parse_error"]);
    assert_eq!(truth["events"], log.events().len(), "{path}");
    let format = if log.format() == Format::Sha1 { "sha1" } else { "agile" };
    assert_eq!(truth["format"], format, "{path}");
    assert_eq!(truth["tail"].is_null(), log.padding().is_none(), "{path}");
    assert_eq!(truth["startup_locality"].as_u64(), log.startup_locality().map(u64::from), "{path}");
    let mut compared = 0;
    for &bank in log.banks() {
        let replayed = log.replay(bank, &Hash).unwrap();
        let wanted = truth["pcrs"][bank.name()].as_object().unwrap_or_else(|| panic!("{path}: no truth for {bank}"));
        for pcr in 0..24_u32 {
            let got = replayed.value(pcr).filter(|_| replayed.is_extended(pcr)).map(|value| value.to_string());
            assert_eq!(got.as_deref(), wanted.get(&pcr.to_string()).and_then(Value::as_str), "{path} {bank} {pcr}");
            compared += usize::from(got.is_some());
        }
        compared += other_start(path, log, bank, &truth["pcr0_if_hcrtm_sets_locality_4"][bank.name()]);
    }
    compared
}

/// The other value of PCR 0 where a hardware core root of trust leaves its start open.
fn other_start(path: &str, log: &BootLog<'_>, bank: HashAlg, wanted: &Value) -> usize {
    let (_, assumed) = log.pcr0_candidates(bank, &Hash).unwrap();
    let Some(wanted) = wanted.as_str() else { return 0 };
    assert_eq!(assumed.map(|value| value.to_string()).as_deref(), Some(wanted), "{path} {bank}: PCR 0 from 4");
    1
}
