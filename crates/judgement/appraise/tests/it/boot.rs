//! The boot claim: C7, B12-B15, and the rules about references.

use avouch_appraise::{Appraisal, Policy};
use avouch_bootlog::BootLog;
use avouch_protocol::{Hash, Status};
use serde_json::Value;

use crate::machine::{BANK, Machine, codes};

/// The policy of `machine` with its file altered.
fn altered(machine: &Machine, alter: impl Fn(&mut Value)) -> Policy {
    let mut file: Value = serde_json::from_slice(&machine.draft().to_bytes()).unwrap();
    alter(&mut file);
    Policy::parse(file.to_string().as_bytes()).unwrap()
}

fn judge(alter: impl Fn(&mut Value)) -> Appraisal {
    let mut machine = Machine::new();
    let policy = altered(&machine, alter);
    machine.judged(&policy, None)
}

/// The log with one byte of the digest of the last extending event of `pcr` flipped, in the quoted bank.
fn other_event(machine: &Machine, pcr: u32) -> Vec<u8> {
    let log = BootLog::parse(&machine.boot_log).unwrap();
    let event = log.events().iter().rfind(|event| event.pcr == pcr && event.extends()).unwrap();
    let digest = event.digest(BANK).unwrap();
    let rest = &machine.boot_log[event.offset..];
    let at = rest.windows(32).position(|window| window == digest.as_bytes()).unwrap();
    let mut bytes = machine.boot_log.clone();
    bytes[event.offset + at] ^= 1;
    bytes
}

#[test]
fn a_changed_event_in_any_boot_pcr_fails_and_is_named() {
    for pcr in [0, 1, 2, 3, 4, 5, 6, 7, 9] {
        let mut machine = Machine::new();
        let policy = machine.policy();
        machine.boot_log = other_event(&machine, pcr);
        // What the kernel aggregates moves with it.
        let aggregate = machine.aggregate();
        machine.ima[0] = crate::machine::entry("boot_aggregate", &aggregate);
        let appraisal = machine.judged(&policy, None);
        let codes = codes(&appraisal);
        assert_eq!((appraisal.verdict.status, codes.first()), (Status::Fail, Some(&"BOOT_EVENT_UNKNOWN")), "PCR {pcr}");
        // Where the last event is a separator or a variable, its data no longer fit either.
        assert!(
            codes[1..].iter().all(|code| ["BOOT_SEPARATOR", "BOOT_GRAMMAR"].contains(code)),
            "PCR {pcr}: {codes:?}"
        );
        let finding =
            appraisal.verdict.findings().find(|finding| finding.code.as_str() == "BOOT_EVENT_UNKNOWN").unwrap();
        assert_eq!(finding.place.pcr, Some(pcr));
        assert!(finding.place.digest.is_some() && finding.evidence.contains("EV_"), "{}", finding.evidence);
    }
}

#[test]
fn known_events_in_another_order_or_number_fail() {
    let swap = |list: &mut Vec<Value>| list.swap(0, 1);
    let repeat = |list: &mut Vec<Value>| list.push(list[0].clone());
    for alter in [swap as fn(&mut Vec<Value>), repeat] {
        let appraisal = judge(|file| alter(file["boot"]["confirmed"][0]["pcrs"]["7"].as_array_mut().unwrap()));
        assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Fail, vec!["BOOT_SEQUENCE"]));
    }
}

#[test]
fn a_selected_pcr_that_the_reference_leaves_out_fails() {
    let appraisal = judge(|file| {
        file["boot"]["confirmed"][0]["pcrs"].as_object_mut().unwrap().remove("4");
    });
    assert_eq!(appraisal.verdict.status, Status::Fail);
    assert!(codes(&appraisal).iter().all(|code| *code == "BOOT_EVENT_UNKNOWN"));
}

