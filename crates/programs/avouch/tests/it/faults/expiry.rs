//! Nothing is green past its expiry, whatever died.

use avouch_protocol::Status;
use avouch_testkit::{INTERVAL_SECONDS, Scene};

use super::programs::AgentProgram;

/// A verdict holds until the end of the next round and 30 seconds more.
const LONGEST: u64 = 2 * INTERVAL_SECONDS + 30;

/// What every view says of the node of the scene: its own, the list's, and the number of passing nodes in the metrics.
fn shown(scene: &Scene) -> (String, String, String) {
    let own = scene.site.node(&scene.node.tag()).unwrap().verdict;
    let listed = scene.site.nodes().unwrap().remove(0).verdict;
    let metrics = String::from_utf8(scene.site.client(None).unwrap().get("/metrics").unwrap().body).unwrap();
    let passing = metrics.lines().find_map(|line| line.strip_prefix("avouch_nodes{verdict=\"pass\"} ")).unwrap();
    (own, listed, passing.to_owned())
}

fn is_green(scene: &Scene) {
    assert_eq!(shown(scene), ("pass".into(), "pass".into(), "1".into()));
}

fn is_stale(scene: &Scene) {
    assert_eq!(shown(scene), ("stale".into(), "stale".into(), "0".into()));
}

/// A scene with a pass, and the seconds until it ends.
fn passed() -> Option<(Scene, u64)> {
    let scene = Scene::passed().unwrap()?;
    is_green(&scene);
    let expires = scene.site.node(&scene.node.tag()).unwrap().expires.unwrap();
    let left = expires - scene.site.clock.now();
    assert!(left <= LONGEST, "a pass of {left} s");
    Some((scene, left))
}

#[test]
fn nothing_is_green_past_its_expiry_when_the_agent_is_dead() {
    let Some((scene, left)) = passed() else { return };
    scene.site.clock.pass(left);
    is_green(&scene);
    scene.site.clock.pass(1);
    is_stale(&scene);
}

#[test]
fn nothing_is_green_past_its_expiry_when_the_server_was_down() {
    let Some((mut scene, left)) = passed() else { return };
    assert!(scene.site.stop());
    scene.site.clock.pass(left + 1);
    scene.site.start_again().unwrap();
    is_stale(&scene);
    assert_eq!(scene.node.round(&scene.machine).unwrap().status, Status::Pass);
    scene.site.clock.pass(5);
    is_green(&scene);
}

#[test]
fn a_pass_outlives_a_short_stop_of_the_server_and_no_longer() {
    let Some((mut scene, left)) = passed() else { return };
    assert!(scene.site.stop());
    scene.site.clock.pass(left);
    scene.site.start_again().unwrap();
    is_green(&scene);
    scene.site.clock.pass(1);
    is_stale(&scene);
}

#[test]
fn an_expired_pass_does_not_come_back_when_the_clock_is_set_back() {
    let Some((mut scene, left)) = passed() else { return };
    let passing = scene.site.clock.now();
    scene.site.clock.pass(left + 1);
    is_stale(&scene);
    scene.site.clock.set_wall(passing);
    is_stale(&scene);
    scene.site.stop();
    scene.site.start_again().unwrap();
    is_stale(&scene);
}

#[test]
fn a_clock_that_stands_behind_makes_a_pass_stale_at_once() {
    let Some((scene, _)) = passed() else { return };
    scene.site.clock.set_wall(scene.site.clock.now() - 60);
    is_stale(&scene);
    // However long that lasts, the metrics do not say otherwise.
    scene.site.clock.pass(30);
    is_stale(&scene);
}

#[test]
fn a_jump_ahead_makes_a_pass_stale_also_after_a_restart_until_there_is_fresh_evidence() {
    let Some((mut scene, _)) = passed() else { return };
    scene.site.clock.set_wall(scene.site.clock.now() + 7);
    is_stale(&scene);
    scene.site.stop();
    scene.site.start_again().unwrap();
    is_stale(&scene);
    scene.site.next_round();
    assert_eq!(scene.node.round(&scene.machine).unwrap().status, Status::Pass);
    scene.site.clock.pass(5);
    is_green(&scene);
}

#[test]
fn nothing_is_green_past_its_expiry_when_the_tpm_is_gone() {
    let Some((mut scene, left)) = passed() else { return };
    scene.machine.swtpm().unplug();
    let challenge = scene.node.challenge().unwrap();
    assert!(scene.node.answer(&scene.machine, &challenge).is_err());
    scene.site.clock.pass(left + 1);
    is_stale(&scene);
    // The TPM is back: power was cut, and the boot is measured again.
    scene.machine.power_cut().unwrap();
    scene.site.next_round();
    let receipt = scene.node.round(&scene.machine).unwrap();
    assert_eq!(receipt.status, Status::Pass, "{receipt:?}");
}

#[test]
fn an_agent_without_its_tpm_says_so_and_what_to_do() {
    let Some(mut scene) = Scene::open().unwrap() else { return };
    let agent = AgentProgram::new(scene.machine.agent_config().unwrap());
    let enrolled = agent.enroll(&scene.site.token(1).unwrap(), &["--re-enroll"]);
    assert!(enrolled.wait_with_output().unwrap().status.success());
    agent.once().pass();
    scene.machine.swtpm().unplug();
    let once = agent.once();
    assert_eq!((once.exit, once.code()), (Some(5), "TPM"), "{once:#?}");
    assert!(once.told().contains("check that the TPM is enabled"), "{once:#?}");
}
