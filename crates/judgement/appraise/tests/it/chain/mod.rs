//! Reports, their chain and their key, from the first round to the next boot.

mod attacks;
mod key;
mod scene;

use avouch_appraise::{Appraisal, ClaimName, ClaimResult, Session};
use avouch_protocol::{Hash, Message, Report};

use crate::machine::{BANK, MASK, Machine, codes};
use scene::{CHAINED, Scene, demanding, observed};

pub(crate) fn claim(appraisal: &Appraisal, name: ClaimName) -> Option<ClaimResult> {
    appraisal.verdict.claims.iter().find(|claim| claim.name == name).map(|claim| claim.result)
}

/// The codes of what was found, but for what the levels make of it.
pub(crate) fn told(appraisal: &Appraisal) -> Vec<&'static str> {
    let levels = |code: &&str| code.starts_with("LEVEL_") || *code == "REPORT_MISSING";
    codes(appraisal).into_iter().filter(|code| !levels(code)).collect()
}

/// A round that passes, the report included.
#[track_caller]
fn good(appraisal: &Appraisal) {
    assert_eq!((told(appraisal), appraisal.verdict.status.word()), (vec![], "pass"));
    assert_eq!(claim(appraisal, ClaimName::Report), Some(ClaimResult::Pass));
}

/// A scene whose first report is proven.
fn reporting() -> Scene {
    let mut scene = Scene::new();
    scene.round("max");
    good(&scene.round("max"));
    scene
}

#[test]
fn an_honest_chain_passes_round_after_round() {
    let mut scene = Scene::new();
    let first = scene.round("max");
    assert_eq!((codes(&first), first.verdict.status.word()), (vec!["REPORT_MISSING"], "unverifiable"));
    assert_eq!((first.reports, scene.reports.len()), (None, 0), "no report is due in the first round");
    let second = scene.round("max");
    good(&second);
    assert_eq!(second.reports.unwrap().observation(), &observed("max"));
    for limit in ["1", "2", "2"] {
        let round = scene.round(limit);
        good(&round);
        assert_eq!(round.reports.unwrap().observation(), &observed(limit));
    }
    let offsets = scene.session.as_ref().unwrap().offsets(&scene.policy.reference());
    assert_eq!(offsets.reports, 4);
    assert_eq!(offsets.report_head, scene::digest(scene.reports.last().unwrap()));
}

#[test]
fn differences_unfold_from_what_is_stored_and_reports_between_rounds_are_seen() {
    let mut scene = reporting();
    let challenge = scene.ask();
    let (event, slot) = (observed("1"), observed("max"));
    scene.extend(scene.make(&event, Some(&observed("max"))));
    scene.extend(scene.make(&slot, Some(&event)));
    let round = scene.answer(&challenge, &scene.behind(&challenge));
    let appraisal = scene.judge(&round);
    good(&appraisal);
    let reports = appraisal.reports.unwrap();
    assert_eq!((reports.observation(), reports.earlier()), (&slot, &[event][..]));

    // A server that lost what it stored cannot tell what the next difference says.
    scene.observation = None;
    let challenge = scene.ask();
    scene.extend(scene.make(&slot, Some(&slot)));
    let round = scene.answer(&challenge, &scene.behind(&challenge));
    assert_eq!(told(&scene.judge(&round)), ["REPORT_BASE_MISSING"]);
    good(&scene.round("max"));
}

#[test]
fn an_agent_without_reports_goes_on_as_before() {
    let mut machine = Machine::new();
    machine.mask = CHAINED;
    let policy = machine.policy();
    let first = machine.judged(&policy, None);
    let session = first.session.unwrap();
    assert_eq!(session.chain_pcr(BANK, CHAINED), None);
    let second = machine.judged(&policy, Some(&session));
    assert_eq!((told(&second), second.verdict.status.word()), (vec![], "pass"));
    assert_eq!((claim(&second, ClaimName::Report), second.reports), (None, None));
}

