//! The messages of Avouch: what agent and server say to each other, and what is hashed and signed.
//!
//! Every message is one deterministic CBOR item (RFC 8949 section 4.2): a map with small integer keys in
//! ascending order, shortest-form lengths, no indefinite items, no duplicate and no unknown key. Key 0 is always
//! the version. [`Message::from_cbor`] decodes, re-encodes and compares, so a second spelling of the same message
//! does not exist, and a field that this version does not know is refused instead of ignored.
//!
//! Nothing here does I/O, reads a clock or draws randomness; digests that define the protocol are computed through
//! a [`Sha256`] function that the caller passes, so this crate names no crypto library.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]

mod binding;
mod cbor;
mod challenge;
mod enrol;
mod evidence;
pub mod intent;
mod limits;
mod names;
mod profile;
mod receipt;
mod record;
mod report;
mod status;
mod time;
mod token;

pub use binding::{Purpose, Sha256, enrolment_proof_input, qualifying_data, server_nonce_input};
pub use cbor::{Message, WireError};
pub use challenge::{Challenge, ChallengeRequest, Offsets};
pub use enrol::{
    ActivateRequest, ActivateResponse, Certification, CredentialChallenge, EnrolRequest, Membership, ShownCloudKey,
    ShownEk, WrappedSecret,
};
pub use evidence::{Evidence, ImaFormat, ImaSegment, KeyLost, ShownReportKey};
pub use limits::*;
pub use names::{Hash, NodeTag};
pub use profile::NodeProfile;
pub use receipt::{Receipt, SignedReceipt};
pub use record::RecordHeader;
pub use report::{Observed, Report, ReportError, ReportHead, Trigger, cap_event, cap_value, chain_value};
pub use status::{Refusal, Status};
pub use time::{Interval, Round, Slot, date};
pub use token::{EnrolmentToken, TokenError};
