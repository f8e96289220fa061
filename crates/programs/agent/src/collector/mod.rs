//! Reading both witnesses is one process, talking to the server another.
//!
//! The collector (`avouch-agent collect`) may look at every process of this machine and has no network; the talker
//! (`avouch-agent run`) has network and TPM and no capabilities. They meet at a socket:
//!
//! ```text
//! talker                               collector
//!   | connect, SO_PEERCRED: my user?     | accept, SO_PEERCRED: my user?
//!   | observe {units, levels, paths} ->  | one pass over both witnesses
//!   | <- report bytes, without a place in any chain
//!   | watch ->                           |
//!   | <- event, event, …                 | until either side goes
//! ```
//!
//! A frame is a length of four bytes, big endian, and one deterministic CBOR message ([`frame`]). Lengths are checked
//! before anything is allocated. What comes from the other side is refused by the first byte that is wrong, and ends
//! that connection alone.

mod client;
mod frame;
mod message;
mod sandbox;
mod serve;
mod socket;

pub use client::{Collector, Events, Observed};
pub use frame::{LinkError, receive, send};
pub use message::{Answer, Ask, EventKind, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Request, ScopeAsked, Told};
pub use sandbox::{Hidden, hidden};
pub use serve::{Hub, Witnesses, serve};
pub use socket::{listen, peer_uid};

/// Where the collector listens.
pub const SOCKET: &str = "/run/avouch/collector.sock";
