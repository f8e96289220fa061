//! The section `observation` of a policy: read with care, and nothing without it.

use avouch_appraise::{ClaimName, ClaimResult, ObservationChange, Policy, PolicyDraft, PolicyError};
use avouch_pairs::{Attribute, Level, attribute};
use avouch_protocol::Status;
use avouch_protocol::intent::IntentFile;
use serde_json::{Value, json};

use crate::machine::Machine;

fn with(section: &Value) -> Result<Policy, PolicyError> {
    let mut file: Value = serde_json::from_slice(&Machine::new().draft().to_bytes()).unwrap();
    file["observation"] = section.clone();
    Policy::parse(&serde_json::to_vec(&file).unwrap())
}

fn whole() -> Value {
    json!({
        "required": ["V4", "V12"], "not_applicable": ["V1", "V2"], "tolerate_inconclusive": true,
        "intent": {
            "v": 1, "name": "web", "created": "2026-11-22", "units": ["nginx.service"],
            "listeners": ["listener:tcp:0.0.0.0:443"], "not_applicable": ["V9"],
            "subjects": { "unit:nginx.service": { "memory.max": "4294967296" } },
        },
        "cap": { "pcr": 15, "on": ["V12.lockdown.*", "KERNEL_VIEWS_DISAGREE"] },
    })
}

#[test]
fn a_section_says_what_is_demanded_and_what_was_intended() {
    let policy = with(&whole()).unwrap();
    assert_eq!(policy.required_levels(), [Level::V4, Level::V12]);
    let intent = policy.intent().unwrap();
    assert_eq!(intent.not_applicable.iter().copied().collect::<Vec<_>>(), [Level::V1, Level::V2, Level::V9]);
    assert!(intent.tolerate_inconclusive && intent.units.contains("nginx.service"));
    let wanted = intent.subjects["unit:nginx.service"].get(&attribute::MEMORY_MAX).unwrap();
    assert_eq!((wanted.as_str(), policy.cap_pcr()), ("4294967296", Some(15)));
    let least = with(&json!({ "required": ["V4"] })).unwrap();
    assert_eq!((least.required_levels(), least.cap_pcr()), (vec![Level::V4], None));
    let without = Machine::new().policy();
    assert_eq!((without.required_levels(), without.intent(), without.cap_pcr()), (vec![], None, None));
}

#[test]
fn a_section_with_a_slip_is_refused() {
    let refused = |change: fn(&mut Value)| {
        let mut section = whole();
        change(&mut section);
        with(&section).unwrap_err()
    };
    for change in [
        (|section: &mut Value| section["x"] = json!(1)) as fn(&mut Value),
        |section| section["cap"]["x"] = json!(1),
        |section| section["intent"]["x"] = json!(1),
        |section| section["required"] = json!("V4"),
        |section| section["cap"]["pcr"] = json!(256),
        |section| drop(section.as_object_mut().unwrap().remove("required")),
    ] {
        assert!(matches!(refused(change), PolicyError::Json { .. }));
    }
    for change in [
        (|section: &mut Value| section["required"] = json!(["V15"])) as fn(&mut Value),
        |section| section["required"] = json!(["v4"]),
        |section| section["required"] = json!(["V4", "V4"]),
        |section| section["not_applicable"] = json!(["V4"]),
        |section| section["not_applicable"] = json!(["V01"]),
        // The intent says that it does not apply, the policy demands it.
        |section| section["required"] = json!(["V9"]),
    ] {
        assert!(matches!(refused(change), PolicyError::Level { .. }));
    }
    for change in [
        (|section: &mut Value| section["intent"]["v"] = json!(2)) as fn(&mut Value),
        |section| section["intent"]["units"] = json!(["nginx"]),
        |section| section["intent"]["subjects"]["unit:a.service"] = json!({ "memory.maximum": "1" }),
    ] {
        assert!(matches!(refused(change), PolicyError::Intent { .. }));
    }
    assert!(matches!(refused(|section| section["required"] = json!([])), PolicyError::Missing { .. }));
    assert!(matches!(refused(|section| section["cap"]["on"] = json!([])), PolicyError::Missing { .. }));
    for pcr in [0, 7, 10, 11, 16, 23, 24] {
        let mut section = whole();
        section["cap"]["pcr"] = json!(pcr);
        assert!(matches!(with(&section), Err(PolicyError::Pcr { .. })), "{pcr}");
    }
    for bad in ["*", "", "a b", "V4.*.x", "V4\n"] {
        let mut section = whole();
        section["cap"]["on"] = json!([bad]);
        assert!(matches!(with(&section), Err(PolicyError::Word { .. })), "{bad:?}");
    }
}