#[test]
fn a_chain_pcr_is_free_selected_and_the_first_of_its_kind() {
    let scene = reporting();
    let session = scene.session.unwrap();
    assert_eq!(session.chain_pcr(BANK, CHAINED), Some(13));
    assert_eq!(session.chain_pcr(BANK, MASK), None, "a quote that does not show it");
    assert_eq!(session.chain_pcr(avouch_tpm_wire::HashAlg::Sha384, CHAINED), None);
    let mut scene = Scene::new();
    scene.machine.mask = MASK | 1 << 14;
    scene.policy = demanding(&scene.machine);
    scene.round("max");
    assert_eq!(scene.session.unwrap().chain_pcr(BANK, MASK | 1 << 14), Some(14));
    let mut scene = Scene::new();
    scene.machine.mask = MASK;
    scene.policy = demanding(&scene.machine);
    let round = scene.round("max");
    assert_eq!(told(&round), ["CHAIN_PCR_TAKEN"]);
}

#[test]
fn a_lost_answer_is_made_good_by_the_next_round() {
    let mut scene = reporting();
    // The evidence of this round never arrives.
    scene.ask();
    scene.report("1");
    let challenge = scene.ask();
    assert_eq!(challenge.offsets.reports, 1);
    scene.report("2");
    let round = scene.answer(&challenge, &scene.behind(&challenge));
    let appraisal = scene.judge(&round);
    good(&appraisal);
    assert_eq!(appraisal.reports.unwrap().earlier(), [observed("1")]);
}

#[test]
fn a_report_that_was_extended_and_not_sent_is_sent_in_the_next_round() {
    let mut scene = reporting();
    scene.report("1");
    good(&scene.round("max"));
    assert_eq!(scene.reports.len(), 3);
}

#[test]
fn everything_is_owed_after_a_broken_log_and_the_chain_stays_proven() {
    let mut scene = reporting();
    let challenge = scene.ask();
    scene.report("max");
    let mut round = scene.answer(&challenge, &scene.behind(&challenge));
    let ima = round.evidence.ima.as_mut().unwrap();
    (ima.from_count, ima.bytes) = (0, scene.machine.ima[0].clone().into());
    let broken = scene.judge(&round);
    assert_eq!(told(&broken), ["LOG_MISMATCH"]);
    let challenge = scene.ask();
    assert_eq!((challenge.offsets.reset_count, challenge.offsets.reports), (None, 0));
    assert_eq!(challenge.chain_pcr, Some(13));
    scene.report("max");
    // Every report, those before included; or what is left of them.
    for reports in [scene.reports.clone(), scene.reports[1..].to_vec()] {
        let round = scene.answer(&challenge, &reports);
        good(&scene.appraise(&round));
    }
}

#[test]
fn a_reboot_begins_a_new_chain_in_the_same_pcr() {
    let mut scene = reporting();
    scene.reboot();
    let challenge = scene.ask();
    assert_eq!((challenge.chain_pcr, challenge.offsets.reports), (Some(13), 1));
    scene.report("3");
    let mut round = scene.answer(&challenge, &scene.reports.clone());
    round.evidence.report_key = Some(scene.shown(&scene.public, &challenge));
    let appraisal = scene.judge(&round);
    good(&appraisal);
    assert_eq!(appraisal.reports.unwrap().observation(), &observed("3"));
    good(&scene.round("4"));
}

#[test]
fn a_server_that_knows_nothing_of_the_chain_takes_it_up() {
    let mut scene = reporting();
    good(&scene.round("1"));
    // The node is enrolled anew in the same boot session.
    scene.session = None;
    scene.observation = None;
    let challenge = scene.ask();
    assert_eq!(challenge.chain_pcr, None);
    let all = scene.reports.clone();
    let appraisal = {
        let round = scene.answer(&challenge, &all);
        scene.judge(&round)
    };
    assert_eq!((told(&appraisal), appraisal.verdict.status.word()), (vec![], "pass"));
    good(&scene.round("2"));
    // Without its reports nothing explains the quote.
    scene.session = None;
    let challenge = scene.ask();
    let round = scene.answer(&challenge, &[]);
    assert_eq!(told(&scene.judge(&round)), ["LOG_MISMATCH"]);
}

