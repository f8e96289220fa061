//! IMA lists: counts, replays, violations, boot_aggregate.

use avouch::inspect::{Kind, Options, inspect};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde_json::{Value, json};

use super::collection::{Collection, Comparison, Input, Outcome, folder, is_refused};

pub(super) fn judge(collection: &Collection, input: &Input, report: &Value) -> Outcome {
    let mut compare = Comparison::default();
    let truth = collection.truth("ima_replay", &input.path);
    if let Some(truth) = truth {
        against_replay(&mut compare, report, truth);
    }
    for check in collection.truths("crosscheck_ima").filter(|check| check["log"] == input.path.as_str()) {
        let bank = check["bank"].as_str().unwrap();
        let wanted = if check["result"] == "agree" { &check["source_says"] } else { &check["replay"] };
        compare.equal("source's PCR 10", report["pcrs"][bank]["10"].clone(), wanted.clone());
    }
    if input.expected.contains("boot_aggregate") {
        compare.equal(
            "boot_aggregate",
            boot_aggregate(collection, input),
            report["boot_aggregates"][0]["digest"].clone(),
        );
    }
    if input.expected.starts_with("parse failure") {
        compare.equal("refusal", is_refused(report), true);
        return compare.refused();
    }
    compare.outcome()
}

fn against_replay(compare: &mut Comparison, report: &Value, truth: &Value) {
    if truth["form"] == "empty" {
        compare.equal("form", report["format"].clone(), "empty");
        compare.equal("entries", report["counts"]["entries"].clone(), truth["entries"].clone());
        compare.equal("PCRs", report["pcrs"].clone(), json!({}));
        return;
    }
    let errors = truth["errors"].as_array().map_or(0, Vec::len);
    compare.equal("errors", report["read"] != "whole", errors > 0);
    compare.equal("sha256", report["sha256"].clone(), truth["sha256_of_file"].clone());
    compare.equal("bytes", report["bytes"].clone(), truth["bytes"].clone());
    let nothing = truth["entries"] == 0;
    compare.equal("anything", report["counts"].is_null(), nothing);
    if nothing {
        return;
    }
    let counts = &report["counts"];
    compare.equal("form", report["format"].clone(), truth["form"].clone());
    compare.equal("entries", counts["entries"].clone(), truth["entries"].clone());
    compare.equal("template hash", report["template_hash"].clone(), truth["template_hash_alg"].clone());
    compare.equal("templates", counts["templates"].clone(), truth["templates"].clone());
    compare.equal("digests", counts["digests"].clone(), truth["file_digest_algs"].clone());
    compare.equal("violations", counts["violations"].clone(), truth["violations"].clone());
    compare.equal("signed", counts["signed"].clone(), truth["signed_entries"].clone());
    compare.equal("unusual names", counts["unusual_names"].clone(), truth["paths_with_space_or_nonascii"].clone());
    let wrong = report["wrong_hashes"].as_array().map_or(0, Vec::len);
    compare.equal("wrong template hashes", wrong, truth["n_template_hash_mismatches"].clone());
    let aggregates = report["boot_aggregates"].as_array().into_iter().flatten().map(|entry| entry["digest"].clone());
    compare.equal("boot_aggregates", aggregates.collect::<Value>(), truth["boot_aggregates"].clone());
    compare.equal("PCRs", report["pcrs"].clone(), truth["pcrs"].clone());
    let padded = &report["pcrs_sha1_padded"];
    let padded = if padded.as_object().is_some_and(|banks| banks.is_empty()) { Value::Null } else { padded.clone() };
    compare.equal("padded PCRs", padded, truth["pcrs_if_kernel_zero_padded_sha1"].clone());
    if let Some(offset) = truth["errors"][0][0].as_u64().filter(|_| truth["form"] == "binary") {
        compare.equal("bytes read", counts["bytes"].clone(), offset_of_entry(offset, counts["bytes"].as_u64()));
    }
}

/// Truth tells where the field is that is cut, a report where the entry is: it is the same entry when no more than its
/// header and its data lie between.
fn offset_of_entry(field: u64, entry: Option<u64>) -> Value {
    match entry {
        Some(entry) if entry <= field && field - entry < 4096 => json!(entry),
        _ => json!(field),
    }
}

/// SHA-256 over PCR 0 to 9 of the boot log beside the list, as its replay gives them.
fn boot_aggregate(collection: &Collection, input: &Input) -> Value {
    let log = collection.beside(folder(&input.path)).find(|other| other.kind == "eventlog-agile").unwrap();
    let report = inspect(Some(Kind::Eventlog), &log.path, &collection.bytes(&log.path), &Options::default());
    let report = serde_json::to_value(report).unwrap();
    let zero = "0".repeat(64);
    let values = (0..=9).map(|pcr| report["pcrs"]["sha256"][pcr.to_string()].as_str().unwrap_or(&zero).to_owned());
    let bytes: Vec<u8> = values.flat_map(|hex| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap()).collect();
    json!(HEXLOWER.encode(&avouch_crypto::sha256(&[&bytes])))
}
