//! The crate as its users see it; systemd itself is in the testkit.

mod configured;
mod connect;
mod parse;
