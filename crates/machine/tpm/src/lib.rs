//! The node's TPM 2.0: keys, quotes and what else Avouch asks of it, over `/dev/tpmrm0` or a software TPM's socket.
//!
//! - One command at a time; every wait is bounded; a busy TPM is asked again within [`Patience`].
//! - No object or session of ours outlives the call that made it, errors included; the attestation key alone stays
//!   loaded, as long as its [`AttestationSession`] lives.
//! - The attestation key is a child of a storage primary in the endorsement hierarchy, never a primary itself: after
//!   TPM2_Clear it does not load, and that is [`Error::KeyLost`].
//!
//! # Commands
//! | operation | commands |
//! |---|---|
//! | [`Tpm::load_attestation_key`] | 3: CreatePrimary, Load, FlushContext |
//! | [`AttestationSession::quote`], [`AttestationSession::get_time`] | 1 |
//! | [`AttestationSession::certify_parent`] | 3: CreatePrimary, Certify, FlushContext |
//! | [`AttestationSession::load_report_key`] | 3: CreatePrimary, Load, FlushContext |
//! | [`AttestationSession::pcr_extend`], [`AttestationSession::certify_report_key`] | 1 |
//! | [`AttestationSession::sign_report`] | 4: StartAuthSession, PolicyPCR, Sign, FlushContext |
//! | dropping an [`AttestationSession`] | 1: FlushContext, and 1 for a report key |
//!
//! A steady round over a session that is kept is one command without a report, and six with one, two of which sign; a
//! round that loads the keys anew is five without a report and fourteen with one.
//!
//! # Limits
//! The authorisation values of the endorsement hierarchy must be empty: a site that set one sees
//! `TPM_RC_BAD_AUTH` from TPM2_CreatePrimary. Of the templates of the TCG EK Credential Profile all but H-5 (SM2) are used;
//! a template or a nonce that a manufacturer put into NV is not. The second branch of PolicyB (PolicyAuthorizeNV, a
//! manufacturer's own way to use a key) is not taken.
#![forbid(unsafe_code)]

mod attestation;
mod cloud;
mod endorsement;
mod error;
mod nv;
mod patience;
mod pcr;
mod properties;
mod report_key;
mod scope;
mod tpm;
mod transport;

pub use attestation::{AkBlob, AttestationSession, Attested};
pub use cloud::{Cloud, CloudKey};
pub use endorsement::{EndorsementKey, MAX_CHAIN};
pub use error::{Error, KeyLost};
pub use patience::Patience;
pub use properties::Properties;
pub use report_key::{ReportKey, ReportKeyBlob};
pub use tpm::{Answer, Tpm};
pub use transport::{DeviceTransport, SwtpmTransport, Transport, TransportError, open};
