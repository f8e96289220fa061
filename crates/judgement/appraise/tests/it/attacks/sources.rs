//! Where good comes from: expected events, pending updates, rules; and the policy's own rule.

use avouch_appraise::{Effect, Policy, PolicyError, RuleFinding, Verdict};
use avouch_protocol::Status;
use serde_json::{Value, json};

use super::log::*;
use crate::machine::{BANK, Machine};

/// A machine with a loader that its reference does not have, and the loader's digest.
fn updated() -> (Machine, String) {
    let machine = booted(|log| {
        let event = log.event(4, APPLICATION, &[0; 32], b"the new loader");
        *log.find(4, APPLICATION, 0) = event;
    });
    let digest: String = avouch_crypto::sha256(&[b"the new loader"]).iter().map(|byte| format!("{byte:02x}")).collect();
    (machine, digest)
}

fn judged(alter: impl Fn(&mut Value, &str)) -> avouch_appraise::Appraisal {
    let (mut machine, digest) = updated();
    let policy = policy(&Machine::new(), |file| alter(file, &digest));
    machine.judged(&policy, None)
}

#[test]
fn an_event_computed_from_an_artefact_is_good_and_its_source_is_told() {
    assert_eq!(told(&judged(|_, _| {})), (Status::Fail, vec!["BOOT_EVENT_UNKNOWN"]));
    let appraisal = judged(|file, digest| {
        file["boot"]["expected"] =
            json!([{"pcr": 4, "digests": {BANK.name(): digest}, "what": "loader", "artefact": "grubx64.efi abc"}]);
    });
    assert_eq!(told(&appraisal), (Status::Pass, vec![]));
    let told = |code| appraisal.verdict.coverage.covered.iter().find(|item| item.code == code).unwrap().what.clone();
    assert!(told("BOOT_MIXED").contains("grubx64.efi") && told("BOOT_MIXED").starts_with("PCR 4"));
    assert!(told("BOOT_CONFIRMED").contains("reference"));
    let elsewhere = judged(|file, digest| {
        file["boot"]["expected"] =
            json!([{"pcr": 2, "digests": {BANK.name(): digest}, "what": "loader", "artefact": "x"}]);
    });
    assert_eq!(elsewhere.verdict.status, Status::Fail);
}

#[test]
fn artefacts_alone_can_explain_a_boot() {
    let mut machine = Machine::new();
    let policy = policy(&machine, |file| {
        let pcrs = file["boot"]["confirmed"][0]["pcrs"].as_object().unwrap().clone();
        let event = |pcr: &str, digest: &Value| json!({"pcr": pcr.parse::<u32>().unwrap(), "digests": {BANK.name(): digest}, "what": "w", "artefact": "a"});
        let all = pcrs.iter().flat_map(|(pcr, list)| list.as_array().unwrap().iter().map(move |d| event(pcr, d)));
        file["boot"]["expected"] = all.collect();
        file["boot"]["confirmed"] = json!([]);
    });
    assert_eq!(told(&machine.judged(&policy, None)), (Status::Pass, vec![]));
    let mut other = updated().0;
    assert_eq!(told(&other.judged(&policy, None)), (Status::Fail, vec!["BOOT_EVENT_UNKNOWN"]));
}

#[test]
fn a_pending_update_is_good_until_its_window_ends() {
    let with = |until: u64| {
        let appraisal = judged(|file, digest| {
            file["boot"]["pending"] = json!([{"label": "grub 2.12", "until": until, "pcrs": {"4": [digest]}}]);
        });
        let evidence = appraisal.verdict.findings().find(|finding| finding.code.as_str() == "BOOT_EVENT_UNKNOWN");
        (told(&appraisal), evidence.map(|finding| finding.evidence.contains("window ended")))
    };
    let now = updated().0.context().now + 1;
    assert_eq!(with(now), ((Status::Pass, vec![]), None));
    assert_eq!(with(now - 1), ((Status::Fail, vec!["BOOT_EVENT_UNKNOWN"]), Some(true)));
}

