//! Quotes over other PCRs than the challenge asked for.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use avouch_ima::parse_binary;
use avouch_protocol::{Evidence, Purpose};
use avouch_server::{Pcrs, Pipeline};
use avouch_testkit::{Machine, Node, OddKeys, Scene, Site, node_ima_policy, policy_for};
use avouch_tpm_wire::{HashAlg, PcrSelection, Scheme, SelectionList};

use super::harness::{passes, qualifying, refused, rejected, stored, unverifiable};

/// The honest answer, its quote replaced by one of the node's own key over other PCRs: bound to the same challenge,
/// with an authentic signature.
fn quoted_over(scene: &Scene, honest: &Evidence, selection: SelectionList) -> Result<Vec<u8>> {
    let qualifying = qualifying(&scene.node, honest, Purpose::Quote)?;
    let mut tpm = scene.machine.tpm()?;
    let key = tpm.load_loose(&scene.node.enrolment.ak_blob())?;
    let quote = tpm.quote_loose(&key, selection, Scheme::Null, &qualifying.0);
    tpm.flush(key.handle)?;
    let quote = quote?;
    Ok(Node::encode(&Evidence {
        quote: quote.attest.into(),
        quote_signature: quote.signature.into(),
        ..honest.clone()
    }))
}

fn asked(scene: &Scene) -> Result<PcrSelection> {
    let Pcrs { bank, mask } = scene.site.pcrs();
    Ok(PcrSelection { bank: HashAlg::from_id(bank).context("a known bank")?, mask })
}

#[test]
fn q3_quote_over_a_masquerading_pcr_is_rejected() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    // PCR 23 can be reset by anybody: it is made to hold what PCR 10 of a clean machine holds.
    let mut tpm = scene.machine.tpm()?;
    for entry in parse_binary(&scene.machine.list()?, 0) {
        let entry = entry?;
        let banks = [HashAlg::Sha1, HashAlg::Sha256];
        tpm.pcr_extend(23, &banks.map(|bank| entry.event_digest(bank, &avouch_crypto::Hash)))?;
    }
    let held = tpm.pcr_read(PcrSelection::of(HashAlg::Sha256, &[10, 23]))?;
    ensure!(held[0].1 == held[1].1, "PCR 23 is the double of PCR 10");
    drop(tpm);
    let honest = scene.node.evidence(&scene.machine)?;
    let asked = asked(&scene)?;
    for mask in [1 << 23, asked.mask & !(1 << 10) | 1 << 23, asked.mask & !(1 << 10) | 1 << 16] {
        let altered = quoted_over(&scene, &honest, PcrSelection { mask, ..asked }.into())?;
        rejected(&scene, &altered, "PCR_SELECTION")?;
    }
    let honest_again = quoted_over(&scene, &honest, asked.into())?;
    let copy = scene.site.copy()?;
    assert_eq!(scene.node.at(&copy)?.post(&honest_again)?.told(), (200, "pass", ""));
    passes(&scene, &Node::encode(&honest))
}

#[test]
fn q4_unrequested_pcr_values_have_no_way_in() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    let bytes = Node::encode(&honest);
    let asked = asked(&scene)?;
    for extra in [8u32, 11, 15, 16, 23].into_iter().filter(|pcr| asked.mask >> pcr & 1 == 0) {
        let altered = quoted_over(&scene, &honest, PcrSelection { mask: asked.mask | 1 << extra, ..asked }.into())?;
        rejected(&scene, &altered, "PCR_SELECTION")?;
    }
    // Values beside the quote: the message has no field for them, and an unknown field is refused.
    // A map of fewer than 23 fields has their number in its first byte; key 12 comes after all that are known.
    ensure!((0xA0..0xB6).contains(&bytes[0]));
    let values = [0x0C, 0x58, 0x20].into_iter().chain([0xAA; 32]);
    let with_values: Vec<u8> = [bytes[0] + 1].into_iter().chain(bytes[1..].iter().copied()).chain(values).collect();
    refused(&scene, &with_values, 400, "MALFORMED")?;
    passes(&scene, &bytes)
}

#[test]
fn q6_only_pcrs_that_the_quote_covers_are_used() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    let asked = asked(&scene)?;
    let sha1 = PcrSelection { bank: HashAlg::Sha1, ..asked };
    let both = |first: PcrSelection, second: PcrSelection| {
        let banks = [first, second].map(SelectionList::from).into_iter().flat_map(|list| list.banks).collect();
        SelectionList { banks }
    };
    // The weak bank instead of the asked one, and both, either way round: some verifiers look at one and believe both.
    for selection in [sha1.into(), both(asked, sha1), both(sha1, asked)] {
        rejected(&scene, &quoted_over(&scene, &honest, selection)?, "PCR_SELECTION")?;
    }
    passes(&scene, &Node::encode(&honest))?;

    // A server that asks for no PCR 10 must not believe the list that explains it.
    let without = Pcrs { mask: asked.mask & !(1 << 10), ..scene.site.pcrs() };
    let site = Site::with(&scene.factory, |config| config.pcrs = without, Arc::new(Pipeline))?;
    let machine = Machine::new(&scene.factory, 1)?;
    let policy = policy_for(&machine.boot_log, &machine.list()?, node_ima_policy(), without)?;
    site.apply(&policy.to_bytes())?;
    let node = Node::enrol(&site, &machine, "without PCR 10")?;
    let posted = node.post(&Node::encode(&node.evidence(&machine)?))?;
    assert_eq!(posted.told(), (200, "unverifiable", "PCR_10_NOT_SELECTED"));
    stored(&site, &node, "unverifiable", "PCR_10_NOT_SELECTED")
}

#[test]
fn q6_a_boot_log_that_the_quote_does_not_cover_is_not_believed() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    // The last event's digest is one that no quoted PCR holds.
    let log = avouch_bootlog::BootLog::parse(&scene.machine.boot_log)?;
    let event = log.events().iter().rfind(|event| event.pcr == 4 && event.extends()).context("an event of PCR 4")?;
    let digest = event.digest(HashAlg::Sha256).context("a digest")?;
    let at = scene.machine.boot_log.windows(32).position(|window| window == digest.as_bytes()).context("its place")?;
    let mut altered = honest.clone();
    altered.boot_log.as_mut().context("the first round has the boot log")?[at] ^= 1;
    unverifiable(&scene, &Node::encode(&altered), "LOG_MISMATCH")?;
    passes(&scene, &Node::encode(&honest))
}

#[test]
fn q19_a_pcr_left_out_of_the_quote_is_rejected() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    let asked = asked(&scene)?;
    for mask in [asked.mask & !(1 << 4), asked.mask & !(1 << 7), asked.mask & !(1 << 10), 1 << 10, 0] {
        let altered = quoted_over(&scene, &honest, PcrSelection { mask, ..asked }.into())?;
        rejected(&scene, &altered, "PCR_SELECTION")?;
    }
    passes(&scene, &Node::encode(&honest))
}
