//! IMA measurement lists and IMA policies: parse, replay, and say what a policy leaves unmeasured.
//!
//! Source: the kernel's `security/integrity/ima` (6.1 to 6.14): `ima_fs.c` for the two spellings of the list,
//! `ima_template.c` and `ima_template_lib.c` for templates and fields, `ima_crypto.c` for template hashes,
//! `ima_policy.c` and `Documentation/ABI/testing/ima_policy` for policies.
//!
//! A list proves nothing by itself. [`Replay`] recomputes every template hash in the bank's own algorithm from the
//! template data; the hash that the list carries is used for one thing only, to tell a violation.
//!
//! ```
//! use avouch_ima::parse_binary;
//! let mut entries = parse_binary(&[10, 0, 0, 0, 1], 0);
//! let error = entries.next().unwrap().unwrap_err();
//! assert!(error.is_cut());
//! assert!(entries.next().is_none());
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

extern crate alloc;

mod ascii;
mod binary;
mod body;
mod boot_aggregate;
pub mod critical;
mod digest_alg;
mod entry;
mod error;
mod evm;
mod feed;
mod field;
pub mod policy;
mod reader;
mod replay;
pub mod signature;

pub use ascii::{AsciiList, parse_ascii, parse_ascii_of};
pub use binary::{Entries, MAX_TEMPLATE_DATA, MAX_TEMPLATE_NAME, OtherPcrs, detect_template_hash, parse_binary};
pub use body::Body;
pub use boot_aggregate::{BootAggregate, BootAggregateError, boot_aggregate};
pub use digest_alg::DigestAlg;
pub use entry::{Entry, IMA_PCR, TemplateData};
pub use error::{Fault, ImaError};
pub use evm::{Evm, Modsig};
pub use feed::{Feed, MAX_ENTRY};
pub use replay::Replay;
