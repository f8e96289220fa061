//! Power that goes without a word.

use anyhow::{Context, Result, ensure};
use avouch_protocol::Evidence;
use avouch_testkit::{Node, OddKeys, Scene};
use avouch_tpm_wire::Attest;

use super::harness::{finding, passes, rejected};

/// Beyond the interval at which a TPM stores its clock, 2^22 ms in the reference implementation.
const PAST_THE_STORED_CLOCK: u64 = 2 << 22;

#[test]
fn c5_unsafe_clock_after_a_power_cut_passes_with_a_note() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    // An orderly reboot has nothing to tell but itself.
    scene.machine.reboot()?;
    let orderly = scene.node.evidence(&scene.machine)?;
    let before = Attest::parse(&orderly.quote)?.clock;
    passes(&scene, &Node::encode(&orderly))?;
    assert_eq!(session_notes(&scene)?, ["BOOT_SESSION_NEW"]);
    scene.site.next_round();

    scene.machine.power_cut()?;
    let evidence = scene.node.evidence(&scene.machine)?;
    let clock = Attest::parse(&evidence.quote)?.clock;
    ensure!(before.safe && !clock.safe, "the TPM marks its clock after the cut: {before:?}, {clock:?}");
    // A clock that is called safe by somebody else than the TPM.
    let mut quote = evidence.quote.to_vec();
    let place = safe_byte(&quote)?;
    quote[place] = 1;
    let altered = Evidence { quote: quote.into(), ..evidence.clone() };
    ensure!(Attest::parse(&altered.quote)?.clock.safe, "the altered byte is that of the mark");
    rejected(&scene, &Node::encode(&altered), "SIGNATURE")?;

    passes(&scene, &Node::encode(&evidence))?;
    // How much of its clock a TPM loses depends on when it last stored it; a loss that shows is told.
    let mut notes = vec!["BOOT_SESSION_NEW", "CLOCK_UNSAFE"];
    if clock.clock < before.clock {
        notes.insert(1, "SHUTDOWN_NOT_ORDERLY");
    }
    assert_eq!(session_notes(&scene)?, notes);
    let mark = finding(&scene.site, &scene.node, "CLOCK_UNSAFE")?.context("the mark is shown")?;
    assert_eq!((&mark["severity"], &mark["effect"]), (&"note".into(), &"none".into()));

    // It lasts until the TPM has passed every value that it can have shown before.
    scene.site.next_round();
    passes(&scene, &Node::encode(&scene.node.evidence(&scene.machine)?))?;
    assert_eq!(session_notes(&scene)?, ["CLOCK_UNSAFE"]);
    scene.site.next_round();
    // The server's time passes with the TPM's; a clock that runs ahead of it was set.
    scene.site.pass(PAST_THE_STORED_CLOCK / 1_000);
    scene.machine.tpm()?.set_clock(clock.clock + PAST_THE_STORED_CLOCK)?;
    passes(&scene, &Node::encode(&scene.node.evidence(&scene.machine)?))?;
    assert_eq!(session_notes(&scene)?, Vec::<String>::new());
    Ok(())
}

/// Codes of what the last verdict says of the boot session.
fn session_notes(scene: &Scene) -> Result<Vec<String>> {
    let detail = scene.site.node(&scene.node.tag())?.detail.context("a verdict")?;
    let claims = detail["claims"].as_array().context("claims")?;
    let session = claims.iter().find(|claim| claim["name"] == "session").context("the claim")?;
    let findings = session["findings"].as_array().into_iter().flatten();
    Ok(findings.filter_map(|finding| Some(finding["code"].as_str()?.to_owned())).collect())
}

/// Where `safe` stands in a quote: behind magic, type, two sized fields, clock, resetCount and restartCount
/// (TPMS_ATTEST, TPM 2.0 Part 2, 10.12.8).
fn safe_byte(quote: &[u8]) -> Result<usize> {
    let attest = Attest::parse(quote)?;
    Ok(4 + 2 + 2 + attest.qualified_signer.len() + 2 + attest.extra_data.len() + 8 + 4 + 4)
}
