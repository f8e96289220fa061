//! TPM2_Clear sets the counters to zero, so that a boot session can be counted up to once more.

use anyhow::{Context, Result, ensure};
use avouch_agent::Enroller;
use avouch_crypto::hmac_sha256;
use avouch_protocol::{
    ActivateRequest, EnrolRequest, Evidence, Hash, KeyLost, Message, Purpose, VERSION, enrolment_proof_input,
    qualifying_data,
};
use avouch_testkit::{Machine, Node, OddKeys, Posted, Scene, replay};
use avouch_tpm::{Attested, Error, KeyLost as Lost};
use avouch_tpm_wire::command::Clear;
use avouch_tpm_wire::{Attest, Authorization, ClockInfo, Handle, PcrSelection, Scheme, templates};

use super::harness::{passes, qualifying, refusal, rejected, sha256, stored};

#[test]
fn c11_primary_attestation_key_is_refused_at_enrolment() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let machine = Machine::new(&scene.factory, 1)?;
    let enroller = Enroller::new(scene.site.token(1)?, None)?;
    let honest = enroller.request(&mut machine.tpm()?)?;
    let mut tpm = machine.tpm()?;
    // The template of the attestation key, made as a primary; beside it the public area of the right parent.
    let primary = tpm.create_loose_primary(templates::AK)?;
    let parent = tpm.create_loose_primary(templates::AK_PARENT)?;
    assert_eq!(parent.blob.public, honest.parent_public.to_vec());
    // The first endorsement key is enough: its credential is opened by hand below.
    let request = EnrolRequest { ak_public: primary.blob.public.clone().into(), further_eks: Vec::new(), ..honest };
    let requested = enroller.send(request)?;

    // The TPM holds this key beside its endorsement key, so the credential opens; the certification tells on it.
    let credential = requested.credential.to_cbor();
    let object = (&requested.credential.credential_blob, &requested.credential.encrypted_secret);
    let secret = tpm.activate_loose(&primary, object.0, object.1)?;
    let input = enrolment_proof_input(&sha256(&[&requested.request.to_cbor()]), &sha256(&[&credential]));
    let spki = sha256(&[&requested.request.client_spki]);
    let bound = qualifying_data(sha256, Purpose::Certify, &sha256(&[&credential]), &spki, &Hash::ZERO);
    let certified = tpm.certify_loose(&primary, parent.handle, &bound.0)?;
    tpm.flush(primary.handle)?;
    tpm.flush(parent.handle)?;
    drop(tpm);
    let activation = ActivateRequest {
        v: VERSION,
        attempt: requested.credential.attempt,
        proof: Hash(hmac_sha256(&secret, &[&input])),
        parent_certify: certified.attest.into(),
        parent_certify_signature: certified.signature.into(),
        cloud_certify: None,
        report_key: None,
    };
    let before = scene.site.nodes()?;
    let answer = enroller.client().post("/v1/enroll/activate", &activation.to_cbor())?;
    assert_eq!((answer.status, refusal(&answer)?.code.as_str()), (403, "AK_IS_PRIMARY"));
    assert_eq!(scene.site.nodes()?, before, "no node came of it");

    // The same machine and the same token, with a child key.
    let node = Node::of(enroller.run(&mut machine.tpm()?)?.enrolment, &scene.site)?;
    assert_eq!(node.round(&machine)?.status.word(), "pass");
    stored(&scene.site, &node, "pass", "")
}

#[test]
fn c11_cleared_tpm_that_counts_up_again_forges_nothing() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let challenge = scene.node.challenge()?;
    let genuine = scene.node.answer(&scene.machine, &challenge)?;
    let last = Attest::parse(&genuine.quote)?.clock;
    let good = (scene.machine.boot_log.clone(), scene.machine.list()?);
    let primary = primary_public(&scene.machine)?;
    // Bad software runs. Its traces are in the PCRs until the next reset, and every reset is counted.
    scene.machine.run("/usr/local/sbin/implant", &[0x1C; 32])?;

    clear(&scene.machine)?;
    count_up_to(&mut scene.machine, last, &good)?;
    // The attack is real: a primary key is back, and signs the good state in the old boot session, only later.
    assert_eq!(primary_public(&scene.machine)?, primary);
    let forged = quote_of_primary(&scene, &genuine)?;
    let now = Attest::parse(&forged.attest)?.clock;
    assert_eq!((now.reset_count, now.restart_count), (last.reset_count, last.restart_count));
    ensure!(now.clock > last.clock, "{now:?} follows {last:?}");
    let digests = [&genuine.quote.to_vec(), &forged.attest].map(|quote| quote[quote.len() - 32..].to_vec());
    assert_eq!(digests[0], digests[1], "the PCRs are those of the good state");

    // But the enrolled key was a child, and is gone: nothing else signs for the node.
    let altered = Evidence { quote: forged.attest.into(), quote_signature: forged.signature.into(), ..genuine.clone() };
    rejected(&scene, &Node::encode(&altered), "SIGNATURE")?;
    match scene.machine.tpm()?.load_attestation_key(&scene.node.enrolment.ak_blob()).map(drop) {
        Err(Error::KeyLost(Lost::DoesNotLoad { .. })) => {}
        other => anyhow::bail!("the enrolled key came through TPM2_Clear: {other:?}"),
    }
    // The twin from before the Clear, which the forgery imitates.
    passes(&scene, &Node::encode(&genuine))
}

