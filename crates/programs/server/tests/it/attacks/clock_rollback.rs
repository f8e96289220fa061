//! A TPM whose time went back: restored snapshots of a virtual machine, and quotes from before.

use anyhow::{Context, Result, ensure};
use avouch_protocol::Evidence;
use avouch_testkit::{Machine, Node, OddKeys, Scene, Snapshot};

use super::harness::{finding, passes, rejected};

/// Sets the clock an hour ahead of the last authentic one, as if that hour had passed, so that no other machine of
/// this test gets as far.
fn an_hour_passes(scene: &Scene) -> Result<()> {
    let detail = scene.site.node(&scene.node.tag())?.detail.context("a verdict")?;
    let clock = detail["session"]["clock"].as_u64().context("a clock")?;
    scene.machine.tpm()?.set_clock(clock + 3_600_000)
}

#[test]
fn c2_decreasing_reset_count_is_rejected() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let old = Snapshot::of(&mut scene.machine)?;
    let kept = scene.site.node(&scene.node.tag())?.reset_count.context("a boot session")?;
    for _ in 0..3 {
        scene.machine.reboot()?;
    }
    an_hour_passes(&scene)?;
    passes(&scene, &Node::encode(&scene.node.evidence(&scene.machine)?))?;
    assert_eq!(scene.site.node(&scene.node.tag())?.reset_count, Some(kept + 3));
    scene.site.next_round();

    // The snapshot boots: same TPM, same key, same good logs, a fresh challenge; two resets are missing.
    let challenge = scene.node.challenge()?;
    let mut restored = old.boot()?;
    let back = scene.node.answer(&restored, &challenge)?;
    let copy = rejected(&scene, &Node::encode(&back), "RESET_COUNT_BACK")?;
    // The pass is not extended by it, so it ends by itself.
    let expires = copy.node(&scene.node.tag())?.expires.context("an expiry")?;
    copy.clock.pass(expires + 1 - copy.clock.now());
    assert_eq!(copy.node(&scene.node.tag())?.verdict, "stale");
    restored.reboot()?;
    let nearly = scene.node.answer(&restored, &challenge)?;
    rejected(&scene, &Node::encode(&nearly), "RESET_COUNT_BACK")?;
    // Reset as often as the real one: then its clock tells.
    restored.reboot()?;
    let level = scene.node.answer(&restored, &challenge)?;
    rejected(&scene, &Node::encode(&level), "CLOCK_NOT_ADVANCING")?;
    // Reset once more it is a new boot session, whose logs are owed and judged from their start. What remains of the
    // rollback is the clock, which fell back as it does after a power cut.
    restored.reboot()?;
    let beyond = scene.node.answer(&restored, &challenge)?;
    ensure!(beyond.boot_log.is_some() && beyond.time.is_some(), "everything is owed");
    let copy = scene.site.copy()?;
    assert_eq!(scene.node.at(&copy)?.post(&Node::encode(&beyond))?.told(), (200, "pass", ""));
    ensure!(finding(&copy, &scene.node, "SHUTDOWN_NOT_ORDERLY")?.is_some(), "the clock fell back, and that is told");

    passes(&scene, &Node::encode(&scene.node.answer(&scene.machine, &challenge)?))
}

#[test]
fn c3_clock_that_went_back_within_a_session_is_rejected() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let off = Snapshot::of(&mut scene.machine)?;
    scene.machine.reboot()?;
    an_hour_passes(&scene)?;
    passes(&scene, &Node::encode(&scene.node.evidence(&scene.machine)?))?;
    scene.site.next_round();
    let session = scene.site.node(&scene.node.tag())?.reset_count;

    // The snapshot from before that reboot, booted once as well: the same resetCount, an hour earlier.
    let challenge = scene.node.challenge()?;
    let rolled_back = off.boot()?;
    let back = scene.node.answer(&rolled_back, &challenge)?;
    let copy = rejected(&scene, &Node::encode(&back), "CLOCK_NOT_ADVANCING")?;
    assert_eq!(copy.node(&scene.node.tag())?.reset_count, session, "the same boot session by its number");
    // Also when it shows all that the first round of a session owes.
    let whole = whole_answer(&scene, &rolled_back)?;
    let whole = Evidence { quote: back.quote.clone(), quote_signature: back.quote_signature.clone(), ..whole };
    rejected(&scene, &Node::encode(&whole), "CLOCK_NOT_ADVANCING")?;
    passes(&scene, &Node::encode(&scene.node.answer(&scene.machine, &challenge)?))
}

/// The boot log and the whole list of a machine, in an answer that the node could give.
fn whole_answer(scene: &Scene, machine: &Machine) -> Result<Evidence> {
    let mut evidence = scene.node.evidence(machine)?;
    evidence.boot_log = Some(machine.boot_log.clone().into());
    if let Some(ima) = &mut evidence.ima {
        ima.from_count = 0;
        ima.bytes = machine.list()?.into();
    }
    Ok(evidence)
}

#[test]
fn c3_quote_from_before_is_rejected() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let first = scene.node.evidence(&scene.machine)?;
    passes(&scene, &Node::encode(&first))?;
    scene.site.next_round();
    // Made now, and kept for a time when the machine is in another state.
    let unused = scene.node.evidence(&scene.machine)?;
    scene.site.clock.pass(60);
    let second = scene.node.evidence(&scene.machine)?;
    ensure!(unused.challenge != second.challenge, "the unused challenge ran out");
    for old in [&first, &unused] {
        let altered =
            Evidence { quote: old.quote.clone(), quote_signature: old.quote_signature.clone(), ..second.clone() };
        // A quote is bound to its challenge, so the clock of an older one is not even looked at.
        rejected(&scene, &Node::encode(&altered), "QUALIFYING_DATA")?;
    }
    passes(&scene, &Node::encode(&second))
}

/// Nothing in one quote tells a clone from its original. Both cannot be green in turns: whoever is ahead in resets or
/// clock leaves the other rejected, round after round, until a person looks.
#[test]
fn c6_cloned_tpm_state_cannot_take_turns_with_the_original() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let clone = Snapshot::of(&mut scene.machine)?.boot()?;
    let copy = scene.site.copy()?;
    let member = scene.node.at(&copy)?;
    // The clone has one reset more, so it is believed to be the machine after a power cut.
    let receipt = member.round(&clone)?;
    assert_eq!(receipt.status.word(), "pass");
    for _ in 0..2 {
        copy.next_round();
        let original = member.post(&Node::encode(&member.evidence(&scene.machine)?))?;
        assert_eq!(original.told(), (200, "rejected", "RESET_COUNT_BACK"));
    }
    // Rejected evidence extends nothing: with both at work and the clone silent, the node ends up stale.
    let expires = copy.node(&scene.node.tag())?.expires.context("an expiry")?;
    copy.clock.pass(expires + 1 - copy.clock.now());
    assert_eq!(copy.node(&scene.node.tag())?.verdict, "stale");
    passes(&scene, &Node::encode(&scene.node.evidence(&scene.machine)?))
}
