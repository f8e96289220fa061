//! Who hides, reorders, replays or forges reports.

use avouch_appraise::ClaimName;
use avouch_protocol::{Hash, Message, Report};

use super::scene::{Scene, digest, observed};
use super::{claim, good, reporting, told};
use crate::machine::file;

/// Answers the next challenge with these reports, whatever the PCR holds.
fn claimed(scene: &mut Scene, reports: &[Vec<u8>]) -> Vec<&'static str> {
    let challenge = scene.ask();
    scene.machine.report = reports.last().map_or(Hash::ZERO, |report| digest(report));
    let round = scene.answer(&challenge, reports);
    let appraisal = scene.judge(&round);
    assert_eq!(appraisal.reports, None);
    let codes = told(&appraisal);
    assert_eq!(appraisal.verdict.status.word(), if codes.is_empty() { "pass" } else { "fail" });
    codes
}

/// The same report as if another one had come before it.
fn renumbered(report: &[u8], seq: u64, prev: Hash) -> Vec<u8> {
    let mut report = Report::from_cbor(report).unwrap();
    (report.seq, report.prev) = (seq, prev);
    report.to_cbor()
}

#[test]
fn d12_dropped_report_is_withheld_until_the_next_boot() {
    let mut scene = reporting();
    let first = digest(&scene.reports[0]);
    // What the report tells of is put right, and the next one takes its place.
    scene.report("17");
    scene.report("max");
    let good_one = scene.reports[2].clone();
    assert_eq!(claimed(&mut scene, std::slice::from_ref(&good_one)), ["REPORT_WITHHELD"]);
    assert_eq!(claimed(&mut scene, &[renumbered(&good_one, 2, first)]), ["REPORT_WITHHELD"]);
    assert_eq!(claimed(&mut scene, &[]), ["REPORT_WITHHELD"]);
    // Good reports from now on do not heal it; showing what was made does, and that tells what was to be hidden.
    scene.report("max");
    let later = scene.reports[2..].to_vec();
    assert_eq!(claimed(&mut scene, &later), ["REPORT_WITHHELD"]);
    let mut honest = scene.round("max");
    good(&honest);
    scene.report("17");
    assert_eq!(claimed(&mut scene, &[]), ["REPORT_WITHHELD"]);
    scene.reboot();
    let challenge = scene.ask();
    scene.report("max");
    let mut round = scene.answer(&challenge, &scene.reports.clone());
    round.evidence.report_key = Some(scene.shown(&scene.public, &challenge));
    honest = scene.judge(&round);
    good(&honest);
}

#[test]
fn d12_lost_answer_is_no_excuse() {
    let mut scene = reporting();
    // A bad report is made and sent; its answer is "lost", and the next evidence goes on from before it.
    scene.ask();
    scene.report("17");
    let first = digest(&scene.reports[0]);
    let instead = renumbered(&scene.make(&observed("max"), None), 2, first);
    scene.extend(instead.clone());
    assert_eq!(claimed(&mut scene, &[instead]), ["REPORT_WITHHELD"]);
}

#[test]
fn d12_report_that_only_the_pcr_remembers_is_withheld() {
    let mut scene = reporting();
    // The agent's state is wiped after the extend; a new chain begins from nothing.
    scene.report("17");
    scene.report("max");
    let fresh = renumbered(&scene.reports[2], 1, Hash::ZERO);
    assert_eq!(claimed(&mut scene, &[fresh]), ["REPORT_WITHHELD"]);
}

#[test]
fn reports_in_another_order_are_withheld() {
    let mut scene = reporting();
    scene.report("1");
    scene.report("2");
    let swapped = [scene.reports[2].clone(), scene.reports[1].clone()];
    assert_eq!(claimed(&mut scene, &swapped), ["REPORT_WITHHELD"]);
}