#[test]
fn c11_lost_key_fails_and_activation_begins_a_new_generation() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let bytes = Node::encode(&scene.node.evidence(&scene.machine)?);
    let twin = scene.site.copy()?;
    let node = scene.node.at(&twin)?;
    clear(&scene.machine)?;
    scene.machine.reboot()?;

    let challenge = scene.node.challenge()?;
    let blob = scene.node.enrolment.ak_blob();
    let lost = scene.machine.tpm()?.load_attestation_key(&blob).map(drop);
    let Err(Error::KeyLost(Lost::DoesNotLoad { rc })) = lost else { anyhow::bail!("the key loads: {lost:?}") };
    let notice = KeyLost { v: VERSION, seq: challenge.message().seq, challenge: challenge.digest(), tpm_rc: rc.0 };
    let told = told(&scene.node, &notice)?;
    assert_eq!(told.told(), (200, "fail", "TPM_CLEARED"));
    stored(&scene.site, &scene.node, "fail", "TPM_CLEARED")?;
    // The evidence from before the Clear comes too late for this challenge, and heals nothing.
    assert_eq!(scene.node.post(&bytes)?.told(), (409, "refused", "CHALLENGE_SPENT"));
    stored(&scene.site, &scene.node, "fail", "TPM_CLEARED")?;
    // Where the notice never came it passes.
    assert_eq!(node.post(&bytes)?.told(), (200, "pass", ""));
    stored(&twin, &node, "pass", "")?;

    // A new key by credential activation: the same node, the next generation, counters from their start.
    scene.site.next_round();
    let renewed = Node::enrol(&scene.site, &scene.machine, "recorded")?;
    assert_eq!(renewed.tag(), scene.node.tag());
    assert_ne!(renewed.enrolment.ak_blob().public, blob.public);
    assert_eq!(renewed.round(&scene.machine)?.status.word(), "pass");
    stored(&scene.site, &renewed, "pass", "")?;
    let view = scene.site.node(&renewed.tag())?;
    assert_eq!((view.generation, view.reset_count), (2, Some(1)));
    // The chain of records goes on; the old generation's client key is worth nothing.
    assert_eq!(view.head_seq, 3);
    assert_eq!(scene.node.post(&bytes)?.told(), (403, "refused", "CLIENT_KEY_REPLACED"));
    Ok(())
}

/// TPM2_Clear, as whoever holds the machine's firmware or its empty lockout password can.
fn clear(machine: &Machine) -> Result<()> {
    machine.tpm()?.execute(&Clear { auth_handle: Handle::PLATFORM }, &[Authorization::EMPTY])?;
    Ok(())
}

/// Resets the TPM until it counts as before, moves its clock past the last authentic one, and replays good logs.
fn count_up_to(machine: &mut Machine, last: ClockInfo, good: &(Vec<u8>, Vec<u8>)) -> Result<()> {
    for _ in 0..last.reset_count {
        machine.swtpm().power_cut()?;
        // swtpm listens before it has started its TPM; an answer means that the reset is counted.
        machine.tpm()?.properties()?;
    }
    let mut tpm = machine.tpm()?;
    tpm.set_clock(last.clock + 60_000)?;
    replay(&mut tpm, &good.0, &good.1)?;
    drop(tpm);
    machine.show_list(&good.1)
}

fn primary_public(machine: &Machine) -> Result<Vec<u8>> {
    let mut tpm = machine.tpm()?;
    let primary = tpm.create_loose_primary(templates::AK)?;
    tpm.flush(primary.handle)?;
    Ok(primary.blob.public)
}

/// The quote that the primary key gives for the challenge that `genuine` answers.
fn quote_of_primary(scene: &Scene, genuine: &Evidence) -> Result<Attested> {
    let pcrs = scene.site.pcrs();
    let bank = avouch_tpm_wire::HashAlg::from_id(pcrs.bank).context("a known bank")?;
    let selection = PcrSelection { bank, mask: pcrs.mask };
    let bound = qualifying(&scene.node, genuine, Purpose::Quote)?;
    let mut tpm = scene.machine.tpm()?;
    let primary = tpm.create_loose_primary(templates::AK)?;
    let quote = tpm.quote_loose(&primary, selection.into(), Scheme::Null, &bound.0)?;
    tpm.flush(primary.handle)?;
    Ok(quote)
}

/// Tells the server that the key is lost.
fn told(node: &Node, notice: &KeyLost) -> Result<Posted> {
    use avouch_protocol::{Receipt, SignedReceipt};
    let answer = node.client().post("/v1/key-lost", &notice.to_cbor())?;
    let outcome = match answer.status {
        200 => Ok(Receipt::from_cbor(&SignedReceipt::from_cbor(&answer.body)?.receipt)?),
        _ => Err(refusal(&answer)?),
    };
    Ok(Posted { status: answer.status, outcome })
}