#[test]
fn a_pcr_that_the_boot_extends_is_left_for_the_next_one() {
    let mut machine = Machine::new();
    machine.boot_log = with_event(&machine.boot_log, 13);
    let mut scene = Scene::on(machine);
    scene.round("max");
    assert_eq!(scene.session.as_ref().unwrap().chain_pcr(BANK, CHAINED), Some(14));

    // A kernel update that measures into the chain PCR: told, left, and good again.
    let mut scene = reporting();
    scene.reboot();
    scene.machine.boot_log = with_event(&scene.machine.boot_log, 13);
    scene.policy = demanding(&scene.machine);
    let booted = scene.machine.boot_values()[13].unwrap();
    let challenge = scene.ask();
    let report = scene.make(&observed("max"), None);
    scene.extend(report.clone());
    let value = avouch_tpm_wire::extend(
        &avouch_crypto::Hash,
        &booted,
        &avouch_tpm_wire::Digest::new(BANK, &scene::digest(&report).0).unwrap(),
    );
    scene.machine.extended = vec![(13, value)];
    let mut round = scene.answer(&challenge, &[report]);
    round.evidence.report_key = Some(scene.shown(&scene.public, &challenge));
    assert_eq!(told(&scene.judge(&round)), ["CHAIN_PCR_TAKEN"]);
    let challenge = scene.ask();
    assert_eq!((challenge.chain_pcr, challenge.offsets.reports), (Some(14), 0));
    let mut next = Scene { session: scene.session, pcr: 14, ..Scene::new() };
    next.machine = scene.machine;
    next.policy = demanding(&next.machine);
    let report = next.make(&observed("max"), None);
    next.extend(report);
    let round = next.answer(&challenge, &next.reports.clone());
    assert_eq!(told(&next.judge(&round)), [] as [&str; 0]);
}

/// The log with one more event, of another PCR.
fn with_event(log: &[u8], pcr: u32) -> Vec<u8> {
    let word = |at: usize| u16::from_le_bytes([log[at], log[at + 1]]);
    // TCG PC Client Platform Firmware Profile, "TCG_EfiSpecIdEvent": algorithms from byte 60 of the log on.
    let count = u32::from_le_bytes(log[56..60].try_into().unwrap());
    let mut event = [pcr.to_le_bytes(), 0x0000_000D_u32.to_le_bytes(), count.to_le_bytes()].concat();
    for alg in 0..count as usize {
        let (id, size) = (word(60 + 4 * alg), word(62 + 4 * alg));
        event.extend(id.to_le_bytes());
        event.extend(vec![0x5A; usize::from(size)]);
    }
    event.extend([1, 0, 0, 0, b'x']);
    [log, &event].concat()
}

#[test]
fn a_session_of_the_release_before_is_read_and_has_no_chain() {
    let mut machine = Machine::new();
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    let mut stored = session.to_cbor();
    assert_eq!(stored[1..3], [0, 3], "the version stands first");
    stored[2] = 2;
    assert_eq!(Session::from_cbor(&stored).unwrap(), session);
    stored[2] = 4;
    assert!(Session::from_cbor(&stored).is_err());
}

#[test]
fn a_chained_report_that_cannot_be_read_is_told() {
    let mut scene = reporting();
    let challenge = scene.ask();
    scene.extend(b"no report".to_vec());
    let round = scene.answer(&challenge, &scene.behind(&challenge));
    let appraisal = scene.judge(&round);
    assert_eq!(told(&appraisal).first(), Some(&"REPORT_MALFORMED"));
    assert_eq!((appraisal.verdict.status.word(), appraisal.reports), ("unverifiable", None));
    assert_eq!(scene.session.as_ref().unwrap().offsets(&scene.policy.reference()).reports, 2, "it is chained");
    good(&scene.round("max"));
}

#[test]
fn a_report_in_no_chain_proves_nothing() {
    let mut scene = reporting();
    let challenge = scene.ask();
    let report = scene.make(&observed("1"), None);
    scene.machine.report = scene::digest(&report);
    let round = scene.answer(&challenge, &[report]);
    let appraisal = scene.judge(&round);
    assert_eq!(told(&appraisal).first(), Some(&"REPORT_UNCHAINED"));
    assert_eq!(appraisal.reports, None);
}

#[test]
fn a_report_is_bound_anew_without_being_sent_again() {
    let mut scene = reporting();
    let challenge = scene.ask();
    let newest = scene.reports.last().unwrap().clone();
    let mut round = scene.answer(&challenge, &[newest]);
    round.evidence.reports.clear();
    let appraisal = scene.judge(&round);
    good(&appraisal);
    assert_eq!(appraisal.reports.unwrap().observation(), &observed("max"));
    assert_ne!(Report::from_cbor(&scene.reports[0]).unwrap().seq, 0);
    assert_ne!(scene.machine.report, Hash::ZERO);
}
