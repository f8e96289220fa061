//! Who hides reports from the server, and who shows it a key that says nothing.

use std::fs;

use anyhow::{Context, Result};
use avouch_agent::Enroller;
use avouch_agent::chain::extend_pcr;
use avouch_agent::enrol::Requested;
use avouch_crypto::sha256;
use avouch_pairs::attribute as a;
use avouch_protocol::{
    ActivateRequest, Certification, Hash, Message, Purpose, Refusal, ShownReportKey, qualifying_data,
};
use avouch_testkit::{LooseKey, Machine, Node, OddKeys, Reports, Scene, Watched, demanding};
use avouch_tpm::{AkBlob, ReportKeyBlob};
use avouch_tpm_wire::templates::{REPORT_KEY_PCRS, report_key};
use avouch_tpm_wire::{Attributes, HashAlg, PublicArea, pcr_policy};
use serde_json::{Value, json};

use crate::rounds::passing;

const WEB: &str = "unit:web.service";
const LIMIT: Option<&str> = Some("67108864");
/// Where the recorded machine's reports are chained.
const CHAIN: u8 = 13;

fn hash(parts: &[&[u8]]) -> Hash {
    Hash(sha256(parts))
}

/// The section of a policy that demands every level that reports speak of.
fn section() -> Value {
    demanding(&json!({}))
}

#[test]
fn d12_report_that_was_extended_and_never_sent_is_withheld_until_the_next_boot() -> Result<()> {
    let Some(mut watched) = passing(&section())? else { return Ok(()) };
    // Whoever made the report, this is all that is left of it.
    extend_pcr(&mut watched.attester.machine.tpm()?, CHAIN, &hash(&[b"a bad report"]))?;
    for _ in 0..2 {
        assert_eq!(watched.told()?, ("fail", "REPORT_WITHHELD".into()));
    }
    let finding = watched.findings()?.into_iter().find(|finding| finding["code"] == "REPORT_WITHHELD");
    assert!(finding.is_some_and(|finding| finding["evidence"].as_str().is_some_and(|text| text.contains("PCR 13"))));
    watched.attester.reboot()?;
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(())
}

#[test]
fn d12_report_dropped_before_it_was_sent_is_found_and_shown_tells_what_was_to_be_hidden() -> Result<()> {
    let Some(mut watched) = passing(&section())? else { return Ok(()) };
    // The limit is lifted, an event tells of it, and both are undone before the round.
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, Some("max"));
    assert!(watched.attester.event()?);
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, LIMIT);
    let dropped = watched.attester.state().path().join("reports/2");
    let bytes = fs::read(&dropped).context("the event's report lies in the spool")?;
    fs::remove_file(&dropped)?;
    assert_eq!(watched.told()?, ("fail", "REPORT_WITHHELD".into()));
    assert_eq!(watched.attester.sent()?.1.len(), 1, "the good one went out alone");
    assert_eq!(watched.told()?, ("fail", "REPORT_WITHHELD".into()));

    fs::write(&dropped, bytes)?;
    assert_eq!(watched.told()?, ("fail", "V4.memory.max.kernel_weaker".into()));
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(())
}

#[test]
fn d12_agent_that_forgot_its_reports_is_told_of_them() -> Result<()> {
    let Some(mut watched) = passing(&section())? else { return Ok(()) };
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, Some("max"));
    assert!(watched.attester.event()?);
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, LIMIT);
    // The whole spool goes: the agent takes over the server's count, and the TPM's is another.
    fs::remove_dir_all(watched.attester.state().path().join("reports"))?;
    assert_eq!(watched.told()?, ("fail", "REPORT_WITHHELD".into()));
    // Without the bad report between, a lost spool harms nothing.
    watched.attester.reboot()?;
    assert_eq!(watched.told()?, ("pass", String::new()));
    fs::remove_dir_all(watched.attester.state().path().join("reports"))?;
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(())
}

/// The attestation key of a request, loaded beside a key that somebody made; both as the test may use them.
fn attestation_key(requested: &Requested) -> AkBlob {
    let request = &requested.request;
    AkBlob {
        public: request.ak_public.to_vec(),
        private: request.ak_private.to_vec(),
        parent_public: request.parent_public.to_vec(),
    }
}

