//! An IMA list that is not the one that the kernel wrote.

use anyhow::{Context, Result, ensure};
use avouch_ima::{Body, parse_binary};
use avouch_protocol::{Evidence, ImaSegment};
use avouch_testkit::{Measurement, Node, Scene, node_ima_list};

use super::harness::{fails, finding, passes, unverifiable};

/// The entries of a binary list, each as its bytes.
fn entries(list: &[u8]) -> Result<Vec<Vec<u8>>> {
    parse_binary(list, 0)
        .map(|entry| {
            let entry = entry?;
            Ok(list.get(entry.offset..entry.end_offset).context("an entry's bytes")?.to_vec())
        })
        .collect()
}

/// Programs of the recorded machine, which the policy knows.
pub(super) fn known_programs(count: usize) -> Result<Vec<(String, [u8; 32])>> {
    let mut found = Vec::new();
    for entry in parse_binary(node_ima_list(), 0) {
        if let Body::File { digest, path, .. } = entry?.body
            && path.starts_with(b"/usr/bin/")
        {
            found.push((String::from_utf8(path.to_vec())?, digest.try_into()?));
        }
    }
    ensure!(found.len() >= count, "{} programs in the recorded list", found.len());
    found.truncate(count);
    Ok(found)
}

/// The same evidence with another list from `from_count` on.
fn with_list(evidence: &Evidence, from_count: u64, list: &[Vec<u8>]) -> Vec<u8> {
    let ima = evidence.ima.as_ref().map(|ima| ImaSegment { from_count, bytes: list.concat().into(), ..ima.clone() });
    Node::encode(&Evidence { ima, ..evidence.clone() })
}

fn segment(evidence: &Evidence) -> Result<(u64, Vec<Vec<u8>>)> {
    let ima = evidence.ima.as_ref().context("a list came")?;
    Ok((ima.from_count, entries(&ima.bytes)?))
}

#[test]
fn i1_deleted_edited_or_reordered_entry_ends_the_pass() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let programs = known_programs(4)?;
    for (path, digest) in &programs {
        scene.machine.run(path, digest)?;
    }
    let evidence = scene.node.evidence(&scene.machine)?;
    let (from, list) = segment(&evidence)?;
    assert_eq!((from, list.len()), (367, 4));

    let mut altered = Vec::new();
    for place in 0..list.len() {
        let mut deleted = list.clone();
        deleted.remove(place);
        altered.push(("deleted", deleted));
        // One bit of the digest, and one character of the path.
        let (path, digest) = &programs[place];
        let mut other = *digest;
        other[31] ^= 1;
        for edited in [Measurement::file(path.as_bytes(), &other), Measurement::file(&path.as_bytes()[1..], digest)] {
            let mut list = list.clone();
            list[place] = edited.encode();
            altered.push(("edited", list));
        }
    }
    for place in 1..list.len() {
        let mut reordered = list.clone();
        reordered.swap(place - 1, place);
        altered.push(("reordered", reordered));
    }
    let mut twice = list.clone();
    twice.insert(1, list[0].clone());
    altered.push(("doubled", twice));
    let mut inserted = list.clone();
    inserted.insert(2, Measurement::file(b"/usr/bin/true", &[7; 32]).encode());
    altered.push(("inserted", inserted));
    for (how, list) in &altered {
        unverifiable(&scene, &with_list(&evidence, from, list), "LOG_MISMATCH").with_context(|| (*how).to_owned())?;
    }

    // The template hash in the list is recomputed and never believed: another one changes nothing, a zero one says
    // that this was a violation, and it was none.
    let mut other_hash = list.clone();
    other_hash[1][4] ^= 1;
    let copy = scene.site.copy()?;
    assert_eq!(scene.node.at(&copy)?.post(&with_list(&evidence, from, &other_hash))?.told(), (200, "pass", ""));
    let mut zero_hash = list.clone();
    zero_hash[1][4..24].fill(0);
    unverifiable(&scene, &with_list(&evidence, from, &zero_hash), "LOG_MISMATCH")?;
    passes(&scene, &Node::encode(&evidence))
}

#[test]
fn i1_bad_entry_cannot_be_taken_out_of_the_whole_list() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    let implant = ("/usr/local/sbin/implant", [0x1C; 32]);
    scene.machine.reboot()?;
    let good = scene.node.evidence(&scene.machine)?;
    scene.machine.run(implant.0, &implant.1)?;
    let challenge = scene.node.challenge()?;
    let bad = scene.node.answer(&scene.machine, &challenge)?;
    let (from, list) = segment(&bad)?;
    assert_eq!((from, list.len()), (0, 368));
    fails(&scene, &Node::encode(&bad), "IMA_UNKNOWN_DIGEST")?;

    let without = list[..367].to_vec();
    unverifiable(&scene, &with_list(&bad, 0, &without), "LOG_MISMATCH")?;
    // In its place a program that the policy knows.
    let (path, digest) = known_programs(1)?.remove(0);
    let disguised = [without, vec![Measurement::file(path.as_bytes(), &digest).encode()]].concat();
    unverifiable(&scene, &with_list(&bad, 0, &disguised), "LOG_MISMATCH")?;
    passes(&scene, &Node::encode(&good))
}

