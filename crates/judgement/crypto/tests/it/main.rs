//! Tests against recorded TPMs, a running swtpm, and certificates that lie.
// The tests start a TPM, and TLS handshakes need the present; the crate itself does neither.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod authorities;
mod credentials;
mod ek_certificates;
mod quotes;
mod tls;

/// 2026-11-22, when the recorded certificates were fresh.
const NOW: u64 = 1_795_305_600;

macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/", $name)).as_slice()
    };
}
pub(crate) use data;
