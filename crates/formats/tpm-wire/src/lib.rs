//! TPM 2.0 structures, commands and responses: strict codec, both directions, no I/O and no cryptography.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]

extern crate alloc;

mod hash;

pub use hash::{Digest, HashAlg, Hasher, extend};
