//! TPM 2.0 structures, commands and responses: strict codec, both directions, no I/O and no cryptography.
//!
//! Sources: TCG Trusted Platform Module Library, Parts 1 to 3 (version 1.59); TCG EK Credential Profile for the
//! endorsement key templates. Every parser consumes all of its input or answers with a [`WireError`] that says where,
//! what was wanted and what was there; none reserves memory by a count that it was told.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]

extern crate alloc;

mod attest;
pub mod command;
mod ek;
mod error;
mod frame;
mod handle;
mod hash;
mod key;
mod parts;
mod pcr;
mod policy;
mod public;
pub mod rc;
pub mod response;
mod signature;
pub mod templates;
mod wire;

pub use attest::{Attest, AttestBody, ClockInfo};
pub use ek::EkTemplate;
pub use error::{Wanted, WireError};
pub use frame::{Authorization, CommandCode, HEADER, MAX_FRAME, ReplyError};
pub use handle::{Handle, SessionType, StartupType};
pub use hash::{Digest, HashAlg, Hasher, extend};
pub use key::{Curve, Kdf, Key, KeyedHashScheme, Scheme, Symmetric};
pub use parts::{Capability, NvPublic, Property, SensitiveCreate, Ticket, sized, unsized_of};
pub use pcr::{BankSelection, PcrSelection, SelectionList};
pub use policy::pcr_policy;
pub use public::{Attributes, PublicArea, SizedPublic, qualified_name};
pub use signature::Signature;
