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
//! The gate of an appliance ([`crate::gate`]), which runs without root, comes by a socket of its own, whose file's group
//! says who may. It asks for the files, programs and logs that it may not read itself, and for observations and events
//! like the talker; what it learns is what root could read, so the group is to be the gate's alone.
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
pub use serve::{Desk, Hub, Witnesses, serve};
pub(crate) use socket::bind;
pub use socket::{Peers, listen, listen_everywhere, peer_uid};

/// Where the collector listens for the gate of an appliance.
pub const GATE_SOCKET: &str = "/run/avouch/gate.sock";
/// Where the collector listens.
pub const SOCKET: &str = "/run/avouch/collector.sock";
