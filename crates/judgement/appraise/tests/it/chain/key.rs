//! The report key: what is taken for one, and when.

use avouch_appraise::{ClaimName, RejectCode};
use avouch_protocol::{CredentialChallenge, Hash, Message, VERSION};
use avouch_tpm_wire::Attributes;
use avouch_tpm_wire::templates::report_key;

use super::scene::{Scene, demanded};
use super::{claim, good, reporting, told};

/// Codes of the round in which this key is shown.
fn shown(scene: &mut Scene, public: &[u8]) -> Vec<&'static str> {
    let challenge = scene.ask();
    let mut round = scene.answer(&challenge, &[]);
    round.evidence.report_key = Some(scene.shown(public, &challenge));
    told(&scene.judge(&round))
}

#[test]
fn a_key_with_other_attributes_is_no_report_key() {
    let good = report_key(&[0; 32]).attributes();
    for (attribute, change) in [
        ("userWithAuth", good | Attributes::USER_WITH_AUTH),
        ("adminWithPolicy", good | Attributes::ADMIN_WITH_POLICY),
        ("restricted", good | Attributes::RESTRICTED),
        ("decrypt", good | Attributes::DECRYPT),
        ("fixedTPM", Attributes(good.0 & !Attributes::FIXED_TPM.0)),
        ("fixedParent", Attributes(good.0 & !Attributes::FIXED_PARENT.0)),
        ("sensitiveDataOrigin", Attributes(good.0 & !Attributes::SENSITIVE_DATA_ORIGIN.0)),
        ("noDA", Attributes(good.0 & !Attributes::NO_DA.0)),
    ] {
        let mut scene = Scene::new();
        let public = scene.key(change, &scene.boot_policy());
        assert_eq!(shown(&mut scene, &public), ["REPORT_KEY_ATTRIBUTES"], "{attribute}");
        assert_eq!(scene.session.unwrap().chain_pcr(crate::machine::BANK, super::CHAINED), None, "{attribute}");
    }
    let mut scene = Scene::new();
    let public = scene.key(good, &[]);
    assert_eq!(shown(&mut scene, &public), ["REPORT_KEY_ATTRIBUTES"], "no policy");
}

#[test]
fn a_key_of_another_boot_state_is_not_taken() {
    let mut scene = Scene::new();
    let mut policy = scene.boot_policy();
    policy[0] ^= 1;
    let public = scene.key(report_key(&policy).attributes(), &policy);
    assert_eq!(shown(&mut scene, &public), ["REPORT_KEY_POLICY"]);
    // The right one is taken at once.
    assert_eq!(told(&scene.round("max")), [] as [&str; 0]);
    good(&scene.round("max"));
}

#[test]
fn a_key_that_was_certified_for_something_else_is_not_taken() {
    let mut scene = Scene::new();
    let other = scene.ask();
    let challenge = scene.ask();
    let key = scene.public.clone();
    let mut round = scene.answer(&challenge, &[]);
    round.evidence.report_key = Some(scene.shown(&key, &other));
    assert_eq!(told(&scene.judge(&round)), ["REPORT_KEY_CERTIFICATION"], "another challenge");
    let challenge = scene.ask();
    let stranger = Scene::new();
    let mut round = scene.answer(&challenge, &[]);
    let mut swapped = scene.shown(&stranger.public, &challenge);
    swapped.public = key.into();
    round.evidence.report_key = Some(swapped);
    assert_eq!(told(&scene.judge(&round)), ["REPORT_KEY_CERTIFICATION"], "another key");
    let challenge = scene.ask();
    let mut round = scene.answer(&challenge, &[]);
    round.evidence.report_key = Some(stranger.shown(&stranger.public, &challenge));
    assert_eq!(told(&scene.judge(&round)), ["REPORT_KEY_CERTIFICATION"], "another TPM");
}

#[test]
fn a_report_needs_a_key_and_a_signature() {
    let mut scene = reporting();
    let challenge = scene.ask();
    scene.report("max");
    let mut round = scene.answer(&challenge, &scene.behind(&challenge));
    round.evidence.report_signature = None;
    let unsigned = scene.judge(&round);
    assert_eq!((told(&unsigned), unsigned.verdict.status.word()), (vec!["REPORT_UNSIGNED"], "unverifiable"));

    // A new boot session in which no key is shown.
    scene.reboot();
    let challenge = scene.ask();
    scene.report("max");
    let mut round = scene.answer(&challenge, &scene.reports.clone());
    round.evidence.report_key = None;
    assert_eq!(told(&scene.judge(&round)), ["REPORT_KEY_MISSING"]);
}

#[test]
fn a_key_counts_only_while_the_boot_is_approved() {
    let mut scene = reporting();
    // Another machine's boot is confirmed, not this one's.
    let draft = scene.machine.draft();
    let draft = avouch_appraise::PolicyDraft::from_bytes(
        String::from_utf8(draft.to_bytes()).unwrap().replace(&confirmed(&scene), &"5a".repeat(32)).as_bytes(),
    )
    .unwrap();
    scene.policy = demanded(&draft.to_bytes());
    let round = scene.round("max");
    assert!(told(&round).contains(&"REPORT_KEY_UNAPPROVED"), "{:?}", told(&round));
    assert_eq!(claim(&round, ClaimName::Report), Some(avouch_appraise::ClaimResult::Unverifiable));
    assert!(round.reports.is_some(), "what the node says is known, and who signed it");
}

/// The digest of some event of the machine's PCR 4.
fn confirmed(scene: &Scene) -> String {
    let log = avouch_bootlog::BootLog::parse(&scene.machine.boot_log).unwrap();
    let event = log.events().iter().rfind(|event| event.pcr == 4).unwrap();
    event.digest(crate::machine::BANK).unwrap().to_string()
}

#[test]
fn a_key_at_enrolment_is_certified_and_of_the_template() {
    let scene = Scene::new();
    let challenge = CredentialChallenge {
        v: VERSION,
        attempt: Hash([1; 32]),
        credential_blob: vec![1].into(),
        encrypted_secret: vec![2].into(),
        further: Vec::new(),
    };
    // The certification is over whatever message is answered.
    let asked = scene.machine.challenge(Hash::ZERO, Default::default());
    let check = |public: &[u8], challenge: &[u8]| {
        let shown = scene.shown(public, &asked);
        scene.machine.keys.check_report_key(&shown, challenge, &scene.machine.client_spki).map_err(|error| error.code)
    };
    assert_eq!(check(&scene.public, &asked.to_cbor()), Ok(()));
    assert_eq!(check(&scene.public, &challenge.to_cbor()), Err(RejectCode::QualifyingData));
    let attributes = report_key(&[0; 32]).attributes() | Attributes::USER_WITH_AUTH;
    let loose = scene.key(attributes, &scene.boot_policy());
    assert_eq!(check(&loose, &asked.to_cbor()), Err(RejectCode::ReportKeyAttributes));
    let cut = &scene.public[..scene.public.len() - 1];
    let shown = scene.shown(&scene.public, &asked);
    let cut = avouch_protocol::ShownReportKey { public: cut.to_vec().into(), ..shown };
    let refused = scene.machine.keys.check_report_key(&cut, &asked.to_cbor(), &scene.machine.client_spki);
    assert_eq!(refused.unwrap_err().code, RejectCode::ReportKeyAttributes);
}
