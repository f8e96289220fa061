//! The agent without a TPM: what it keeps, whom it calls, and what it believes.

mod challenge;
mod collector;
mod command;
#[path = "../../../avouch/tests/it/command_docs.rs"]
mod command_docs;
mod generated;
mod https;
mod receipt;
mod state;
mod world;
