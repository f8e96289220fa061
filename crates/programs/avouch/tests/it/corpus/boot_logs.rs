//! Boot logs: replays, counts, what booted, and the values that other projects' tests demand.

use std::collections::BTreeMap;

use avouch::inspect::{Kind, Options, inspect};
use serde_json::{Map, Value, json};

use super::collection::{Collection, Comparison, Input, Outcome, is_refused};

pub(super) fn judge(collection: &Collection, input: &Input, bytes: &[u8], report: &Value) -> Outcome {
    let mut compare = Comparison::default();
    if input.kind.contains("fragment (Spec ID body)") {
        return fragment(input, bytes);
    }
    let truth = collection.truth("tcg_replay", &input.path);
    if let Some(truth) = truth {
        if !truth["parse_error"].is_null() {
            compare.equal("refusal", report["read"] != "whole", true);
            return compare.refused();
        }
        against_replay(&mut compare, report, truth);
    }
    for source in collection.truths("expected_by_source").filter(|source| source["log"] == input.path.as_str()) {
        against_source(&mut compare, collection, report, source);
    }
    let outcome = compare.outcome();
    if matches!(outcome, Outcome::Nothing) && input.expected.contains("fail") {
        let expected = is_refused(report);
        return if expected { Outcome::Refused } else { Outcome::Disagree(format!("read, {}", input.expected)) };
    }
    outcome
}

