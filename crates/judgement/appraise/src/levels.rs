//! The fourteen levels of a node: what its proven report, its logs and the policy's intent come to.

mod facts;

pub use facts::{LevelFacts, PairFacts};