#[test]
fn b15_empty_references_are_unverifiable_and_never_a_pass() {
    let none = judge(|file| file["boot"]["confirmed"] = Value::Array(vec![]));
    assert_eq!((none.verdict.status, codes(&none)), (Status::Unverifiable, vec!["NO_BOOT_REFERENCE"]));
    let empty = judge(|file| {
        for (_, events) in file["boot"]["confirmed"][0]["pcrs"].as_object_mut().unwrap() {
            *events = Value::Array(vec![]);
        }
    });
    assert_eq!((empty.verdict.status, codes(&empty)), (Status::Unverifiable, vec!["NO_BOOT_REFERENCE"]));
    let files = judge(|file| file["ima"]["files"] = serde_json::json!({}));
    assert_eq!((files.verdict.status, codes(&files)), (Status::Unverifiable, vec!["NO_IMA_REFERENCE"]));
    let policies = judge(|file| file["ima"]["policies"] = Value::Array(vec![]));
    assert_ne!(policies.verdict.status, Status::Pass);
}

#[test]
fn a_boot_recorded_on_the_node_itself_approves_nothing() {
    let own = Hash([6; 32]).to_hex();
    let appraisal = judge(|file| file["boot"]["confirmed"][0]["ek"] = own.clone().into());
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Unverifiable, vec!["REFERENCE_FROM_SELF"]));
    // Beside a foreign boot that differs, the own one does not count either.
    let appraisal = judge(|file| {
        let mut foreign = file["boot"]["confirmed"][0].clone();
        file["boot"]["confirmed"][0]["ek"] = own.clone().into();
        foreign["pcrs"]["4"][0] = "ab".repeat(32).into();
        file["boot"]["confirmed"].as_array_mut().unwrap().push(foreign);
    });
    assert_eq!(appraisal.verdict.status, Status::Fail);
}

#[test]
fn c7_the_boot_is_judged_anew_in_every_boot_session() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let first = machine.judged(&policy, None);
    assert_eq!(first.verdict.status, Status::Pass);
    machine.reboot();
    machine.boot_log = other_event(&machine, 4);
    let aggregate = machine.aggregate();
    machine.ima[0] = crate::machine::entry("boot_aggregate", &aggregate);
    let session = first.session.unwrap();
    let second = machine.judged(&policy, Some(&session));
    assert_eq!((second.verdict.status, codes(&second)), (Status::Fail, vec!["BOOT_EVENT_UNKNOWN"]));
    // And stays failed in the next round, which sends no boot log.
    let session = second.session.unwrap();
    let round = machine.round(Some(&policy), Some(&session));
    assert!(round.evidence.boot_log.is_none());
    let third = machine.appraise(&round, Some(&policy), Some(&session));
    assert_eq!((third.verdict.status, codes(&third)), (Status::Fail, vec!["BOOT_EVENT_UNKNOWN"]));
}

#[test]
fn c1_an_honest_reboot_passes_with_a_note() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    machine.reboot();
    machine.clock.safe = false;
    let appraisal = machine.judged(&policy, Some(&session));
    assert_eq!(appraisal.verdict.status, Status::Pass);
    let notes: Vec<_> = appraisal.verdict.findings().map(|finding| finding.code.as_str()).collect();
    assert_eq!(notes, ["BOOT_SESSION_NEW", "CLOCK_UNSAFE"]);
}

#[test]
fn a_new_session_whose_clock_fell_back_is_told_as_a_shutdown_that_was_not_orderly() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    machine.clock.clock = 168_107;
    let session = machine.judged(&policy, None).session.unwrap();
    assert_eq!(session.clock().clock, 169_107);
    // A round of the model takes a second.
    for (clock, told) in [(155_986, true), (169_106, true), (169_107, false), (180_000, false)] {
        machine.reboot();
        machine.clock.clock = clock - 1_000;
        let appraisal = machine.judged(&policy, Some(&session));
        assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Pass, vec![]), "clock {clock}");
        let found = appraisal.verdict.findings().find(|finding| finding.code.as_str() == "SHUTDOWN_NOT_ORDERLY");
        let evidence = found.map(|finding| (finding.claim.as_str(), finding.evidence.clone()));
        let wanted = format!("clock was 169107 ms in the earlier session and is {clock} ms now");
        assert_eq!(evidence, told.then_some(("session", wanted)));
    }
}
