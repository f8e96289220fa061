//! Logs that are owed and do not come.

use anyhow::{Context, Result};
use avouch_protocol::{Evidence, ImaFormat, ImaSegment};
use avouch_testkit::{Node, Scene};

use super::harness::{passes, stored, unverifiable};

#[test]
fn q20_an_owed_log_left_out_is_unverifiable() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let whole = scene.node.evidence(&scene.machine)?;
    let empty = ImaSegment { format: ImaFormat::Binary, from_count: 0, bytes: Vec::new().into() };
    let cases = [
        (Evidence { ima: None, ..whole.clone() }, "LOG_MISSING"),
        (Evidence { boot_log: None, ..whole.clone() }, "LOG_MISSING"),
        (Evidence { boot_log: None, ima: None, ..whole.clone() }, "LOG_MISSING"),
        (Evidence { time: None, time_signature: None, ..whole.clone() }, "TIME_MISSING"),
        (Evidence { ima: Some(empty), ..whole.clone() }, "LOG_MISMATCH"),
        (Evidence { boot_log: Some(Vec::new().into()), ..whole.clone() }, "BOOT_LOG_MALFORMED"),
    ];
    for (altered, code) in cases {
        unverifiable(&scene, &Node::encode(&altered), code)?;
    }
    passes(&scene, &Node::encode(&whole))
}

#[test]
fn q20_an_owed_tail_left_out_ends_the_pass_at_once() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let list = scene.machine.list()?;
    let entry = avouch_ima::parse_binary(&list, 0).nth(20).context("a recorded entry")??;
    let again = list.get(entry.offset..entry.end_offset).context("its bytes")?.to_vec();
    scene.machine.append_unmeasured(&again)?;
    avouch_testkit::replay_ima_list(&mut scene.machine.tpm()?, &again)?;
    let whole = scene.node.evidence(&scene.machine)?;
    let tail = whole.ima.clone().context("a tail is owed")?;
    assert_eq!((tail.from_count, tail.bytes.to_vec()), (367, again));

    assert_eq!(scene.site.node(&scene.node.tag())?.verdict, "pass");
    let withheld = Evidence { ima: Some(ImaSegment { bytes: Vec::new().into(), ..tail.clone() }), ..whole.clone() };
    unverifiable(&scene, &Node::encode(&withheld), "LOG_MISMATCH")?;
    unverifiable(&scene, &Node::encode(&Evidence { ima: None, ..whole.clone() }), "LOG_MISSING")?;
    let elsewhere = Evidence { ima: Some(ImaSegment { from_count: 366, ..tail }), ..whole.clone() };
    let copy = unverifiable(&scene, &Node::encode(&elsewhere), "LOG_OFFSET")?;
    // What was withheld once is owed from the start, and heals when it comes.
    copy.next_round();
    let node = scene.node.at(&copy)?;
    assert_eq!(node.post(&Node::encode(&node.evidence(&scene.machine)?))?.told(), (200, "pass", ""));
    stored(&copy, &node, "pass", "")?;
    passes(&scene, &Node::encode(&whole))
}
