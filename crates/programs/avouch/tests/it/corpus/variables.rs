//! Secure Boot variables, signature lists, signed updates.

use serde_json::{Value, json};

use super::collection::{Collection, Comparison, Input, Outcome, is_refused};

pub(super) fn judge(collection: &Collection, input: &Input, report: &Value) -> Outcome {
    let mut compare = Comparison::default();
    let Some(truth) = collection.truth("secureboot_vars", &input.path) else {
        return match (input.expected.contains("fail"), is_refused(report)) {
            (false, _) => Outcome::Nothing,
            (true, true) => Outcome::Refused,
            (true, false) => Outcome::Disagree(input.expected.clone()),
        };
    };
    compare.equal("bytes", report["bytes"].clone(), truth["bytes"].clone());
    if truth["error"].is_string() {
        compare.equal("refusal", is_refused(report), true);
        if truth["timestamp"].is_string() {
            update(&mut compare, report, truth);
        }
        return compare.refused();
    }
    compare.equal("reading", report["read"].clone(), "whole");
    compare.equal("form", form(report), truth["form"].clone());
    if truth["attributes"].is_string() {
        compare.equal("attributes", report["attributes"].clone(), truth["attributes"].clone());
    }
    if truth["timestamp"].is_string() {
        update(&mut compare, report, truth);
    }
    if let Some(lists) = truth["lists"].as_array() {
        let got: Vec<Value> = report["lists"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|list| {
                let kind = named(&list["type"], lists);
                json!({ "type": kind, "header": list["header"], "sig_size": list["sig_size"], "count": list["count"] })
            })
            .collect();
        compare.equal("lists", got, lists.clone());
    }
    compare.outcome()
}

fn update(compare: &mut Comparison, report: &Value, truth: &Value) {
    compare.equal("timestamp", report["timestamp"].clone(), truth["timestamp"].clone());
    compare.equal("PKCS#7", report["pkcs7_bytes"].clone(), truth["pkcs7_bytes"].clone());
}

fn form(report: &Value) -> Value {
    let lists = report["lists"].is_array();
    json!(match report["format"].as_str().unwrap_or_default() {
        "efivarfs" if lists => "efivarfs (4-byte attributes) + ESL",
        "efivarfs" => "efivarfs variable: 4-byte attributes + raw data",
        "signed update" => "EFI_VARIABLE_AUTHENTICATION_2 + ESL",
        _ => "ESL",
    })
}

/// Truth leaves the GUIDs of rare types unnamed.
fn named(kind: &Value, truth: &[Value]) -> Value {
    let rare = [("EXTERNAL_MANAGEMENT", "452e8ced-dfff-4b8c-ae01-5118862e682c")];
    let guid = rare.iter().find(|(name, guid)| kind == name && truth.iter().any(|list| list["type"] == *guid));
    guid.map_or_else(|| kind.clone(), |(_, guid)| json!(guid))
}
