//! The last rule of a policy over real rounds.

use anyhow::{Context, Result};
use avouch_protocol::Status;
use avouch_testkit::{Scene, node_ima_policy, policy_for};

use crate::world::{World, json};

/// A rule that finds something once the node has more proven entries than it had.
const COUNTS: &str = r#"package avouch

findings contains {
    "code": "RULE_TOO_MANY_ENTRIES",
    "effect": "fail",
    "evidence": sprintf("%d entries are proven", [input.session.ima_entries]),
    "remedy": "Look at what ran.",
} if {
    input.session.ima_entries > LIMIT
}
"#;

/// The policy of the recorded machine with a rule.
fn ruled(scene: &Scene, module: &str) -> Result<Vec<u8>> {
    let machine = &scene.machine;
    let mut draft = policy_for(&machine.boot_log, &machine.list()?, node_ima_policy(), scene.site.pcrs())?;
    draft.set_rule(Some(module.into()));
    draft.add_file(&[9; 32], "/usr/bin/one-more")?;
    Ok(draft.to_bytes())
}

#[test]
fn a_rule_lets_a_good_node_pass_and_lowers_its_verdict_when_it_finds_something() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let entries = avouch_ima::parse_binary(&scene.machine.list()?, 0).count();
    scene.site.apply(&ruled(&scene, &COUNTS.replace("LIMIT", &entries.to_string()))?)?;
    assert_eq!(scene.node.round(&scene.machine)?.status, Status::Pass);
    scene.site.next_round();
    scene.machine.run("/usr/bin/one-more", &[9; 32])?;
    assert_eq!(scene.node.round(&scene.machine)?.status, Status::Fail);
    let detail = scene.site.node(&scene.node.tag())?.detail.context("a verdict")?;
    let rules = detail["claims"].as_array().context("claims")?.iter().find(|claim| claim["name"] == "rules");
    let found = &rules.context("the claim of rules")?["findings"][0];
    assert_eq!(found["place"]["rule"], "RULE_TOO_MANY_ENTRIES", "{found}");
    assert_eq!(found["evidence"], format!("{} entries are proven", entries + 1));
    Ok(())
}

#[test]
fn a_rule_that_fails_at_run_time_leaves_the_node_unverifiable() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let two_values = "package avouch\nx := 1 if input.v == 1\nx := 2 if input.v == 1\nfindings contains \
                      {\"code\": \"RULE_X\", \"effect\": \"none\", \"evidence\": \"e\"} if x == 1\n";
    scene.site.apply(&ruled(&scene, two_values)?)?;
    assert_eq!(scene.node.round(&scene.machine)?.status, Status::Unverifiable);
    Ok(())
}

#[test]
fn a_policy_whose_rule_is_refused_is_not_stored() {
    let world = World::start();
    let mut draft = avouch_appraise::PolicyDraft::new("ruled", "today");
    draft.set_rule(Some("package avouch\nfindings contains x if { x := time.now_ns() }\n".into()));
    let answer = world.operator().post("/v1/policies", "application/json", &draft.to_bytes()).unwrap();
    let body = json(&answer);
    assert_eq!((answer.status, body["code"].as_str()), (422, Some("RULE_REFUSED")), "{body}");
    assert!(body["what"].as_str().unwrap().contains("time.now_ns"), "{body}");
}
