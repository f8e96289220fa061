//! What operators see and set, as JSON.

mod lookup;
mod nodes;
mod observation;
mod policies;
mod records;
mod reference;
mod rounds;

pub(crate) use nodes::{node, nodes};
pub(crate) use observation::{changed, intent, observation, pairs};
pub(crate) use policies::{assign_policy, default_policy, policies, policy, put_policy};
pub(crate) use records::{evidence, record, records};
pub(crate) use reference::reference_boot;
pub(crate) use rounds::rounds;