#[test]
fn a_draft_demands_levels_and_keeps_what_it_is_not_told() {
    let intent = |names: &[(&str, Attribute)]| {
        let mut intent = avouch_pairs::Intent::default();
        for (name, attribute) in names {
            intent.subjects.entry((*name).into()).or_default().insert(*attribute, "1".into());
        }
        IntentFile::of("learned", "2026-11-22", &intent)
    };
    let mut draft = Machine::new().draft();
    let before = draft.to_bytes();
    let nothing = ObservationChange { required: Some(Vec::new()), ..ObservationChange::default() };
    assert!(matches!(draft.observe(nothing), Err(PolicyError::Missing { .. })));
    assert_eq!(draft.to_bytes(), before, "a refused change leaves nothing behind");

    let first = ObservationChange {
        intent: Some(intent(&[("unit:a.service", attribute::MEMORY_MAX)])),
        not_applicable: Some(vec![Level::V2, Level::V1, Level::V9]),
        ..ObservationChange::default()
    };
    draft.observe(first).unwrap();
    let policy = Policy::parse(&draft.to_bytes()).unwrap();
    let required: Vec<String> = policy.required_levels().iter().map(Level::to_string).collect();
    assert_eq!(required.join(" "), "V4 V5 V6 V7 V8 V10 V11 V12 V13 V14");
    let text = String::from_utf8(draft.to_bytes()).unwrap();
    assert!(text.find("\"V8\"") < text.find("\"V10\""), "levels stand in their order");

    draft.observe(ObservationChange { required: Some(vec![Level::V4]), ..ObservationChange::default() }).unwrap();
    let policy = Policy::parse(&draft.to_bytes()).unwrap();
    assert_eq!(policy.required_levels(), [Level::V4]);
    assert!(policy.intent().unwrap().subjects.contains_key("unit:a.service"));
    assert_eq!(policy.intent().unwrap().not_applicable.len(), 3);
    assert_eq!(PolicyDraft::from_bytes(&draft.to_bytes()).unwrap().to_bytes(), draft.to_bytes());
}

#[test]
fn a_policy_without_the_section_stays_byte_for_byte_what_it_was() {
    let bytes = Machine::new().draft().to_bytes();
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("observation"));
    assert_eq!(PolicyDraft::from_bytes(&bytes).unwrap().to_bytes(), bytes);
}

#[test]
fn no_report_is_unverifiable_where_levels_are_demanded_and_nothing_elsewhere() {
    let mut machine = Machine::new();
    let plain = machine.judged(&machine.policy(), None).verdict;
    assert_eq!((plain.status, plain.levels.len(), plain.attained_level), (Status::Pass, 0, None));
    assert!(plain.coverage.holes.iter().any(|hole| hole.code == "NO_REPORT"));
    assert!(plain.claims.iter().all(|claim| !matches!(claim.name, ClaimName::Report | ClaimName::Levels)));

    let mut draft = machine.draft();
    draft.observe(ObservationChange { required: Some(vec![Level::V4]), ..ObservationChange::default() }).unwrap();
    let policy = Policy::parse(&draft.to_bytes()).unwrap();
    let verdict = machine.judged(&policy, None).verdict;
    assert_eq!((verdict.status, verdict.code.as_str()), (Status::Unverifiable, "REPORT_MISSING"));
    let result = |name| verdict.claims.iter().find(|claim| claim.name == name).unwrap().result;
    assert_eq!(result(ClaimName::Report), ClaimResult::Unverifiable);
    assert_eq!(result(ClaimName::Levels), ClaimResult::NotJudged);
    assert_eq!(result(ClaimName::Ima), ClaimResult::Pass);
}
