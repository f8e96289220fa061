//! What the kernel shows, of a recorded machine and of this one.

mod live;
mod mutations;
mod recorded;
#[allow(unreachable_pub, reason = "the module is part of another crate too")]
#[path = "../../../../../testkit/src/recorded_tree.rs"]
mod recorded_tree;
