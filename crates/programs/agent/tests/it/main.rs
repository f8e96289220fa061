//! The agent without a TPM: what it keeps, whom it calls, and what it believes.

mod challenge;
mod command;
mod https;
mod receipt;
mod state;
mod world;
