//! Policies as operators store and assign them.

use crate::world::{World, json};

const JSON: &str = "application/json";

#[test]
fn a_file_that_is_no_policy_is_refused_with_the_place() {
    let world = World::start();
    let answer = world.operator().post("/v1/policies", JSON, b"{\"v\": 1,\n \"nmae\": 3}").unwrap();
    let body = json(&answer);
    assert_eq!((answer.status, body["code"].as_str()), (422, Some("POLICY_MALFORMED")));
    assert!(body["what"].as_str().unwrap().contains("line 2"), "{body}");
}

#[test]
fn a_policy_whose_cap_no_quote_shows_is_refused_with_what_to_name() {
    let world = World::start();
    for (pcr, status, code) in [(15, 422, Some("CAP_NOT_QUOTED")), (14, 200, None)] {
        let draft = avouch_appraise::PolicyDraft::new("capping", "today").to_bytes();
        let mut policy: serde_json::Value = serde_json::from_slice(&draft).unwrap();
        policy["observation"] = serde_json::json!({"required": ["V4"], "cap": {"pcr": pcr, "on": ["V4.memory.max.*"]}});
        let answer = world.operator().post("/v1/policies", JSON, policy.to_string().as_bytes()).unwrap();
        let body = json(&answer);
        assert_eq!((answer.status, body["code"].as_str()), (status, code), "{body}");
    }
}

#[test]
fn an_unknown_policy_cannot_be_assigned() {
    let world = World::start();
    let reference = "ab".repeat(32);
    let body = format!("{{\"policy_ref\": \"{reference}\"}}");
    for (body, status, code) in [
        (body.as_str(), 404, "POLICY_UNKNOWN"),
        ("{\"policy_ref\": \"short\"}", 404, "POLICY_UNKNOWN"),
        ("{\"policyref\": null}", 400, "MALFORMED"),
        ("", 400, "MALFORMED"),
    ] {
        let answer = world.operator().post("/v1/default-policy", JSON, body.as_bytes()).unwrap();
        assert_eq!((answer.status, json(&answer)["code"].as_str()), (status, Some(code)), "{body}");
    }
}

#[test]
fn an_unknown_node_is_named_with_what_was_asked_for_and_a_remedy() {
    let world = World::start();
    for path in ["/v1/nodes/none", "/v1/nodes/none/records", "/v1/nodes/none/rounds", "/v1/nodes/none/reference-boot"] {
        let answer = world.operator().get(path).unwrap();
        let body = json(&answer);
        assert_eq!((answer.status, body["code"].as_str()), (404, Some("NODE_UNKNOWN")), "{path}");
        assert!(body["what"].as_str().unwrap().contains("none") && !body["remedy"].as_str().unwrap().is_empty());
    }
}
