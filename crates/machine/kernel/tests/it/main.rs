//! What the kernel shows, of a recorded machine and of this one.

mod live;
mod mutations;
mod recorded;
#[allow(dead_code, unreachable_pub, reason = "the module is part of another crate too")]
#[path = "../../../../../testkit/src/recorded_tree/mod.rs"]
mod recorded_tree;
