//! What UEFI boots and what it boots by: PE images with their Authenticode digests, the sections of unified kernel
//! images, SBAT, firmware volumes, and Secure Boot variables with their signature lists.
//!
//! Every parser borrows its input, consumes all of it or refuses it with a [`PeError`] that names the byte, and keeps
//! at most two bytes of memory for each byte of input. Nothing here checks a signature: a certificate table, a
//! signature list and the PKCS#7 before an update are found and handed over as they are.
//!
//! ```
//! use avouch_pe::Image;
//! let error = Image::parse(b"not an image").unwrap_err();
//! assert_eq!(error.offset(), 0);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

extern crate alloc;

mod authenticode;
mod cursor;
pub mod efivar;
mod error;
pub mod firmware;
mod guid;
mod image;
pub mod sbat;
pub mod siglist;
pub mod uki;
pub mod update;

pub use error::PeError;
pub use guid::Guid;
pub use image::{Certificate, Image, MAX_ZERO_FILL, Section};
