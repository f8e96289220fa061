//! Enrolling again while a challenge of the enrolment before is open.

use anyhow::{Result, ensure};
use avouch_testkit::{Node, Scene};

/// The open challenge still names what the old enrolment had proven; the server forgot it. The agent, which holds no
/// receipt of the new enrolment, answers from the start of every log, and passes.
#[test]
fn a_node_that_enrols_anew_passes_its_open_challenge() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let open = scene.node.challenge()?;
    ensure!(open.offsets().reset_count.is_some(), "the challenge should name what is proven");
    let again = Node::enrol(&scene.site, &scene.machine, "again")?;
    let same = again.challenge()?;
    ensure!(same.bytes() == open.bytes(), "the open challenge should stay as it is");

    let copy = scene.site.copy()?;
    let believing = Node::encode(&again.answer(&scene.machine, &same)?);
    let told = again.at(&copy)?.post(&believing)?;
    ensure!(told.told().1 == "unverifiable", "what nobody holds proven proves nothing: {:?}", told.told());

    let whole = Node::encode(&again.answer(&scene.machine, &same.owing_everything())?);
    let told = again.post(&whole)?;
    ensure!(told.told().1 == "pass", "the whole logs should pass: {:?}", told.told());
    Ok(())
}
