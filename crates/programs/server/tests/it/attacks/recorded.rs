//! The machine that all attacks start from.

use std::time::Instant;

use anyhow::Result;
use avouch_testkit::{Machine, Node, Scene, Site, node_ima_policy, policy_for, skip_without_swtpm};

#[test]
fn a_recorded_machine_passes() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let started = Instant::now();
    let site = Site::start(&factory)?;
    let served = started.elapsed();
    let machine = Machine::new(&factory, 0)?;
    let replayed = started.elapsed() - served;
    let policy = policy_for(&machine.boot_log, &machine.list()?, node_ima_policy(), site.pcrs())?;
    site.apply(&policy.to_bytes())?;
    let before = started.elapsed();
    let node = Node::enrol(&site, &machine, "recorded")?;
    let enrolled = started.elapsed() - before;
    let posted = node.post(&Node::encode(&node.evidence(&machine)?))?;
    assert_eq!(posted.told(), (200, "pass", ""));
    let round = started.elapsed() - before - enrolled;
    println!("server {served:?}, TPM and 430 extends {replayed:?}, enrolment {enrolled:?}, first round {round:?}");

    let view = site.node(&node.tag())?;
    assert_eq!((view.verdict.as_str(), view.code.as_str()), ("pass", ""));
    let detail = view.detail.unwrap_or_default();
    assert_eq!(detail["session"]["ima_entries"], 367);
    let holes = detail["coverage"]["holes"].as_array().cloned().unwrap_or_default();
    for hole in ["RELAY", "INTERPRETERS", "MEMORY"] {
        assert!(holes.iter().any(|item| item["code"] == hole), "{hole} is missing in {holes:?}");
    }

    site.next_round();
    let evidence = node.evidence(&machine)?;
    assert!(evidence.boot_log.is_none() && evidence.time.is_none(), "the second round owes no boot log and no time");
    assert!(evidence.ima.as_ref().is_some_and(|ima| ima.from_count == 367 && ima.bytes.is_empty()));
    assert_eq!(node.post(&Node::encode(&evidence))?.told(), (200, "pass", ""));

    machine.run("/tmp/.x/dropper", &[0xD0; 32])?;
    site.next_round();
    assert_eq!(node.post(&Node::encode(&node.evidence(&machine)?))?.told(), (200, "fail", "IMA_UNKNOWN_DIGEST"));
    let view = site.node(&node.tag())?;
    assert_eq!((view.verdict.as_str(), view.code.as_str()), ("fail", "IMA_UNKNOWN_DIGEST"));
    let claims = view.detail.unwrap_or_default()["claims"].clone();
    let findings: Vec<_> =
        claims.as_array().into_iter().flatten().flat_map(|c| c["findings"].as_array()).flatten().collect();
    assert!(
        findings.iter().any(|f| f["code"] == "IMA_UNKNOWN_DIGEST" && f["place"]["path"] == "/tmp/.x/dropper"),
        "{findings:?}"
    );
    Ok(())
}

#[test]
fn a_copy_of_a_site_judges_from_the_same_state_and_keeps_it_to_itself() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let bytes = Node::encode(&scene.node.evidence(&scene.machine)?);
    let copy = scene.site.copy()?;
    assert_eq!(scene.node.at(&copy)?.post(&bytes)?.told(), (200, "pass", ""));
    let tag = scene.node.tag();
    assert_eq!((scene.site.node(&tag)?.head_seq, copy.node(&tag)?.head_seq), (1, 2));
    assert_eq!(scene.node.post(&bytes)?.told(), (200, "pass", ""));
    Ok(())
}
