//! The local attestor API over real sockets.

mod client;
mod endpoints;
mod hostile;
mod world;
