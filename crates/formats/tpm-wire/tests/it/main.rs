//! TPM structures against bytes that real TPMs made.
#![allow(clippy::unwrap_used)]

mod commands;
mod corpus;
mod golden;
mod hostile;
