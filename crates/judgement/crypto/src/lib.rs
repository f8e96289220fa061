//! The cryptography of Avouch: one place that names a crypto library, so that it can be reviewed and replaced in
//! one place.
//!
//! No I/O, no clock, no environment, no logging: times are arguments (Unix seconds). Randomness is the one exception
//! of the crates on this floor and is drawn for nothing but keys, nonces and secrets ([`random`]), certificate serial
//! numbers, the seed and ephemeral key of [`make_credential`] and what TLS itself draws. A TLS handshake asks rustls for the time;
//! every other check takes it as an argument.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]

pub mod ak_certificate;
mod attestation_key;
pub mod ca;
pub mod certificate;
pub mod client_key;
pub mod cms;
mod credential;
pub mod ek;
mod error;
pub mod file_key;
mod hash;
pub mod observation;
mod report_key;
pub mod signing;
pub mod tls;
mod tlv;
mod tpm_key;
mod verify_key;

pub use ak_certificate::AkCertificate;
pub use attestation_key::AttestationKey;
pub use credential::{Credential, make_credential};
pub use error::CryptoError;
pub use file_key::FileKey;
pub use hash::{Hash, Sha256Stream, constant_time_eq, hmac_sha256, random, sha256, sha256_hash};
pub use report_key::ReportKey;
pub use verify_key::KeyRefusal;
