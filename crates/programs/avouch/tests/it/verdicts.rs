//! A node with a software TPM that passes, is caught, and is explained.

use avouch_testkit::{Node, Scene, Site};

use crate::world::{Said, avouch, said};

fn run(site: &Site, words: &[&str]) -> Said {
    let config = site.folder().join("avouch.toml");
    let text = format!("origin = {:?}\ndata_dir = {:?}\n", site.origin(), site.data_dir());
    std::fs::write(&config, text).unwrap();
    said(&mut avouch(&config, words))
}

#[test]
fn a_pass_shows_what_it_covers_and_what_it_does_not() {
    let Some(scene) = Scene::passed().unwrap() else { return };
    let why = run(&scene.site, &["node", "why", "recorded"]);
    assert_eq!((why.exit, why.err.as_str()), (0, ""), "{why:?}");
    assert!(why.out.starts_with("recorded: ✓ pass\nrecord 1, round "), "{why:?}");
    assert!(why.out.contains("software TPM: evaluation only"), "{why:?}");
    for claim in ["quote", "session", "logs", "boot", "ima-policy", "ima"] {
        assert!(why.out.contains(&format!("\n✓ {claim}: pass - ")), "{claim}: {why:?}");
    }
    assert!(why.out.contains("    covered\n") && why.out.contains("    not covered\n"), "{why:?}");
    let show = run(&scene.site, &["node", "show", &scene.node.tag()[..6]]);
    assert!(show.exit == 0 && show.out.contains("\ncovered       "), "{show:?}");
    let list = run(&scene.site, &["node", "list"]);
    assert!(list.exit == 0 && list.out.contains("recorded  ✓ pass"), "{list:?}");
}

#[test]
fn an_unknown_program_is_explained_with_path_digest_and_remedy() {
    let Some(scene) = Scene::passed().unwrap() else { return };
    scene.machine.run("/tmp/unheard-of", &[0x5a; 32]).unwrap();
    scene.node.round(&scene.machine).unwrap();
    let why = run(&scene.site, &["node", "why", "recorded"]);
    assert_eq!(why.exit, 1, "{why:?}");
    assert!(why.out.starts_with("recorded: ✗ fail (IMA_UNKNOWN_DIGEST)\n"), "{why:?}");
    let evidence = why.out.lines().find(|line| line.contains("evidence: ")).unwrap();
    assert!(evidence.contains("/tmp/unheard-of") && evidence.contains(&"5a".repeat(32)), "{evidence}");
    assert!(why.out.contains("rule: ") && why.out.contains("means: ") && why.out.contains("do: "), "{why:?}");
    let json = run(&scene.site, &["node", "why", "recorded", "--json"]);
    assert_eq!(json.exit, 1);
    let answer: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&answer["verdict"], &answer["why"]["code"]), (&"fail".into(), &"IMA_UNKNOWN_DIGEST".into()));
    let earlier = run(&scene.site, &["node", "why", "recorded", "--record", "1"]);
    assert!(earlier.exit == 0 && earlier.out.starts_with("recorded, record 1: ✓ pass\n"), "{earlier:?}");
}

#[test]
fn a_rejected_record_is_explained_and_leaves_the_verdict() {
    let Some(scene) = Scene::passed().unwrap() else { return };
    let mut evidence = scene.node.evidence(&scene.machine).unwrap();
    evidence.quote_signature[20] ^= 1;
    scene.node.post(&Node::encode(&evidence)).unwrap();
    let why = run(&scene.site, &["node", "why", "recorded", "--record", "2"]);
    assert_eq!(why.exit, 3, "{why:?}");
    assert!(why.out.starts_with("recorded, record 2: ? rejected (SIGNATURE)\n"), "{why:?}");
    assert_eq!(run(&scene.site, &["node", "why", "recorded"]).exit, 0);
    let absent = run(&scene.site, &["node", "why", "recorded", "--record", "9", "--json"]);
    assert_eq!(absent.failure()["code"], "RECORD_UNKNOWN");
}
