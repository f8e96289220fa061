//! The service itself: whose evidence it takes, what a defect leaves behind, and which server an agent believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use avouch_agent::http::HttpError;
use avouch_agent::{AgentError, Client, Enroller};
use avouch_crypto::tls::agent_config;
use avouch_protocol::{Evidence, Hash};
use avouch_server::{Appraise, Case, Opinion, Pipeline};
use avouch_testkit::{Machine, Node, Scene, Site};

use super::harness::{passes, refused, stored};

#[test]
fn s3_a_node_cannot_submit_for_another() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let (_machine, victim) = scene.neighbour(1)?;
    let asked = victim.challenge()?;
    let before = scene.site.node(&victim.tag())?;
    let honest = scene.node.evidence(&scene.machine)?;

    // The attacker's TPM answers the victim's challenge, over the attacker's own connection.
    let bound: Hash = asked.digest();
    let claimed = Evidence { seq: asked.message().seq, challenge: bound, ..honest.clone() };
    refused(&scene, &Node::encode(&claimed), 409, "CHALLENGE_MISMATCH")?;
    let number = Evidence { seq: asked.message().seq, ..honest.clone() };
    refused(&scene, &Node::encode(&number), 409, "CHALLENGE_MISMATCH")?;
    // No route of nodes names a node, so there is no URL to lie in.
    let path = format!("/v1/nodes/{}/evidence", victim.tag());
    assert_eq!(scene.node.client().post(&path, &Node::encode(&honest))?.status, 404);
    let read = format!("/v1/nodes/{}", victim.tag());
    assert_eq!(scene.site.client(Some(&scene.node.enrolment.identity()?))?.get(&read)?.status, 403);
    // Over the victim's connection, as far as an attacker gets without its key, nothing is taken at all.
    let anonymous = Client::new(&scene.site.address(), agent_config(&scene.site.pins(), None)?);
    assert_eq!(anonymous.post("/v1/evidence", &Node::encode(&honest))?.status, 401);

    assert_eq!(scene.site.node(&victim.tag())?, before);
    assert!(scene.site.records(&victim.tag())?.is_empty());
    passes(&scene, &Node::encode(&honest))?;
    assert_eq!(scene.site.node(&victim.tag())?, before, "the attacker's own pass is not the victim's");
    Ok(())
}

/// The real pipeline, until it is told to fail.
#[derive(Default)]
struct Breaks(AtomicBool);

impl Appraise for Breaks {
    fn appraise(&self, case: &Case<'_>) -> Opinion {
        assert!(!self.0.load(Ordering::SeqCst), "told to break");
        Pipeline.appraise(case)
    }
}

#[test]
fn s5_a_panic_in_appraisal_leaves_nobody_attested() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let evidence = scene.node.evidence(&scene.machine)?;
    let bytes = Node::encode(&evidence);
    let breaks = Arc::new(Breaks::default());
    let copy = scene.site.copy_with(breaks.clone())?;
    let node = scene.node.at(&copy)?;
    assert_eq!(copy.node(&node.tag())?.verdict, "pass");
    breaks.0.store(true, Ordering::SeqCst);
    let posted = node.post(&bytes)?;
    assert_eq!(posted.told(), (200, "unverifiable", "APPRAISAL_PANICKED"));
    stored(&copy, &node, "unverifiable", "APPRAISAL_PANICKED")?;
    // The evidence is kept for whoever looks for the defect, and the same bytes do not get another opinion.
    let path = format!("/v1/nodes/{}/records/2/evidence", node.tag());
    assert_eq!(copy.operator()?.get(&path)?.body, bytes);
    breaks.0.store(false, Ordering::SeqCst);
    assert_eq!(node.post(&bytes)?, posted);
    stored(&copy, &node, "unverifiable", "APPRAISAL_PANICKED")?;
    // The server serves on.
    copy.next_round();
    assert_eq!(node.post(&Node::encode(&node.evidence(&scene.machine)?))?.told(), (200, "pass", ""));
    passes(&scene, &bytes)
}

#[test]
fn s11_an_agent_refuses_a_server_that_is_not_pinned() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let impostor = Site::start(&scene.factory)?;
    let machine = Machine::new(&scene.factory, 1)?;
    let unproven = |error: &AgentError| matches!(error, AgentError::Http(HttpError::Tls { .. }));

    // At first contact: the token pins the CA key, whoever answers at the address.
    let mut token = scene.site.token(1)?;
    token.server_ca_pins = impostor.pins().into_iter().map(Hash).collect();
    let error = Enroller::new(token.clone(), None)?.run(&mut machine.tpm()?).err();
    ensure!(error.as_ref().is_some_and(unproven), "{error:?}");
    let mut redirected = scene.site.token(1)?;
    redirected.origin = impostor.address();
    let error = Enroller::new(redirected, None)?.run(&mut machine.tpm()?).err();
    ensure!(error.as_ref().is_some_and(unproven), "{error:?}");
    // Without a pin, or with plain HTTP, it does not even try.
    token.server_ca_pins.clear();
    ensure!(matches!(Enroller::new(token.clone(), None), Err(AgentError::Token(_))));
    token.server_ca_pins = scene.site.pins().into_iter().map(Hash).collect();
    token.origin = token.origin.replace("https://", "http://");
    ensure!(matches!(Enroller::new(token, None), Err(AgentError::Token(_))));

    // In every round: evidence does not leave for another server.
    let evidence = scene.node.evidence(&scene.machine)?;
    let bytes = Node::encode(&evidence);
    let misled = Client::new(
        &impostor.address(),
        agent_config(&scene.node.enrolment.pins(), Some(&scene.node.enrolment.identity()?))?,
    );
    ensure!(matches!(misled.post("/v1/evidence", &bytes), Err(HttpError::Tls { .. })));
    assert!(impostor.nodes()?.is_empty());
    assert_eq!(scene.site.nodes()?.len(), 1);
    passes(&scene, &bytes)?;
    // The twin of first contact: the same machine, with the token as the operator made it.
    let (_, neighbour) = scene.neighbour(2)?;
    assert_eq!(scene.site.node(&neighbour.tag())?.generation, 1);
    Ok(())
}
