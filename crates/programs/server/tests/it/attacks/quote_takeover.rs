//! One node in the place of another: at enrolment, and with its evidence.

use std::thread;

use anyhow::{Context, Result, ensure};
use avouch_agent::Enroller;
use avouch_agent::enrol::Requested;
use avouch_protocol::{ActivateRequest, EnrolRequest, EnrolmentToken, Message};
use avouch_testkit::{Machine, Node, Scene};

use super::harness::{passes, refusal, rejected, stored};

const ACTIVATE: &str = "/v1/enroll/activate";

#[test]
fn q11_another_tpm_does_not_take_over_a_node() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let before = scene.site.node(&scene.node.tag())?;
    let thief = Machine::new(&scene.factory, 1)?;
    let enroller = Enroller::new(scene.site.token(2)?, Some("recorded".into()))?;
    let own = enroller.request(&mut thief.tpm()?)?;
    let victim = scene.machine.tpm()?.endorsement_key()?;

    // The node's endorsement key and certificate are no secret; opening a credential for them is.
    let ek = EnrolRequest {
        ek_public: victim.public.clone().into(),
        ek_certificate: victim.certificate.clone().context("a certificate")?.into(),
        ..own.clone()
    };
    let requested = enroller.send(ek)?;
    ensure!(enroller.activation(&mut thief.tpm()?, &requested).is_err(), "another TPM opened the node's credential");
    // Half of it: the certificate of one TPM beside the key of another.
    let certificate = victim.certificate.context("a certificate")?;
    let request = EnrolRequest { ek_certificate: certificate.into(), ..own.clone() };
    let answer = enroller.client().post("/v1/enroll", &request.to_cbor())?;
    assert_eq!((answer.status, refusal(&answer)?.code.as_str()), (403, "EK_CERTIFICATE"));
    // The node's client key: one key stands for one node.
    let identity = scene.node.enrolment.identity()?;
    let request = EnrolRequest { client_spki: identity.key().spki_der().to_vec().into(), ..own };
    let taken = enroller.send(request)?;
    let activation = enroller.activation(&mut thief.tpm()?, &taken)?;
    let answer = enroller.client().post(ACTIVATE, &activation.to_cbor())?;
    assert_eq!(answer.status, 403);
    assert_eq!(scene.site.node(&scene.node.tag())?, before, "nothing of this touched the node");

    // With its own keys it joins: as another node, whatever it calls itself.
    let other = Node::of(enroller.run(&mut thief.tpm()?)?.enrolment, &scene.site)?;
    assert_ne!(other.tag(), scene.node.tag());
    assert_eq!(scene.site.nodes()?.len(), 2);
    passes(&scene, &Node::encode(&scene.node.evidence(&scene.machine)?))
}

/// First steps for one token, and what each would activate with.
fn attempt(token: &EnrolmentToken, machine: &Machine) -> Result<(Enroller, Requested, ActivateRequest)> {
    let enroller = Enroller::new(token.clone(), None)?;
    let requested = enroller.send(enroller.request(&mut machine.tpm()?)?)?;
    let activation = enroller.activation(&mut machine.tpm()?, &requested)?;
    Ok((enroller, requested, activation))
}

/// Sends all activations at the same instant; `(status, code)` of each, the code empty for a success.
fn race(attempts: &[(Enroller, Requested, ActivateRequest)]) -> Result<Vec<(u16, String)>> {
    let start = std::sync::Barrier::new(attempts.len());
    thread::scope(|scope| {
        let running: Vec<_> = attempts
            .iter()
            .map(|(enroller, _, activation)| {
                let start = &start;
                scope.spawn(move || -> Result<(u16, String)> {
                    // The handshake first, so that the requests themselves meet.
                    enroller.client().post("/v1/no-such-route", b"")?;
                    start.wait();
                    let answer = enroller.client().post(ACTIVATE, &activation.to_cbor())?;
                    let code = if answer.status == 200 { String::new() } else { refusal(&answer)?.code };
                    Ok((answer.status, code))
                })
            })
            .collect();
        let mut told = running.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<_>>>()?;
        told.sort();
        Ok(told)
    })
}

#[test]
fn q11_two_tpms_racing_for_one_use_give_one_node() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let token = scene.site.token(1)?;
    let machines = [Machine::new(&scene.factory, 1)?, Machine::new(&scene.factory, 2)?];
    let attempts = [attempt(&token, &machines[0])?, attempt(&token, &machines[1])?];
    assert_eq!(race(&attempts)?, [(200, String::new()), (403, "TOKEN_USED_UP".into())]);
    assert_eq!(scene.site.nodes()?.len(), 2);
    Ok(())
}

#[test]
fn q11_one_tpm_racing_with_itself_stays_one_node() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let machine = Machine::new(&scene.factory, 1)?;
    let token = scene.site.token(4)?;
    let attempts = (0..4).map(|_| attempt(&token, &machine)).collect::<Result<Vec<_>>>()?;
    assert_eq!(race(&attempts)?, vec![(200, String::new()); 4]);
    let nodes = scene.site.nodes()?;
    assert_eq!(nodes.len(), 2);
    let node = nodes.iter().find(|node| node.node != scene.node.tag()).context("the new node")?;
    assert_eq!(node.generation, 4, "every enrolment is a generation of the same node");
    Ok(())
}

#[test]
fn q12a_evidence_for_another_client_key_is_rejected() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let (_machine, neighbour) = scene.neighbour(1)?;
    let challenge = scene.node.challenge()?;
    let honest = scene.node.answer(&scene.machine, &challenge)?;
    // Everything is the node's own but the client key that the quote is bound to.
    let relayed = scene.node.answer_as(&scene.machine, &challenge, &neighbour.enrolment.client_spki()?)?;
    rejected(&scene, &Node::encode(&relayed), "QUALIFYING_DATA")?;

    // The honest bytes over another node's connection, with and without a challenge of its own.
    let bytes = Node::encode(&honest);
    let posted = neighbour.post(&bytes)?;
    assert_eq!(posted.told(), (409, "refused", "NO_CHALLENGE"));
    neighbour.challenge()?;
    let posted = neighbour.post(&bytes)?;
    assert_eq!(posted.told(), (409, "refused", "CHALLENGE_MISMATCH"));
    passes(&scene, &bytes)?;
    // A receipt does not come out over it either.
    assert_eq!(neighbour.post(&bytes)?.told().0, 409);
    Ok(())
}

#[test]
fn q12a_a_replaced_client_key_is_worth_nothing() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let bytes = Node::encode(&scene.node.evidence(&scene.machine)?);
    let copy = scene.site.copy()?;
    assert_eq!(scene.node.at(&copy)?.post(&bytes)?.told(), (200, "pass", ""));
    // The node enrols again: new client key, new attestation key, the same name.
    let site = &scene.site;
    let renewed = Node::enrol(site, &scene.machine, "recorded")?;
    assert_eq!(renewed.tag(), scene.node.tag());
    assert_eq!(site.node(&renewed.tag())?.generation, 2);
    let posted = scene.node.post(&bytes)?;
    assert_eq!(posted.told(), (403, "refused", "CLIENT_KEY_REPLACED"));
    // The challenge that was open speaks of what the earlier keys had proven; it runs out.
    site.clock.pass(60);
    assert_eq!(renewed.round(&scene.machine)?.status.word(), "pass");
    stored(site, &renewed, "pass", "")
}
