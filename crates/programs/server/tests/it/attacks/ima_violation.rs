//! Files that are written while they are measured.

use anyhow::{Context, Result, ensure};
use avouch_protocol::Evidence;
use avouch_testkit::{Machine, Measurement, Node, Scene, Snapshot};

use super::harness::{fails, finding, passes, stored, unverifiable};

/// The evidence with other bytes from its offset on.
fn with_bytes(evidence: &Evidence, bytes: &[u8]) -> Vec<u8> {
    let mut altered = evidence.clone();
    if let Some(ima) = &mut altered.ima {
        ima.bytes = bytes.to_vec().into();
    }
    Node::encode(&altered)
}

fn tail(evidence: &Evidence) -> Result<Vec<u8>> {
    Ok(evidence.ima.as_ref().context("a list came")?.bytes.to_vec())
}

#[test]
fn i5_violation_of_a_program_fails_and_of_a_log_passes_with_a_hole() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let off = Snapshot::of(&mut scene.machine)?;
    scene.machine.reboot()?;
    let challenge = scene.node.challenge()?;
    let violating = |path: &str| -> Result<(Machine, Evidence)> {
        let machine = off.boot()?;
        machine.measure(&Measurement::violation(path.as_bytes()))?;
        let evidence = scene.node.answer(&machine, &challenge)?;
        Ok((machine, evidence))
    };
    // What runs, and what only looks as if it lay under the tolerated directory.
    for path in ["/usr/bin/sudo", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/var/logs/x", "/var/log/../../usr/bin/sudo"] {
        let (_machine, evidence) = violating(path)?;
        let copy = fails(&scene, &Node::encode(&evidence), "IMA_VIOLATION")?;
        let found = finding(&copy, &scene.node, "IMA_VIOLATION")?.context("the violation")?;
        assert_eq!((&found["place"]["path"], &found["severity"]), (&path.into(), &"critical".into()));
    }

    scene.machine.measure(&Measurement::violation(b"/var/log/journal/0123/system.journal"))?;
    let log = scene.node.answer(&scene.machine, &challenge)?;
    passes(&scene, &Node::encode(&log))?;
    let detail = scene.site.node(&scene.node.tag())?.detail.context("a verdict")?;
    let holes = detail["coverage"]["holes"].as_array().context("holes")?;
    let hole = holes.iter().find(|hole| hole["code"] == "VIOLATIONS_TOLERATED").context("the hole is told")?;
    let what = hole["what"].as_str().context("a text")?;
    ensure!(what.starts_with("1 IMA violations") && what.contains("name is not covered by the quote"), "{what}");
    // It stays told in later rounds of the session, which do not send the entry again.
    scene.site.next_round();
    passes(&scene, &Node::encode(&scene.node.evidence(&scene.machine)?))?;
    let detail = scene.site.node(&scene.node.tag())?.detail.context("a verdict")?;
    ensure!(detail["coverage"].to_string().contains("VIOLATIONS_TOLERATED"), "the hole stays");
    Ok(())
}

#[test]
fn i5_violation_cannot_be_taken_for_a_measurement() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = Node::encode(&scene.node.evidence(&scene.machine)?);
    scene.machine.measure(&Measurement::violation(b"/usr/bin/sudo"))?;
    let challenge = scene.node.challenge()?;
    let evidence = scene.node.answer(&scene.machine, &challenge)?;
    fails(&scene, &Node::encode(&evidence), "IMA_VIOLATION")?;

    // As a file of that name with any digest, or not there at all.
    let entry = tail(&evidence)?;
    let measured = Measurement::file(b"/usr/bin/sudo", &[7; 32]).encode();
    for altered in [measured.as_slice(), &[]] {
        unverifiable(&scene, &with_bytes(&evidence, altered), "LOG_MISMATCH")?;
    }
    // The template hash alone marks a violation. With another one the entry is a file of zeros, which is no more what
    // the PCR was extended with.
    let mut unmarked = entry.clone();
    unmarked[4] = 1;
    unverifiable(&scene, &with_bytes(&evidence, &unmarked), "LOG_MISMATCH")?;
    // What no verifier can tell: a violation extends ones, whatever its name. Under the name of a log it is tolerated,
    // and that is what the hole in the coverage says.
    let renamed = Measurement::violation(b"/var/log/x").encode();
    let copy = scene.site.copy()?;
    let node = scene.node.at(&copy)?;
    assert_eq!(node.post(&with_bytes(&evidence, &renamed))?.told(), (200, "pass", ""));
    stored(&copy, &node, "pass", "")?;
    let detail = copy.node(&node.tag())?.detail.context("a verdict")?;
    ensure!(
        detail["coverage"].to_string().contains("VIOLATIONS_TOLERATED"),
        "a pass like this is never without a hole"
    );
    passes(&scene, &honest)
}
