//! One plain function for each parser that reads bytes from outside, and a small mutator that runs them.
//!
//! A target takes any bytes, must not panic, and answers whether the bytes reached the end of the parser. What parses
//! must also hold the parser's promises: it is used in every way that does not need a key or a clock, and where the
//! format has one spelling only, encoding gives the same bytes again.
//!
//! The same functions are called by `cargo-fuzz/`, which needs a nightly compiler, and by this package's test, which
//! does not: [`mutate`] is deterministic, so a failure names the seed and the number of the mutation that shows it.
#![forbid(unsafe_code)]

mod appraisal;
mod attestor;
mod configured;
mod dbus;
mod kernel;
pub mod mutate;
mod pairs;
mod recorded_tree;
pub mod seeds;
mod targets;

pub use appraisal::appraisal;
pub use attestor::{
    attestor_audit, attestor_baseline, attestor_bundle, attestor_request, attestor_toml, attestor_yaml,
};
pub use configured::configured_files;
pub use dbus::dbus;
pub use kernel::{kernel_binary, kernel_text};
pub use pairs::pairs;
pub use targets::*;

/// A target: true when the bytes reached the end of the parser.
pub type Target = fn(&[u8]) -> bool;

/// Every target by name; `cargo-fuzz/fuzz_targets` has a file for each.
pub const TARGETS: &[(&str, Target)] = &[
    ("appraisal", appraisal),
    ("attest", attest),
    ("attestor_audit", attestor_audit),
    ("attestor_baseline", attestor_baseline),
    ("attestor_bundle", attestor_bundle),
    ("attestor_request", attestor_request),
    ("attestor_toml", attestor_toml),
    ("attestor_yaml", attestor_yaml),
    ("bootlog", bootlog),
    ("cel", cel),
    ("cel_cbor", cel_cbor),
    ("cel_json", cel_json),
    ("certificate", certificate),
    ("challenge", challenge),
    ("cms", cms),
    ("configured_files", configured_files),
    ("dbus", dbus),
    ("efivar", efivar),
    ("enrol", enrol),
    ("evidence", evidence),
    ("final_events", final_events),
    ("ima_ascii", ima_ascii),
    ("ima_binary", ima_binary),
    ("ima_critical", ima_critical),
    ("ima_feed", ima_feed),
    ("ima_policy", ima_policy),
    ("ima_signature", ima_signature),
    ("intent", intent),
    ("kernel_binary", kernel_binary),
    ("kernel_text", kernel_text),
    ("pairs", pairs),
    ("pe_image", pe_image),
    ("public_area", public_area),
    ("reference_policy", reference_policy),
    ("rego", rego),
    ("report", report),
    ("sbat", sbat),
    ("session", session),
    ("siglist", siglist),
    ("signature", signature),
    ("token", token),
    ("tpm_command", tpm_command),
    ("tpm_response", tpm_response),
];
