//! The agent of Avouch as a library; `avouch-agent` is a thin binary over it.
//!
//! The way of a round: [`agent::Agent::round`] asks the server for a challenge ([`http::Client`]), checks that it may
//! be answered ([`challenge::CheckedChallenge`]), has the TPM quote and only then reads the logs
//! ([`evidence::build_evidence`]), keeps the evidence durably ([`state::StateDir`]), sends it, and believes the answer
//! only as a [`receipt::VerifiedReceipt`]. First contact is [`enrol::Enroller`]; the service around both is
//! [`service::run`].
//!
//! Plain threads and blocking calls: a node has one TPM, which takes one command at a time.
#![forbid(unsafe_code)]

pub mod agent;
pub mod backoff;
pub mod chain;
pub mod challenge;
pub mod cli;
pub mod clock;
pub mod collector;
pub mod commands;
pub mod config;
mod durable;
pub mod enrol;
pub mod error;
pub mod evidence;
pub mod gate;
mod hash;
pub mod http;
pub mod intent;
pub mod observe;
pub mod receipt;
pub mod report_key;
pub mod reporter;
pub mod service;
pub mod show;
pub mod state;
pub mod status;
pub mod token;
pub mod tpm;

pub use agent::Agent;
pub use cli::command;
pub use enrol::Enroller;
pub use error::AgentError;
pub use evidence::{build_evidence, build_reported_evidence};
pub use http::Client;
