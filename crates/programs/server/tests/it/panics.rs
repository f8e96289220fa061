//! An appraiser that fails (S5): the pass ends, the evidence is kept, the server serves on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use avouch_protocol::Status;
use avouch_server::{Appraise, Case, Opinion, Pipeline};

use crate::node::{Node, world};
use crate::world::json;

/// The real pipeline, until it is told to fail.
#[derive(Clone, Default)]
struct Fails(Arc<AtomicBool>);

impl Appraise for Fails {
    fn appraise(&self, case: &Case<'_>) -> Opinion {
        assert!(!self.0.load(Ordering::SeqCst), "told to fail");
        Pipeline.appraise(case)
    }
}

#[test]
fn a_panic_during_appraisal_ends_the_pass_and_is_stored() {
    let Some((factory, mut world)) = world() else { return };
    world.config.listen = world.running().local_addr();
    world.stop();
    let fails = Fails::default();
    world.start_with(fails.clone());
    let mut node = Node::enrol(&world, &factory, 0);
    assert_eq!(node.round().code, "NO_POLICY");
    fails.0.store(true, Ordering::SeqCst);
    let broken = node.round();
    assert_eq!((broken.status, broken.code.as_str()), (Status::Unverifiable, "APPRAISAL_PANICKED"));
    let view = json(&world.operator().get(&format!("/v1/nodes/{}", node.tag())).unwrap());
    assert_eq!((&view["verdict"], &view["code"]), (&"unverifiable".into(), &"APPRAISAL_PANICKED".into()));
    fails.0.store(false, Ordering::SeqCst);
    assert_eq!(node.round().code, "NO_POLICY");
}