#[test]
fn a_rule_by_type_alone_is_a_hole_and_a_bad_rule_beats_a_confirmed_boot() {
    let rule = |answer: &str| json!([{"pcr": 4, "type": "EV_EFI_BOOT_SERVICES_APPLICATION", "answer": answer, "owner": "ops", "why": "test"}]);
    let lax = judged(|file, _| file["boot"]["rules"] = rule("good"));
    assert_eq!(told(&lax), (Status::Pass, vec![]));
    assert!(holes(&lax).contains(&"BOOT_RULE_BY_TYPE"));
    let mut machine = Machine::new();
    let bad = policy(&machine, |file| file["boot"]["rules"] = rule("bad"));
    assert_eq!(told(&machine.judged(&bad, None)), (Status::Fail, vec!["BOOT_EVENT_DENIED"]));
}

#[test]
fn a_condition_on_data_holds_only_where_the_digest_covers_them() {
    let judged = |measured: &[u8]| {
        let mut machine = booted(|log| {
            let data = sbat_level(1);
            log.push(7, AUTHORITY, &data, measured);
        });
        let policy = policy(&Machine::new(), |file| {
            file["boot"]["rules"] = json!([{"pcr": 7, "variable": "SbatLevel", "answer": "good", "owner": "ops", "why": "differs by vendor"}]);
        });
        told(&machine.judged(&policy, None))
    };
    assert_eq!(judged(&sbat_level(1)), (Status::Pass, vec![]));
    let (status, codes) = judged(b"something else");
    assert_eq!((status, codes[0]), (Status::Fail, "BOOT_EVENT_UNKNOWN"));
}

#[test]
fn a_repeated_event_in_a_mixed_pcr_fails() {
    let (machine, digest) = updated();
    let mut log = Log::of(&machine.boot_log);
    let again = log.find(4, APPLICATION, 0).clone();
    log.events.push(again);
    let mut machine = booted(|unaltered| *unaltered = log.clone());
    let policy = policy(&Machine::new(), |file| {
        file["boot"]["expected"] =
            json!([{"pcr": 4, "digests": {BANK.name(): digest}, "what": "loader", "artefact": "grubx64.efi"}]);
    });
    assert_eq!(told(&machine.judged(&policy, None)), (Status::Fail, vec!["BOOT_SEQUENCE"]));
}

#[test]
fn boot_sections_that_could_be_misread_are_refused() {
    let refused = |path: &str, value: Value| {
        let mut file: Value = serde_json::from_slice(&Machine::new().draft().to_bytes()).unwrap();
        *file.pointer_mut("/boot").unwrap().as_object_mut().unwrap().entry(path).or_insert(Value::Null) = value;
        Policy::parse(file.to_string().as_bytes()).unwrap_err()
    };
    let rule = |alter: fn(&mut Value)| {
        let mut rule = json!({"pcr": 7, "type": "EV_EFI_ACTION", "answer": "good", "owner": "ops", "why": "w"});
        alter(&mut rule);
        refused("rules", json!([rule]))
    };
    assert!(matches!(rule(|rule| rule["owner"] = json!(" ")), PolicyError::Missing { section: "boot.rules.owner" }));
    assert!(matches!(rule(|rule| rule["why"] = json!("")), PolicyError::Missing { .. }));
    assert!(matches!(rule(|rule| rule["pcr"] = json!(24)), PolicyError::Pcr { .. }));
    assert!(matches!(rule(|rule| rule["type"] = json!("EV_UNKNOWN")), PolicyError::EventType { .. }));
    assert!(matches!(rule(|rule| drop(rule.as_object_mut().unwrap().remove("type"))), PolicyError::Missing { .. }));
    assert!(matches!(rule(|rule| drop(rule.as_object_mut().unwrap().remove("owner"))), PolicyError::Json { .. }));
    let expected =
        |digests: Value| refused("expected", json!([{"pcr": 4, "digests": digests, "what": "w", "artefact": "a"}]));
    assert!(matches!(expected(json!({})), PolicyError::Missing { .. }));
    assert!(matches!(expected(json!({"sha1": "ab"})), PolicyError::Bank { .. }));
    assert!(matches!(expected(json!({"sha256": "ab"})), PolicyError::Digest { .. }));
    let pending = |pcrs: Value| refused("pending", json!([{"label": "l", "until": 1, "pcrs": pcrs}]));
    assert!(matches!(pending(json!({"x": []})), PolicyError::Pcr { section: "boot.pending.pcrs", .. }));
    assert!(matches!(pending(json!({"4": ["zz"]})), PolicyError::Digest { .. }));
    assert!(matches!(refused("denied", json!([{"digest": "ab", "why": "w"}])), PolicyError::Digest { .. }));
    assert!(matches!(refused("command_line", json!({"denied": ["a b"]})), PolicyError::Word { .. }));
    assert!(matches!(refused("command_line", json!({"required": [""]})), PolicyError::Word { .. }));
}

