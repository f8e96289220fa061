//! Reboots and suspends: what begins a boot session, and that each one is judged anew.

use anyhow::{Context, Result, ensure};
use avouch_bootlog::BootLog;
use avouch_protocol::Evidence;
use avouch_testkit::{Node, Scene, Snapshot};
use avouch_tpm_wire::StartupType;
use avouch_tpm_wire::command::Shutdown;

use super::harness::{fails, finding, passes, rejected, stored, unverifiable};

/// What a node has measured since its last reset when its agent says nothing of the reset.
fn hiding_the_reset(evidence: &Evidence, proven: u64) -> Evidence {
    let mut hidden = Evidence { time: None, time_signature: None, boot_log: None, ..evidence.clone() };
    if let Some(ima) = &mut hidden.ima {
        ima.from_count = proven;
        ima.bytes = Vec::new().into();
    }
    hidden
}

#[test]
fn c1_hidden_reboot_is_shown_and_judged_anew() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let before = scene.site.node(&scene.node.tag())?.reset_count.context("a boot session")?;
    // Away, into something else, and back: nothing of the system between is left when the agent runs again.
    scene.machine.reboot()?;
    scene.machine.reboot()?;
    let evidence = scene.node.evidence(&scene.machine)?;
    ensure!(evidence.boot_log.is_some() && evidence.time.is_some(), "an honest agent sends everything anew");

    // Every way of keeping quiet about it: the proof of the earlier session counts for nothing.
    let hidden = hiding_the_reset(&evidence, 367);
    unverifiable(&scene, &Node::encode(&hidden), "TIME_MISSING")?;
    let timed =
        Evidence { time: evidence.time.clone(), time_signature: evidence.time_signature.clone(), ..hidden.clone() };
    unverifiable(&scene, &Node::encode(&timed), "LOG_MISSING")?;
    let booted = Evidence { boot_log: evidence.boot_log.clone(), ..timed };
    unverifiable(&scene, &Node::encode(&booted), "LOG_OFFSET")?;
    let restarted = Evidence { ima: evidence.ima.clone(), boot_log: None, ..booted };
    unverifiable(&scene, &Node::encode(&restarted), "LOG_MISSING")?;

    passes(&scene, &Node::encode(&evidence))?;
    // The count tells of both resets, also of the one whose system never answered.
    let shown = finding(&scene.site, &scene.node, "BOOT_SESSION_NEW")?.context("the reboot is shown")?;
    assert_eq!(shown["evidence"], format!("resetCount went from {before} to {}", before + 2));
    assert_eq!((&shown["claim"], &shown["effect"]), (&"session".into(), &"none".into()));
    assert_eq!(scene.site.node(&scene.node.tag())?.reset_count, Some(before + 2));
    // The next round of the session tells it no more.
    scene.site.next_round();
    passes(&scene, &Node::encode(&scene.node.evidence(&scene.machine)?))?;
    ensure!(finding(&scene.site, &scene.node, "BOOT_SESSION_NEW")?.is_none(), "the note is of one round");
    Ok(())
}

#[test]
fn c1_what_ran_in_the_new_session_is_judged_whatever_the_old_one_proved() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let off = Snapshot::of(&mut scene.machine)?;
    scene.machine.reboot()?;
    let tampered = off.boot()?;
    tampered.run("/usr/local/sbin/implant", &[0x1C; 32])?;
    let challenge = scene.node.challenge()?;
    let good = scene.node.answer(&scene.machine, &challenge)?;
    let bad = scene.node.answer(&tampered, &challenge)?;
    let copy = fails(&scene, &Node::encode(&bad), "IMA_UNKNOWN_DIGEST")?;
    ensure!(finding(&copy, &scene.node, "BOOT_SESSION_NEW")?.is_some(), "the reboot is shown");
    let found = finding(&copy, &scene.node, "IMA_UNKNOWN_DIGEST")?.context("the program")?;
    assert_eq!(found["place"]["path"], "/usr/local/sbin/implant");
    passes(&scene, &Node::encode(&good))
}

