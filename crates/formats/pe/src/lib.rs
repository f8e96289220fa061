//! What UEFI boots and what it boots by: PE images with their Authenticode digests, the sections of unified kernel
//! images, SBAT, and Secure Boot variables with their signature lists.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]
