//! What a rule does to a verdict.

use avouch_appraise::{ClaimName, ClaimResult, Verdict};
use avouch_protocol::Status;
use avouch_rules::{LastRule, Rule, RuleError};
use serde_json::{Value, json};

/// A verdict that passes but for the rule that it awaits.
fn awaiting() -> Verdict {
    let claim = |name: &ClaimName| json!({"name": name, "statement": "", "result": "pass", "findings": []});
    let mut claims: Vec<Value> = ClaimName::ALL.iter().filter(|name| **name != ClaimName::Rules).map(claim).collect();
    claims.push(json!({"name": "rules", "statement": "", "result": "unverifiable", "findings": [not_run()]}));
    verdict("unverifiable", claims)
}

fn not_run() -> Value {
    json!({"code": "RULES_NOT_RUN", "claim": "rules", "severity": "high", "effect": "unverifiable", "evidence": "",
           "rule": "", "implication": "", "remedy": ""})
}

fn verdict(status: &str, claims: Vec<Value>) -> Verdict {
    serde_json::from_value(json!({
        "v": 1, "semantics": "", "status": status, "code": "", "node": "00", "round": 7, "seq": 3, "expires": 9,
        "policy_ref": "", "freshness": "operator-asserted", "membership": "operator",
        "session": {"reset_count": 4, "restart_count": 0, "clock": 1, "clock_safe": true, "firmware": "0001", "ima_entries": 9},
        "claims": claims, "coverage": {"covered": [], "holes": [{"code": "INTERPRETERS", "what": ""}]}
    }))
    .unwrap()
}

fn rule(body: &str, effect: &str) -> LastRule {
    ready(&format!(
        "package avouch\nfindings contains {{\"code\": \"RULE_X\", \"effect\": \"{effect}\", \"evidence\": \
         sprintf(\"resets %d\", [input.session.reset_count]), \"remedy\": \"look\"}} if {{ {body} }}\n"
    ))
}

fn ready(source: &str) -> LastRule {
    LastRule::Ready(Box::new(Rule::compile(source).unwrap()))
}

#[test]
fn a_rule_that_finds_nothing_lets_the_verdict_stand() {
    let concluded = rule("input.session.reset_count > 100", "fail").conclude(awaiting()).unwrap();
    assert_eq!(concluded.status, Status::Pass);
    assert!(!concluded.awaits_rules());
}

#[test]
fn a_finding_lowers_the_verdict_and_names_itself() {
    for (effect, status) in [("fail", Status::Fail), ("unverifiable", Status::Unverifiable), ("none", Status::Pass)] {
        let concluded = rule("some hole in input.coverage.holes\nhole.code == \"INTERPRETERS\"", effect)
            .conclude(awaiting())
            .unwrap();
        assert_eq!(concluded.status, status, "{effect}");
        let found = concluded.findings().find(|finding| finding.evidence == "resets 4").expect("the rule's finding");
        assert_eq!((found.claim, found.remedy.as_ref()), (ClaimName::Rules, "look"));
        assert_eq!(found.place.rule.as_deref(), Some("RULE_X"));
    }
}

#[test]
fn a_verdict_that_fails_still_fails_when_the_rule_finds_nothing() {
    let mut bad = awaiting();
    bad.claims[0].result = ClaimResult::Fail;
    let concluded = rule("false", "fail").conclude(bad).unwrap();
    assert_eq!(concluded.status, Status::Fail);
}

#[test]
fn a_rule_that_cannot_be_run_leaves_the_verdict_unverifiable_and_says_why() {
    let two_values = "package avouch\nx := 1 if input.round == 7\nx := 2 if input.seq == 3\nfindings contains \
                      {\"code\": \"RULE_X\", \"effect\": \"fail\", \"evidence\": \"e\"} if x == 1\n";
    let odd_code =
        "package avouch\nfindings contains {\"code\": \"PASS\", \"effect\": \"none\", \"evidence\": \"e\"}\n";
    let odd_shape = "package avouch\nfindings contains \"words\"\n";
    for (source, words) in [(two_values, "failed"), (odd_code, "PASS"), (odd_shape, "not taken")] {
        let concluded = ready(source).conclude(awaiting()).unwrap();
        assert_eq!(concluded.status, Status::Unverifiable, "{source}");
        assert!(concluded.findings().any(|finding| finding.evidence.contains(words)), "{:?}", concluded.claims.last());
    }
}

#[test]
fn the_same_verdict_gives_the_same_bytes() {
    let rule = ready(
        "package avouch\nfindings contains {\"code\": \"RULE_HOLE\", \"effect\": \"none\", \"evidence\": c.name} if { some c in input.claims }\n",
    );
    let once = serde_json::to_string(&rule.conclude(awaiting()).unwrap()).unwrap();
    for _ in 0..5 {
        assert_eq!(serde_json::to_string(&rule.conclude(awaiting()).unwrap()).unwrap(), once);
    }
}

#[test]
fn too_many_findings_are_not_taken_in_part() {
    let claims =
        (0..65).map(|number| json!({"name": "ima", "statement": number.to_string(), "result": "pass", "findings": []}));
    let rule = Rule::compile(
        "package avouch\nfindings contains {\"code\": \"RULE_X\", \"effect\": \"none\", \"evidence\": c.statement} if { some c in input.claims }\n",
    )
    .unwrap();
    let error = rule.findings(&verdict("pass", claims.collect())).unwrap_err();
    assert!(matches!(error, RuleError::Finding { .. }));
}

#[test]
fn a_refused_module_leaves_every_verdict_unverifiable() {
    let refused = LastRule::Refused(Rule::compile("package other").unwrap_err());
    let concluded = refused.conclude(awaiting()).unwrap();
    assert_eq!(concluded.status, Status::Unverifiable);
    assert!(concluded.findings().any(|finding| finding.evidence.contains("package avouch")));
    assert_eq!(LastRule::None.conclude(awaiting()).unwrap(), awaiting());
}