#[test]
fn i2_list_cut_at_its_head_ends_the_pass() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    for (path, digest) in known_programs(3)? {
        scene.machine.run(&path, &digest)?;
    }
    // In a session of which 367 entries are proven: a segment begins there, or at the first entry.
    let evidence = scene.node.evidence(&scene.machine)?;
    let (from, list) = segment(&evidence)?;
    assert_eq!((from, list.len()), (367, 3));
    for (from, cut, code) in [
        (368, 1, "LOG_OFFSET"),
        (370, 3, "LOG_OFFSET"),
        (u64::MAX, 0, "LOG_OFFSET"),
        (366, 0, "LOG_OFFSET"),
        (1, 0, "LOG_OFFSET"),
        (367, 1, "LOG_MISMATCH"),
        (367, 3, "LOG_MISMATCH"),
        (0, 0, "LOG_MISMATCH"),
    ] {
        unverifiable(&scene, &with_list(&evidence, from, &list[cut..]), code)?;
    }
    // The whole list from its first entry is as good as the rest of it.
    let whole = entries(&scene.machine.list()?)?;
    let copy = scene.site.copy()?;
    assert_eq!(scene.node.at(&copy)?.post(&with_list(&evidence, 0, &whole))?.told(), (200, "pass", ""));
    passes(&scene, &Node::encode(&evidence))?;

    // In a new session everything is owed, from the boot_aggregate on.
    scene.machine.reboot()?;
    scene.site.next_round();
    let evidence = scene.node.evidence(&scene.machine)?;
    let (from, list) = segment(&evidence)?;
    assert_eq!((from, list.len()), (0, 367));
    for (from, cut, code) in
        [(0, 1, "LOG_MISMATCH"), (0, 200, "LOG_MISMATCH"), (1, 1, "LOG_OFFSET"), (370, 367, "LOG_OFFSET")]
    {
        unverifiable(&scene, &with_list(&evidence, from, &list[cut..]), code)?;
    }
    passes(&scene, &Node::encode(&evidence))
}

#[test]
fn i4_agent_that_stalls_before_a_bad_entry_ends_the_pass() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let stalled = scene.node.evidence(&scene.machine)?;
    scene.machine.run("/usr/local/sbin/implant", &[0x1C; 32])?;
    let challenge = scene.node.challenge()?;
    let bad = scene.node.answer(&scene.machine, &challenge)?;
    let (from, list) = segment(&bad)?;
    assert_eq!((from, list.len()), (367, 1));

    // "Nothing new": the quote knows better.
    let copy = unverifiable(&scene, &with_list(&bad, 367, &[]), "LOG_MISMATCH")?;
    // In the next round everything is owed again, and the same silence comes to the same.
    let node = scene.node.at(&copy)?;
    copy.next_round();
    let again = node.evidence(&scene.machine)?;
    let (from, whole) = segment(&again)?;
    assert_eq!((from, whole.len()), (0, 368));
    assert_eq!(node.post(&with_list(&again, 0, &whole[..367]))?.told(), (200, "unverifiable", "LOG_MISMATCH"));
    copy.next_round();
    assert_eq!(node.post(&Node::encode(&node.evidence(&scene.machine)?))?.told(), (200, "fail", "IMA_UNKNOWN_DIGEST"));

    // An entry that is cut in its middle is none.
    let half = vec![list[0][..list[0].len() / 2].to_vec()];
    unverifiable(&scene, &with_list(&bad, 367, &half), "LOG_MISMATCH")?;
    // A list that goes back behind what is proven, though its quote would fit the shorter one.
    let shorter = entries(&scene.machine.list()?)?[..366].to_vec();
    unverifiable(&scene, &with_list(&stalled, 0, &shorter), "LOG_MISMATCH")?;
    let copy = fails(&scene, &Node::encode(&bad), "IMA_UNKNOWN_DIGEST")?;
    let found = finding(&copy, &scene.node, "IMA_UNKNOWN_DIGEST")?.context("the program")?;
    assert_eq!((&found["place"]["path"], &found["place"]["index"]), (&"/usr/local/sbin/implant".into(), &367.into()));
    // The quote from before the program ran, and with it the list as it was then: what the machine was at that time.
    passes(&scene, &Node::encode(&stalled))
}
