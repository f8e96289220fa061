//! The agent without a TPM: what it keeps, whom it calls, and what it believes.

mod chain;
mod challenge;
mod collector;
mod command;
#[path = "../../../avouch/tests/it/command_docs.rs"]
mod command_docs;
mod gate;
mod gate_facts;
mod gate_http;
mod generated;
mod https;
#[allow(dead_code, reason = "the fault tests of avouch use more of it")]
#[path = "../../../avouch/tests/it/faults/instants.rs"]
mod instants;
mod node;
mod observe;
mod privacy;
mod receipt;
mod reporter;
#[allow(dead_code, reason = "the fault tests of avouch use more of it")]
#[path = "../../../avouch/tests/it/faults/small_disk.rs"]
mod small_disk;
mod state;
#[allow(dead_code, reason = "the TPM crate's tests use more of it")]
#[path = "../../../../machine/tpm/tests/it/swtpm.rs"]
mod swtpm;
mod terminal;
#[allow(dead_code, reason = "the TPM crate's tests use more of it")]
#[path = "../../../../machine/tpm/tests/it/wire.rs"]
mod wire;
mod world;
