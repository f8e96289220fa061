//! What booted, and whether the data are covered, against the independent reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use avouch_bootlog::cel::{CelLog, CelWriter};
use avouch_bootlog::{BootLog, BootState, CcLog, CcelTable, DataCheck, EventType, GrammarFault, SecureBoot, Weight};
use avouch_crypto::Hash;
use avouch_tpm_wire::HashAlg;
use serde_json::Value;

use super::{corpus, truth};

/// A log with the reading that its kind asks for.
enum Log<'a> {
    Pcr(BootLog<'a>),
    Cc(CcLog<'a>),
}

impl<'a> Log<'a> {
    fn parse(bytes: &'a [u8], truth: &Value) -> Self {
        let log = BootLog::parse(bytes).unwrap();
        match truth["confidential_computing_log"].as_bool().unwrap() {
            true => Self::Cc(CcLog::try_from(log).unwrap()),
            false => Self::Pcr(log),
        }
    }

    fn log(&self) -> &BootLog<'a> {
        match self {
            Self::Pcr(log) => log,
            Self::Cc(log) => log.log(),
        }
    }

    fn state(&self, bank: HashAlg) -> BootState<'a> {
        match self {
            Self::Pcr(log) => log.check(bank, &Hash).boot_state(),
            Self::Cc(log) => log.check(bank, &Hash).boot_state(),
        }
    }

    fn grammar(&self, bank: HashAlg) -> Vec<GrammarFault> {
        match self {
            Self::Pcr(log) => log.check(bank, &Hash).grammar(),
            Self::Cc(log) => log.check(bank, &Hash).grammar(),
        }
    }
}

