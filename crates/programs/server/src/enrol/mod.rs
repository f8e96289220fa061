//! First contact: a token, a TPM that proves which keys it holds, and a certificate for exactly one node.
//!
//! Both routes are public. They change nothing without a token that the owner signed, and what they keep before the
//! TPM has proven anything is bounded by the store.

mod activate;
mod examine;
mod request;
mod trust;
mod vouch;

pub(crate) use activate::activate;
pub(crate) use request::enroll;
pub(crate) use trust::FirstContact;
pub use trust::TrustError;