#[test]
fn report_of_another_machine_is_withheld() {
    let mut scene = reporting();
    let mut other = reporting();
    other.report("max");
    other.report("max");
    scene.report("17");
    let foreign = other.reports[1].clone();
    assert_eq!(claimed(&mut scene, std::slice::from_ref(&foreign)), ["REPORT_WITHHELD"]);
    // Beside the true one it is one too many.
    let both = [scene.reports[1].clone(), foreign];
    let challenge = scene.ask();
    scene.machine.report = digest(&both[1]);
    let round = scene.answer(&challenge, &both);
    assert!(told(&scene.judge(&round)).contains(&"REPORT_UNCHAINED"));
}

#[test]
fn report_of_an_earlier_boot_session_is_withheld() {
    let mut scene = reporting();
    let old = scene.reports.clone();
    scene.reboot();
    scene.report("17");
    assert_eq!(claimed(&mut scene, &old), ["REPORT_WITHHELD"]);
}

#[test]
fn d9_agent_that_lies_on_both_sides_was_measured_before_it_could() {
    let mut scene = reporting();
    // The chain of the other agent is perfect, and so is its signature: what is signed is what it says.
    scene.machine.ima.push(file("/usr/bin/avouch-agent-of-somebody"));
    let lying = scene.round("max");
    assert_eq!(told(&lying), ["IMA_UNKNOWN_DIGEST"]);
    assert_eq!(lying.verdict.status.word(), "fail");
    assert_eq!(claim(&lying, ClaimName::Report), Some(avouch_appraise::ClaimResult::Pass));
    assert_eq!(lying.reports.unwrap().observation(), &observed("max"));
}

#[test]
fn d9_report_of_another_key_is_no_report() {
    let mut scene = reporting();
    let challenge = scene.ask();
    scene.report("max");
    let mut round = scene.answer(&challenge, &scene.behind(&challenge));
    let stranger = reporting();
    round.evidence.report_signature = stranger.answer(&challenge, &scene.behind(&challenge)).evidence.report_signature;
    assert_eq!(told(&scene.judge(&round)), ["REPORT_SIGNATURE"]);
}

#[test]
fn a_cap_that_no_quote_could_show_leaves_the_node_unverifiable() {
    for (cap, code, unselected) in [(15, "CAP_NOT_QUOTED", 1 << 15), (13, "CAP_PCR_TAKEN", 0), (4, "CAP_PCR_TAKEN", 0)]
    {
        let mut scene = Scene::new();
        scene.machine.mask &= !unselected;
        scene.round("max");
        good(&scene.round("max"));
        scene.cap = Some(cap);
        let round = scene.round("max");
        assert_eq!((told(&round), round.verdict.status.word()), (vec![code], "unverifiable"), "PCR {cap}");
        scene.cap = Some(14);
        good(&scene.round("max"));
    }
}

#[test]
fn the_cap_holds_until_the_next_boot() {
    let mut scene = reporting();
    scene.cap = Some(15);
    good(&scene.round("max"));
    scene.capped(15);
    for _ in 0..2 {
        let capped = scene.round("max");
        assert_eq!((told(&capped), capped.verdict.status.word()), (vec!["NODE_CAPPED"], "fail"));
    }
    // Taking the cap out of the policy does not lift it.
    scene.cap = None;
    assert_eq!(told(&scene.round("max")), ["NODE_CAPPED"]);
    scene.reboot();
    scene.cap = Some(15);
    let challenge = scene.ask();
    scene.report("max");
    let mut round = scene.answer(&challenge, &scene.reports.clone());
    round.evidence.report_key = Some(scene.shown(&scene.public, &challenge));
    good(&scene.judge(&round));
}

#[test]
fn a_cap_that_no_policy_names_and_a_pcr_with_something_else_explain_nothing() {
    let mut scene = reporting();
    scene.capped(15);
    assert_eq!(told(&scene.round("max")), ["REPORT_WITHHELD"], "nobody asked for a cap in PCR 15");
    let mut scene = reporting();
    scene.cap = Some(15);
    let value = avouch_tpm_wire::Digest::new(crate::machine::BANK, &[7; 32]).unwrap();
    scene.machine.extended.push((15, value));
    assert_eq!(told(&scene.round("max")), ["REPORT_WITHHELD"]);
}