/// The data of a "Spec ID Event03" without the event around them: the event is put around them.
fn fragment(input: &Input, data: &[u8]) -> Outcome {
    let mut log = [0_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    log.extend([0; 20]);
    log.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    log.extend(data);
    let report = inspect(Some(Kind::Eventlog), &input.path, &log, &Options::default());
    let report = serde_json::to_value(report).unwrap();
    match (input.expected.starts_with("parses"), is_refused(&report)) {
        (true, false) => Outcome::Agree,
        (false, true) => Outcome::Refused,
        _ => Outcome::Disagree(format!("{}: {}", input.expected, report["problems"])),
    }
}

fn against_replay(compare: &mut Comparison, report: &Value, truth: &Value) {
    compare.equal("reading", report["read"].clone(), "whole");
    compare.equal("sha256", report["sha256"].clone(), truth["sha256_of_file"].clone());
    compare.equal("bytes", report["bytes"].clone(), truth["bytes"].clone());
    compare.equal("bytes used", report["counts"]["bytes"].clone(), truth["bytes_used"].clone());
    let format = if report["format"] == "crypto-agile" { json!("agile") } else { report["format"].clone() };
    compare.equal("format", format, truth["format"].clone());
    compare.equal("banks", report["banks"].clone(), truth["banks_declared"].clone());
    compare.equal("Spec ID", report["spec_id"].clone(), truth["spec_id"].clone());
    compare.equal("events", report["counts"]["events"].clone(), truth["events"].clone());
    compare.equal("event types", report["counts"]["types"].clone(), truth["event_types"].clone());
    compare.equal("tail", tail(&report["padding"]), truth["tail"].clone());
    compare.equal("locality", report["startup_locality"].clone(), truth["startup_locality"].clone());
    compare.equal("CC", report["confidential_computing"].clone(), truth["confidential_computing_log"].clone());
    compare.equal("no action", no_action(report), truth["no_action"].clone());
    compare.equal("SecureBoot", secure_boot(report), truth["secure_boot_var"].clone());
    compare.equal("wrong digests", report["data_differs"].clone(), truth["digest_data_mismatch"].clone());
    compare.equal("notes", json!(notes(report)), sorted(&truth["notes"]));
    compare.equal("PCRs", without_unknown(&report["pcrs"]), truth["pcrs"].clone());
    compare.equal("H-CRTM", hcrtm(report), truth["pcr0_if_hcrtm_sets_locality_4"].clone());
    against_tool(compare, report, truth);
}

/// Truth leaves out what the log cannot say; a report says null.
fn without_unknown(pcrs: &Value) -> Value {
    let banks = pcrs.as_object().into_iter().flatten().map(|(bank, values)| {
        let values = values.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        (bank.clone(), values.map(|(pcr, value)| (pcr.clone(), value.clone())).collect::<Value>())
    });
    banks.collect()
}

/// The tool's own values, but where truth says that it is wrong.
fn against_tool(compare: &mut Comparison, report: &Value, truth: &Value) {
    let wrong = truth["disagrees_with_tpm2_eventlog"].as_array().cloned().unwrap_or_default();
    for (bank, values) in truth["tpm2_eventlog_5.4"]["pcrs"].as_object().into_iter().flatten() {
        for (pcr, value) in values.as_object().into_iter().flatten() {
            let expected = wrong.contains(&json!(format!("{bank}:{pcr}")));
            let equal = report["pcrs"][bank][pcr] == *value;
            compare.equal(format!("tpm2_eventlog {bank}:{pcr}"), equal, !expected);
        }
    }
}

fn tail(padding: &Value) -> Value {
    match (padding["byte"].as_u64(), padding["bytes"].as_u64()) {
        (Some(0), Some(bytes)) => json!(format!("zero padding, {bytes} bytes")),
        (Some(_), Some(bytes)) => json!(format!("0xFF padding, {bytes} bytes")),
        _ => Value::Null,
    }
}

fn no_action(report: &Value) -> Value {
    let events = report["no_action"].as_array().cloned().unwrap_or_default();
    let of = |event: &Value| json!([event["pcr"].as_u64().unwrap_or(0xFFFF_FFFF), event["signature"]]);
    events.iter().map(of).collect()
}

fn secure_boot(report: &Value) -> Value {
    match report["boot_state"]["secure_boot"]["value"].as_str() {
        Some("absent") => json!("variable empty (length 0)"),
        Some(other) => json!(other),
        None => Value::Null,
    }
}

/// Truth's notes in its own words and order.
fn notes(report: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    for pcr in 0..24 {
        match separators(report, pcr) {
            0 | 1 => {}
            count => notes.push(format!("duplicate EV_SEPARATOR: PCR{pcr} x{count}")),
        }
    }
    for (event, banks) in report["digests_missing"].as_object().into_iter().flatten() {
        let banks: Vec<_> = banks.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        notes.push(format!("event {event} lacks digest for {}", banks.join(",")));
    }
    for event in report["value_only"].as_array().into_iter().flatten() {
        // Firmware always hashed boot variables so; truth notes it where the profile wants the whole structure.
        if matches!(event_type(report, event), "EV_EFI_VARIABLE_DRIVER_CONFIG" | "EV_EFI_VARIABLE_AUTHORITY") {
            notes.push(format!("event {event} hashes VariableData only"));
        }
    }
    notes.sort();
    notes.dedup();
    notes
}

fn event_type<'a>(report: &'a Value, event: &Value) -> &'a str {
    let at = event.as_u64().and_then(|at| usize::try_from(at).ok());
    at.and_then(|at| report["events"][at]["type"].as_str()).unwrap_or_default()
}

fn separators(report: &Value, pcr: u32) -> usize {
    let events = report["events"].as_array().into_iter().flatten();
    events.filter(|event| event["type"] == "EV_SEPARATOR" && event["pcr"] == pcr).count()
}

fn sorted(notes: &Value) -> Value {
    let mut notes: Vec<_> = notes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    notes.sort_unstable();
    json!(notes)
}

fn hcrtm(report: &Value) -> Value {
    let assumed = report["assumed"].as_array().into_iter().flatten();
    let mut hcrtm = assumed.filter(|assumed| assumed["assumption"].as_str().is_some_and(|it| it.contains("PCR 0")));
    let banks = hcrtm.next().and_then(|assumed| assumed["pcrs"].as_object());
    banks.map_or(Value::Null, |banks| banks.iter().map(|(bank, pcrs)| (bank.clone(), pcrs["0"].clone())).collect())
}

