//! What systemd says of its units, and what it was configured by: the orchestrator's column of an [`Observation`].
//!
//! | question | answer |
//! | --- | --- |
//! | which units are in scope | [`Manager::units`] |
//! | what one of them is configured to have | [`Manager::unit`] |
//! | is it still the run that was asked for | [`Manager::identity`] |
//! | what changed since | [`Manager::watch`] |
//! | what systemd applied at boot, from files | [`configured`] |
//!
//! Nothing here asks the kernel about a unit. Properties are read one by one from an allow-list that stands beside the
//! attributes they fill ([`allowed`]): the interfaces of execution settings also carry the environment, so they are
//! never read as a whole.
#![forbid(unsafe_code)]

mod answer;
mod configured;
mod connect;
mod dbus;
mod device;
mod error;
mod manager;
pub mod parse;
mod property;
mod signal;
mod unit;

#[doc(no_inline)]
pub use avouch_pairs::Observation;
pub use avouch_pairs::UnitAsk;
pub use configured::configured;
pub use connect::How;
pub use error::SystemdError;
pub use manager::{DEADLINE, Manager};
pub use property::allowed;
pub use signal::{Change, Changes};
pub use unit::{Identity, UnitRef, UnitState};