/// Every log that the independent reading could parse.
fn each(corpus: &Path, mut judge: impl FnMut(&str, &Log<'_>, &Value)) {
    let truth: BTreeMap<String, Value> = serde_json::from_slice(&truth(corpus, "tcg_replay.json")).unwrap();
    for (path, truth) in truth.iter().filter(|(_, truth)| truth["parse_error"].is_null()) {
        let bytes = std::fs::read(corpus.join("files").join(path)).unwrap();
        judge(path, &Log::parse(&bytes, truth), truth);
    }
}

/// The strongest bank in which the log is complete.
fn bank(log: &BootLog<'_>) -> HashAlg {
    let complete =
        |bank: &HashAlg| log.events().iter().filter(|event| event.extends()).all(|event| event.digest(*bank).is_some());
    *log.banks().iter().filter(|bank| complete(bank)).max().unwrap()
}

#[test]
fn secure_boot_is_read_as_it_was() {
    let Some(corpus) = corpus() else { return };
    let (mut agree, mut silent) = (0, 0);
    each(&corpus, |path, log, truth| {
        let state = log.state(bank(log.log()));
        let got = state.secure_boot.map(|fact| match fact.value {
            SecureBoot::On => "on",
            SecureBoot::Off => "off",
            SecureBoot::Absent => "variable empty (length 0)",
        });
        assert_eq!(got, truth["secure_boot_var"].as_str(), "{path}: {:?}", state.contradictions);
        if let Some(fact) = state.secure_boot {
            agree += 1;
            // Firmware for TPM 1.2 hashes the value alone.
            let value_only = log.log().banks() == [HashAlg::Sha1] && fact.check == DataCheck::ValueCovered;
            assert!(fact.covered() || value_only, "{path}: {:?}", fact.check);
        } else {
            silent += 1;
        }
    });
    println!("Secure Boot state: {agree} agree, {silent} nothing to compare");
    assert!(agree >= 70, "only {agree} compared");
}

/// Index of the event that an entry of the truth is about, however it is written.
fn event_index(entry: &Value) -> Option<u64> {
    match entry {
        Value::Array(parts) => parts.iter().find_map(Value::as_u64),
        Value::Object(fields) => ["event", "index"].iter().find_map(|name| fields.get(*name)?.as_u64()),
        Value::String(text) => text.strip_prefix("event ")?.split(' ').next()?.parse().ok(),
        other => other.as_u64(),
    }
}

#[test]
fn data_differ_from_digests_where_the_truth_says_so() {
    let Some(corpus) = corpus() else { return };
    let (mut logs, mut events, mut covered) = (0, 0, 0);
    each(&corpus, |path, log, truth| {
        for &bank in log.log().banks() {
            let with = |wanted: DataCheck, config_only: bool| -> BTreeSet<u64> {
                let events = log.log().events().iter();
                let events = events.filter(|e| !config_only || e.event_type == EventType::EFI_VARIABLE_DRIVER_CONFIG);
                events.filter(|e| e.check_data(bank, &Hash) == wanted).map(|e| e.index as u64).collect()
            };
            let wanted: BTreeSet<u64> =
                truth["digest_data_mismatch"].as_array().unwrap().iter().filter_map(event_index).collect();
            assert_eq!(with(DataCheck::Differs, false), wanted, "{path} {bank}");
            let notes = truth["notes"].as_array().unwrap().iter();
            let value_only: BTreeSet<u64> = notes
                .filter(|note| note.as_str().is_some_and(|note| note.ends_with("hashes VariableData only")))
                .filter_map(event_index)
                .collect();
            assert_eq!(with(DataCheck::ValueCovered, true), value_only, "{path} {bank}");
            events += log.log().events().len();
            covered += log.log().events().iter().filter(|e| e.check_data(bank, &Hash).proves_value()).count();
        }
        logs += 1;
    });
    println!("data of events: {logs} agree ({covered} of {events} digests cover their data)");
    assert!(logs >= 81 && covered * 2 > events, "only {logs} logs, {covered} of {events} events");
}

#[test]
fn honest_logs_keep_the_grammar() {
    let Some(corpus) = corpus() else { return };
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    let mut logs = 0;
    each(&corpus, |path, log, _| {
        logs += 1;
        for fault in log.grammar(bank(log.log())) {
            *rules.entry(format!("{:?} {}", fault.rule, fault.pcr)).or_default() += 1;
            assert!(fault.rule.weight() < Weight::Contradiction, "{path}: {fault}");
        }
    });
    println!("grammar: {logs} agree; rules that honest logs break: {rules:?}");
    assert!(logs >= 81);
}

#[test]
fn logs_survive_the_canonical_form() {
    let Some(corpus) = corpus() else { return };
    let (mut logs, mut values) = (0, 0);
    each(&corpus, |path, log, _| {
        let Log::Pcr(log) = log else { return };
        let mut writer = CelWriter::new();
        let left = writer.boot_log(log);
        let bytes = writer.finish();
        let cel = CelLog::parse(&bytes).unwrap();
        assert_eq!(cel.records().len() + left, log.events().len(), "{path}");
        for &bank in log.banks() {
            let Ok(replayed) = cel.replay(bank, &Hash) else { continue };
            assert_eq!(replayed.pcrs, log.replay(bank, &Hash).unwrap(), "{path} {bank}");
            values += 24;
        }
        logs += 1;
    });
    println!("canonical form: {logs} agree ({values} PCR values)");
    assert!(logs >= 70, "only {logs}");
}

#[test]
fn acpi_tables_are_read() {
    let Some(corpus) = corpus() else { return };
    let index = std::fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let rows = index.lines().map(|line| line.split('\t').collect::<Vec<_>>()).filter(|row| row[6] == "ACPI CCEL table");
    let mut tables = 0;
    for row in rows {
        let bytes = std::fs::read(corpus.join("files").join(row[0])).unwrap();
        let table = CcelTable::parse(&bytes).unwrap();
        assert_eq!((table.kind, table.subtype), (2, 0), "{}", row[0]);
        tables += 1;
    }
    println!("CCEL tables: {tables} nothing to compare");
}