/// A key of these attributes and this policy, certified by `certifier` for this message.
fn shown(
    machine: &Machine,
    certifier: &AkBlob,
    template: PublicArea<'_>,
    qualifying: &Hash,
) -> Result<(LooseKey, ShownReportKey)> {
    let mut tpm = machine.tpm()?;
    let key = tpm.create_loose(template)?;
    let ak = tpm.load_loose(certifier)?;
    let certified = tpm.certify_loose(&ak, key.handle, &qualifying.0)?;
    tpm.flush(ak.handle)?;
    tpm.flush(key.handle)?;
    let certification = Certification { attest: certified.attest.into(), signature: certified.signature.into() };
    let public = key.blob.public.clone().into();
    Ok((key, ShownReportKey { public, certification }))
}

/// The template with these attributes and this policy.
fn altered(attributes: Attributes, policy: &[u8]) -> Result<PublicArea<'_>> {
    Ok(PublicArea::new(HashAlg::Sha256, attributes, policy, *report_key(&[0; 32]).key())?)
}

/// The policy of the boot state that the machine is in.
fn boot_policy(machine: &Machine) -> Result<[u8; 32]> {
    let values: Vec<_> = machine.tpm()?.pcr_read(REPORT_KEY_PCRS)?.into_iter().map(|(_, value)| value).collect();
    let policy = pcr_policy(&avouch_crypto::Hash, HashAlg::Sha256, REPORT_KEY_PCRS, &values);
    Ok(policy.as_bytes().try_into()?)
}

#[test]
fn report_key_that_signs_with_a_password_is_refused_at_enrolment() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let machine = Machine::new(&scene.factory, 1)?;
    let policy = boot_policy(&machine)?;
    let good = report_key(&policy);
    let attributes = good.attributes();
    let movable = Attributes(attributes.0 & !(Attributes::FIXED_TPM | Attributes::FIXED_PARENT).0);
    for (what, template, code) in [
        ("userWithAuth", altered(attributes | Attributes::USER_WITH_AUTH, &policy)?, Some("REPORT_KEY_ATTRIBUTES")),
        ("no policy", altered(attributes | Attributes::USER_WITH_AUTH, &[])?, Some("REPORT_KEY_ATTRIBUTES")),
        ("restricted", altered(attributes | Attributes::RESTRICTED, &policy)?, Some("REPORT_KEY_ATTRIBUTES")),
        ("may leave", altered(movable, &policy)?, Some("REPORT_KEY_ATTRIBUTES")),
        ("the template's", good, None),
    ] {
        let enroller = Enroller::new(scene.site.token(1)?, None)?;
        let requested = enroller.send(enroller.request(&mut machine.tpm()?)?)?;
        let qualifying = certifying(&requested);
        let (_, shown) = shown(&machine, &attestation_key(&requested), template, &qualifying).context(what)?;
        let told = activated(&scene, &machine, &enroller, &requested, shown)?;
        assert_eq!(told.as_deref(), code, "{what}");
        assert_eq!(scene.site.nodes()?.len(), if code.is_some() { 1 } else { 2 }, "{what}");
    }
    Ok(())
}

