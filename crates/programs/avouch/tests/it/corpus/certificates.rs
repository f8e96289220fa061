//! Certificates: what each says, item by item.

use serde_json::{Value, json};

use super::collection::{Collection, Comparison, Input, Outcome};

pub(super) fn judge(collection: &Collection, input: &Input, report: &Value) -> Outcome {
    let Some(truth) = collection.truth("certs", &input.path).and_then(Value::as_array) else {
        return Outcome::Nothing;
    };
    let mut compare = Comparison::default();
    let found = report["certificates"].as_array().cloned().unwrap_or_default();
    let readable = truth.iter().any(|entry| reads(entry) || entry["kind"] == "not a certificate");
    let attribute = found.iter().any(|item| item["what"] == "attribute certificate");
    if !readable {
        // Neither of truth's parsers takes the file as a certificate. Where one is inside a wrapping that those parsers
        // do not take off (PKCS#7, the header of a TPM's NV index), truth holds the file's own length and hash.
        if report["format"] == "PKCS#7" || report["format"] == "TPM NV" {
            compare.equal("sha256", report["sha256"].clone(), truth[0]["sha256"].clone());
            compare.equal("length", report["bytes"].clone(), truth[0]["len"].clone());
            return compare.outcome();
        }
        compare.equal("refusal", report["read"] == "not" || attribute, true);
        return compare.refused();
    }
    compare.equal("items", found.len(), truth.len());
    for (place, (item, wanted)) in found.iter().zip(truth).enumerate() {
        against(&mut compare, collection, place, item, wanted);
    }
    compare.outcome()
}

/// At least one of the parsers that truth asked reads it.
fn reads(entry: &Value) -> bool {
    entry["openssl_parses"] == true || entry["cryptography_parses"] == true
}

fn against(compare: &mut Comparison, collection: &Collection, place: usize, item: &Value, truth: &Value) {
    let mut equal =
        |what: &str, got: Value, wanted: &Value| compare.equal(format!("{what} of {place}"), got, wanted.clone());
    let label = if item["label"].is_null() { json!("DER") } else { item["label"].clone() };
    equal("label", label, &truth["label"]);
    if truth["kind"] == "not a certificate" {
        equal("kind", json!(item["what"] == "public key"), &json!(true));
        return;
    }
    equal("sha256", item["sha256"].clone(), &truth["sha256"]);
    equal("length", item["bytes"].clone(), &truth["len"]);
    equal("readable", json!(item["what"] == "certificate"), &json!(true));
    if truth["subject"].is_null() {
        return;
    }
    equal("subject", item["subject"].clone(), &truth["subject"]);
    equal("issuer", item["issuer"].clone(), &truth["issuer"]);
    equal("serial", serial(&item["serial"]), &truth["serial"]);
    equal("not before", day(&item["not_before"]), &truth["not_before"]);
    equal("not after", day(&item["not_after"]), &truth["not_after"]);
    equal("signature", item["signature"].clone(), &truth["sig_oid"]);
    equal("critical extensions", item["critical_extensions"].clone(), &truth["critical_ext"]);
    equal("ca", item["ca"].clone(), &truth["ca"]);
    equal("EK", item["is_ek"].clone(), &truth["is_ek"]);
    if truth["key"].is_string() {
        equal("key", item["key"].clone(), &truth["key"]);
    }
    if truth["eku"].is_array() {
        equal("purposes", item["purposes"].clone(), &truth["eku"]);
    }
    if truth["san"].is_array() {
        equal(
            "names",
            json!(item["alternative_names"].as_array().map(Vec::len)),
            &json!(truth["san"].as_array().map(Vec::len)),
        );
    }
    let issuers = truth["issuer_in_corpus"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for issuer in issuers {
        // Truth was written over the whole collection, of which this may be a part.
        if let Some(named) = is_named(collection, issuer, &item["issuer"]) {
            equal(&format!("issuer in {issuer}"), json!(named), &json!(true));
        }
    }
}

fn is_named(collection: &Collection, path: &str, subject: &Value) -> Option<bool> {
    let bytes = collection.find(path)?;
    let report = avouch::inspect::inspect(Some(avouch::inspect::Kind::Cert), path, &bytes, &Default::default());
    let report = serde_json::to_value(report).unwrap();
    Some(report["certificates"].as_array().into_iter().flatten().any(|item| item["subject"] == *subject))
}

fn serial(serial: &Value) -> Value {
    let text = serial.as_str().unwrap_or_default();
    json!(text.strip_prefix('-').map_or_else(|| format!("0x{text}"), |rest| format!("-0x{rest}")))
}

/// The day of seconds since 1970.
fn day(seconds: &Value) -> Value {
    let moment = seconds.as_i64().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map_or(Value::Null, |moment| json!(moment.to_string().chars().take(10).collect::<String>()))
}
