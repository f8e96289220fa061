//! PCRs that the logs' own sources state.

use std::collections::BTreeMap;

use avouch_bootlog::{Assumption, BootLog, CcLog};
use avouch_crypto::Hash;
use avouch_tpm_wire::{Digest, HashAlg};
use serde_json::Value;

use super::{corpus, truth};

/// `bank:register` to a value.
type Values = BTreeMap<String, Digest>;

fn replay(log: &BootLog<'_>, cc: bool) -> Values {
    let mut values = Values::new();
    for &bank in log.banks() {
        let registers: Vec<Option<Digest>> = match cc {
            true => CcLog::try_from(log.clone()).unwrap().replay(bank, &Hash).unwrap().values.to_vec(),
            false => log.replay(bank, &Hash).unwrap().values().to_vec(),
        };
        for (register, value) in registers.into_iter().enumerate() {
            values.extend(value.map(|value| (format!("{bank}:{register}"), value)));
        }
    }
    values
}

#[test]
fn registers_are_those_that_the_sources_state() {
    let Some(corpus) = corpus() else { return };
    let sources: Vec<Value> = serde_json::from_slice(&truth(&corpus, "expected_by_source.json")).unwrap();
    let checks: Vec<Value> = serde_json::from_slice(&truth(&corpus, "crosscheck_tcg.json")).unwrap();
    let (mut logs, mut compared, mut assumed, mut left) = (0, 0, 0, 0);
    for source in &sources {
        let path = source["log"].as_str().unwrap();
        let bytes = std::fs::read(corpus.join("files").join(path)).unwrap_or_default();
        let check = checks.iter().find(|check| check["log"] == source["log"] && check["source"] == source["source"]);
        let (Ok(log), Some(check)) = (BootLog::parse(&bytes), check) else {
            left += 1;
            continue;
        };
        let replayed = replay(&log, source["kind"].as_str().unwrap().starts_with("CC log"));
        let stated = |name: &str| {
            let (bank, register) = name.split_once(':').unwrap();
            source["banks"][bank][register].as_str().unwrap().to_owned()
        };
        for name in check["agree"].as_array().unwrap() {
            // A register that nothing extended is marked so, and has its start value.
            let name = name.as_str().unwrap().trim_end_matches("(reset)");
            assert_eq!(replayed.get(name).map(Digest::to_string), Some(stated(name)), "{path} {name}");
            compared += 1;
        }
        for difference in check["disagree"].as_array().unwrap() {
            let name = difference["pcr"].as_str().unwrap();
            assert_eq!(under_assumption(&log, name), Some(stated(name)), "{path} {name}");
            assumed += 1;
        }
        logs += 1;
    }
    println!(
        "stated registers: {logs} agree ({compared} values, {assumed} under an assumption), {left} nothing to compare"
    );
    assert!(logs >= 36 && compared >= 500 && assumed >= 2, "{logs} logs, {compared} values, {assumed} assumed");
}

/// The value under the assumption that the exit from boot services was extended and not logged.
fn under_assumption(log: &BootLog<'_>, name: &str) -> Option<String> {
    let (bank, pcr) = name.split_once(':')?;
    let assumption = log.assumptions().into_iter().find(|a| matches!(a, Assumption::UnloggedExit { .. }))?;
    let replay = log.replay_assuming(HashAlg::from_name(bank)?, &Hash, assumption).ok()?;
    assert_eq!(replay.assumption, assumption);
    Some(replay.bank.value(pcr.parse().ok()?)?.to_string())
}
