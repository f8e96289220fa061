//! What stands in the list beyond the quote.

use anyhow::{Context, Result, ensure};
use avouch_ima::{Body, parse_binary};
use avouch_server::api::NodeView;
use avouch_testkit::{
    Machine, Measurement, Node, Scene, Site, node_boot_log, node_ima_list, node_ima_policy, policy_for,
    skip_without_swtpm,
};
use serde_json::Value;

use super::harness::{passes, stored};
use super::ima_list::known_programs;

fn hole(view: &NodeView, code: &str) -> Option<Value> {
    let detail = view.detail.as_ref()?;
    detail["coverage"]["holes"].as_array()?.iter().find(|hole| hole["code"] == code).cloned()
}

#[test]
fn i3_forged_tail_proves_nothing_and_is_checked_in_the_next_round() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let site = &scene.site;
    let tag = scene.node.tag();
    let honest = Node::encode(&scene.node.evidence(&scene.machine)?);
    let list = scene.machine.list()?;
    // Beyond the quote: an entry that nobody measured, then bytes that are no entry at all.
    let forged = Measurement::file(b"/usr/bin/forged", &[0xF0; 32]).encode();
    for tail in [forged.clone(), [forged.as_slice(), b"\0\x01 no entry"].concat()] {
        scene.machine.show_list(&[list.as_slice(), &tail].concat())?;
        let copy = site.copy()?;
        let node = scene.node.at(&copy)?;
        assert_eq!(node.post(&Node::encode(&node.evidence(&scene.machine)?))?.told(), (200, "pass", ""));
        let view = copy.node(&tag)?;
        let told = hole(&view, "UNPROVEN_TAIL").context("the tail is told")?;
        ensure!(told["what"].as_str().is_some_and(|what| what.starts_with("1 IMA entries")), "{told}");
        assert_eq!(view.detail.context("a verdict")?["session"]["ima_entries"], 367, "it is not counted as proven");
        ensure!(!detail_text(&copy.node(&tag)?).contains("forged"), "nothing of it is reported as having run");

        // The next round looks at it again. Still nobody measured it; then the kernel measures something else.
        copy.next_round();
        let next = node.evidence(&scene.machine)?;
        ensure!(next.ima.as_ref().is_some_and(|ima| ima.from_count == 367 && ima.bytes.to_vec() == tail));
        assert_eq!(node.post(&Node::encode(&next))?.told(), (200, "pass", ""));
        ensure!(hole(&copy.node(&tag)?, "UNPROVEN_TAIL").is_some(), "it is told as long as it stands there");
    }
    // One entry is measured behind the forged one: now the list does not explain the quote any more.
    scene.machine.show_list(&[list.as_slice(), &forged].concat())?;
    let (path, digest) = known_programs(1)?.remove(0);
    scene.machine.run(&path, &digest)?;
    let copy = site.copy()?;
    // The challenge is open since before the entry; its answer is new.
    let node = scene.node.at(&copy)?;
    assert_eq!(
        node.post(&Node::encode(&node.evidence(&scene.machine)?))?.told(),
        (200, "unverifiable", "LOG_MISMATCH")
    );
    stored(&copy, &node, "unverifiable", "LOG_MISMATCH")?;
    passes(&scene, &honest)?;
    ensure!(hole(&site.node(&tag)?, "UNPROVEN_TAIL").is_none(), "the honest list has no tail");
    Ok(())
}

fn detail_text(view: &NodeView) -> String {
    view.detail.as_ref().map(Value::to_string).unwrap_or_default()
}

#[test]
fn i3_true_tail_is_judged_in_the_next_round() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    let copy = scene.site.copy()?;
    // The program runs between the quote and the reading of the list, as on any busy machine.
    scene.machine.run("/usr/local/sbin/implant", &[0x1C; 32])?;
    let mut racing = honest.clone();
    let list = scene.machine.list()?;
    let tail = list.get(node_ima_list().len()..).context("the new entry")?;
    if let Some(ima) = &mut racing.ima {
        ima.bytes = tail.to_vec().into();
    }
    let node = scene.node.at(&copy)?;
    assert_eq!(node.post(&Node::encode(&racing))?.told(), (200, "pass", ""));
    ensure!(hole(&copy.node(&node.tag())?, "UNPROVEN_TAIL").is_some(), "the tail is told");
    copy.next_round();
    assert_eq!(node.post(&Node::encode(&node.evidence(&scene.machine)?))?.told(), (200, "fail", "IMA_UNKNOWN_DIGEST"));
    stored(&copy, &node, "fail", "IMA_UNKNOWN_DIGEST")?;
    passes(&scene, &Node::encode(&honest))
}

#[test]
fn i3_policy_entry_in_a_forged_tail_approves_nothing() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let site = Site::start(&factory)?;
    let list = node_ima_list();
    let good = Machine::new(&factory, 0)?;
    site.apply(&policy_for(node_boot_log(), &good.list()?, node_ima_policy(), site.pcrs())?.to_bytes())?;
    // This machine never loaded its IMA policy; the list that it shows says that it did.
    let early = list.get(..policy_entry(list)?).context("the early boot")?;
    let bad = Machine::with(&factory, 1, node_boot_log(), early)?;
    let whole = good.list()?;
    bad.show_list(&whole)?;

    let node = Node::enrol(&site, &bad, "without policy")?;
    let evidence = node.evidence(&bad)?;
    assert_eq!(evidence.ima.as_ref().map(|ima| ima.bytes.to_vec()), Some(whole));
    assert_eq!(node.post(&Node::encode(&evidence))?.told(), (200, "unverifiable", "IMA_POLICY_MISSING"));
    stored(&site, &node, "unverifiable", "IMA_POLICY_MISSING")?;
    // The same list from a machine that measured it.
    let twin = Node::enrol(&site, &good, "with policy")?;
    let shown = twin.evidence(&good)?;
    assert_eq!(shown.ima, evidence.ima);
    assert_eq!(twin.post(&Node::encode(&shown))?.told(), (200, "pass", ""));
    stored(&site, &twin, "pass", "")
}

/// Where the entry of the IMA policy begins.
fn policy_entry(list: &[u8]) -> Result<usize> {
    for entry in parse_binary(list, 0) {
        let entry = entry?;
        if matches!(entry.body, Body::File { path: b"/etc/ima/ima-policy", .. }) {
            return Ok(entry.offset);
        }
    }
    anyhow::bail!("the recorded list has no policy entry")
}