#[test]
fn c4_reboot_after_a_suspend_passes() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let session = |scene: &Scene| -> Result<serde_json::Value> {
        Ok(scene.site.node(&scene.node.tag())?.detail.context("a verdict")?["session"].clone())
    };
    let first = session(&scene)?;
    // Asleep, and a snapshot of it is kept.
    scene.machine.tpm()?.execute(&Shutdown { shutdown_type: StartupType::State }, &[])?;
    let asleep = Snapshot::of(&mut scene.machine)?;
    scene.machine.swtpm().resume()?;
    scene.machine.suspend()?;
    let resumed = scene.node.evidence(&scene.machine)?;
    ensure!(resumed.boot_log.is_none() && resumed.time.is_none(), "a resume keeps the session and what is proven");
    passes(&scene, &Node::encode(&resumed))?;
    let note = finding(&scene.site, &scene.node, "SESSION_RESUMED")?.context("the suspend is shown")?;
    assert_eq!(note["evidence"], "restartCount went from 0 to 2");
    let second = session(&scene)?;
    assert_eq!((&second["reset_count"], &second["restart_count"]), (&first["reset_count"], &2.into()));
    scene.site.next_round();

    // The same TPM, resumed once where it had been resumed twice: time went back.
    let challenge = scene.node.challenge()?;
    let back = scene.node.answer(&asleep.resume()?, &challenge)?;
    rejected(&scene, &Node::encode(&back), "RESTART_COUNT_BACK")?;

    // After an honest reboot restartCount is back at zero as well, and that is right.
    scene.machine.reboot()?;
    let rebooted = scene.node.answer(&scene.machine, &challenge)?;
    passes(&scene, &Node::encode(&rebooted))?;
    let third = session(&scene)?;
    let before = first["reset_count"].as_u64().context("a count")?;
    assert_eq!((&third["reset_count"], &third["restart_count"]), (&(before + 1).into(), &0.into()));
    ensure!(finding(&scene.site, &scene.node, "BOOT_SESSION_NEW")?.is_some(), "the reboot is shown");
    Ok(())
}

#[test]
fn c7_unapproved_kernel_after_a_pass_fails() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let good_log = scene.machine.boot_log.clone();
    let other_kernel = with_other_kernel(&good_log)?;
    let off = Snapshot::of(&mut scene.machine)?;
    scene.machine.reboot()?;
    let tampered = off.boot_as(|machine| machine.boot_log.clone_from(&other_kernel))?;
    let challenge = scene.node.challenge()?;
    let good = scene.node.answer(&scene.machine, &challenge)?;
    let bad = scene.node.answer(&tampered, &challenge)?;
    assert_eq!(bad.boot_log.as_deref(), Some(&other_kernel));

    let copy = fails(&scene, &Node::encode(&bad), "BOOT_EVENT_UNKNOWN")?;
    let found = finding(&copy, &scene.node, "BOOT_EVENT_UNKNOWN")?.context("the event")?;
    assert_eq!(found["place"]["pcr"], 4);
    // It stays failed in the rounds that send no boot log.
    let node = scene.node.at(&copy)?;
    copy.next_round();
    let next = node.evidence(&tampered)?;
    ensure!(next.boot_log.is_none(), "the boot log is proven");
    assert_eq!(node.post(&Node::encode(&next))?.told(), (200, "fail", "BOOT_EVENT_UNKNOWN"));
    stored(&copy, &node, "fail", "BOOT_EVENT_UNKNOWN")?;

    // Showing the approved log instead explains nothing, showing none even less.
    let lying = Evidence { boot_log: good.boot_log.clone(), ..bad.clone() };
    unverifiable(&scene, &Node::encode(&lying), "LOG_MISMATCH")?;
    let silent = Evidence { boot_log: None, ..bad };
    unverifiable(&scene, &Node::encode(&silent), "LOG_MISSING")?;
    passes(&scene, &Node::encode(&good))
}

/// The boot log of a machine that started another image: the last digest of a boot application in PCR 4 is another.
fn with_other_kernel(boot_log: &[u8]) -> Result<Vec<u8>> {
    let parsed = BootLog::parse(boot_log)?;
    let kernel = parsed
        .events()
        .iter()
        .rfind(|event| event.pcr == 4 && event.event_type.name() == "EV_EFI_BOOT_SERVICES_APPLICATION");
    let kernel = kernel.context("the kernel's event")?;
    let mut altered = boot_log.to_vec();
    for bank in parsed.banks() {
        let digest = kernel.digest(*bank).context("a digest")?;
        let place = boot_log.windows(bank.size()).rposition(|window| window == digest.as_bytes());
        let place = place.context("the digest stands in the log")?;
        altered[place] ^= 0xFF;
    }
    Ok(altered)
}
