//! A machine, a server and an operator for tests and measurements: everything real but the machine's kernel.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Factory`], [`Swtpm`] | software TPMs with EK certificates of one local CA; a copy per test |
//! | [`Machine`] | a software TPM and a folder laid out like securityfs; boots, measures, loses power |
//! | [`Authority`] | a maker of TPMs or a cloud, which certifies keys of a machine's TPM |
//! | [`Snapshot`] | an earlier state of a machine, to boot or resume beside it |
//! | [`Site`] | `avouch-server` in this process, over HTTPS on 127.0.0.1, with a clock in the test's hands |
//! | [`Node`] | a machine that is enrolled at a site; asks, answers and posts bytes one step at a time |
//! | [`FakeSystemd`] | systemd over D-Bus and the kernel below it, in memory: units that change while they are observed |
//! | [`Attester`] | a machine with the agent itself: state directory, collector behind a socket, reports, rounds |
//! | [`Watched`] | such a machine at a site, under a policy that demands what its reports show |
//! | [`Scene`] | all of these: a recorded Debian machine, enrolled, under a policy that approves what it recorded |
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use avouch_testkit::{Node, Posted, Scene};
//! let Some(scene) = Scene::open()? else { return Ok(()) };          // says `skipped:` without swtpm
//! let mut evidence = scene.node.evidence(&scene.machine)?;          // challenge, quote, logs
//! let bytes = Node::encode(&evidence);
//! let bystander = scene.site.copy()?;                               // the same server at the same instant
//! evidence.quote_signature[20] ^= 1;
//! let altered = scene.node.at(&bystander)?.post(&Node::encode(&evidence))?;
//! let unaltered = scene.node.post(&bytes)?;                         // its twin, judged from the same state
//! # let _ : (Posted, Posted) = (altered, unaltered); Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod attester;
mod authority;
mod clock;
mod fake_systemd;
mod ima;
mod keys;
mod machine;
mod node;
mod provision;
mod raw;
pub mod recorded_tree;
mod replay;
mod reports;
mod scene;
mod site;
mod snapshot;
mod swtpm;
mod watched;

pub use attester::{Attester, Said};
pub use authority::{Authority, Shape};
pub use clock::HandClock;
pub use fake_systemd::{Asked, Config, FakeKernel, FakeProcess, FakeSystemd, FakeUnit, Fault, Hook, Model, fleet};
pub use ima::{Measurement, boot_aggregate};
pub use keys::{LooseKey, OddKeys};
pub use machine::{Machine, node_boot_log, node_ima_list, node_ima_policy};
pub use node::{Node, Posted};
pub use replay::{replay, replay_boot_log, replay_ima_list};
pub use reports::Reports;
pub use scene::Scene;
pub use site::{INTERVAL_SECONDS, Site, policy_for};
pub use snapshot::Snapshot;
pub use swtpm::{Factory, Swtpm, TPMS, skip_without_swtpm};
pub use watched::{Watched, demanding};
