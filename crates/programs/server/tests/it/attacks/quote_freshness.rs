//! Quotes that answer another challenge, and challenges that could be foreseen.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use avouch_crypto::{hmac_sha256, random};
use avouch_protocol::{Evidence, NodeTag, server_nonce_input};
use avouch_store::{Cluster, SqliteStore, Store};
use avouch_testkit::{Node, Scene};

use super::harness::{passes, refused, rejected};

#[test]
fn q1_replayed_quote_is_rejected() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let old = scene.node.evidence(&scene.machine)?;
    let first = scene.node.post(&Node::encode(&old))?;
    assert_eq!(first.told(), (200, "pass", ""));
    scene.site.next_round();

    // The same bytes again: the same receipt, nothing new, no later expiry.
    let before = scene.site.node(&scene.node.tag())?;
    assert_eq!(scene.node.post(&Node::encode(&old))?, first);
    assert_eq!(scene.site.node(&scene.node.tag())?, before);

    let fresh = scene.node.evidence(&scene.machine)?;
    let replayed = Evidence {
        quote: old.quote.clone(),
        quote_signature: old.quote_signature.clone(),
        time: old.time.clone(),
        time_signature: old.time_signature.clone(),
        ..fresh.clone()
    };
    rejected(&scene, &Node::encode(&replayed), "QUALIFYING_DATA")?;
    let renamed = Evidence { seq: fresh.seq, challenge: fresh.challenge, ..old.clone() };
    rejected(&scene, &Node::encode(&renamed), "QUALIFYING_DATA")?;
    passes(&scene, &Node::encode(&fresh))?;

    // A challenge takes one answer: a second quote for it, authentic as it is, comes to nothing.
    let spent = Evidence { agent_version: "another".into(), ..fresh.clone() };
    refused(&scene, &Node::encode(&spent), 409, "CHALLENGE_SPENT")?;
    passes(&scene, &Node::encode(&fresh))
}

#[test]
fn q1_replayed_time_is_rejected() -> Result<()> {
    let Some(mut scene) = Scene::passed()? else { return Ok(()) };
    scene.machine.reboot()?;
    let old = scene.node.evidence(&scene.machine)?;
    scene.site.clock.pass(60);
    // The old challenge ran out; another one asks for quote and time anew.
    let fresh = scene.node.evidence(&scene.machine)?;
    let replayed = Evidence { time: old.time.clone(), time_signature: old.time_signature.clone(), ..fresh.clone() };
    ensure!(old.challenge != fresh.challenge && old.time.is_some());
    rejected(&scene, &Node::encode(&replayed), "QUALIFYING_DATA")?;
    passes(&scene, &Node::encode(&fresh))
}

#[test]
fn q2_server_nonces_are_unpredictable_and_differ() -> Result<()> {
    // What the server derives, a million times: a thousand rounds, a thousand nodes and numbers.
    let mut seen = HashSet::new();
    for _ in 0..1_000 {
        let secret = random::<32>();
        for seq in 0..500 {
            for node in [NodeTag([7; 32]), NodeTag([8; 32])] {
                seen.insert(hmac_sha256(&secret, &[&server_nonce_input(&node, seq)]));
            }
        }
    }
    assert_eq!(seen.len(), 1_000_000);

    // That the server derives just so, from the secret of the round and nothing else.
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let mut nonces = HashSet::new();
    for _ in 0..12 {
        let challenge = scene.node.challenge()?.message().clone();
        let copy = scene.site.copy()?;
        let store = SqliteStore::open(&copy.data_dir().join("avouch.db"))?;
        let secret = store.round_secret(&Cluster::new("default")?, challenge.round)?.context("a secret per round")?;
        let derived = hmac_sha256(&secret, &[&server_nonce_input(&challenge.node_tag, challenge.seq)]);
        assert_eq!(challenge.server_nonce.0, derived);
        assert!(nonces.insert(secret) && nonces.insert(derived), "a secret or nonce came twice");
        // Asking again gives the same challenge; the next one comes when this one ran out.
        assert_eq!(scene.node.challenge()?.message(), &challenge);
        scene.site.clock.pass(60);
    }

    // Two servers on one past, whose rounds begin later: nobody can foresee what the other will ask.
    let copy = scene.site.copy()?;
    scene.site.next_round();
    copy.next_round();
    let (ours, theirs) = (scene.node.challenge()?, scene.node.at(&copy)?.challenge()?);
    assert_eq!((ours.message().seq, ours.message().round), (theirs.message().seq, theirs.message().round));
    assert_ne!(ours.message().server_nonce, theirs.message().server_nonce);
    passes(&scene, &Node::encode(&scene.node.answer(&scene.machine, &ours)?))
}

#[test]
fn q2_no_build_has_a_constant_nonce_or_a_switch_for_tests() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).context("the workspace")?.to_owned();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(&root)
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().context("packages")?;
    ensure!(packages.len() > 15, "{} packages", packages.len());
    for package in packages {
        let features = package["features"].as_object().context("features")?;
        assert!(features.is_empty(), "{} has the cargo features {features:?}", package["name"]);
    }

    let mut files = Vec::new();
    sources(&root.join("crates"), &mut files)?;
    ensure!(files.len() > 100, "{} files", files.len());
    // How the test constant begins that another verifier once shipped as its nonce, and other switches.
    let words = ["deeb94", "erutaef(gfc", "erutaef(!gfc", "snoitressa_gubed(gfc"].map(backwards);
    let hooks = ["ecnon_dexif", "ecnon_tset", "TSET_HCUOVA", "ERUCESNI_HCUOVA", "YFIREV_PIKS"].map(backwards);
    // Reading the environment is how a switch would come in. Only the looks of the command line and the log may, and the
    // place where systemd puts a service's credentials.
    let environment = ["(rav::vne", "srav::vne", "(so_rav::vne"].map(backwards);
    for file in files {
        let text = fs::read_to_string(&file)?;
        for word in words.iter().chain(&hooks) {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
        for line in text.lines().filter(|line| environment.iter().any(|word| line.contains(word))) {
            let known =
                ["NO_COLOR", "\"TERM\"", "var(LOG)", "CREDENTIALS_DIRECTORY"].iter().any(|name| line.contains(name));
            assert!(known, "{} reads the environment: {line}", file.display());
        }
    }

    // This very binary contains the whole server and agent.
    let binary = fs::read(std::env::current_exe()?)?;
    ensure!(find(&binary, b"avouch/qd/v1"), "the server is in this binary");
    for word in hooks {
        assert!(!find(&binary, word.as_bytes()), "the binary holds {word}");
    }
    Ok(())
}

/// Words are spelled backwards here, so that this test is not what it finds.
fn backwards(word: &str) -> String {
    word.chars().rev().collect()
}

fn find(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Every source file of what is shipped: `src` folders, no tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("tests") && !path.ends_with("examples") {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}