#[test]
fn report_key_that_the_attestation_key_did_not_certify_for_this_enrolment_is_refused() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let machine = Machine::new(&scene.factory, 1)?;
    let policy = boot_policy(&machine)?;
    let enrol = |alter: &dyn Fn(&Requested, ShownReportKey) -> Result<ShownReportKey>| -> Result<Option<String>> {
        let enroller = Enroller::new(scene.site.token(1)?, None)?;
        let requested = enroller.send(enroller.request(&mut machine.tpm()?)?)?;
        let (ak, qualifying) = (attestation_key(&requested), certifying(&requested));
        let (_, honest) = shown(&machine, &ak, report_key(&policy), &qualifying)?;
        activated(&scene, &machine, &enroller, &requested, alter(&requested, honest)?)
    };
    let other_message = |requested: &Requested, _: ShownReportKey| -> Result<ShownReportKey> {
        Ok(shown(&machine, &attestation_key(requested), report_key(&policy), &hash(&[b"of another attempt"]))?.1)
    };
    assert_eq!(enrol(&other_message)?.as_deref(), Some("QUALIFYING_DATA"));
    let other_key = |requested: &Requested, honest: ShownReportKey| -> Result<ShownReportKey> {
        let ak = attestation_key(requested);
        let (_, swapped) = shown(&machine, &ak, report_key(&policy), &certifying(requested))?;
        Ok(ShownReportKey { public: swapped.public, ..honest })
    };
    assert_eq!(enrol(&other_key)?.as_deref(), Some("CERTIFIED_NAME"));
    let other_certifier = |requested: &Requested, _: ShownReportKey| -> Result<ShownReportKey> {
        let ak = machine.tpm()?.create_attestation_key()?;
        Ok(shown(&machine, &ak, report_key(&policy), &certifying(requested))?.1)
    };
    assert_eq!(enrol(&other_certifier)?.as_deref(), Some("SIGNATURE"));
    let cut = |_: &Requested, honest: ShownReportKey| -> Result<ShownReportKey> {
        Ok(ShownReportKey { public: honest.public[..honest.public.len() - 1].to_vec().into(), ..honest })
    };
    assert_eq!(enrol(&cut)?.as_deref(), Some("REPORT_KEY_ATTRIBUTES"));
    assert_eq!(enrol(&|_, honest| Ok(honest))?, None);
    Ok(())
}

#[test]
fn report_key_of_another_boot_state_or_with_a_password_is_found_with_the_evidence() -> Result<()> {
    for (what, password, status, code) in [
        ("another boot state", false, "unverifiable", "REPORT_KEY_POLICY"),
        ("userWithAuth", true, "fail", "REPORT_KEY_ATTRIBUTES"),
    ] {
        let Some(watched) = Watched::open(Some(&section()))? else { return Ok(()) };
        let (machine, enrolment) = (&watched.attester.machine, watched.attester.enrolment()?);
        let policy = if password { boot_policy(machine)? } else { [0x5a; 32] };
        let added = if password { Attributes::USER_WITH_AUTH } else { Attributes::NONE };
        let template = altered(report_key(&policy).attributes() | added, &policy)?;
        let (key, _) = shown(machine, &enrolment.ak_blob(), template, &Hash::ZERO)?;
        let AkBlob { public, private, .. } = key.blob;
        let mut reports = Reports::default();
        reports.key.replace(ReportKeyBlob { public, private });
        let node = Node::of(enrolment, &watched.site)?;
        let evidence = node.answer_chained(machine, &node.challenge()?, &mut reports)?;
        assert!(evidence.report_key.is_some());
        assert_eq!(node.post(&Node::encode(&evidence))?.told(), (200, status, code), "{what}");
        watched.site.next_round();
        assert_eq!(node.challenge()?.message().chain_pcr, None, "{what}: no chain begins with it");
    }
    Ok(())
}

/// What everything that is certified in this enrolment must be bound to.
fn certifying(requested: &Requested) -> Hash {
    let credential = hash(&[&requested.credential.to_cbor()]);
    let spki = hash(&[&requested.request.client_spki]);
    qualifying_data(hash, Purpose::Certify, &credential, &spki, &Hash::ZERO)
}

/// The code with which the server refuses the activation that shows this key; `None` where it takes it.
fn activated(
    scene: &Scene,
    machine: &Machine,
    enroller: &Enroller,
    requested: &Requested,
    shown: ShownReportKey,
) -> Result<Option<String>> {
    let activation = enroller.activation(&mut machine.tpm()?, requested)?;
    let activation = ActivateRequest { report_key: Some(shown), ..activation };
    let before = scene.site.nodes()?;
    let answer = enroller.client().post("/v1/enroll/activate", &activation.to_cbor())?;
    if answer.status == 200 {
        return Ok(None);
    }
    assert_eq!((answer.status, scene.site.nodes()?), (403, before), "nothing came of it");
    Ok(Some(Refusal::from_cbor(&answer.body)?.code))
}
