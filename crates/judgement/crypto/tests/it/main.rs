//! Tests against recorded TPMs, a running swtpm, and certificates that lie.
// The tests start a TPM, and TLS handshakes need the present; the crate itself does neither.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod ak_certificates;
mod authorities;
mod cms_signatures;
mod corpus;
mod credentials;
mod ek_certificates;
mod ek_quirks;
mod file_keys;
mod mutations;
mod observation;
mod quotes;
mod tls;
mod vendor_cas;

/// 2026-11-22, when the recorded certificates were fresh.
const NOW: u64 = 1_795_305_600;

macro_rules! data {
    ($name:expr) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/", $name)).as_slice()
    };
}
pub(crate) use data;
