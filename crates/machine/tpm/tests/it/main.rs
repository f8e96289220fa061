//! The TPM crate against swtpm, against tpm2-tools, and against a TPM that a test plays.
#![allow(clippy::unwrap_used)]

mod busy;
mod device;
mod guard;
mod lifecycle;
mod oracle;
mod pcr;
mod report_key;
mod swtpm;
mod templates;
mod wire;
