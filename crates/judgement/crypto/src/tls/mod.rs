//! TLS configurations: the only place where one is made, and there is no option in it that skips a check.
//!
//! TLS 1.3 only, ALPN `http/1.1`, the algorithms of aws-lc-rs. The server takes a client certificate from its node CA
//! or its operator CA or none at all, because a node that enrols has none yet; what a connection may do is decided
//! from [`peer_role`]. The agent trusts no public CA: it trusts the CA keys that its enrolment token pins.

mod agent;
mod role;
mod server;

pub use crate::certificate::spki_sha256;
pub use agent::{PinnedServer, UnknownServer, agent_config};
pub use role::{PeerRole, peer_role};
pub use server::server_config;

use core::fmt;

/// Why a configuration cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// No pin was given, so no server could ever be trusted.
    NoPins,
    /// rustls refuses the keys or certificates.
    Refused(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPins => f.write_str("no pinned server CA key: enrol with a token, which carries the pins"),
            Self::Refused(reason) => write!(f, "the TLS configuration was refused: {reason}"),
        }
    }
}

impl std::error::Error for TlsError {}

pub(crate) fn refused(error: impl fmt::Display) -> TlsError {
    TlsError::Refused(error.to_string())
}

const ALPN: &[u8] = b"http/1.1";