fn with_rego() -> Verdict {
    let mut machine = Machine::new();
    let policy = policy(&machine, |file| file["rego"] = json!("package avouch"));
    machine.judged(&policy, None).verdict
}

#[test]
fn a_policy_with_a_rule_of_its_own_is_unverifiable_until_the_rule_ran() {
    let verdict = with_rego();
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Unverifiable, "RULES_NOT_RUN"));
    assert!(verdict.awaits_rules());
    let failed = verdict.clone().rules_failed("it cost too much");
    assert_eq!((failed.status, failed.awaits_rules()), (Status::Unverifiable, true));
    let clean = verdict.with_rules(Vec::new());
    assert_eq!((clean.status, clean.code.as_str(), clean.awaits_rules()), (Status::Pass, "", false));
    let json = serde_json::to_string(&clean).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), clean);
}

#[test]
fn a_rule_adds_and_lowers_and_never_removes_or_raises() {
    let finding = |effect| RuleFinding::new("RULE_TEST", effect, "seen", "do").unwrap();
    let noted = with_rego().with_rules(vec![finding(Effect::None)]);
    assert_eq!((noted.status, noted.findings().filter(|f| f.name() == "RULE_TEST").count()), (Status::Pass, 1));
    let failed = with_rego().with_rules(vec![finding(Effect::Fail), finding(Effect::Unverifiable)]);
    assert_eq!((failed.status, failed.code.as_str()), (Status::Fail, "RULE_TEST"));
    // Run again with nothing to say, it stays failed.
    let again = failed.clone().with_rules(Vec::new());
    assert_eq!(again, failed);
    // What failed before stays failed, with its findings, whatever the rule says.
    let mut machine = Machine::new();
    let policy = policy(&machine, |file| file["rego"] = json!("package avouch"));
    machine.ima.push(crate::machine::file("/tmp/evil"));
    let before = machine.judged(&policy, None).verdict;
    let after = before.clone().with_rules(vec![finding(Effect::None)]);
    assert_eq!((before.status, after.status, &after.code), (Status::Fail, Status::Fail, &before.code));
    let names = |verdict: &Verdict| verdict.findings().map(|f| f.name().to_string()).collect::<Vec<_>>();
    let (mut wanted, got) = (names(&before), names(&after));
    wanted.retain(|name| name != "RULES_NOT_RUN");
    wanted.push("RULE_TEST".into());
    assert_eq!(got, wanted);
}

#[test]
fn codes_that_could_be_taken_for_another_are_refused() {
    for bad in ["", "RULE_", "BOOT_EVENT_DENIED", "RULE_x", "RULE_A B", "rule_A", &format!("RULE_{}", "A".repeat(60))] {
        assert!(RuleFinding::new(bad, Effect::Fail, "", "").is_err(), "{bad}");
    }
    let read = serde_json::from_str::<RuleFinding>;
    assert!(read(r#"{"code":"RULE_A","effect":"fail","evidence":"e","remedy":"r"}"#).is_ok());
    assert!(read(r#"{"code":"LOG_MISSING","effect":"fail","evidence":"e","remedy":"r"}"#).is_err());
}