/// PCR values that another project's test demands of this log. Those of PCRs that the log does not extend are start
/// values; PCR 10 belongs to IMA; where truth says that plain replay cannot give a value, the assumed replay must.
fn against_source(compare: &mut Comparison, collection: &Collection, report: &Value, source: &Value) {
    let check = collection
        .truths("crosscheck_tcg")
        .find(|check| check["log"] == source["log"] && check["source"] == source["source"]);
    let absent: Vec<&str> = check
        .map(|check| &check["not_in_log"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (bank, values) in source["banks"].as_object().into_iter().flatten() {
        for (pcr, wanted) in values.as_object().into_iter().flatten() {
            let place = format!("{bank}:{pcr}");
            if absent.iter().any(|entry| entry.starts_with(&format!("{place}="))) {
                continue;
            }
            let got = &report["pcrs"][bank][pcr];
            let differs = check
                .and_then(|check| check["disagree"].as_array())
                .and_then(|list| list.iter().find(|entry| entry["pcr"] == place.as_str()));
            match differs {
                Some(entry) => {
                    compare.equal(format!("plain {place}"), got.clone(), entry["replay"].clone());
                    compare.equal(format!("assumed {place}"), assumed(report, bank, pcr), wanted.clone());
                }
                None if got.is_null() && !is_extended(report, pcr) => {
                    compare.equal(format!("start of {place}"), start(pcr, wanted), wanted.clone());
                }
                None => compare.equal(format!("source's {place}"), got.clone(), wanted.clone()),
            }
        }
    }
}

fn is_extended(report: &Value, pcr: &str) -> bool {
    report["counts"]["pcrs"].get(pcr).is_some()
}

fn assumed(report: &Value, bank: &str, pcr: &str) -> Value {
    let mut values = report["assumed"].as_array().into_iter().flatten().map(|assumed| &assumed["pcrs"][bank][pcr]);
    values.rfind(|value| !value.is_null()).cloned().unwrap_or_default()
}

/// A PCR that nothing extended: ones for 17 to 22, else zeros.
fn start(pcr: &str, like: &Value) -> Value {
    let length = like.as_str().map_or(0, str::len);
    let ones = pcr.parse::<u32>().is_ok_and(|pcr| (17..=22).contains(&pcr));
    json!(if ones { "f" } else { "0" }.repeat(length))
}

/// Another tool's reading of a log: its PCR values are compared with the log's replay.
pub(super) fn judge_parsed(collection: &Collection, input: &Input) -> Outcome {
    let Some(check) = collection
        .truths("crosscheck_tpm2tools_outputs")
        .find(|check| check["says"] == input.path.as_str() && check["compared"].as_u64().is_some_and(|n| n > 0))
    else {
        return Outcome::Nothing;
    };
    let log = check["log"].as_str().unwrap();
    let report = inspect(Some(Kind::Eventlog), log, &collection.bytes(log), &Options::default());
    let report = serde_json::to_value(report).unwrap();
    let said = pcrs_of(&String::from_utf8_lossy(&collection.bytes(&input.path)));
    let mut compare = Comparison::default();
    compare.equal("values", said.values().map(Map::len).sum::<usize>(), check["compared"].clone());
    for (bank, values) in said {
        for (pcr, value) in values {
            compare.equal(format!("{bank}:{pcr}"), report["pcrs"][&bank][&pcr].clone(), value);
        }
    }
    compare.outcome()
}

/// The last section of tpm2_eventlog's YAML: `pcrs:`, banks, `N : 0xHEX`.
fn pcrs_of(yaml: &str) -> BTreeMap<String, Map<String, Value>> {
    let mut banks: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut bank = String::new();
    for line in yaml.lines().skip_while(|line| line.trim_end() != "pcrs:").skip(1) {
        let Some((name, value)) = line.trim().split_once(':') else { continue };
        match value.trim().strip_prefix("0x") {
            Some(hex) => {
                banks.entry(bank.clone()).or_default().insert(name.trim().into(), hex.to_lowercase().into());
            }
            None => bank = name.trim().into(),
        }
    }
    banks
}
